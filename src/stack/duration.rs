//! Durations as Kubernetes writes them (`"90s"`, `"1m30s"`).

/// A duration of whole seconds: Kubernetes' probe and grace fields know nothing finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    /// The length in seconds.
    pub seconds: u32,
}
