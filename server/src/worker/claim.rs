//! What is taken and not answered: how much of it is left, and when each part is due. Pure but for the clock it is given.
//!
//! A small request is due when it would have been answered were it alone, so that short ones pass long ones that came a
//! little earlier. Large ones stand in a lane of their own, in their order; the scheduler gives it a share of the tokens
//! while small ones wait, and all that is idle.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// While both wait, one of so many tokens that run is a large request's.
pub(super) const SHARE: f64 = 4.0;

/// Where a pass stands in the deadline order: the smaller goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// When a small request is due.
    Small(Instant),
    /// When a large request's pass became known.
    Large(Instant),
}

/// Names a request that is taken.
pub(super) type ClaimId = u64;

/// One request, in tokens of passes; `pace` says how long they take.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    arrived: Instant,
    /// Seconds for a token when the request is alone.
    pace: f64,
    /// Seconds of work beyond which it is large.
    large: f64,
    /// What all levels are expected to be.
    expected: f64,
    /// What is known of them.
    known: f64,
    done: f64,
}

impl Claim {
    pub(super) fn new(arrived: Instant, tokens: f64, pace: f64, large: f64) -> Self {
        Self {
            arrived,
            pace,
            large,
            expected: tokens,
            known: 0.0,
            done: 0.0,
        }
    }

    /// Seconds of work.
    fn work(&self) -> f64 {
        self.known.max(self.expected) * self.pace
    }

    pub(super) fn is_large(&self) -> bool {
        self.work() > self.large
    }

    /// No further pass will come than those that are known.
    pub(super) fn close(&mut self) {
        self.expected = self.known;
    }

    /// A pass is done.
    pub(super) fn did(&mut self, tokens: f64) {
        self.done += tokens;
    }

    /// Tokens that are not done.
    fn left(&self) -> f64 {
        (self.known.max(self.expected) - self.done).max(0.0)
    }

    /// Where a pass stands that becomes known now.
    fn due(&self, now: Instant) -> Due {
        if self.is_large() {
            Due::Large(now)
        } else {
            Due::Small(later(self.arrived, self.work()))
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Claims {
    claims: HashMap<ClaimId, Claim>,
    count: ClaimId,
}

impl Claims {
    pub(super) fn enter(&mut self, claim: Claim) -> ClaimId {
        self.count += 1;
        self.claims.insert(self.count, claim);
        self.count
    }

    pub(super) fn change(&mut self, id: ClaimId, change: impl FnOnce(&mut Claim)) {
        if let Some(claim) = self.claims.get_mut(&id) {
            change(claim);
        }
    }

    pub(super) fn leave(&mut self, id: ClaimId) {
        self.claims.remove(&id);
    }

    /// Another pass of a request is known; says where it stands.
    pub(super) fn expect(&mut self, id: ClaimId, tokens: f64, now: Instant) -> Due {
        let Some(claim) = self.claims.get_mut(&id) else {
            return Due::Large(now);
        };
        claim.known += tokens;
        claim.due(now)
    }

    /// Tokens that are not done.
    pub(super) fn left(&self) -> f64 {
        self.claims.values().map(Claim::left).sum()
    }

    /// Whether less is left than estimates are exact.
    pub(super) fn is_resting(&self) -> bool {
        self.claims.values().all(|claim| claim.left() < 1.0)
    }

    /// Tokens that run before those of another request: before a large one all that is there.
    pub(super) fn before(&self, other: &Claim) -> f64 {
        if other.is_large() {
            return self.left();
        }
        let due = other.due(other.arrived);
        let (mut first, mut large) = (0.0, 0.0);
        for claim in self.claims.values() {
            match claim.due(claim.arrived) {
                Due::Large(_) => large += claim.left(),
                own if own <= due => first += claim.left(),
                Due::Small(_) => (),
            }
        }
        first + f64::min(large, first / (SHARE - 1.0))
    }
}

fn later(moment: Instant, seconds: f64) -> Instant {
    let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    moment.checked_add(duration).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: f64 = 0.001;
    const LARGE: f64 = 0.25;

    fn of(now: Instant, tokens: f64) -> Claim {
        Claim::new(now, tokens, PACE, LARGE)
    }

    #[test]
    fn a_small_request_is_due_when_it_could_be_answered() {
        let now = Instant::now();
        let mut claims = Claims::default();
        let id = claims.enter(of(now, 100.0));
        for _ in 0..2 {
            let Due::Small(due) = claims.expect(id, 50.0, now) else {
                panic!("it is small");
            };
            assert_eq!(due.duration_since(now), Duration::from_millis(100));
        }
        assert_eq!(claims.before(&of(now, 99.0)), 0.0);
        assert_eq!(claims.before(&of(now, 101.0)), 100.0);
    }

    /// What a flood of small questions grows to is no more in the way than one large one.
    #[test]
    fn what_grows_large_stands_behind_the_small() {
        let now = Instant::now();
        let mut claims = Claims::default();
        let ids: Vec<ClaimId> = (0..50).map(|_| claims.enter(of(now, 20.0))).collect();
        for id in &ids {
            assert!(matches!(claims.expect(*id, 20.0, now), Due::Small(_)));
            claims.change(*id, |claim| claim.did(20.0));
            assert_eq!(claims.expect(*id, 2_000.0, now), Due::Large(now));
        }
        let later = now + Duration::from_secs(60);
        assert_eq!(claims.before(&of(later, 50.0)), 0.0);
        claims.enter(of(later, 30.0));
        assert_eq!(
            claims.before(&of(later, 50.0)),
            40.0,
            "and the lane's share"
        );
        assert_eq!(claims.before(&of(later, 5_000.0)), 100_030.0);
        assert!(Due::Small(later) < Due::Large(now));
    }

    #[test]
    fn what_is_known_whole_expects_no_more() {
        let now = Instant::now();
        let mut claims = Claims::default();
        let id = claims.enter(of(now, 100.0));
        claims.expect(id, 30.0, now);
        assert_eq!(claims.left(), 100.0);
        claims.change(id, Claim::close);
        assert_eq!(claims.left(), 30.0);
    }

    /// No work has a length that a moment cannot hold.
    #[test]
    fn absurd_work_is_due_at_some_time() {
        let now = Instant::now();
        let mut claims = Claims::default();
        let id = claims.enter(Claim::new(now, f64::MAX, 1.0, f64::MAX));
        assert!(claims.expect(id, 1e300, now) >= Due::Small(now));
        assert!(claims.before(&Claim::new(now, 0.0, 0.0, LARGE)) >= 0.0);
    }
}
