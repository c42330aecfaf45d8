//! What is measured of a running container, in this order: start-up, memory, texts alone, the rate that it carries.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::time::sleep;

use super::Error;
use super::arrivals::arrivals;
use super::figures::{allowed_misses, latency, misses, percentile, rounded};
use super::load::Client;
use super::search::{Next, Search};
use super::texts;
use crate::image::container::Container;
use crate::profile::{Saturation, Service};
use crate::ui::{Ui, human_elapsed};

/// How often `/ready` is asked during the start.
const READY_PERIOD: Duration = Duration::from_millis(20);
/// Of so many questions for `/ready`, one asks the engine whether the container still runs.
const LOOK_EVERY: u32 = 10;
/// How often memory is looked at.
const MEMORY_PERIOD: Duration = Duration::from_millis(500);
/// A text's length is new to the server: its kernels are made by the first requests, which do not count.
const WARMUP: usize = 3;
/// Fewest and most requests of a length.
const REQUESTS: std::ops::RangeInclusive<usize> = 5..=100;
/// Longest rest before a text that comes alone, in seconds. Right behind the one before, it would find threads awake and
/// weights in the processor's caches, as no caller of a pod with little to do finds them.
const LONGEST_REST: f64 = 0.2;
/// Fewest requests of a trial: of fewer, 95 of 100 says little.
const TRIAL_REQUESTS: f64 = 60.0;
/// A trial that is not much longer than its objective ends before a queue has grown.
const TRIAL_OBJECTIVES: u32 = 5;
/// Where the search begins, as a share of the rate of one request after the other.
const FIRST_RATE: f64 = 0.8;
/// No answer comes sooner, in seconds.
const SHORTEST: f64 = 1e-4;
/// A text that alone takes so many times its CPU time was waiting for a CPU.
const BUSY: f64 = 2.0;
/// Between two trials: the server forgets that it was overloaded.
const REST: Duration = Duration::from_millis(500);
/// Exit code of a process that was ended by SIGKILL.
const KILLED: i64 = 137;
/// Lines of the log that an error shows.
const LOG_LINES: usize = 20;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Effort {
    /// Lengths of texts in code points, ascending; the shortest is the one that saturation is searched with.
    pub characters: Vec<usize>,
    /// What 95 of 100 requests must stay below.
    pub objective: Duration,
    /// How long one length, and one rate, is measured.
    pub trial: Duration,
    /// How long the start may take, in seconds.
    pub startup_budget: u32,
    /// Memory limit in bytes.
    pub memory_limit: i64,
}

/// What was measured. Times in seconds, memory in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// From the start until `/ready` answered 200.
    pub startup: f64,
    /// Memory when ready.
    pub memory_ready: u64,
    /// The most memory that was seen.
    pub memory_peak: u64,
    /// Texts alone.
    pub service: Vec<Service>,
    /// The rate that it carries.
    pub saturation: Saturation,
}

/// Starts the container and measures it.
///
/// # Errors
/// A container that ends or is never ready, a server that refuses, an objective out of reach.
pub async fn measure(container: &Container, effort: &Effort, ui: Ui) -> Result<Measured, Error> {
    let peak = AtomicU64::new(0);
    let rehearsal = Rehearsal {
        container,
        effort,
        ui,
    };
    let mut measured = tokio::select! {
        measured = rehearsal.run() => measured?,
        never = watch_memory(container, &peak) => match never {},
    };
    measured.memory_peak = peak.into_inner().max(measured.memory_ready);
    Ok(measured)
}

async fn watch_memory(container: &Container, peak: &AtomicU64) -> Infallible {
    loop {
        // Before the start and after an end there is nothing to see; whoever measures finds out why.
        if let Ok(usage) = container.usage().await {
            peak.fetch_max(usage.memory, Ordering::Relaxed);
        }
        sleep(MEMORY_PERIOD).await;
    }
}

struct Rehearsal<'a> {
    container: &'a Container,
    effort: &'a Effort,
    ui: Ui,
}

/// One rate that was tried.
struct Trial {
    met: bool,
    misses: String,
    cpu: f64,
    latency: [f64; 3],
    lag: Duration,
}

impl Rehearsal<'_> {
    async fn run(&self) -> Result<Measured, Error> {
        let (startup, client) = self.start().await?;
        let memory_ready = self.container.usage().await?.memory;
        let mut seed = 0;
        let service = self.service(&client, &mut seed).await?;
        let saturation = self.saturation(&client, &service, &mut seed).await?;
        Ok(Measured {
            startup: rounded(startup.as_secs_f64()),
            memory_ready,
            memory_peak: memory_ready,
            service,
            saturation,
        })
    }

    async fn start(&self) -> Result<(Duration, Client), Error> {
        let step = self.ui.step("start");
        let began = Instant::now();
        let address = self.container.start().await?;
        let client = Client::new(address);
        let budget = self.effort.startup_budget;
        for look in 0_u32.. {
            let Err(reason) = client.ready().await else {
                break;
            };
            if look % LOOK_EVERY == 0 {
                self.must_run(false).await?;
            }
            if began.elapsed() > Duration::from_secs(budget.into()) {
                self.tell_log().await;
                return Err(Error::NeverReady { budget, reason });
            }
            sleep(READY_PERIOD).await;
        }
        let startup = began.elapsed();
        step.done(format_args!("ready after {}", human_elapsed(startup)));
        Ok((startup, client))
    }

    async fn service(&self, client: &Client, seed: &mut u64) -> Result<Vec<Service>, Error> {
        let mut service = Vec::new();
        for characters in &self.effort.characters {
            let step = self
                .ui
                .step(format!("texts of {characters} characters, each alone"));
            let found = self.alone(client, *characters, seed).await?;
            let [usual, late, _] = found.latency;
            let milliseconds = |seconds: f64| rounded(seconds * 1e3);
            step.done(format_args!(
                "{} ms, 95 of 100 within {} ms",
                milliseconds(usual),
                milliseconds(late)
            ));
            if usual > BUSY * found.cpu_seconds {
                self.ui.warn(format_args!(
                    "a text of {characters} characters took {} ms for {} ms of CPU time: this machine is busy, and the figures are of what it left over",
                    milliseconds(usual),
                    milliseconds(found.cpu_seconds)
                ));
            }
            service.push(found);
        }
        Ok(service)
    }

    async fn alone(
        &self,
        client: &Client,
        characters: usize,
        seed: &mut u64,
    ) -> Result<Service, Error> {
        for _ in 0..WARMUP {
            self.predict(client, characters, seed).await?;
        }
        let (began, before) = (Instant::now(), self.container.usage().await?);
        let (mut times, mut random) = (Vec::new(), Rng::with_seed(*seed));
        while times.len() < *REQUESTS.start()
            || times.len() < *REQUESTS.end() && began.elapsed() < self.effort.trial
        {
            sleep(Duration::from_secs_f64(LONGEST_REST * random.f64())).await;
            times.push(self.predict(client, characters, seed).await?);
        }
        let cpu = self.container.usage().await?.cpu.saturating_sub(before.cpu);
        Ok(Service {
            characters,
            latency: latency(&times),
            cpu_seconds: rounded(cpu.as_secs_f64() / times.len() as f64),
        })
    }

    async fn predict(
        &self,
        client: &Client,
        characters: usize,
        seed: &mut u64,
    ) -> Result<Duration, Error> {
        *seed += 1;
        let body = texts::body(characters, *seed);
        let began = Instant::now();
        match client.predict(body).await {
            Some(answer) if answer.status == 200 => Ok(began.elapsed()),
            Some(answer) => Err(Error::Refused {
                status: answer.status,
                characters,
                body: String::from_utf8_lossy(&answer.body).into_owned(),
            }),
            None => {
                self.must_run(true).await?;
                Err(Error::NoAnswer { characters })
            }
        }
    }

    async fn saturation(
        &self,
        client: &Client,
        service: &[Service],
        seed: &mut u64,
    ) -> Result<Saturation, Error> {
        let Effort { objective, .. } = *self.effort;
        let alone = &service[0];
        let title = format!(
            "the rate at which 95 of 100 texts of {} characters are answered within {objective:?}",
            alone.characters
        );
        let step = self.ui.step(title);
        let [usual, ..] = alone.latency;
        let mut search = Search::from(FIRST_RATE / usual.max(SHORTEST));
        let mut best = None;
        let rate = loop {
            let rate = match search.next() {
                Next::Try(rate) => rate,
                Next::Found(rate) => break rate,
                Next::OutOfReach(rate) => {
                    return Err(Error::OutOfReach {
                        rate,
                        objective,
                        characters: alone.characters,
                        alone: Duration::from_secs_f64(usual),
                    });
                }
            };
            let mut trial = self.trial(client, alone.characters, rate, seed).await?;
            // Twice before it counts as failed: a moment's work of something else on the machine is no verdict.
            if !trial.met {
                trial = self.trial(client, alone.characters, rate, seed).await?;
            }
            let verdict = match trial.met {
                true => "held".to_owned(),
                false => format!("too many ({})", trial.misses),
            };
            step.update(format_args!("{rate:.1} requests/s: {verdict}"));
            search.note(rate, trial.met);
            if !trial.met && trial.lag > objective / 4 {
                self.ui.warn(format_args!(
                    "at {rate:.1} requests/s the load generator itself was {:?} late: this machine is busy, and the rate that is found may be too low",
                    trial.lag
                ));
            }
            if trial.met {
                best = Some(trial);
            }
        };
        step.done(format_args!("{rate:.1} requests/s"));
        let (cpu, latency) = best.map_or((0.0, [0.0; 3]), |best| (best.cpu, best.latency));
        Ok(Saturation {
            characters: alone.characters,
            objective: objective.as_secs_f64(),
            requests_per_second: rounded(rate),
            cpu_seconds: cpu,
            latency,
        })
    }

    async fn trial(
        &self,
        client: &Client,
        characters: usize,
        rate: f64,
        seed: &mut u64,
    ) -> Result<Trial, Error> {
        let Effort { objective, .. } = *self.effort;
        let length = self
            .effort
            .trial
            .max(objective * TRIAL_OBJECTIVES)
            .max(Duration::from_secs_f64(TRIAL_REQUESTS / rate));
        *seed += 1;
        let arrivals = arrivals(rate, length, *seed);
        let many = arrivals.len();
        let requests = arrivals.into_iter().map(|arrival| {
            *seed += 1;
            (arrival, texts::body(characters, *seed))
        });
        let requests = requests.collect();
        let before = self.container.usage().await?;
        let samples = client.trial(requests, objective).await;
        // A server that died answers nothing, and no rate at all would do.
        self.must_run(true).await?;
        let cpu = self.container.usage().await?.cpu.saturating_sub(before.cpu);
        sleep(REST).await;
        let unsent = many - samples.len();
        let missed = samples.iter().filter(|sample| sample.misses(objective));
        let answered = samples.iter().filter(|sample| sample.is_answered());
        let answered: Vec<Duration> = answered.map(|sample| sample.latency).collect();
        let lags: Vec<Duration> = samples.iter().map(|sample| sample.lag).collect();
        Ok(Trial {
            met: missed.count() + unsent <= allowed_misses(many),
            misses: misses(&samples, objective),
            cpu: rounded(cpu.as_secs_f64() / answered.len().max(1) as f64),
            latency: latency(&answered),
            lag: percentile(&lags, 0.99),
        })
    }

    /// An error if the container has ended.
    async fn must_run(&self, ready: bool) -> Result<(), Error> {
        let Some(mut exit) = self.container.exit().await? else {
            return Ok(());
        };
        if exit.code == KILLED {
            // The engine learns of the kernel's reason a little apart from the end itself.
            sleep(REST).await;
            exit = self.container.exit().await?.unwrap_or(exit);
        }
        self.tell_log().await;
        if exit.out_of_memory {
            let limit = self.effort.memory_limit;
            return Err(Error::OutOfMemory { limit, ready });
        }
        let code = exit.code;
        Err(Error::Exited { code, ready })
    }

    /// The log is part of the error: `--quiet` does not take it away.
    async fn tell_log(&self) {
        let ui = self.ui.loud();
        let lines = self.container.log(LOG_LINES).await;
        if lines.is_empty() {
            return ui.say("the server wrote no log");
        }
        ui.say("the server's log ends so:");
        for line in lines {
            ui.say(format_args!("    {line}"));
        }
    }
}
