//! When requests arrive. Pure: decided before the first is sent.

use std::time::Duration;

use clap::ValueEnum;

/// How arrivals are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spacing {
    /// As independent callers arrive: exponential gaps
    Poisson,
    /// Equal gaps
    Fixed,
}

/// Arrivals after the start, in order, at `rate` a second for `length`.
pub(crate) fn arrivals(spacing: Spacing, rate: f64, length: Duration, seed: u64) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(seed);
    let gaps = std::iter::repeat_with(|| match spacing {
        Spacing::Fixed => 1.0 / rate,
        Spacing::Poisson => -(1.0 - random.f64()).ln() / rate,
    });
    gaps.scan(0.0, |now, gap| {
        *now += gap;
        Some(*now)
    })
    .take_while(|now| *now <= length.as_secs_f64())
    .map(Duration::from_secs_f64)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_arrivals_are_evenly_spaced() {
        let made = arrivals(Spacing::Fixed, 4.0, Duration::from_secs(1), 1);
        assert_eq!(made, [250, 500, 750, 1000].map(Duration::from_millis));
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_the_variance_of_independent_callers() {
        let made = arrivals(Spacing::Poisson, 100.0, Duration::from_secs(200), 7);
        assert!((19_500..20_500).contains(&made.len()), "{}", made.len());
        let mut in_second = [0.0_f64; 200];
        for arrival in &made {
            in_second[(arrival.as_secs() as usize).min(199)] += 1.0;
        }
        let variance = in_second.iter().map(|n| (n - 100.0).powi(2)).sum::<f64>() / 200.0;
        assert!(
            (70.0..130.0).contains(&variance),
            "a Poisson process' variance is its mean: {variance}"
        );
    }

    #[test]
    fn a_seed_gives_the_same_arrivals() {
        let make = |seed| arrivals(Spacing::Poisson, 10.0, Duration::from_secs(5), seed);
        assert_eq!(make(3), make(3));
        assert_ne!(make(3), make(4));
    }
}
