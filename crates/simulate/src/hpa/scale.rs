//! The size of what is scaled, and the time.

/// Milliseconds since an arbitrary beginning; negative ones are before it.
pub type Millis = i64;

/// The number of pods of the scale's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// `spec.replicas`: as many are wanted.
    pub spec: i32,
    /// `status.replicas`: so many there are.
    pub status: i32,
}
