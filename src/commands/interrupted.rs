//! What is said at Ctrl-C: what goes on in the cluster, and how to look.

use crate::cluster::LOCK_DURATION;
use crate::interruption::GoingOn;
use crate::stack::OnFailure;

/// How far an apply or a rollback is, for one who interrupts it.
pub(super) struct Going {
    on: GoingOn,
    /// How the next command names the stack.
    stack: String,
}

impl Going {
    pub(super) fn new(stage: Stage, stack: String) -> Self {
        Self {
            on: GoingOn::new(stage.words(&stack)),
            stack,
        }
    }

    /// From now on.
    pub(super) fn now(&self, stage: Stage) {
        self.on.now(stage.words(&self.stack));
    }
}

/// How far an apply or a rollback is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The image is built or pushed.
    Building,
    /// The stack's lock is asked for, or what it guards is looked at once more.
    Locking {
        /// Whether the stack's namespace was made before.
        has_namespace: bool,
    },
    /// The objects of that release are written.
    Writing(i64),
    /// The pods of that release are waited for.
    Waiting(i64, OnFailure),
    /// Nothing was to be written; pods of an earlier apply are waited for.
    WaitingForEarlier,
}

impl Stage {
    /// `stack` is how the next command names it: behind a space, or nothing.
    pub(super) fn words(self, stack: &str) -> String {
        match self {
            Self::Building => format!(
                "the build was stopped, and nothing was changed in the cluster; the steps that were finished are cached: `uninlu apply{stack}` goes on from there"
            ),
            Self::Locking { has_namespace } => {
                let done = match has_namespace {
                    true => "of the stack only its namespace was created",
                    false => "nothing was changed",
                };
                format!(
                    "{done}; if this apply had the lock already, another one can begin after {}; `uninlu status{stack}` shows what runs",
                    expiry()
                )
            }
            Self::Writing(release) => format!(
                "release {release} is written in part, and what is written stays; `uninlu plan{stack}` shows what is missing, `uninlu apply{stack}` completes it (after {}, when the lock has expired)",
                expiry()
            ),
            Self::Waiting(release, on_failure) => {
                let undone = match on_failure {
                    OnFailure::Rollback => " (`on-failure = \"rollback\"` needs a running apply)",
                    OnFailure::Keep => "",
                };
                format!(
                    "release {release} is written, and its rollout goes on in the cluster{undone}; `uninlu status{stack} --watch` shows it, `uninlu rollback{stack}` goes back"
                )
            }
            Self::WaitingForEarlier => format!(
                "nothing was changed, and the rollout of an earlier apply goes on in the cluster; `uninlu status{stack} --watch` shows it"
            ),
        }
    }
}

/// How long a lock that is not renewed keeps others out.
fn expiry() -> String {
    format!("{} s", LOCK_DURATION.as_secs())
}

/// Of a destroy that has begun.
pub(super) fn destroying(stack: &str) -> String {
    format!(
        "the cluster goes on deleting the objects that it was asked to delete, and the others stay; `uninlu status{stack}` shows them, `uninlu destroy{stack}` goes on (after {}, when the lock has expired)",
        expiry()
    )
}

/// Of an adoption that has begun.
pub(super) fn adopting(stack: &str) -> String {
    format!(
        "a part of the objects is taken over; `uninlu adopt{stack}` shows the others and goes on"
    )
}

/// Of an apply of many stacks that has begun.
pub(super) fn of_fleet(folder: &str) -> String {
    format!(
        "stacks that were begun stay as they are, and their rollouts go on in the cluster; `uninlu plan{folder}` shows what is missing, `uninlu apply{folder}` completes it (after {}, when the locks have expired)",
        expiry()
    )
}

/// Of what only looks on.
pub(super) const LOOKING_ON: &str = "the stack goes on, and nothing was changed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_with_the_command_that_shows_it() {
        let stages = [
            Stage::Building,
            Stage::Locking {
                has_namespace: false,
            },
            Stage::Locking {
                has_namespace: true,
            },
            Stage::Writing(3),
            Stage::Waiting(3, OnFailure::Keep),
            Stage::Waiting(3, OnFailure::Rollback),
            Stage::WaitingForEarlier,
        ];
        let words = stages.map(|stage| stage.words(" a.toml --env staging"));
        let others = [
            destroying(" a.toml"),
            adopting(" a.toml"),
            of_fleet(" stacks"),
        ];
        let all = words.into_iter().chain(others).collect::<Vec<_>>();
        for words in &all {
            assert!(words.contains("`uninlu "), "{words}");
        }
        insta::assert_snapshot!(all.join("\n"));
    }
}
