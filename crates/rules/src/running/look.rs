//! What a rule over what runs sees, and by what it is decided.

use serde::Serialize;
use uninlu_objects::Kind;

use super::facts::{Facts, PodFacts};

/// What a rule saw.
pub enum Look {
    /// The stack promises nothing here, and why.
    NotPromised(&'static str),
    /// What was asked, and the answers.
    Seen(Vec<Evidence>),
}

/// What was asked of which object, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Evidence {
    /// Kind and name of the object.
    pub of: String,
    /// The question.
    pub asked: String,
    /// The answer, or why there is none.
    pub seen: String,
    /// Whether the promise is kept there.
    pub holds: bool,
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}, {}: {}", self.of, self.asked, self.seen)
    }
}

/// The same question to every pod. A stack without pods keeps no promise.
pub(super) fn each_pod(
    facts: &Facts,
    asked: &str,
    look: impl Fn(&PodFacts) -> Result<String, String>,
) -> Look {
    let pods = facts
        .pods
        .iter()
        .map(|pod| evidence(format!("Pod {}", pod.name()), asked, look(pod)));
    let mut seen: Vec<Evidence> = pods.collect();
    if seen.is_empty() {
        let none = Err("there is no pod to ask".into());
        seen.push(evidence(Kind::Deployment.name(), asked, none));
    }
    Look::Seen(seen)
}

/// What was seen; an error is a promise that is not kept, or not proven.
pub(super) fn evidence(
    of: impl Into<String>,
    asked: &str,
    seen: Result<String, String>,
) -> Evidence {
    let holds = seen.is_ok();
    let (Ok(seen) | Err(seen)) = seen;
    Evidence {
        of: of.into(),
        asked: asked.to_owned(),
        seen,
        holds,
    }
}

/// A verdict in words that are the same whether they are good or bad.
pub(super) fn holds(holds: bool, seen: String) -> Result<String, String> {
    if holds { Ok(seen) } else { Err(seen) }
}
