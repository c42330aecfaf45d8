//! How far a size may go at once.

use super::behavior::{Behavior, Step};
use super::memory::Memory;
use super::scale::Millis;
use super::spec::Spec;
use uninlu_stack::Select;

/// `wanted`, as far as the rules and the bounds allow it.
pub(super) fn limit(
    behavior: &Behavior,
    memory: &Memory,
    spec: &Spec,
    current: i32,
    wanted: i32,
    now: Millis,
) -> i32 {
    let start = |step: &Step| memory.size_before(current, step.period, now);
    if wanted > current {
        let allowed = behavior.up.steps.iter().map(|step| step.most(start(step)));
        let limit = match behavior.up.select {
            Select::Disabled => Some(current),
            Select::Max => allowed.max(),
            Select::Min => allowed.min(),
        };
        wanted.min(spec.max.min(limit.unwrap_or(current).max(current)))
    } else if wanted < current {
        let allowed = behavior
            .down
            .steps
            .iter()
            .map(|step| step.fewest(start(step)));
        let limit = match behavior.down.select {
            Select::Disabled => Some(current),
            Select::Max => allowed.min(),
            Select::Min => allowed.max(),
        };
        wanted.max(spec.min.max(limit.unwrap_or(current).min(current)))
    } else {
        wanted
    }
}
