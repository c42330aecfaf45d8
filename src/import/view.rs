//! Which of the objects make up the service: the rules and the draft look at the same ones.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use uninlu_settings::variables;

use super::{Object, Source};
use crate::stack::Quantity;

/// The objects of one inference service.
pub(super) struct View<'s> {
    pub(super) source: &'s Source,
    pub(super) deployment: &'s Object,
    /// Pointer of the server's container.
    pub(super) container: String,
    pub(super) autoscaler: Option<&'s Object>,
    pub(super) budget: Option<&'s Object>,
    pub(super) service: Option<&'s Object>,
    pub(super) account: Option<&'s Object>,
    pub(super) policy: Option<&'s Object>,
    pub(super) settings: Option<&'s Object>,
}

/// The pod's spec in a Deployment.
pub(super) const POD: &str = "/spec/template/spec";

impl<'s> View<'s> {
    /// Finds the service's objects; `name` chooses among several Deployments. `None` when there is none.
    pub(super) fn of(source: &'s Source, name: Option<&str>) -> Option<Self> {
        let deployment = deployment(source, name)?;
        let container = container(deployment);
        let pods = deployment.entries("/spec/template/metadata/labels");
        let scaled =
            |object: &&Object| object.text("/spec/scaleTargetRef/name") == deployment.name();
        let selected = |pointer: &'static str| {
            let pods = pods.clone();
            move |object: &&Object| selects(&object.entries(pointer), &pods)
        };
        let account = deployment.text(&format!("{POD}/serviceAccountName"));
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
            settings: settings(source, deployment, &container),
            container,
        })
    }

    /// Deployments that were not chosen.
    pub(super) fn others(&self) -> Vec<String> {
        let others = deployments(self.source).into_iter();
        let others = others.filter(|other| !std::ptr::eq(*other, self.deployment));
        others.map(|other| other.name().to_owned()).collect()
    }

    /// Every container of the pods, the server's, those beside it, and those before it.
    pub(super) fn containers(&self) -> Vec<String> {
        let containers = containers(self.deployment).into_iter();
        containers.map(|(pointer, _)| pointer).collect()
    }

    /// Pointer of a field of the container.
    pub(super) fn in_container(&self, field: &str) -> String {
        format!("{}{field}", self.container)
    }

    /// Of the container's environment: values by name, with the pointer of each.
    pub(super) fn environment(&self) -> BTreeMap<String, (String, String)> {
        self.environment_of(&self.container)
    }

    /// The same of any container.
    pub(super) fn environment_of(&self, container: &str) -> BTreeMap<String, (String, String)> {
        let variables = self
            .deployment
            .items(&format!("{container}/env"))
            .into_iter();
        variables
            .filter_map(|(pointer, item)| {
                let value = match &item["value"] {
                    serde_json::Value::String(text) => text.clone(),
                    other if other.is_null() => return None,
                    other => other.to_string(),
                };
                Some((item["name"].as_str()?.to_owned(), (value, pointer)))
            })
            .collect()
    }

    /// The volume of that name: its pointer and what it is.
    pub(super) fn volume(&self, name: &str) -> Option<(String, &'s serde_json::Value)> {
        let volumes = self.deployment.items(&format!("{POD}/volumes"));
        volumes
            .into_iter()
            .find(|(_, volume)| volume["name"] == name)
    }

    /// Mounts of the container, each with its pointer.
    pub(super) fn mounts(&self) -> Vec<(String, &'s serde_json::Value)> {
        self.deployment.items(&self.in_container("/volumeMounts"))
    }

    /// The CPU target of an autoscaler's metric, of the pods or of the server's container, in percent of the request.
    pub(super) fn cpu_target(&self, metric: &Json) -> Option<i64> {
        let container = self.deployment.text(&self.in_container("/name"));
        let of_container = &metric["containerResource"];
        let source = match of_container["container"] == container {
            true if !container.is_empty() => of_container,
            _ => &metric["resource"],
        };
        let is_cpu = source["name"] == "cpu";
        source["target"]["averageUtilization"]
            .as_i64()
            .filter(|_| is_cpu)
    }

    /// Where the model is read: as the environment says, or a mount that is called so.
    pub(super) fn model_path(&self) -> Option<String> {
        let environment = self.environment();
        let named = environment.iter().find(|(name, (value, _))| {
            MODEL_VARIABLES.contains(&name.as_str()) && value.starts_with('/')
        });
        named
            .map(|(_, (value, _))| value.trim_end_matches('/').to_owned())
            .or_else(|| {
                let mounts = self.mounts();
                let paths = mounts.iter().filter_map(|(_, mount)| {
                    let path = mount["mountPath"].as_str()?;
                    let name = mount["name"].as_str().unwrap_or_default();
                    (path.contains("model") || name.contains("model")).then(|| path.to_owned())
                });
                paths.into_iter().next()
            })
    }

    /// The mount at which the model is, or below which it is.
    pub(super) fn model_mount(&self) -> Option<(String, &'s serde_json::Value)> {
        let path = self.model_path()?;
        let holds = |mount: &serde_json::Value| {
            let at = mount["mountPath"]
                .as_str()
                .unwrap_or_default()
                .trim_end_matches('/');
            !at.is_empty() && (path == at || path.starts_with(&format!("{at}/")))
        };
        let mounts = self.mounts().into_iter().filter(|(_, mount)| holds(mount));
        mounts.max_by_key(|(_, mount)| mount["mountPath"].as_str().map_or(0, str::len))
    }

    /// Whether the image is `uninlu`'s own server, by its environment.
    pub(super) fn is_own_server(&self) -> bool {
        self.environment().contains_key(variables::MODEL)
    }

    /// The fewest pods that run, and whose field says so.
    pub(super) fn minimum(&self) -> (i64, &'s Object, &'static str) {
        match self.autoscaler {
            Some(autoscaler) => {
                let field = "/spec/minReplicas";
                (autoscaler.int(field).unwrap_or(1), autoscaler, field)
            }
            None => {
                let field = "/spec/replicas";
                (
                    self.deployment.int(field).unwrap_or(1),
                    self.deployment,
                    field,
                )
            }
        }
    }
}

/// Names under which servers of this model are told where it is.
pub(super) const MODEL_VARIABLES: [&str; 5] = [
    variables::MODEL,
    "MODEL_PATH",
    "MODEL_DIR",
    "MODEL_HOME",
    "MODEL_NAME_OR_PATH",
];

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
    let pod = deployment.body.pointer(POD).unwrap_or(&Json::Null);
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

/// Every container of the pods: those that serve, then those that run before.
pub(super) fn containers(deployment: &Object) -> Vec<(String, &Json)> {
    ["containers", "initContainers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|field| deployment.items(&format!("{POD}/{field}")))
        .collect()
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

/// Whether a container is told where the model is, or mounts it.
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
    let containers = deployment.items(&format!("{POD}/containers")).into_iter();
    containers
        .filter_map(|(_, container)| of(container))
        .max()
        .unwrap_or_default()
}

/// A quantity as text or as a number.
pub(super) fn quantity(value: &Json) -> Option<Quantity> {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        _ => return None,
    };
    Quantity::parse(&text).ok()
}

/// The container that mounts the model or is told of it; else the first.
fn container(deployment: &Object) -> String {
    let containers = deployment.items(&format!("{POD}/containers"));
    let has_model = containers.iter().find(|(_, container)| {
        let text = format!("{}{}", container["env"], container["volumeMounts"]).to_lowercase();
        text.contains("model")
    });
    let chosen = has_model.or(containers.first());
    chosen.map_or(format!("{POD}/containers/0"), |(pointer, _)| {
        pointer.clone()
    })
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

/// Whether a selector finds pods with these labels.
pub(super) fn selects(
    selector: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
) -> bool {
    !selector.is_empty()
        && selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
}

/// The ConfigMap of the hot settings of our own server, or of a mounted `config.json`.
fn settings<'s>(source: &'s Source, deployment: &Object, container: &str) -> Option<&'s Object> {
    let mounts = deployment.items(&format!("{container}/volumeMounts"));
    let volumes = deployment.items(&format!("{POD}/volumes"));
    let mounted = mounts.iter().filter_map(|(_, mount)| {
        let volume = volumes
            .iter()
            .find(|(_, volume)| volume["name"] == mount["name"])?;
        volume.1["configMap"]["name"].as_str()
    });
    let mut maps = mounted.filter_map(|name| {
        let mut objects = source.objects.iter();
        objects.find(|object| object.kind() == "ConfigMap" && object.name() == name)
    });
    maps.find(|map| {
        let data = map.entries("/data");
        data.contains_key("settings.toml") || data.contains_key("config.json")
    })
}
