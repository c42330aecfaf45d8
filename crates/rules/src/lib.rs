//! One list of rules for gate, import and verify: what Kubernetes accepts and people regret. Pure.
//!
//! ```text
//! Pod, Objects  ──▶ Spots      gate: each is mapped to a key and its line; import: to a file's line; verify: evidence
//! Subject       ──▶ Verdict    gate: the stack, its plan, and facts around them
//! Files         ──▶ Spots      import: what lies beside the objects
//! Stack, Facts  ──▶ Look       verify: what runs
//! ```

mod autoscaling;
mod availability;
mod chart;
mod cluster;
mod dockerfile;
mod fields;
mod files;
mod image;
mod metrics;
mod objects;
mod planned;
mod pod_security;
mod probes;
mod references;
mod resources;
mod rule;
mod running;
pub mod secret_forms;
mod secrets;
mod security;
mod settings;
mod shutdown;
mod stack_file;
mod waivers;

pub use autoscaling::is_cpu_target_in_reach;
pub use availability::budget;
pub use fields::{Fields, quantity, selects};
pub use files::Files;
pub use objects::{MODEL_VARIABLES, Objects, Pod, TEMPLATE};
pub use planned::{
    Access, Cluster, Exposed, Facts, Found, Listing, ModelFile, Subject, UNASKED, Verdict, Version,
};
pub use rule::{At, Check, Rule, Spot};
pub use running::{
    Answer, Capabilities, Evidence, Facts as Running, ImageSize, Inspection, Look, PodFacts,
    Process, ROLLOUT, Trial, exposition,
};
pub use stack_file::STACK_FILE;
pub use waivers::{Waived, accepted};

pub use uninlu_stack::Severity;

/// Every family, in the order in which findings are shown.
const FAMILIES: [&[Rule]; 17] = [
    &stack_file::RULES,
    &running::RULES,
    &availability::RULES,
    &autoscaling::RULES,
    &metrics::RULES,
    &resources::RULES,
    &probes::RULES,
    &shutdown::RULES,
    &image::RULES,
    &security::RULES,
    &pod_security::RULES,
    &secrets::RULES,
    &settings::RULES,
    &references::RULES,
    &dockerfile::RULES,
    &chart::RULES,
    &cluster::RULES,
];

/// Every rule.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().copied().flatten()
}

/// Whether a rule has the id, or had it earlier.
pub fn is_known(id: &str) -> bool {
    all().any(|rule| rule.is_called(id))
}

/// What the rules refuse of pods that no stack file stands for (an earlier release): `rule: finding`. No waiver accepts
/// it, since nothing that is rendered needs one.
pub fn refuse_pod(pod: &Pod<'_>) -> Vec<String> {
    let refusing = security::RULES.iter();
    let refusing = refusing.filter(|rule| rule.severity == Severity::Error);
    let found = refusing.flat_map(|rule| {
        let spots = rule.checks.iter().flat_map(|check| match check {
            Check::Pod(find) => find(pod),
            _ => Vec::new(),
        });
        spots.map(|spot| format!("{}: {}", rule.id, spot.what))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_means_one_rule_and_no_alias() {
        let mut ids: Vec<&str> = all().map(|rule| rule.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
        for alias in all().flat_map(|rule| rule.aliases) {
            assert!(!ids.contains(alias), "{alias} is an id and an alias");
        }
    }
}
