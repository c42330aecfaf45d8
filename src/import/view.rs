//! Which of the objects make up the service: the rules and the draft look at the same ones.

use serde_json::Value as Json;
use uninlu_settings::variables::SETTINGS_FILE;

use super::{Object, Source};
use crate::rules::{Fields, MODEL_VARIABLES, Objects, Pod, TEMPLATE, quantity, selects};

/// The objects of one inference service.
pub(super) struct View<'s> {
    pub(super) source: &'s Source,
    pub(super) deployment: &'s Object,
    pub(super) pod: Pod<'s>,
    pub(super) autoscaler: Option<&'s Object>,
    pub(super) budget: Option<&'s Object>,
    pub(super) service: Option<&'s Object>,
    pub(super) account: Option<&'s Object>,
    pub(super) policy: Option<&'s Object>,
    pub(super) settings: Option<&'s Object>,
}

impl<'s> View<'s> {
    /// Finds the service's objects; `name` chooses among several Deployments. `None` when there is none.
    pub(super) fn of(source: &'s Source, name: Option<&str>) -> Option<Self> {
        let deployment = deployment(source, name)?;
        let pod = Pod::of_deployment(&deployment.body);
        let pods = deployment.entries("/spec/template/metadata/labels");
        let scaled =
            |object: &&Object| object.text("/spec/scaleTargetRef/name") == deployment.name();
        let selected = |pointer: &'static str| {
            let pods = pods.clone();
            move |object: &&Object| selects(&object.entries(pointer), &pods)
        };
        let account = deployment.text(&pod.field("/serviceAccountName"));
        Some(Self {
            source,
            deployment,
            autoscaler: choose(source, "HorizontalPodAutoscaler", scaled),
            budget: choose(
                source,
                "PodDisruptionBudget",
                selected("/spec/selector/matchLabels"),
            ),
            service: choose(source, "Service", selected("/spec/selector")),
            policy: choose(
                source,
                "NetworkPolicy",
                selected("/spec/podSelector/matchLabels"),
            ),
            account: choose(source, "ServiceAccount", |object| object.name() == account),
            settings: settings(source, &pod),
            pod,
        })
    }

    /// Deployments that were not chosen.
    pub(super) fn others(&self) -> Vec<String> {
        let others = deployments(self.source).into_iter();
        let others = others.filter(|other| !std::ptr::eq(*other, self.deployment));
        others.map(|other| other.name().to_owned()).collect()
    }

    /// What rules over objects look at.
    pub(super) fn objects(&self) -> Objects<'s> {
        let body = |object: Option<&'s Object>| object.map(|object| &object.body);
        Objects {
            all: self.source.objects.iter().map(|it| &it.body).collect(),
            deployment: &self.deployment.body,
            pod: self.pod.clone(),
            autoscaler: body(self.autoscaler),
            budget: body(self.budget),
            service: body(self.service),
            account: body(self.account),
            policy: body(self.policy),
            settings: body(self.settings),
            is_live: self.source.is_live,
        }
    }
}

/// The one that is named; else the one that looks most like the model's server; of equal ones the first.
fn deployment<'s>(source: &'s Source, name: Option<&str>) -> Option<&'s Object> {
    let all = deployments(source);
    if let Some(name) = name {
        let named = all.iter().find(|deployment| deployment.name() == name);
        if named.is_some() {
            return named.copied();
        }
        let instance = "/metadata/labels/app.kubernetes.io~1instance";
        let of_instance = all
            .iter()
            .find(|deployment| deployment.text(instance) == name);
        if of_instance.is_some() || source.is_live {
            return of_instance.copied();
        }
    }
    let largest = all.iter().map(|deployment| memory(deployment)).max();
    let likeness = |deployment: &&&Object| likeness(source, deployment, largest);
    // Of equal ones `max_by_key` gives the last.
    all.iter().rev().max_by_key(likeness).copied()
}

pub(super) fn deployments(source: &Source) -> Vec<&Object> {
    let objects = source.objects.iter();
    objects
        .filter(|object| object.kind() == "Deployment")
        .collect()
}

/// How much speaks for its being the model's server, and its memory in bytes.
fn likeness(source: &Source, deployment: &Object, largest: Option<i128>) -> (u32, i128) {
    let is_scaled = source.objects.iter().any(|object| {
        object.kind() == "HorizontalPodAutoscaler"
            && object.text("/spec/scaleTargetRef/name") == deployment.name()
    });
    let memory = memory(deployment);
    let is_largest = memory > 0 && Some(memory) == largest;
    let pod = deployment.body.pointer(TEMPLATE).unwrap_or(&Json::Null);
    let claims = pod["volumes"].as_array().into_iter().flatten();
    let has_claim = claims.into_iter().any(|volume| {
        volume["persistentVolumeClaim"].is_object() || volume["ephemeral"].is_object()
    });
    let reasons = [
        (8, has_gpu(deployment)),
        (6, knows_model(deployment)),
        (3, has_claim),
        (2, is_largest),
        (1, is_scaled),
        (1, deployment.name().contains("uninlu")),
    ];
    let weight = reasons
        .iter()
        .filter(|(_, holds)| *holds)
        .map(|(weight, _)| weight);
    (weight.sum(), memory)
}

fn containers(deployment: &Object) -> Vec<(String, &Json)> {
    Pod::of_deployment(&deployment.body).containers()
}

fn has_gpu(deployment: &Object) -> bool {
    containers(deployment).iter().any(|(_, container)| {
        let limits = &container["resources"]["limits"];
        let requests = &container["resources"]["requests"];
        let names = [limits, requests].into_iter().filter_map(Json::as_object);
        names.flatten().any(|(name, count)| {
            let is_some = !matches!(count, Json::Null) && count != 0 && count != "0";
            (name.contains("gpu") || name.contains("nvidia.com/mig")) && is_some
        })
    })
}

/// Whether a container has a variable that says where the model is, or mounts it.
fn knows_model(deployment: &Object) -> bool {
    containers(deployment).iter().any(|(_, container)| {
        let texts = |item: &Json, fields: &[&str]| {
            let texts = fields.iter().filter_map(|field| item[*field].as_str());
            texts.map(str::to_lowercase).collect::<Vec<_>>()
        };
        let mut mounts = container["volumeMounts"].as_array().into_iter().flatten();
        let mut variables = container["env"].as_array().into_iter().flatten();
        mounts.any(|mount| {
            let texts = texts(mount, &["name", "mountPath"]);
            texts.iter().any(|text| text.contains("model"))
        }) || variables.any(|variable| {
            let name = variable["name"].as_str().unwrap_or_default();
            let is_path = variable["value"]
                .as_str()
                .is_some_and(|value| value.starts_with('/'));
            MODEL_VARIABLES.contains(&name) && is_path
        })
    })
}

/// The most memory that one container may have, in thousandths of a byte.
fn memory(deployment: &Object) -> i128 {
    let of = |container: &Json| {
        let bounds = ["limits", "requests"].map(|bound| &container["resources"][bound]["memory"]);
        let quantities = bounds.into_iter().filter_map(quantity);
        quantities.map(|quantity| quantity.milli).max()
    };
    let containers = deployment
        .items(&format!("{TEMPLATE}/containers"))
        .into_iter();
    containers
        .filter_map(|(_, container)| of(container))
        .max()
        .unwrap_or_default()
}

/// The object of the kind that belongs to the service; a lone one belongs to it even when it misses.
fn choose<'s>(
    source: &'s Source,
    kind: &str,
    belongs: impl Fn(&&Object) -> bool,
) -> Option<&'s Object> {
    let all: Vec<&Object> = source
        .objects
        .iter()
        .filter(|object| object.is(kind))
        .collect();
    let deployments = deployments(source).len();
    let own = all.iter().find(|object| belongs(object)).copied();
    // In a namespace or beside other Deployments, whose it would be is a guess.
    let is_alone = all.len() == 1 && deployments == 1 && !source.is_live;
    own.or_else(|| all.first().copied().filter(|_| is_alone))
}

/// The ConfigMap of the hot settings of our own server, or of a mounted `config.json`.
fn settings<'s>(source: &'s Source, pod: &Pod<'s>) -> Option<&'s Object> {
    let mounted = pod.mounts().into_iter().filter_map(|(_, mount)| {
        let (_, volume) = pod.volume(mount["name"].as_str()?)?;
        volume["configMap"]["name"].as_str()
    });
    let mut maps = mounted.filter_map(|name| {
        let mut objects = source.objects.iter();
        objects.find(|object| object.kind() == "ConfigMap" && object.name() == name)
    });
    maps.find(|map| {
        let data = map.entries("/data");
        data.contains_key(SETTINGS_FILE) || data.contains_key("config.json")
    })
}
