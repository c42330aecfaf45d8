//! `[resources]`: CPU and memory of a pod.

use super::Quantity;

/// CPU and memory of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Resources {
    /// In cores.
    pub cpu: Bounds,
    /// In bytes.
    pub memory: Bounds,
}

/// What is reserved and what may be used; `limit` is never below `request`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// Reserved by the scheduler.
    pub request: Quantity,
    /// Upper bound held by the kernel; `None` means unbounded.
    pub limit: Option<Quantity>,
}
