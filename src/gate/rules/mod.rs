//! The rules, a family a file, in the order in which their findings are told.

mod autoscaling;
mod availability;
mod cluster;
mod image;
mod pod_security;
mod probes;
mod resources;
mod secrets;
mod security;
mod settings;
mod shutdown;
mod waivers;

use serde_json::Value;

use super::{Rule, Verdict};
pub(super) use waivers::STACK_FILE;

/// Every family.
pub(super) const FAMILIES: [&[Rule]; 12] = [
    &waivers::RULES,
    &availability::RULES,
    &autoscaling::RULES,
    &resources::RULES,
    &probes::RULES,
    &shutdown::RULES,
    &image::RULES,
    &security::RULES,
    &pod_security::RULES,
    &secrets::RULES,
    &settings::RULES,
    &cluster::RULES,
];

/// The rules over pods alone that refuse, each with its id: they need no stack file.
pub(super) fn of_pod(pod: &Value) -> [(&'static str, Verdict); 3] {
    [
        ("runs-as-root", security::pod_runs_as_root(pod)),
        ("capabilities", security::pod_capabilities(pod)),
        ("pod-security", pod_security::baseline(pod)),
    ]
}

/// Why a rule that needs a profile says nothing.
const NO_PROFILE: &str = "there is no profile; `uninlu rehearse` measures one";
