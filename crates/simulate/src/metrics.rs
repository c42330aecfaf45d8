//! The ways of the metrics: what the autoscaler knows is older and smoother than what is.

use std::collections::VecDeque;

use super::{Micros, SECOND, hpa, seconds};

/// `--metric-resolution` of metrics-server.
pub(super) const RESOLUTION: Micros = 15 * SECOND;
/// `interval` of the ServiceMonitor that `uninlu render service-monitor` prints.
pub(super) const SCRAPE: Micros = 15 * SECOND;
/// Window of the rate in the rule that `uninlu render adapter` prints.
pub(super) const WINDOW: Micros = 60 * SECOND;
/// A container that is younger at its first measurement counts from its start.
const FRESH: Micros = 10 * SECOND;

/// metrics-server's last two measurements of a pod's CPU time.
#[derive(Debug, Clone, Default)]
pub(super) struct Cpu {
    previous: Option<(Micros, f64)>,
    last: Option<(Micros, f64)>,
}

impl Cpu {
    /// The kubelet is asked: so much CPU time, in microseconds, was spent since the container's start.
    pub(super) fn measure(&mut self, now: Micros, spent: f64, container_started: Micros) {
        let age = now - container_started;
        if self.last.is_none() && (FRESH..RESOLUTION).contains(&age) {
            self.last = Some((container_started, 0.0));
        }
        self.previous = self.last.replace((now, spent));
    }

    /// What the metrics API tells: millicores between the last two measurements.
    pub(super) fn sample(&self) -> Option<hpa::Sample> {
        let ((from, before), (to, after)) = (self.previous?, self.last?);
        let cores = (after - before) / (to - from) as f64;
        Some(hpa::Sample {
            value: (cores * 1_000.0).ceil() as i64,
            at: to / 1_000,
            window: (to - from) / 1_000,
        })
    }
}

/// Prometheus' samples of one pod's counter.
#[derive(Debug, Clone, Default)]
pub(super) struct Counter(VecDeque<(Micros, f64)>);

impl Counter {
    /// A scrape.
    pub(super) fn scrape(&mut self, now: Micros, value: f64) {
        self.0.push_back((now, value));
        while self
            .0
            .front()
            .is_some_and(|(at, _)| *at <= now - 2 * WINDOW)
        {
            self.0.pop_front();
        }
    }

    /// `rate(counter[WINDOW])` as Prometheus extrapolates it; `None` with fewer than two samples.
    pub(super) fn rate(&self, now: Micros) -> Option<f64> {
        let start = now - WINDOW;
        let within: Vec<(Micros, f64)> = self
            .0
            .iter()
            .copied()
            .filter(|(at, _)| start < *at && *at <= now)
            .collect();
        let [(first, low), .., (last, high)] = within[..] else {
            return None;
        };
        let sampled = seconds(last - first);
        let spacing = sampled / (within.len() - 1) as f64;
        let increase = high - low;
        let gap = |gap: f64| {
            if gap >= spacing * 1.1 {
                spacing / 2.0
            } else {
                gap
            }
        };
        let mut to_start = gap(seconds(first - start));
        if increase > 0.0 {
            // Not beyond where the counter would have been 0.
            to_start = to_start.min(sampled * low / increase);
        }
        let to_end = gap(seconds(now - last));
        Some(increase * (sampled + to_start + to_end) / sampled / seconds(WINDOW))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(samples: &[(i64, f64)]) -> Counter {
        let mut counter = Counter::default();
        for (at, value) in samples {
            counter.scrape(at * SECOND, *value);
        }
        counter
    }

    fn rate(samples: &[(i64, f64)], now: i64) -> Option<f64> {
        counter(samples).rate(now * SECOND)
    }

    /// `rate` of Prometheus' own documentation of extrapolation: 10 a second, scraped each 15 s.
    #[test]
    fn a_steady_counter_has_its_rate() {
        let samples: Vec<(i64, f64)> = (0..10)
            .map(|n| (15 * n, 1_000.0 + 150.0 * n as f64))
            .collect();
        for now in 135..149 {
            let rate = rate(&samples, now).expect("four samples or more");
            assert!((rate - 10.0).abs() < 1e-9, "{now}: {rate}");
        }
    }

    #[test]
    fn one_sample_is_no_rate() {
        assert_eq!(rate(&[(50, 3.0)], 60), None);
        assert_eq!(
            rate(&[(0, 1.0), (50, 3.0)], 60),
            None,
            "the start is not in it"
        );
    }

    /// A pod that serves for half a minute shows half of its rate: the window is divided by, not the time it lived.
    #[test]
    fn a_young_counter_shows_a_part_of_its_rate() {
        let rate = rate(&[(30, 0.0), (45, 150.0), (60, 300.0)], 60).expect("three samples");
        assert!((rate - 5.0).abs() < 1e-9, "{rate}");
    }

    #[test]
    fn a_fresh_container_counts_from_its_start() {
        let mut cpu = Cpu::default();
        cpu.measure(12 * SECOND, 6e6, 0);
        let sample = cpu.sample().expect("from the start");
        assert_eq!((sample.value, sample.window), (500, 12_000));
        let mut older = Cpu::default();
        older.measure(20 * SECOND, 6e6, 0);
        assert_eq!(older.sample(), None, "it must be measured twice");
    }
}
