//! The whole file as it is typed, its JSON schema, and the step to a [`Stack`].

use std::collections::BTreeMap;

use std::sync::Arc;

use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::Value;

use super::access::RawAccess;
use super::apply::RawApply;
use super::at::{At, value_or};
use super::autoscaling::RawAutoscaling;
use super::cluster::RawCluster;
use super::disruption::RawDisruption;
use super::engine::RawEngine;
use super::fault::Faults;
use super::gate::RawGate;
use super::image::RawImage;
use super::model::RawModel;
use super::names;
use super::network::RawNetwork;
use super::probes::RawProbes;
use super::resources::RawResources;
use super::rollout::RawRollout;
use super::server::RawServer;
use super::service::RawService;
use super::tracing::RawTracing;
use super::verify::RawVerify;
use super::{Bounds, Replicas, Source, Stack};

/// A stack of uninlu: one SiameseUniNLU inference service on Kubernetes
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "uninlu.toml")]
pub(super) struct RawStack {
    /// Name of the service and of its objects
    name: Option<At<String>>,
    /// Namespace of every object
    namespace: Option<At<String>>,
    /// How many pods run while no autoscaler decides it (default 2)
    replicas: Option<At<u32>>,
    /// Labels put on every object
    labels: BTreeMap<String, At<String>>,
    cluster: At<RawCluster>,
    image: At<RawImage>,
    model: At<RawModel>,
    server: At<RawServer>,
    engine: At<RawEngine>,
    resources: At<RawResources>,
    service: At<RawService>,
    probes: At<RawProbes>,
    autoscaling: Option<At<RawAutoscaling>>,
    disruption: At<RawDisruption>,
    rollout: At<RawRollout>,
    network: At<RawNetwork>,
    access: At<RawAccess>,
    tracing: At<RawTracing>,
    apply: At<RawApply>,
    gate: At<RawGate>,
    verify: At<RawVerify>,
    /// Environments: the same shape, merged into the file by `--env NAME`
    env: BTreeMap<String, RawStack>,
    /// Whether an environment changed the number of pods and left the disruption budget as it was
    #[serde(skip)]
    pub(super) has_inherited_disruption: bool,
}

/// JSON schema of the stack file (draft 2020-12).
pub fn json_schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(RawStack);
    RecursiveTransform(without_null).transform(&mut schema);
    schema.to_value()
}

/// TOML has no null: an optional key is one that may be absent.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        alternatives.retain(|schema| schema["type"] != "null");
        if let [Value::Object(only)] = alternatives.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                schema.insert(key, value);
            }
        }
    }
}

impl RawStack {
    /// What the file means; `None` when a fault leaves nothing to mean. Faults are noted in any case.
    pub(super) fn validate(
        self,
        source: &Arc<Source>,
        environment: Option<&str>,
        faults: &mut Faults,
    ) -> Option<Stack> {
        let folder = source.folder.as_path();
        let name = required_name(&self.name, "name", faults);
        check_length_of_name(&self.name, faults);
        let namespace = required_name(&self.namespace, "namespace", faults);
        let resources = self.resources.value.validate(faults);
        let probes = self.probes.value.validate(faults);
        let replicas = validate_replicas(self.replicas, self.autoscaling, &resources.cpu, faults);
        let image = self.image;
        let image = image.value.validate(&image.span, folder, faults);
        let model = self.model;
        let model = model.value.validate(&model.span, folder, faults);
        let source_of_model = model.as_ref().map(|model| &model.source);
        let inherits = self.has_inherited_disruption;
        let minimum = replicas.minimum();
        Some(Stack {
            source: Arc::clone(source),
            environment: environment.map(str::to_owned),
            labels: names::check_labels(self.labels, faults),
            cluster: (self.cluster.value).validate(&self.cluster.span, folder, faults),
            engine: self.engine.value.validate(source_of_model, faults),
            server: self.server.value.validate(faults),
            service: self.service.value.validate(faults),
            disruption: (self.disruption.value).validate(minimum, inherits, faults),
            rollout: self.rollout.value.validate(&probes.startup, faults),
            network: self.network.value.validate(faults),
            access: self.access.value.validate(faults),
            tracing: self.tracing.value.validate(faults),
            apply: self.apply.value.validate(faults),
            gate: self.gate.value.validate(faults),
            verify: self.verify.value.validate(faults),
            name: name?,
            namespace: namespace?,
            image: image?,
            model: model?,
            resources,
            probes,
            replicas,
        })
    }
}

fn required_name(key: &Option<At<String>>, what: &str, faults: &mut Faults) -> Option<String> {
    match key {
        Some(at) => {
            names::check_label(at, what, faults);
            Some(at.value.clone())
        }
        None => {
            faults.add_missing(
                what,
                &(0..0),
                format!("the stack has no `{what}`"),
                format!("write `{what} = \"…\"` at the top of the file"),
            );
            None
        }
    }
}

/// Room for what is added to the name: `-settings` here, `-<hash>-<id>` by the Deployment's controller.
const LONGEST_NAME: usize = 46;

fn check_length_of_name(key: &Option<At<String>>, faults: &mut Faults) {
    let Some(at) = key else { return };
    faults.check(
        at.value.len() <= LONGEST_NAME
            && !at.value.starts_with(|first: char| first.is_ascii_digit()),
        &at.span,
        format!(
            "`{}` cannot be the name of a Service and of its pods",
            at.value
        ),
        format!(
            "begin with a letter and use at most {LONGEST_NAME} characters: pods' names add 17"
        ),
    );
}

fn validate_replicas(
    replicas: Option<At<u32>>,
    autoscaling: Option<At<RawAutoscaling>>,
    cpu: &Bounds,
    faults: &mut Faults,
) -> Replicas {
    let autoscaling = autoscaling.and_then(|at| at.value.validate(&at.span, cpu, faults));
    if let Some(at) = &replicas {
        faults.check(
            at.value > 0,
            &at.span,
            "`replicas` 0 deploys nothing",
            "write at least 1, or `uninlu destroy`",
        );
        faults.check(
            autoscaling.is_none(),
            &at.span,
            "`replicas` and `[autoscaling]` contradict each other: the autoscaler owns the number of pods",
            "remove `replicas`, or set `[autoscaling] enabled = false`",
        );
    }
    autoscaling.map_or_else(
        || Replicas::Fixed(value_or(&replicas, 2)),
        Replicas::Autoscaled,
    )
}
