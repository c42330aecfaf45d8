//! What is sent, when, and what becomes of the samples.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use uninlu::rehearse::arrivals::arrivals;
use uninlu::rehearse::figures::{Sample, allowed_misses, misses, percentile, rounded};
use uninlu::rehearse::texts::{body, text};

#[test]
fn a_text_has_exactly_its_length_and_a_seed_repeats_it() {
    for characters in [10, 50, 1_000] {
        for seed in 0..20 {
            let made = text(characters, seed);
            assert_eq!(made.chars().count(), characters, "{made}");
            assert_eq!(made, text(characters, seed));
        }
    }
}

#[test]
fn no_two_texts_are_equal() {
    let different: BTreeSet<String> = (0..2_000).map(|seed| text(50, seed)).collect();
    assert_eq!(different.len(), 2_000);
}

#[test]
fn a_body_is_what_the_service_takes() {
    let body: Value = serde_json::from_slice(&body(50, 1)).expect("JSON");
    insta::assert_snapshot!(format!("{body:#}"));
}

#[test]
fn exactly_the_rate_arrives_in_order_and_in_time() {
    let length = Duration::from_secs(10);
    let made = arrivals(12.34, length, 7);
    assert_eq!(made.len(), 123);
    assert!(made.is_sorted() && made.iter().all(|arrival| *arrival < length));
    assert_eq!(made, arrivals(12.34, length, 7));
    assert_ne!(made, arrivals(12.34, length, 8));
}

/// The gaps of independent callers vary as much as they are long; those of a metronome do not vary.
#[test]
fn gaps_are_those_of_independent_callers() {
    let made = arrivals(100.0, Duration::from_secs(200), 3);
    let gaps = made
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64());
    let gaps: Vec<f64> = gaps.collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    let spread = variance.sqrt() / mean;
    assert!((0.95..1.05).contains(&spread), "{spread}");
}

#[test]
fn percentiles_are_durations_that_occurred() {
    let hundred: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
    let of = |share| percentile(&hundred, share).as_millis();
    assert_eq!([0.5, 0.95, 0.99].map(of), [50, 95, 99]);
    assert_eq!(percentile(&[], 0.5), Duration::ZERO);
}

#[test]
fn who_was_refused_was_not_answered_in_time() {
    let objective = Duration::from_millis(10);
    let sample = |milliseconds, status| Sample {
        latency: Duration::from_millis(milliseconds),
        lag: Duration::ZERO,
        status,
    };
    let samples = [(10, Some(200)), (11, Some(200)), (1, Some(429)), (1, None)];
    let samples = samples.map(|(milliseconds, status)| sample(milliseconds, status));
    let missed = samples.map(|sample| sample.misses(objective));
    assert_eq!(missed, [false, true, true, true], "429 at once is a miss");
    assert_eq!(
        misses(&samples, objective),
        "1 answered 429, 1 broke, 1 late"
    );
    assert_eq!([19, 20, 100].map(allowed_misses), [0, 1, 5]);
}

#[test]
fn figures_have_four_digits() {
    let given = [0.0, 0.012_345_67, 1.234_567, 98_765.4, f64::INFINITY];
    assert_eq!(given.map(rounded), [0.0, 0.012_35, 1.235, 98_765.0, 0.0]);
}
