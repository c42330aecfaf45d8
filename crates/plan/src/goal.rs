//! What shall be, whoever said it: a stack file, a saved plan, or an earlier release.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::apply_set;
use uninlu_objects::{self as kinds, Desired, Facts, Kind};
use uninlu_stack::{OnFailure, Stack, Target, Timeout, WAIT_FOR_NODES};

/// What a plan leads to. Where it was said makes no difference to how it is planned and applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// The only place where it may be applied.
    pub target: Target,
    /// The image that the pods get.
    pub image: PlannedImage,
    /// The objects, as members of the stack's ApplySet: the bodies that are sent.
    #[serde(with = "bodies")]
    pub objects: Desired,
    /// How the rollout is waited for.
    pub wait: Wait,
    /// `git describe` of the stack file's folder, where there is one.
    pub git: Option<String>,
    /// `sha256:…` of the stack file's text; `None` when there is no file behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Every key (dotted path) that the stack file writes, and its place; empty when there is no file behind it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, String>,
}

/// The image of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedImage {
    /// What stands in the Deployment.
    pub reference: String,
    /// Why it must be built first; `None` when the reference is pinned by a digest already.
    pub to_be_built: Option<String>,
}

/// How the rollout is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wait {
    /// When waiting ends without a result, in seconds.
    pub budget: u32,
    /// How long a pod that no node takes is waited for, in seconds, where nothing says whether a node will come.
    #[serde(default = "usual_nodes", skip_serializing_if = "is_usual_nodes")]
    pub nodes: u32,
    /// What then becomes of the change.
    pub on_failure: OnFailure,
}

const fn usual_nodes() -> u32 {
    WAIT_FOR_NODES
}

/// What is usual is not written: releases and plans stay readable for versions that do not know the field.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
const fn is_usual_nodes(seconds: &u32) -> bool {
    *seconds == WAIT_FOR_NODES
}

impl Goal {
    /// What the stack stands for with that image, at that commit.
    pub fn of_stack(stack: &Stack, image: PlannedImage, git: Option<String>) -> Self {
        Self {
            objects: members(stack, &image),
            wait: Wait {
                budget: match stack.rollout.timeout {
                    Timeout::Auto => kinds::wait_budget(stack),
                    Timeout::After(duration) => duration.seconds,
                },
                nodes: stack.rollout.wait_for_nodes.seconds,
                on_failure: stack.rollout.on_failure,
            },
            target: stack.target(),
            image,
            git,
            source: Some(stack.source.digest()),
            places: stack.places(),
        }
    }

    /// The same goal with the image that was built for it.
    #[must_use]
    pub fn with_image(mut self, reference: String) -> Self {
        for body in self.objects.values_mut() {
            kinds::set_image(body, &reference);
        }
        self.image = PlannedImage {
            reference,
            to_be_built: None,
        };
        self
    }

    /// The fewest pods that the autoscaler keeps; 1, as Kubernetes has it, where none is declared.
    pub fn minimum_of_autoscaler(&self) -> i64 {
        let autoscaler = kinds::of_kind(&self.objects, Kind::HorizontalPodAutoscaler);
        let minimum = autoscaler.and_then(|body| body["spec"]["minReplicas"].as_i64());
        minimum.unwrap_or(1)
    }

    /// Without what only means something on this machine.
    #[must_use]
    pub fn without_place(mut self) -> Self {
        self.target.kubeconfig = None;
        self.places.clear();
        self
    }

    /// The same goal, reached from here.
    #[must_use]
    pub fn at(mut self, target: &Target) -> Self {
        self.target.context.clone_from(&target.context);
        self.target.kubeconfig.clone_from(&target.kubeconfig);
        self
    }
}

/// The stack's objects with that image, as members of its ApplySet.
fn members(stack: &Stack, image: &PlannedImage) -> Desired {
    let set = apply_set::id(&apply_set::parent_id(&stack.target()));
    let facts = Facts {
        image: image.reference.clone(),
    };
    let mut objects = kinds::desired(stack, &facts);
    for body in objects.values_mut() {
        body["metadata"]["labels"][apply_set::PART_OF] = json!(set);
    }
    objects
}

/// The objects as the list of their bodies: which object a body is, it says itself.
mod bodies {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    use uninlu_objects::{self as kinds, Desired};

    pub(super) fn serialize<S: Serializer>(
        objects: &Desired,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        objects.values().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Desired, D::Error> {
        Vec::<Value>::deserialize(deserializer)?
            .into_iter()
            .map(|body| {
                let id = kinds::identify(&body)
                    .ok_or_else(|| D::Error::custom("an object of a kind that is not ours"))?;
                Ok((id, body))
            })
            .collect()
    }
}
