//! A pod as a server: what it carries, whom it refuses, and what that costs.

use std::collections::VecDeque;

use super::random::Random;
use super::{Micros, SECOND, micros, seconds};
use crate::profile::{Profile, Service};
use crate::quantile::quantile;
use uninlu_stack::Stack;

/// The server's own rule of admission, see `server/src/worker/admission.rs`: whoever is refused again within it is no
/// burst.
const OVERLOAD: Micros = 2 * SECOND;
/// A rest without work that ends overload.
const REST: Micros = 100_000;
/// Below it a wait is not worth a refusal.
const SHORTEST_PATIENCE: Micros = 20_000;
/// Requests of the run that the time of work is set by.
const TRIAL: usize = 20_000;

/// What one pod carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Capacity {
    /// Time until the next request may begin, while others wait.
    work: Micros,
    /// From the begin of a request until its answer: P50, P95 and P99.
    alone: [Micros; 3],
    /// CPU time of a request that is alone.
    cpu_alone: f64,
    /// CPU time of one while others wait.
    cpu_busy: f64,
    /// Cores at most.
    limit: f64,
    /// How long a burst may wait.
    max_wait: Micros,
}

impl Capacity {
    /// What was measured, for texts of `characters` code points.
    ///
    /// How much of a request's time the pod is held up for others is not measured itself: it is set so that a pod under
    /// the measured highest rate has the measured P95.
    pub(super) fn of(profile: &Profile, stack: &Stack, characters: usize) -> Self {
        let saturation = &profile.saturation;
        let max_wait = stack.server.in_force().max_wait.as_secs_f64();
        let usual = service_of(&profile.service, saturation.characters);
        let longest = SECOND as f64 / saturation.requests_per_second;
        let measured = Self {
            work: longest as Micros,
            alone: usual.latency.map(micros),
            cpu_alone: usual.cpu_seconds * SECOND as f64,
            cpu_busy: saturation.cpu_seconds * SECOND as f64,
            limit: profile.cpu_limit as f64 / 1_000.0,
            max_wait: micros(max_wait),
        };
        let set = measured.set_to(saturation.requests_per_second, saturation.latency[1]);
        set.for_texts(&service_of(&profile.service, characters), &usual)
    }

    /// The time of work with which the pod has this P95 at this rate, by bisection; less than the processor needs it
    /// cannot be, nor more than the rate leaves.
    fn set_to(self, rate: f64, p95: f64) -> Self {
        let with = |work| Self { work, ..self };
        let mut shortest = ((self.cpu_busy / self.limit) as Micros).min(self.work);
        let mut longest = self.work;
        while longest - shortest > 10 {
            let middle = Micros::midpoint(shortest, longest);
            if with(middle).latency_at(rate)[1] > p95 {
                longest = middle;
            } else {
                shortest = middle;
            }
        }
        with(shortest.max(1))
    }

    /// Work and CPU time grow with the text as the CPU time of a request alone does.
    fn for_texts(self, service: &Service, usual: &Service) -> Self {
        let factor = service.cpu_seconds / usual.cpu_seconds;
        Self {
            work: ((self.work as f64 * factor) as Micros).max(1),
            alone: service.latency.map(micros),
            cpu_alone: service.cpu_seconds * SECOND as f64,
            cpu_busy: self.cpu_busy * factor,
            ..self
        }
    }

    /// Requests per second that one pod can do at most.
    pub(super) fn most(&self) -> f64 {
        1.0 / seconds(self.work.max((self.cpu_busy / self.limit) as Micros))
    }

    /// The time of a request that is alone, of which a share `luck` takes less. What half of them stay below is not
    /// told apart.
    fn alone(&self, luck: f64) -> Micros {
        let [usual, late, latest] = self.alone;
        let between =
            |from: Micros, to: Micros, share: f64| from + ((to - from) as f64 * share) as Micros;
        match luck {
            luck if luck < 0.50 => usual,
            luck if luck < 0.95 => between(usual, late, (luck - 0.50) / 0.45),
            luck if luck < 0.99 => between(late, latest, (luck - 0.95) / 0.04),
            _ => latest,
        }
    }

    /// P50, P95 and P99 in seconds of one pod that gets so many requests per second.
    pub(super) fn latency_at(&self, rate: f64) -> [f64; 3] {
        let (mut random, mut luck) = (Random::new(0, 2), Random::new(0, 5));
        let mut server = Server::default();
        let mut now = 0.0;
        let mut taken: Vec<Micros> = (0..TRIAL)
            .filter_map(|_| {
                now += random.exponential() / rate;
                server.ask(self, micros(now), luck.unit())
            })
            .collect();
        taken.sort_unstable();
        [0.5, 0.95, 0.99].map(|share| seconds(quantile(&taken, share).unwrap_or(0)))
    }
}

/// Between the lengths that were measured by straight lines, beyond them in proportion to the nearest.
fn service_of(measured: &[Service], characters: usize) -> Service {
    let after = measured.partition_point(|service| service.characters < characters);
    let (Some(before), Some(next)) = (
        after.checked_sub(1).and_then(|index| measured.get(index)),
        measured.get(after),
    ) else {
        return beyond(measured, characters);
    };
    let share =
        (characters - before.characters) as f64 / (next.characters - before.characters) as f64;
    let between = |from: f64, to: f64| from + (to - from) * share;
    Service {
        characters,
        latency: [0, 1, 2].map(|share| between(before.latency[share], next.latency[share])),
        cpu_seconds: between(before.cpu_seconds, next.cpu_seconds),
    }
}

/// A shorter text than was measured takes as long as the shortest that was.
fn beyond(measured: &[Service], characters: usize) -> Service {
    let (Some(first), Some(last)) = (measured.first(), measured.last()) else {
        return Service {
            characters,
            latency: [0.0; 3],
            cpu_seconds: 0.0,
        };
    };
    if characters <= first.characters {
        return first.clone();
    }
    let factor = characters as f64 / last.characters as f64;
    Service {
        characters,
        latency: last.latency.map(|seconds| seconds * factor),
        cpu_seconds: last.cpu_seconds * factor,
    }
}

/// The state of one pod's server.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    /// When all that waits is done.
    free_at: Micros,
    refused_at: Option<Micros>,
    /// CPU time of all that was taken, and how fast the last of it is spent.
    cpu: f64,
    cpu_rate: f64,
    /// When those that are taken will be answered, in order.
    answers: VecDeque<Micros>,
    answered: u64,
}

impl Server {
    /// Takes a request and says after what time it is answered, or refuses it. `luck` from 0 to 1 says how it fares
    /// beside others that are alone.
    pub(super) fn ask(&mut self, capacity: &Capacity, now: Micros, luck: f64) -> Option<Micros> {
        if now - self.free_at >= REST {
            self.refused_at = None;
        }
        let wait = (self.free_at - now).max(0);
        if wait > self.patience(capacity, now) {
            self.refused_at = Some(now);
            self.answered += 1;
            return None;
        }
        let cpu = if wait == 0 {
            capacity.cpu_alone
        } else {
            capacity.cpu_busy
        };
        // The kernel gives no more than the limit.
        let held = capacity.work.max((cpu / capacity.limit) as Micros);
        self.cpu += cpu;
        self.cpu_rate = cpu / held as f64;
        self.free_at = now + wait + held;
        let latency = wait + capacity.alone(luck).max(held);
        self.answers.push_back(now + latency);
        Some(latency)
    }

    fn patience(&self, capacity: &Capacity, now: Micros) -> Micros {
        let is_overload = self.refused_at.is_some_and(|at| now - at < OVERLOAD);
        if is_overload {
            let shortest = SHORTEST_PATIENCE.min(capacity.max_wait);
            (capacity.alone[0] / 2).clamp(shortest, capacity.max_wait)
        } else {
            capacity.max_wait
        }
    }

    /// The counter of requests: each is counted when it is answered, a refused one too.
    pub(super) fn answered(&mut self, now: Micros) -> u64 {
        while self.answers.front().is_some_and(|at| *at <= now) {
            self.answers.pop_front();
            self.answered += 1;
        }
        self.answered
    }

    /// CPU time spent until now, in microseconds.
    pub(super) fn cpu(&self, now: Micros) -> f64 {
        self.cpu - (self.free_at - now).max(0) as f64 * self.cpu_rate
    }

    /// When the last that was taken is answered.
    pub(super) fn done_at(&self) -> Micros {
        self.answers.back().copied().unwrap_or(self.free_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten milliseconds of work, all of it on the one core that it may use.
    const CAPACITY: Capacity = Capacity {
        work: 10_000,
        alone: [10_000; 3],
        cpu_alone: 10_000.0,
        cpu_busy: 10_000.0,
        limit: 1.0,
        max_wait: SECOND,
    };

    /// No matter where all take the same time.
    const LUCK: f64 = 0.0;

    #[test]
    fn a_burst_waits_and_a_standing_queue_is_kept_short() {
        let mut server = Server::default();
        let taken = (0..500)
            .filter_map(|_| server.ask(&CAPACITY, 0, LUCK))
            .count();
        assert_eq!(
            taken, 101,
            "a second of work, and the one that goes over it"
        );
        assert_eq!(
            server.ask(&CAPACITY, 900_000, LUCK),
            None,
            "110 ms are too long now"
        );
        assert!(
            server.ask(&CAPACITY, 1_000_000, LUCK).is_some(),
            "10 ms are not"
        );
    }

    #[test]
    fn the_processor_is_never_used_beyond_its_limit() {
        let mut server = Server::default();
        for now in (0..SECOND).step_by(1_000) {
            server.ask(&CAPACITY, now, LUCK);
            assert!(server.cpu(now) <= now as f64 + 1.0);
        }
        assert!(server.cpu(SECOND) > 0.98 * SECOND as f64);
    }

    #[test]
    fn requests_are_counted_when_they_are_answered() {
        let mut server = Server::default();
        server.ask(&CAPACITY, 0, LUCK);
        server.ask(&CAPACITY, 0, LUCK);
        assert_eq!(server.answered(9_999), 0);
        assert_eq!(server.answered(10_000), 1);
        assert_eq!(server.answered(20_000), 2);
    }

    #[test]
    fn the_time_of_work_is_that_with_which_the_measured_latency_comes() {
        for work in [4_000, 6_000, 9_000] {
            let known = Capacity {
                work,
                cpu_busy: 1_000.0,
                ..CAPACITY
            };
            let rate = 100.0;
            let found = Capacity {
                work: 10_000,
                ..known
            }
            .set_to(rate, known.latency_at(rate)[1]);
            assert!((found.work - work).abs() < 100, "{work}: {found:?}");
        }
    }

    /// Pollaczek and Khinchine: at equal times of work the mean wait is ρ / 2(1 - ρ) of one.
    #[test]
    fn random_arrivals_wait_as_queueing_theory_says() {
        let patient = Capacity {
            max_wait: 3_600 * SECOND,
            ..CAPACITY
        };
        for load in [0.3, 0.6, 0.8] {
            let mut random = Random::new(7, 0);
            let mut server = Server::default();
            let mut now = 0.0;
            let waits = (0..200_000).filter_map(|_| {
                now += random.exponential() * 0.01 / load;
                Some(server.ask(&patient, micros(now), LUCK)? - patient.work)
            });
            let mean = waits.sum::<Micros>() as f64 / 200_000.0;
            let expected = load / (2.0 * (1.0 - load)) * 10_000.0;
            assert!(
                (mean / expected - 1.0).abs() < 0.03,
                "{load}: {mean} µs instead of {expected}"
            );
        }
    }

    #[test]
    fn between_measured_lengths_lie_straight_lines() {
        let of = |characters, seconds| Service {
            characters,
            latency: [seconds; 3],
            cpu_seconds: seconds,
        };
        let measured = [of(10, 0.1), of(30, 0.3)];
        for (characters, expected) in [(5, 0.1), (10, 0.1), (20, 0.2), (30, 0.3), (60, 0.6)] {
            let found = service_of(&measured, characters).latency[1];
            assert!((found - expected).abs() < 1e-9, "{characters}: {found}");
        }
    }

    #[test]
    fn without_a_queue_latencies_are_those_measured_of_texts_alone() {
        let capacity = Capacity {
            alone: [20_000, 50_000, 90_000],
            ..CAPACITY
        };
        let [usual, late, latest] = capacity.latency_at(0.5);
        assert!((usual - 0.020).abs() < 0.001, "{usual}");
        assert!((late - 0.050).abs() < 0.002, "{late}");
        assert!((latest - 0.090).abs() < 0.003, "{latest}");
    }
}
