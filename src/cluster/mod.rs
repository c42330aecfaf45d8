//! The only room with a Kubernetes client: connect, observe, apply, watch a rollout, destroy.
//!
//! Nothing here decides: what is written stands in a [`crate::plan::Plan`].

mod apply;
mod connect;
mod destroy;
mod error;
mod observe;
mod rollout;

pub use apply::apply;
pub use connect::{Connection, connect};
pub use destroy::{Destruction, destroy, destruction};
pub use error::Error;
pub use observe::{observe, ours, pods};
pub use rollout::watch_rollout;
