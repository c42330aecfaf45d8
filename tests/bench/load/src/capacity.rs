//! The highest rate that meets an objective: doubling, then bisection.

use serde::Serialize;

/// Bounds closer than this are one figure.
const PRECISION: f64 = 1.08;
/// A server that meets the objective at 4,096 times the first rate, or fails at a 64th of it, was begun with wrongly.
const DOUBLINGS: i32 = 12;
const HALVINGS: i32 = 6;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Search {
    /// Highest rate that met the objective, requests a second.
    pub(crate) capacity: f64,
    /// Every trial in order: rate, and whether it met the objective.
    pub(crate) trials: Vec<(f64, bool)>,
}

/// Tries rates, from `first` on.
///
/// # Errors
/// A trial's own, and when no rate within reach meets the objective.
pub(crate) async fn search(
    first: f64,
    mut meets: impl AsyncFnMut(f64) -> Result<bool, String>,
) -> Result<Search, String> {
    let mut trials: Vec<(f64, bool)> = Vec::new();
    loop {
        let rate = match next(first, &trials) {
            Step::Try(rate) => rate,
            Step::Found(capacity) => return Ok(Search { capacity, trials }),
            Step::OutOfReach => {
                return Err(format!(
                    "no rate near {first}/s is at the objective's edge; begin elsewhere (--from), or change --objective"
                ));
            }
        };
        // Twice before it counts as failed: a moment's work of something else on the machine is no verdict.
        let met = meets(rate).await? || meets(rate).await?;
        trials.push((rate, met));
    }
}

#[derive(Debug, PartialEq)]
enum Step {
    Try(f64),
    Found(f64),
    OutOfReach,
}

fn next(first: f64, trials: &[(f64, bool)]) -> Step {
    let met = trials
        .iter()
        .filter(|trial| trial.1)
        .map(|trial| trial.0)
        .reduce(f64::max);
    let failed = trials
        .iter()
        .filter(|trial| !trial.1)
        .map(|trial| trial.0)
        .reduce(f64::min);
    match (met, failed) {
        (None, None) => Step::Try(first),
        (Some(met), None) if met < first * f64::from(1 << DOUBLINGS) => Step::Try(met * 2.0),
        (None, Some(failed)) if failed > first / f64::from(1 << HALVINGS) => {
            Step::Try(failed / 2.0)
        }
        (Some(met), Some(failed)) if failed / met <= PRECISION => Step::Found(met),
        (Some(met), Some(failed)) => Step::Try((met * failed).sqrt()),
        _ => Step::OutOfReach,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_known_edge_is_found_from_either_side() {
        for first in [1.0, 100.0] {
            let found = search(first, async |rate| Ok(rate <= 23.0))
                .await
                .expect("an edge");
            assert!(
                (23.0 / PRECISION..=23.0).contains(&found.capacity),
                "{found:?}"
            );
        }
    }

    #[tokio::test]
    async fn an_edge_out_of_reach_is_said() {
        assert!(search(1.0, async |_| Ok(true)).await.is_err());
        assert!(search(1.0, async |_| Ok(false)).await.is_err());
    }
}
