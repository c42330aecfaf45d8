//! The search for a rate.

use uninlu::rehearse::search::{Next, Search};

/// What is found from `first`, when rates up to `edge` meet the objective; and how many trials that took.
fn found(first: f64, edge: f64) -> (Next, usize) {
    let mut search = Search::from(first);
    for trials in 0..100 {
        match search.next() {
            Next::Try(rate) => search.note(rate, rate <= edge),
            end => return (end, trials),
        }
    }
    panic!("no end after 100 trials");
}

#[test]
fn an_edge_is_found_from_either_side_to_a_tenth() {
    for edge in [0.3, 1.0, 23.0, 440.0] {
        for first in [edge / 20.0, edge / 1.3, edge, edge * 1.3, edge * 20.0] {
            let (Next::Found(rate), _) = found(first, edge) else {
                panic!("{edge} from {first}: {:?}", found(first, edge));
            };
            assert!(
                rate <= edge && rate * 1.1 >= edge,
                "{rate} for {edge} from {first}"
            );
        }
    }
}

#[test]
fn a_good_first_guess_takes_few_trials() {
    for edge in [70.0, 90.0, 100.0, 120.0] {
        let (_, trials) = found(80.0, edge);
        assert!(trials <= 6, "{trials} trials for {edge}");
    }
}

#[test]
fn the_search_ends_when_nothing_is_fast_enough() {
    let (end, trials) = found(64.0, 0.0);
    assert!(
        matches!(end, Next::OutOfReach(rate) if (1.0..1.5).contains(&rate)),
        "{end:?}"
    );
    assert!(trials < 15, "{trials}");
}

#[test]
fn the_search_ends_when_everything_is_fast_enough() {
    let (end, _) = found(1.0, f64::INFINITY);
    assert!(
        matches!(end, Next::Found(rate) if (40.0..=64.0).contains(&rate)),
        "{end:?}"
    );
}

/// A machine is noisy: a low rate may fail after a higher one was met. The bounds then cross, and that is an end.
#[test]
fn contradicting_trials_end_the_search() {
    let mut search = Search::from(10.0);
    search.note(10.0, true);
    search.note(8.0, false);
    assert_eq!(search.next(), Next::Found(10.0));
}
