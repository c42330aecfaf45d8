//! What an autoscaler may do.

use super::behavior::Behavior;
use super::proposal::Tolerance;

/// What the autoscaler's object says.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Fewest pods.
    pub min: i32,
    /// Most pods.
    pub max: i32,
    /// How far a ratio may be from 1 without consequence.
    pub tolerance: Tolerance,
    /// Bounds on its speed; `None` is an object without `behavior`, to which other rules apply than to its defaults.
    pub behavior: Option<Behavior>,
}
