//! What the controller remembers of an autoscaler. In memory only: a new leader begins with nothing.

use super::behavior::{Behavior, DOWNSCALE_STABILIZATION, Rules};
use super::scale::Millis;

/// No window can be longer, so that older recommendations are of no use.
const LONGEST_WINDOW: Millis = 3_600_000;

/// Recommendations before they were smoothed, and what was written.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    recommendations: Vec<(Millis, i32)>,
    ups: Events,
    downs: Events,
}

impl Memory {
    /// The first look remembers the size it finds: nothing goes below it for the length of the window.
    pub(super) fn begin(&mut self, current: i32, now: Millis) {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
    }

    /// Without `behavior`: the largest recommendation of the last five minutes, both ends included.
    pub(super) fn stabilize(&mut self, proposal: i32, now: Millis) -> i32 {
        let largest = self
            .younger(|age| age <= DOWNSCALE_STABILIZATION, now)
            .fold(proposal, i32::max);
        self.recommend(proposal, now);
        largest
    }

    /// With `behavior`: from the present size only as far as both windows agree; a window's end is not part of it.
    pub(super) fn stabilize_within(
        &mut self,
        behavior: &Behavior,
        current: i32,
        proposal: i32,
        now: Millis,
    ) -> i32 {
        let lowest = self
            .younger(|age| age < behavior.up.stabilization, now)
            .fold(proposal, i32::min);
        let highest = self
            .younger(|age| age < behavior.down.stabilization, now)
            .fold(proposal, i32::max);
        self.recommend(proposal, now);
        current.max(lowest).min(highest)
    }

    fn younger<'a>(
        &'a self,
        counts: impl Fn(Millis) -> bool + 'a,
        now: Millis,
    ) -> impl Iterator<Item = i32> + 'a {
        self.recommendations
            .iter()
            .filter(move |(at, _)| counts(now - at))
            .map(|(_, replicas)| *replicas)
    }

    fn recommend(&mut self, proposal: i32, now: Millis) {
        self.recommendations
            .retain(|(at, _)| now - at <= LONGEST_WINDOW);
        self.recommendations.push((now, proposal));
    }

    /// A new size was written.
    pub(super) fn resized(&mut self, behavior: &Behavior, from: i32, to: i32, now: Millis) {
        if to > from {
            self.ups.note(to - from, &behavior.up, now);
        } else {
            self.downs.note(from - to, &behavior.down, now);
        }
    }

    /// The size at the beginning of a policy's period.
    pub(super) fn size_before(&self, current: i32, period: Millis, now: Millis) -> i32 {
        current - self.ups.within(period, now) + self.downs.within(period, now)
    }
}

/// Changes in one direction.
#[derive(Debug, Clone, Default)]
struct Events(Vec<Event>);

#[derive(Debug, Clone)]
struct Event {
    at: Millis,
    pods: i32,
    /// Older than every policy of its own direction: its place is taken by the next one, and until then it counts for
    /// the longer policies of the other direction. So it is in Kubernetes.
    is_outdated: bool,
}

impl Events {
    fn note(&mut self, pods: i32, rules: &Rules, now: Millis) {
        let longest = rules
            .steps
            .iter()
            .map(|step| step.period)
            .max()
            .unwrap_or(0);
        for event in &mut self.0 {
            event.is_outdated |= now - event.at > longest;
        }
        let new = Event {
            at: now,
            pods,
            is_outdated: false,
        };
        match self.0.iter_mut().rfind(|event| event.is_outdated) {
            Some(old) => *old = new,
            None => self.0.push(new),
        }
    }

    fn within(&self, period: Millis, now: Millis) -> i32 {
        let counts = |event: &&Event| now - event.at < period;
        self.0.iter().filter(counts).map(|event| event.pods).sum()
    }
}
