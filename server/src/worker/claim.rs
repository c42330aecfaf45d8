//! What is taken and not answered: how much of it is left, and when each part is due. Pure but for the clock it is given.
//!
//! A small request is due when it would have been answered were it alone, so that short ones pass long ones that came a
//! little earlier. Large ones stand in one lane: their passes are due one after another as if the lane had a quarter of
//! the pod, whoever asks them and however many there are. What is idle the lane gets beside that.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The lane of the large requests may claim one in so many seconds.
const SHARE: f64 = 4.0;

/// Names a request that is taken.
pub(super) type ClaimId = u64;

/// One request, in tokens of passes; `pace` says how long they take.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    arrived: Instant,
    /// Seconds for a token when the request is alone.
    pace: f64,
    /// Seconds of work; a request with more is large.
    most: f64,
    /// What all levels are expected to be.
    expected: f64,
    /// What is known of them.
    known: f64,
    done: f64,
}

impl Claim {
    pub(super) fn new(arrived: Instant, tokens: f64, pace: f64, most: f64) -> Self {
        Self {
            arrived,
            pace,
            most,
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
        self.work() > self.most
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

    /// When a small request is due.
    fn due(&self) -> Instant {
        later(self.arrived, self.work())
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Claims {
    claims: HashMap<ClaimId, Claim>,
    count: ClaimId,
    /// When all that stands in the lane is due.
    lane: Instant,
}

impl Claims {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            claims: HashMap::new(),
            count: 0,
            lane: now,
        }
    }

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

    pub(super) fn leave(&mut self, id: ClaimId, now: Instant) {
        self.claims.remove(&id);
        if !self.claims.values().any(Claim::is_large) {
            self.lane = now;
        }
    }

    /// Another pass of a request is known; gives the moment at which it is due.
    pub(super) fn expect(&mut self, id: ClaimId, tokens: f64, now: Instant) -> Instant {
        let Some(claim) = self.claims.get_mut(&id) else {
            return now;
        };
        claim.known += tokens;
        if !claim.is_large() {
            return claim.due();
        }
        self.lane = later(self.lane.max(now), tokens * claim.pace * SHARE);
        self.lane
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
        let due = other.due();
        let small = self.claims.values().filter(|claim| !claim.is_large());
        let small: f64 = small
            .filter(|claim| claim.due() <= due)
            .map(Claim::left)
            .sum();
        small + self.lane_before(due, other.pace)
    }

    /// Tokens in the lane that are overdue at a moment: what is not done of it fills its end.
    fn lane_before(&self, moment: Instant, pace: f64) -> f64 {
        let large = self.claims.values().filter(|claim| claim.is_large());
        let waiting: f64 = large.map(|claim| (claim.known - claim.done).max(0.0)).sum();
        let later = self.lane.saturating_duration_since(moment).as_secs_f64();
        (waiting - later / (pace * SHARE)).max(0.0)
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

    fn of(now: Instant, tokens: f64) -> Claim {
        Claim::new(now, tokens, PACE, 0.25)
    }

    fn seconds(since: Instant, moment: Instant) -> f64 {
        moment.duration_since(since).as_secs_f64()
    }

    #[test]
    fn a_small_request_is_due_when_it_could_be_answered() {
        let now = Instant::now();
        let mut claims = Claims::new(now);
        let id = claims.enter(of(now, 100.0));
        for _ in 0..2 {
            let due = claims.expect(id, 50.0, now);
            assert!((seconds(now, due) - 0.1).abs() < 1e-6);
        }
        assert_eq!(claims.before(&of(now, 99.0)), 0.0);
        assert_eq!(claims.before(&of(now, 101.0)), 100.0);
    }

    #[test]
    fn large_requests_stand_in_one_lane() {
        let now = Instant::now();
        let mut claims = Claims::new(now);
        let mut due = Vec::new();
        for _ in 0..2 {
            let id = claims.enter(of(now, 500.0));
            due.extend([0, 1].map(|_| seconds(now, claims.expect(id, 250.0, now))));
        }
        assert_eq!(due, [1.0, 2.0, 3.0, 4.0]);
        let at = |millis| of(now + Duration::from_millis(millis), 0.0);
        assert_eq!(claims.before(&at(0)), 0.0, "nothing of it goes first");
        assert_eq!(claims.before(&at(2_000)), 500.0);
        claims.change(1, |claim| claim.did(500.0));
        claims.change(2, |claim| claim.did(100.0));
        assert_eq!(claims.before(&at(2_000)), 0.0, "it is ahead of its share");
        assert_eq!(claims.before(&at(9_000)), 400.0);
    }

    /// What a flood of small questions grows to has the lane's share together.
    #[test]
    fn what_grows_large_joins_the_lane() {
        let now = Instant::now();
        let mut claims = Claims::new(now);
        let ids: Vec<ClaimId> = (0..50).map(|_| claims.enter(of(now, 20.0))).collect();
        for id in &ids {
            claims.expect(*id, 20.0, now);
            claims.change(*id, |claim| claim.did(20.0));
        }
        for id in &ids {
            claims.expect(*id, 2_000.0, now);
        }
        let soon = of(now + Duration::from_secs(4), 50.0);
        assert!(claims.before(&soon) < 1_100.0, "{}", claims.before(&soon));
        assert!(claims.left() > 90_000.0);
        for id in ids {
            claims.leave(id, now);
        }
        assert_eq!(claims.lane, now, "an empty lane owes nothing");
    }

    #[test]
    fn what_is_known_whole_expects_no_more() {
        let now = Instant::now();
        let mut claims = Claims::new(now);
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
        let mut claims = Claims::new(now);
        let id = claims.enter(Claim::new(now, f64::MAX, 1.0, 0.25));
        assert!(claims.expect(id, 1e300, now) >= now);
        assert!(claims.before(&Claim::new(now, 0.0, 0.0, 0.25)) >= 0.0);
    }
}
