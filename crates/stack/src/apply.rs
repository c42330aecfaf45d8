//! `[apply]`: what applies may do without being asked each time.

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::{At, values};
use super::fault::Faults;

/// What applies may do without being asked each time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Apply {
    /// Fields that are taken when another manager owns them, in the notation of `--take`.
    pub take: Vec<String>,
}

/// What applies may do without being asked each time
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Apply")]
pub(super) struct RawApply {
    /// Fields that are taken when another manager owns them, as a plan names them ("Deployment/NAME:.spec.paused")
    take: Vec<At<String>>,
}

impl RawApply {
    pub(super) fn validate(self, faults: &mut Faults) -> Apply {
        for at in &self.take {
            let has_form = at
                .value
                .split_once(":.")
                .is_some_and(|(object, field)| object.contains('/') && !field.is_empty());
            faults.check(
                has_form,
                &at.span,
                format!("`{}` names no field of an object", at.value),
                "write it as the plan does: \"Deployment/NAME:.spec.paused\"",
            );
        }
        Apply {
            take: values(self.take),
        }
    }
}
