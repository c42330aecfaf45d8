//! Whether a request is taken: by the predicted time of the work that waits already. Pure but for the clock it is given.

use std::time::{Duration, Instant};

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

/// Predicts and decides. The rule for overload is that of "controlled delay" (Maurer, Fail at Scale, ACM Queue 13/8,
/// 2015): a burst may fill the queue once; while requests go on being refused it is kept short, so that whoever is taken
/// is answered soon.
#[derive(Debug)]
pub(super) struct Admission {
    workers: f64,
    /// Tokens of all passes of requests that are taken and not answered.
    queued: f64,
    /// Seconds that one thread's pass takes for a token; a moving average.
    seconds_per_token: f64,
    /// Passes that a nested request needs for each that is known at first; a moving average.
    growth: f64,
    /// Seconds of work in a long but usual request.
    typical: f64,
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
    /// Whether there are further levels.
    pub(super) is_nested: bool,
    /// Time that the caller grants.
    pub(super) left: Option<Duration>,
}

/// What a taken request is expected to cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Estimate {
    /// Tokens of its passes.
    pub(super) tokens: f64,
    /// The time that they take.
    pub(super) work: Duration,
}

impl Admission {
    /// `seconds_per_token` was measured at the warm-up.
    pub(super) fn new(workers: usize, seconds_per_token: f64) -> Self {
        Self {
            workers: workers as f64,
            queued: 0.0,
            seconds_per_token,
            growth: 1.5,
            typical: 0.0,
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
    ) -> Result<Estimate, Refusal> {
        let growth = if demand.is_nested { self.growth } else { 1.0 };
        let tokens = demand.tokens * growth;
        let seconds = tokens * self.seconds_per_token;
        self.note_rest(now);
        let (wait, patience) = (self.wait(), self.patience(max_wait, now));
        self.note_typical(seconds);
        if wait > patience {
            // Measured by the patience that it will meet: that of overload.
            self.last_refused = Some(now);
            let retry_after = wait.saturating_sub(self.patience(max_wait, now));
            return Err(Refusal::Overloaded { retry_after });
        }
        let work = Duration::from_secs_f64(seconds);
        if demand.left.is_some_and(|left| left < wait + work) {
            return Err(Refusal::TooLate);
        }
        self.change(tokens, now);
        Ok(Estimate { tokens, work })
    }

    /// Predicted time until what waits is done.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_secs_f64(self.queued.max(0.0) * self.seconds_per_token / self.workers)
    }

    fn patience(&self, max_wait: Duration, now: Instant) -> Duration {
        let is_overload = self
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

    /// What is queued became more or less.
    pub(super) fn change(&mut self, tokens: f64, now: Instant) {
        self.queued = (self.queued + tokens).max(0.0);
        // Estimates are fractions: less than one token is nothing.
        self.resting = (self.queued < 1.0).then(|| self.resting.unwrap_or(now));
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
        }
    }

    /// A nested request of so many tokens in its first level needed so many in all.
    pub(super) fn note_growth(&mut self, first: f64, all: f64) {
        self.growth += ((all / first.max(1.0)).clamp(1.0, 100.0) - self.growth) * 0.05;
    }

    /// Tokens of the passes that wait.
    pub(super) fn queued_tokens(&self) -> f64 {
        self.queued
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_WAIT: Duration = Duration::from_secs(1);

    fn of(tokens: f64) -> Demand {
        Demand {
            tokens,
            is_nested: false,
            left: None,
        }
    }

    /// One worker that needs a millisecond for a token.
    fn admission() -> Admission {
        Admission::new(1, 0.001)
    }

    fn retry_after(refusal: Result<Estimate, Refusal>) -> Duration {
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
        admission.change(-700.0, soon);
        let told = retry_after(admission.ask(&of(200.0), MAX_WAIT, soon));
        assert!(
            told > Duration::from_millis(300),
            "{told:?}: half a second waits, and more than a tenth is too much"
        );
        admission.change(-told.as_secs_f64() * 1_000.0, soon + told);
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
        admission.change(-700.0, start);
        let later = start + Duration::from_secs(3);
        assert!(admission.ask(&of(200.0), MAX_WAIT, later).is_ok());
    }

    #[test]
    fn a_rest_ends_what_a_burst_began() {
        let start = Instant::now();
        let mut admission = admission();
        while admission.ask(&of(200.0), MAX_WAIT, start).is_ok() {}
        let done = start + Duration::from_millis(1_200);
        admission.change(-1_200.0, done);
        let soon = done + REST / 2;
        admission.ask(&of(600.0), MAX_WAIT, soon).expect("idle");
        assert!(
            admission.ask(&of(50.0), MAX_WAIT, soon).is_err(),
            "no rest yet: behind a long one there is no place"
        );
        admission.change(-600.0, soon);
        let rested = soon + REST;
        admission.ask(&of(600.0), MAX_WAIT, rested).expect("idle");
        assert!(admission.ask(&of(50.0), MAX_WAIT, rested).is_ok());
    }

    #[test]
    fn a_deadline_that_cannot_be_met_is_refused_at_once() {
        let now = Instant::now();
        let mut admission = admission();
        admission.ask(&of(300.0), MAX_WAIT, now).expect("room");
        let left = Some(Duration::from_millis(400));
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
        let estimate = admission
            .ask(
                &Demand {
                    is_nested: true,
                    ..of(100.0)
                },
                MAX_WAIT,
                now,
            )
            .expect("room");
        assert!((estimate.tokens - 400.0).abs() < 1.0, "{estimate:?}");
    }
}
