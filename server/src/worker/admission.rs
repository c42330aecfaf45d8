//! Whether a request is taken: by the predicted time of the work that will run before it. Pure but for the clock it is given.

use std::time::{Duration, Instant};

use super::claim::{Claim, ClaimId, Claims, Due};

/// Whoever is refused again and again within it is no burst.
const OVERLOAD: Duration = Duration::from_secs(2);
/// So long a rest without any work ends it sooner: a long request makes those behind it wait at any load, and were each
/// such refusal overload, a server that was overloaded once would go on refusing at half its load.
const REST: Duration = Duration::from_millis(100);
/// Under overload a request may wait for so much of the work of a long but usual one: with its own it is then answered
/// well within twice the time that it takes alone.
const PATIENCE_UNDER_OVERLOAD: f64 = 0.5;
/// Below it a wait is not worth a refusal.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(20);
/// Share of requests that are shorter than the typical one that patience is measured by.
const TYPICAL: f64 = 0.95;
/// A request of more than so much of the usual work is large, see [`Claims`]: a few callers with such ones would else
/// stand before all.
const LARGE_BEYOND: f64 = 4.0;
/// So is one of more than so many seconds …
const LARGE: f64 = 0.25;
/// … but none of up to so much of the usual work.
const SMALL_UP_TO: f64 = 2.0;
/// Tokens of a batch at least from which the cost of much work is learned: in a small one a token costs more.
const BULK: usize = 256;
/// Tokens that run on one worker at a time; more are shared by all.
const ONE_BATCH: f64 = 512.0;

/// Predicts and decides. The rule for overload is that of "controlled delay" (Maurer, Fail at Scale, ACM Queue 13/8,
/// 2015): a burst may fill the queue once; while requests go on being refused it is kept short, so that whoever is taken
/// is answered soon.
#[derive(Debug)]
pub(super) struct Admission {
    workers: f64,
    /// Requests that are taken and not answered.
    claims: Claims,
    /// Seconds that one thread's pass takes for a token; a moving average.
    seconds_per_token: f64,
    /// The same in batches of much work; a moving quantile below the median (one in six batches is faster), so that stalled
    /// batches do not make honest requests too large.
    bulk: f64,
    /// Passes that a nested request needs for each that is known at first; a moving average.
    growth: f64,
    /// Seconds of work in a long but usual request.
    typical: f64,
    /// Seconds of work in a request that is taken; a moving median, so that a few large ones do not show.
    usual: f64,
    last_refused: Option<Instant>,
    /// Since when nothing is queued.
    resting: Option<Instant>,
}

/// Why a request is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Too much waits already.
    Overloaded {
        /// When the queue will be short enough.
        retry_after: Duration,
    },
    /// The answer would come after the caller's deadline.
    TooLate,
}

/// What is known of a request before it is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    /// Tokens of the passes of its first level.
    pub(super) tokens: f64,
    /// The same of the texts of its question that are taken already. They are no queue before it: a question within
    /// `max-work` is not refused by an idle pod for having many texts.
    pub(super) together: f64,
    /// The same of all texts of its question.
    pub(super) question: f64,
    /// Whether there are further levels.
    pub(super) is_nested: bool,
    /// Time that the caller grants.
    pub(super) left: Option<Duration>,
}

impl Admission {
    /// Both were measured at the warm-up.
    pub(super) fn new(workers: usize, seconds_per_token: f64, bulk: f64) -> Self {
        Self {
            workers: workers as f64,
            claims: Claims::default(),
            seconds_per_token,
            bulk,
            growth: 1.5,
            typical: 0.0,
            usual: 0.1,
            last_refused: None,
            resting: None,
        }
    }

    /// Decides on a request; when none was refused lately it may wait for `max_wait`: a burst is waited out.
    pub(super) fn ask(
        &mut self,
        demand: &Demand,
        max_wait: Duration,
        now: Instant,
    ) -> Result<ClaimId, Refusal> {
        let growth = if demand.is_nested { self.growth } else { 1.0 };
        let tokens = demand.tokens * growth;
        let work = self.alone(tokens);
        self.note_rest(now);
        let pace = work.as_secs_f64() / tokens.max(1.0);
        let claim = Claim::new(now, tokens, pace, self.large(demand.question * growth));
        let (is_large, wait) = (claim.is_large(), self.wait_before(&claim));
        let queued = wait.saturating_sub(self.whole(demand.together * growth));
        let patience = self.patience(is_large, max_wait, now);
        if !is_large {
            self.note_typical(work.as_secs_f64());
        }
        if queued > patience {
            // That a large one has no room is no overload: the small ones, which go first, still have it.
            if !is_large {
                self.last_refused = Some(now);
            }
            // Measured by the patience that it will meet: that of overload.
            let retry_after = queued.saturating_sub(self.patience(is_large, max_wait, now));
            return Err(Refusal::Overloaded { retry_after });
        }
        if demand.left.is_some_and(|left| left < wait + work) {
            return Err(Refusal::TooLate);
        }
        self.note_usual(work.as_secs_f64());
        Ok(self.enter(claim, now))
    }

    fn note_usual(&mut self, seconds: f64) {
        self.usual *= if seconds > self.usual { 1.05 } else { 0.95 };
    }

    /// Seconds of work beyond which a text's request is large. A large question has no small texts: it would stand before
    /// others as often as it has texts.
    fn large(&self, question: f64) -> f64 {
        let large = (LARGE_BEYOND * self.usual).min(LARGE.max(SMALL_UP_TO * self.usual));
        let is_large = self.alone(question).as_secs_f64() > large;
        if is_large { 0.0 } else { large }
    }

    /// Takes a request without a question.
    pub(super) fn enter(&mut self, claim: Claim, now: Instant) -> ClaimId {
        let id = self.claims.enter(claim);
        self.note_queue(now);
        id
    }

    /// Another pass of a request is known; says where it stands.
    pub(super) fn expect(&mut self, id: ClaimId, tokens: f64, now: Instant) -> Due {
        let due = self.claims.expect(id, tokens, now);
        self.note_queue(now);
        due
    }

    /// Something is known anew of a request.
    pub(super) fn change(&mut self, id: ClaimId, now: Instant, change: impl FnOnce(&mut Claim)) {
        self.claims.change(id, change);
        self.note_queue(now);
    }

    /// A request is answered.
    pub(super) fn leave(&mut self, id: ClaimId, now: Instant) {
        self.claims.leave(id);
        self.note_queue(now);
    }

    /// Time that so many tokens take when nothing else runs.
    fn alone(&self, tokens: f64) -> Duration {
        let one_after_another = tokens.min(ONE_BATCH).max(tokens / self.workers);
        seconds(one_after_another * self.seconds_per_token)
    }

    /// Time that so many tokens take when all workers share them.
    pub(super) fn whole(&self, tokens: f64) -> Duration {
        seconds(tokens * self.seconds_per_token / self.workers)
    }

    /// Predicted time until all is done that runs before a request.
    fn wait_before(&self, claim: &Claim) -> Duration {
        self.whole(self.claims.before(claim))
    }

    fn patience(&self, is_large: bool, max_wait: Duration, now: Instant) -> Duration {
        let is_overload = !is_large
            && self
                .last_refused
                .is_some_and(|refused| now.saturating_duration_since(refused) < OVERLOAD);
        if is_overload {
            let typical = Duration::from_secs_f64(self.typical);
            typical
                .mul_f64(PATIENCE_UNDER_OVERLOAD)
                .clamp(SHORTEST_PATIENCE.min(max_wait), max_wait)
        } else {
            max_wait
        }
    }

    /// Moves the estimate of the quantile up or down; refused requests count, else shedding would move it.
    fn note_typical(&mut self, seconds: f64) {
        const STEP: f64 = 0.1;
        if self.typical <= 0.0 {
            self.typical = seconds;
        } else if seconds > self.typical {
            self.typical *= 1.0 + STEP * TYPICAL;
        } else {
            self.typical *= 1.0 - STEP * (1.0 - TYPICAL);
        }
    }

    fn note_queue(&mut self, now: Instant) {
        // Estimates are fractions: less than one token is nothing.
        let is_resting = self.claims.is_resting();
        self.resting = is_resting.then(|| self.resting.unwrap_or(now));
    }

    fn note_rest(&mut self, now: Instant) {
        let rested = |since: Instant| now.saturating_duration_since(since) >= REST;
        if self.resting.is_some_and(rested) {
            self.last_refused = None;
        }
    }

    /// A pass of so many tokens took so long on one worker.
    pub(super) fn note_pass(&mut self, tokens: usize, took: Duration) {
        if tokens > 0 {
            let seconds = took.as_secs_f64() / tokens as f64;
            self.seconds_per_token += (seconds - self.seconds_per_token) * 0.05;
            if tokens >= BULK {
                self.bulk *= if seconds > self.bulk { 1.02 } else { 0.9 };
            }
        }
    }

    /// Seconds of the whole pod for a token of much work.
    pub(super) fn pod_seconds_per_token(&self) -> f64 {
        self.bulk / self.workers
    }

    /// A nested request of so many tokens in its first level needed so many in all.
    pub(super) fn note_growth(&mut self, first: f64, all: f64) {
        self.growth += ((all / first.max(1.0)).clamp(1.0, 100.0) - self.growth) * 0.05;
    }

    /// Tokens of the passes that wait.
    pub(super) fn queued_tokens(&self) -> f64 {
        self.claims.left()
    }
}

/// A duration that any prediction fits into.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_WAIT: Duration = Duration::from_secs(1);

    fn of(tokens: f64) -> Demand {
        Demand {
            tokens,
            together: 0.0,
            question: 0.0,
            is_nested: false,
            left: None,
        }
    }

    /// One worker that needs a millisecond for a token.
    fn admission() -> Admission {
        Admission::new(1, 0.001, 0.001)
    }

    impl Admission {
        /// Takes a request whose passes are known at once.
        fn take(&mut self, demand: &Demand, now: Instant) -> Result<ClaimId, Refusal> {
            let id = self.ask(demand, MAX_WAIT, now)?;
            self.expect(id, demand.tokens, now);
            Ok(id)
        }

        /// So many tokens of what came first are done.
        fn done(&mut self, mut tokens: f64, now: Instant) {
            for id in 1..100 {
                let before = self.queued_tokens();
                self.change(id, now, |claim| claim.did(tokens));
                tokens -= before - self.queued_tokens();
            }
        }
    }

    fn retry_after(refusal: Result<ClaimId, Refusal>) -> Duration {
        match refusal {
            Err(Refusal::Overloaded { retry_after }) => retry_after,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_burst_is_taken_and_a_standing_queue_kept_short() {
        let start = Instant::now();
        let mut admission = admission();
        let taken = (0..50).filter(|_| admission.ask(&of(200.0), MAX_WAIT, start).is_ok());
        assert_eq!(
            taken.count(),
            6,
            "a second of work, and the one that goes over it"
        );
        let soon = start + Duration::from_secs(1);
        admission.done(700.0, soon);
        let told = retry_after(admission.ask(&of(200.0), MAX_WAIT, soon));
        assert!(
            told > Duration::from_millis(300),
            "{told:?}: half a second waits, and more than a tenth is too much"
        );
        admission.done(told.as_secs_f64() * 1_000.0, soon + told);
        assert!(
            admission.ask(&of(200.0), MAX_WAIT, soon + told).is_ok(),
            "after the time told it is taken"
        );
    }

    #[test]
    fn when_nobody_is_refused_any_more_bursts_are_taken_again() {
        let start = Instant::now();
        let mut admission = admission();
        while admission.ask(&of(200.0), MAX_WAIT, start).is_ok() {}
        admission.done(700.0, start);
        let later = start + Duration::from_secs(3);
        assert!(admission.ask(&of(200.0), MAX_WAIT, later).is_ok());
    }

    #[test]
    fn a_rest_ends_what_a_burst_began() {
        let start = Instant::now();
        let mut admission = admission();
        while admission.ask(&of(200.0), MAX_WAIT, start).is_ok() {}
        let done = start + Duration::from_millis(1_200);
        admission.done(1_200.0, done);
        let soon = done + REST / 2;
        admission.ask(&of(240.0), MAX_WAIT, soon).expect("idle");
        assert!(
            admission.ask(&of(240.0), MAX_WAIT, soon).is_err(),
            "no rest yet: behind a long one there is no place"
        );
        admission.done(240.0, soon);
        let rested = soon + REST;
        admission.ask(&of(240.0), MAX_WAIT, rested).expect("idle");
        assert!(admission.ask(&of(240.0), MAX_WAIT, rested).is_ok());
    }

    /// A large request runs in what the others leave: it is no reason to refuse one of them, however large it is.
    #[test]
    fn a_large_request_does_not_stand_before_small_ones() {
        let start = Instant::now();
        let mut admission = admission();
        admission.take(&of(20_000.0), start).expect("idle");
        assert!(
            admission.take(&of(20_000.0), start).is_err(),
            "a second one would wait for the first"
        );
        for step in 1..100 {
            let now = start + Duration::from_millis(100 * step);
            let left = Some(Duration::from_millis(60));
            let small = admission.take(&Demand { left, ..of(50.0) }, now);
            let small = small.expect("it is answered within its time");
            admission.leave(small, now);
        }
        assert_eq!(admission.queued_tokens(), 20_000.0, "nothing of it ran");
    }

    /// However its work is shared among texts, a large question stands behind the small ones.
    #[test]
    fn the_texts_of_a_large_question_are_not_small() {
        let now = Instant::now();
        let mut admission = admission();
        for text in 0..64 {
            let demand = Demand {
                together: f64::from(text) * 100.0,
                question: 6_400.0,
                ..of(100.0)
            };
            admission
                .take(&demand, now)
                .expect("its own texts are no queue");
        }
        let left = Some(Duration::from_millis(60));
        let later = now + Duration::from_secs(2);
        admission
            .take(&Demand { left, ..of(50.0) }, later)
            .expect("nothing of it goes first");
    }

    /// Callers who ask again and again what takes several times as long would else take all from those who ask little.
    #[test]
    fn several_times_the_usual_work_is_large() {
        let mut now = Instant::now();
        let mut admission = admission();
        for _ in 0..100 {
            let taken = admission.ask(&of(20.0), MAX_WAIT, now).expect("idle");
            now += Duration::from_secs(1);
            admission.leave(taken, now);
        }
        for _ in 0..4 {
            admission.take(&of(200.0), now).expect("room");
        }
        let left = Some(Duration::from_millis(60));
        let later = now + Duration::from_secs(2);
        let small = admission.take(&Demand { left, ..of(20.0) }, later);
        small.expect("nothing of them goes first");
    }

    /// On a slow pod the usual request is long: the rule for a standing queue is about those.
    #[test]
    fn what_is_usual_is_not_large() {
        let mut now = Instant::now();
        let mut admission = admission();
        for _ in 0..100 {
            let taken = admission.ask(&of(800.0), MAX_WAIT, now).expect("idle");
            now += Duration::from_secs(1);
            admission.leave(taken, now);
        }
        while admission.ask(&of(800.0), MAX_WAIT, now).is_ok() {}
        assert!(admission.last_refused.is_some());
    }

    #[test]
    fn a_deadline_that_cannot_be_met_is_refused_at_once() {
        let now = Instant::now();
        let mut admission = admission();
        admission.ask(&of(200.0), MAX_WAIT, now).expect("room");
        let left = Some(Duration::from_millis(300));
        assert_eq!(
            admission.ask(&Demand { left, ..of(200.0) }, MAX_WAIT, now),
            Err(Refusal::TooLate)
        );
        assert!(
            admission
                .ask(&Demand { left, ..of(50.0) }, MAX_WAIT, now)
                .is_ok()
        );
    }

    #[test]
    fn nested_requests_are_known_to_grow() {
        let now = Instant::now();
        let mut admission = admission();
        for _ in 0..200 {
            admission.note_growth(100.0, 400.0);
        }
        let nested = Demand {
            is_nested: true,
            ..of(100.0)
        };
        admission.ask(&nested, MAX_WAIT, now).expect("room");
        let expected = admission.queued_tokens();
        assert!((expected - 400.0).abs() < 1.0, "{expected}");
    }

    /// A machine that stalled once must not refuse for it what it could take before.
    #[test]
    fn one_stalled_batch_does_not_make_work_dear() {
        let mut admission = admission();
        admission.note_pass(400, Duration::from_secs(100));
        assert!(admission.pod_seconds_per_token() < 0.0011);
        assert!(
            admission.seconds_per_token > 0.01,
            "the queue is told to wait"
        );
        for _ in 0..200 {
            admission.note_pass(400, Duration::from_secs(4));
        }
        let learned = admission.pod_seconds_per_token();
        assert!((0.008..0.011).contains(&learned), "{learned}");
    }
}
