//! Which of the objects make up the service: the rules and the draft look at the same ones.

use std::collections::BTreeMap;

use super::{Object, Source};

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

    /// Pointer of a field of the container.
    pub(super) fn in_container(&self, field: &str) -> String {
        format!("{}{field}", self.container)
    }

    /// Of the container's environment: values by name, with the pointer of each.
    pub(super) fn environment(&self) -> BTreeMap<String, (String, String)> {
        let variables = self
            .deployment
            .items(&self.in_container("/env"))
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
        self.environment().contains_key("UNINLU_MODEL")
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
    "UNINLU_MODEL",
    "MODEL_PATH",
    "MODEL_DIR",
    "MODEL_HOME",
    "MODEL_NAME_OR_PATH",
];

/// The one that is named; else the one that is scaled, or mounts a model; else the first.
fn deployment<'s>(source: &'s Source, name: Option<&str>) -> Option<&'s Object> {
    let all: Vec<&Object> = source
        .objects
        .iter()
        .filter(|object| object.kind() == "Deployment")
        .collect();
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
    let is_scaled = |deployment: &&&Object| {
        source.objects.iter().any(|object| {
            object.kind() == "HorizontalPodAutoscaler"
                && object.text("/spec/scaleTargetRef/name") == deployment.name()
        })
    };
    let has_model = |deployment: &&&Object| {
        let text = deployment.body["spec"]["template"]["spec"].to_string();
        text.contains("model")
    };
    let chosen = all.iter().find(|it| is_scaled(it) && has_model(it));
    let chosen = chosen
        .or_else(|| all.iter().find(has_model))
        .or_else(|| all.iter().find(is_scaled));
    chosen.or(all.first()).copied()
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
        .filter(|object| object.kind() == kind)
        .collect();
    let deployments = source
        .objects
        .iter()
        .filter(|object| object.kind() == "Deployment")
        .count();
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
