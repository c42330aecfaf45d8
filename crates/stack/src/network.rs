//! `[network]`: who may reach the pods.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::{At, value_or, values};
use super::fault::Faults;
use super::names;

/// The NetworkPolicy.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Whether a NetworkPolicy is applied: ingress on the server's port only, no egress but to
    /// the collector of traces.
    pub policy: bool,
    /// Namespaces that may call; empty means every one.
    pub from_namespaces: Vec<String>,
}

/// Who may reach the pods
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Network")]
pub(super) struct RawNetwork {
    /// Applies a NetworkPolicy: ingress on the server's port only, no egress (default true)
    policy: Option<At<bool>>,
    /// Namespaces that may call (default: every one)
    from_namespaces: Vec<At<String>>,
}

impl RawNetwork {
    pub(super) fn validate(self, faults: &mut Faults) -> Network {
        let policy = value_or(&self.policy, true);
        for at in &self.from_namespaces {
            names::check_label(at, "namespace", faults);
            faults.check(
                policy,
                &at.span,
                "`from-namespaces` has no effect with `policy = false`",
                "remove one of the two",
            );
        }
        Network {
            policy,
            from_namespaces: values(self.from_namespaces),
        }
    }
}
