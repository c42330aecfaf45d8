//! Sends at the scheduled arrivals and waits for nobody.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server answered.
    Answered {
        /// HTTP status code.
        code: u16,
        /// What `Retry-After` said.
        retry_after: Option<Duration>,
    },
    /// The connection failed or broke.
    Broken,
    /// No answer in time.
    TimedOut,
}

impl Outcome {
    /// The answer that was asked for.
    pub(crate) fn is_accepted(self) -> bool {
        matches!(self, Self::Answered { code: 200, .. })
    }

    /// Sent away because of load.
    pub(crate) fn is_shed(self) -> bool {
        matches!(self, Self::Answered { code: 429, .. })
    }
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Scheduled arrival, since the start.
    pub(crate) arrival: Duration,
    /// How late the generator itself sent it.
    pub(crate) lag: Duration,
    /// From the scheduled arrival to the end of the answer.
    pub(crate) latency: Duration,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// When a shed request came back, since the start, and how that ended.
    pub(crate) returned: Option<(Duration, Outcome)>,
}

/// When a run may end early: more requests than allowed missed the objective, so that it cannot be met any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objective {
    /// From the scheduled arrival.
    pub(crate) latency: Duration,
    /// How many may miss it.
    pub(crate) misses: usize,
}

/// What is sent.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In order.
    pub(crate) arrivals: Vec<Duration>,
    /// Every Nth shed request comes back once, after what it was told; 0: none.
    pub(crate) return_every: usize,
    /// Bound after which going on is of no use.
    pub(crate) objective: Option<Objective>,
}

/// Sends request `number` at its arrival. Returns when all are answered, in the order of their ends.
pub(crate) async fn run<S, A>(plan: Plan, send: S) -> Vec<Sample>
where
    S: Fn(usize) -> A + Clone + Send + 'static,
    A: Future<Output = Outcome> + Send + 'static,
{
    let (began, misses, shed) = (
        Instant::now(),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut requests = JoinSet::new();
    for (number, arrival) in plan.arrivals.into_iter().enumerate() {
        sleep_until(began + arrival).await;
        let missed = misses.load(Ordering::Relaxed);
        if plan
            .objective
            .is_some_and(|objective| missed > objective.misses)
        {
            break;
        }
        let lag = (began + arrival).elapsed();
        let (send, misses, shed) = (send.clone(), misses.clone(), shed.clone());
        requests.spawn(async move {
            let outcome = send(number).await;
            let latency = (began + arrival).elapsed();
            if plan
                .objective
                .is_some_and(|objective| !outcome.is_accepted() || latency > objective.latency)
            {
                misses.fetch_add(1, Ordering::Relaxed);
            }
            let returned = match wait_before_return(outcome, &shed, plan.return_every) {
                Some(wait) => {
                    sleep(wait).await;
                    Some((began.elapsed(), send(number).await))
                }
                None => None,
            };
            Sample {
                arrival,
                lag,
                latency,
                outcome,
                returned,
            }
        });
    }
    requests.join_all().await
}

/// What a shed request was told, when it is one of those that come back.
fn wait_before_return(outcome: Outcome, shed: &AtomicUsize, every: usize) -> Option<Duration> {
    let Outcome::Answered {
        code: 429,
        retry_after: Some(wait),
    } = outcome
    else {
        return None;
    };
    let number = shed.fetch_add(1, Ordering::Relaxed);
    (every > 0 && number.is_multiple_of(every)).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Mutex;

    const OK: Outcome = Outcome::Answered {
        code: 200,
        retry_after: None,
    };

    fn every_100_ms(many: u64) -> Plan {
        let arrivals = (0..many)
            .map(|number| Duration::from_millis(100 * number))
            .collect();
        Plan {
            arrivals,
            return_every: 0,
            objective: None,
        }
    }

    /// A server with one seat that stalls once: the clock is the test's, so this is no matter of luck.
    #[tokio::test(start_paused = true)]
    async fn a_stall_shows_in_every_request_that_arrived_during_it() {
        let seat = Arc::new(Mutex::new(()));
        let samples = run(every_100_ms(10), move |number| {
            let seat = seat.clone();
            async move {
                let _taken = seat.lock().await;
                sleep(Duration::from_millis(if number == 2 { 500 } else { 1 })).await;
                OK
            }
        })
        .await;
        let mut milliseconds: Vec<u128> = samples
            .iter()
            .map(|sample| sample.latency.as_millis())
            .collect();
        milliseconds.sort_unstable();
        assert_eq!(
            milliseconds,
            [1, 1, 1, 1, 5, 104, 203, 302, 401, 500],
            "a generator that waits would see one slow answer"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_whose_objective_cannot_be_met_any_more_ends() {
        let objective = Some(Objective {
            latency: Duration::from_millis(5),
            misses: 1,
        });
        let plan = Plan {
            objective,
            ..every_100_ms(100)
        };
        let samples = run(plan, |_| async {
            sleep(Duration::from_millis(10)).await;
            OK
        })
        .await;
        assert_eq!(samples.len(), 2, "the second miss is one too many");
    }

    #[tokio::test(start_paused = true)]
    async fn every_second_shed_request_comes_back_when_it_was_told() {
        let plan = Plan {
            return_every: 2,
            ..every_100_ms(4)
        };
        let samples = run(plan, |_| async {
            Outcome::Answered {
                code: 429,
                retry_after: Some(Duration::from_secs(3)),
            }
        })
        .await;
        let mut returned: Vec<u128> = samples
            .iter()
            .filter_map(|sample| Some(sample.returned?.0.as_millis()))
            .collect();
        returned.sort_unstable();
        assert_eq!(returned, [3_000, 3_200]);
    }
}
