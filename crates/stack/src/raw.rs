//! The whole file as it is typed, its JSON schema, and the step to a [`Stack`].

use std::collections::BTreeMap;
use std::ops::Range;
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
    cluster: Option<At<RawCluster>>,
    image: Option<At<RawImage>>,
    model: Option<At<RawModel>>,
    server: Option<At<RawServer>>,
    engine: Option<At<RawEngine>>,
    resources: Option<At<RawResources>>,
    service: Option<At<RawService>>,
    probes: Option<At<RawProbes>>,
    autoscaling: Option<At<RawAutoscaling>>,
    disruption: Option<At<RawDisruption>>,
    rollout: Option<At<RawRollout>>,
    network: Option<At<RawNetwork>>,
    access: Option<At<RawAccess>>,
    tracing: Option<At<RawTracing>>,
    apply: Option<At<RawApply>>,
    gate: Option<At<RawGate>>,
    verify: Option<At<RawVerify>>,
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

/// Where a section that is absent should have been: the beginning of the file.
const BEGINNING: Range<usize> = 0..0;

fn section<T: Default>(key: Option<At<T>>) -> (T, Range<usize>) {
    key.map_or((T::default(), BEGINNING), |at| (at.value, at.span))
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
        let (cluster, cluster_span) = section(self.cluster);
        let (image, image_span) = section(self.image);
        let (model, model_span) = section(self.model);
        let resources = section(self.resources).0.validate(faults);
        let probes = section(self.probes).0.validate(faults);
        let replicas = validate_replicas(self.replicas, self.autoscaling, &resources.cpu, faults);
        let image = image.validate(&image_span, folder, faults);
        let model = model.validate(&model_span, folder, faults);
        let minimum = replicas.minimum();
        let stack = Stack {
            source: Arc::clone(source),
            environment: environment.map(str::to_owned),
            labels: names::check_labels(self.labels, faults),
            cluster: cluster.validate(&cluster_span, folder, faults),
            engine: section(self.engine)
                .0
                .validate(model.as_ref().map(|model| &model.source), faults),
            server: section(self.server).0.validate(faults),
            service: section(self.service).0.validate(faults),
            disruption: section(self.disruption).0.validate(
                minimum,
                self.has_inherited_disruption,
                faults,
            ),
            rollout: section(self.rollout).0.validate(&probes.startup, faults),
            network: section(self.network).0.validate(faults),
            access: section(self.access).0.validate(faults),
            tracing: section(self.tracing).0.validate(faults),
            apply: section(self.apply).0.validate(faults),
            gate: section(self.gate).0.validate(faults),
            verify: section(self.verify).0.validate(faults),
            name: name?,
            namespace: namespace?,
            image: image?,
            model: model?,
            resources,
            probes,
            replicas,
        };
        Some(stack)
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
                &BEGINNING,
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
