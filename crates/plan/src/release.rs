//! The record of an applied plan: what, who, when, from which commit, and how it ended.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Goal;

/// A record, as the cluster keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// Counts from 1, without gaps but for those that were removed.
    pub number: i64,
    /// What was applied.
    pub record: Record,
    /// How it ended.
    pub outcome: Outcome,
}

/// What is written before the first write of an apply, and never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was to be; all that is needed to come back to it.
    pub goal: Goal,
    /// Digest of the plan that was carried out.
    pub plan: String,
    /// `2 to create, 1 to update, …`
    pub summary: String,
    /// Who applied it, `user@host`, as that machine says.
    pub by: String,
    /// The same user as the API server knows it; absent where it did not say, and in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When it began.
    pub at: Timestamp,
    /// The release that this one went back to.
    pub back_to: Option<i64>,
}

/// How an apply ended; written after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is still being applied, or was cut off.
    Open,
    /// Every object was written, without a wait for the pods.
    Written {
        /// Seconds from the start.
        seconds: u64,
    },
    /// The pods of this release run.
    Ready {
        /// Seconds from the start.
        seconds: u64,
    },
    /// It did not come about.
    Failed {
        /// Seconds from the start.
        seconds: u64,
        /// Why, in one line.
        reason: String,
    },
}

impl Outcome {
    /// For a table and for a sentence.
    pub fn words(&self) -> String {
        match self {
            Outcome::Open => "open (running, or cut off)".into(),
            Outcome::Written { seconds } => format!("written in {seconds} s, not waited for"),
            Outcome::Ready { seconds } => format!("ready in {seconds} s"),
            Outcome::Failed { seconds, reason } => format!("failed after {seconds} s: {reason}"),
        }
    }
}

/// How many records are kept. One has some 10 kB; the newest one that ran is kept besides.
pub const KEPT: usize = 10;

/// The records that may go: all but the newest [`KEPT`] and the newest that was ready.
pub fn outlived(releases: &[Release]) -> Vec<i64> {
    let mut numbers: Vec<i64> = releases.iter().map(|release| release.number).collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    let ready = newest_ready(releases, i64::MAX).map(|release| release.number);
    numbers
        .into_iter()
        .skip(KEPT)
        .filter(|number| Some(*number) != ready)
        .collect()
}

/// The newest release before `number` whose pods ran: where a rollback leads.
pub fn newest_ready(releases: &[Release], before: i64) -> Option<&Release> {
    releases
        .iter()
        .filter(|release| {
            release.number < before && matches!(release.outcome, Outcome::Ready { .. })
        })
        .max_by_key(|release| release.number)
}

/// The newest release.
pub fn newest(releases: &[Release]) -> Option<&Release> {
    releases.iter().max_by_key(|release| release.number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{PlannedImage, Wait};
    use uninlu_stack::{OnFailure, Target};

    fn release(number: i64, outcome: Outcome) -> Release {
        let goal = Goal {
            target: Target {
                stack: "nlu".into(),
                namespace: "nlu".into(),
                context: "test".into(),
                kubeconfig: None,
                environment: None,
            },
            image: PlannedImage {
                reference: "image".into(),
                to_be_built: None,
            },
            objects: BTreeMap::new(),
            wait: Wait {
                budget: 60,
                nodes: 300,
                on_failure: OnFailure::Keep,
            },
            git: None,
            source: None,
            places: BTreeMap::new(),
        };
        Release {
            number,
            record: Record {
                goal,
                plan: "sha256:0".into(),
                summary: "1 to create".into(),
                by: "me@here".into(),
                user: None,
                at: Timestamp::UNIX_EPOCH,
                back_to: None,
            },
            outcome,
        }
    }

    fn failed() -> Outcome {
        Outcome::Failed {
            seconds: 1,
            reason: "no image".into(),
        }
    }

    #[test]
    fn the_newest_ready_release_is_kept_however_many_failed_since() {
        let mut releases = vec![release(1, Outcome::Ready { seconds: 1 })];
        releases.extend((2..=14).map(|number| release(number, failed())));
        assert_eq!(outlived(&releases), [4, 3, 2]);
    }

    #[test]
    fn a_rollback_leads_to_what_ran_before() {
        let releases = [
            release(1, Outcome::Ready { seconds: 1 }),
            release(2, Outcome::Ready { seconds: 1 }),
            release(3, failed()),
        ];
        assert_eq!(newest_ready(&releases, 3).map(|it| it.number), Some(2));
        assert_eq!(newest_ready(&releases, 2).map(|it| it.number), Some(1));
        assert_eq!(newest_ready(&releases, 1), None);
    }
}
