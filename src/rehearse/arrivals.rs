//! When requests arrive: decided before the first is sent.

use std::time::Duration;

use fastrand::Rng;

/// Arrivals after the start, in order: `rate` a second for `length`.
///
/// A Poisson process under the condition that exactly `rate × length` arrive: independent callers, without the luck of
/// how many of them came in a short trial.
pub fn arrivals(rate: f64, length: Duration, seed: u64) -> Vec<Duration> {
    let mut random = Rng::with_seed(seed);
    let many = (rate * length.as_secs_f64()).round() as usize;
    let mut arrivals: Vec<Duration> = std::iter::repeat_with(|| length.mul_f64(random.f64()))
        .take(many)
        .collect();
    arrivals.sort_unstable();
    arrivals
}
