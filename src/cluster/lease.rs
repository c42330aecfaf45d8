//! The Lease that is a stack's lock.

use super::Connection;

/// Name of the Lease.
pub(super) fn name(connection: &Connection) -> String {
    format!("{}-uninlu", connection.target.stack)
}

/// `Lease NAMESPACE/NAME`
pub(super) fn words(connection: &Connection) -> String {
    let target = &connection.target;
    format!("Lease {}/{}", target.namespace, name(connection))
}
