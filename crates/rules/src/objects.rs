//! What rules over objects look at: the objects of one inference service, and its pods.

use std::collections::BTreeMap;

use serde_json::Value;
use uninlu_objects::written;
use uninlu_settings::variables;

use super::fields::Fields;

/// A pod's `spec`, in the object that holds it.
#[derive(Debug, Clone)]
pub struct Pod<'a> {
    /// A Deployment, or a pod that runs.
    pub object: &'a Value,
    /// Pointer of the pod's `spec`.
    pub at: &'static str,
    /// Pointer of the container that serves.
    pub server: String,
    /// An image that is pinned by its digest as soon as it is built.
    pub to_be_built: Option<&'a str>,
    /// The stack file that they are of, where there is one.
    pub typed: Option<&'a Value>,
}

/// The pod's `spec` in a Deployment.
pub const TEMPLATE: &str = "/spec/template/spec";

/// Names of variables that say where the model is.
pub const MODEL_VARIABLES: [&str; 5] = [
    variables::MODEL,
    "MODEL_PATH",
    "MODEL_DIR",
    "MODEL_HOME",
    "MODEL_NAME_OR_PATH",
];

impl<'a> Pod<'a> {
    /// The pods that a Deployment makes.
    pub fn of_deployment(deployment: &'a Value) -> Self {
        Self::of(deployment, TEMPLATE)
    }

    /// A pod as the API server admitted it, with what webhooks put into it.
    pub fn running(pod: &'a Value) -> Self {
        Self::of(pod, "/spec")
    }

    fn of(object: &'a Value, at: &'static str) -> Self {
        Self {
            object,
            at,
            server: server(object, at),
            to_be_built: None,
            typed: None,
        }
    }

    /// The pod's `spec`; null where there is none.
    pub fn spec(&self) -> &'a Value {
        self.object.pointer(self.at).unwrap_or(&Value::Null)
    }

    /// Pointer of a field of the pod's `spec`.
    pub fn field(&self, field: &str) -> String {
        format!("{}{field}", self.at)
    }

    /// Pointer of a field of the container that serves.
    pub fn in_container(&self, field: &str) -> String {
        format!("{}{field}", self.server)
    }

    /// Every container with its pointer: those that serve, those that run before, those that were attached.
    pub fn containers(&self) -> Vec<(String, &'a Value)> {
        ["/containers", "/initContainers", "/ephemeralContainers"]
            .into_iter()
            .flat_map(|field| self.object.items(&self.field(field)))
            .collect()
    }

    /// Pointer of the field of a container's securityContext that holds: its own, or else the pod's.
    pub fn security(&self, container: &str, field: &str) -> String {
        let own = format!("{container}/securityContext/{field}");
        match self.object.at(&own) {
            Some(_) => own,
            None => self.field(&format!("/securityContext/{field}")),
        }
    }

    /// The environment of the container that serves: values by name, with the pointer of each.
    pub fn environment(&self) -> BTreeMap<String, (String, String)> {
        self.environment_of(&self.server)
    }

    /// The same of any container.
    pub fn environment_of(&self, container: &str) -> BTreeMap<String, (String, String)> {
        let variables = self.object.items(&format!("{container}/env")).into_iter();
        variables
            .filter_map(|(pointer, item)| {
                let value = item.at("/value").map(written)?;
                Some((item["name"].as_str()?.to_owned(), (value, pointer)))
            })
            .collect()
    }

    /// The volume of that name, with its pointer.
    pub fn volume(&self, name: &str) -> Option<(String, &'a Value)> {
        let volumes = self.object.items(&self.field("/volumes"));
        volumes
            .into_iter()
            .find(|(_, volume)| volume["name"] == name)
    }

    /// Mounts of the container that serves, each with its pointer.
    pub fn mounts(&self) -> Vec<(String, &'a Value)> {
        self.object.items(&self.in_container("/volumeMounts"))
    }

    /// The CPU target of an autoscaler's metric, of the pods or of the server's container, in percent of the request.
    pub fn cpu_target(&self, metric: &Value) -> Option<i64> {
        let container = self.object.text(&self.in_container("/name"));
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
    pub fn model_path(&self) -> Option<String> {
        let environment = self.environment();
        let named = environment.iter().find(|(name, (value, _))| {
            MODEL_VARIABLES.contains(&name.as_str()) && value.starts_with('/')
        });
        let mounted = || {
            self.mounts().into_iter().find_map(|(_, mount)| {
                let path = mount["mountPath"].as_str()?;
                let name = mount["name"].as_str().unwrap_or_default();
                (path.contains("model") || name.contains("model")).then(|| path.to_owned())
            })
        };
        let named = named.map(|(_, (value, _))| value.trim_end_matches('/').to_owned());
        named.or_else(mounted)
    }

    /// The mount at which the model is, or below which it is.
    pub fn model_mount(&self) -> Option<(String, &'a Value)> {
        let path = self.model_path()?;
        let holds = |mount: &Value| {
            let at = mount["mountPath"].as_str().unwrap_or_default();
            let at = at.trim_end_matches('/');
            !at.is_empty() && (path == at || path.starts_with(&format!("{at}/")))
        };
        let mounts = self.mounts().into_iter().filter(|(_, mount)| holds(mount));
        mounts.max_by_key(|(_, mount)| mount["mountPath"].as_str().map_or(0, str::len))
    }

    /// Whether the image is `uninlu`'s own server, by its environment.
    pub fn is_own_server(&self) -> bool {
        self.environment().contains_key(variables::MODEL)
    }
}

/// `container `server``, as messages name it.
pub(super) fn called(container: &Value) -> String {
    let name = container["name"].as_str().unwrap_or_default();
    format!("container `{name}`")
}

/// The container that mounts the model or has a variable for it; else the first.
fn server(object: &Value, at: &str) -> String {
    let containers = object.items(&format!("{at}/containers"));
    let has_model = containers.iter().find(|(_, container)| {
        let text = format!("{}{}", container["env"], container["volumeMounts"]).to_lowercase();
        text.contains("model")
    });
    let chosen = has_model.or(containers.first());
    chosen.map_or(format!("{at}/containers/0"), |(pointer, _)| pointer.clone())
}

/// The objects of one inference service.
#[derive(Debug, Clone)]
pub struct Objects<'a> {
    /// All that were read.
    pub all: Vec<&'a Value>,
    /// What makes the pods; null where there is none.
    pub deployment: &'a Value,
    /// The Deployment's pods.
    pub pod: Pod<'a>,
    /// The Deployment's HorizontalPodAutoscaler.
    pub autoscaler: Option<&'a Value>,
    /// The pods' PodDisruptionBudget.
    pub budget: Option<&'a Value>,
    /// The pods' Service.
    pub service: Option<&'a Value>,
    /// The pods' ServiceAccount.
    pub account: Option<&'a Value>,
    /// The pods' NetworkPolicy.
    pub policy: Option<&'a Value>,
    /// The ConfigMap of the server's settings.
    pub settings: Option<&'a Value>,
    /// Whether a cluster holds them, with what its controllers wrote.
    pub is_live: bool,
}

impl<'a> Objects<'a> {
    /// Objects that all belong to one stack.
    pub fn of_stack(all: Vec<&'a Value>) -> Self {
        let find = |kind: &str| all.iter().copied().find(|object| object.kind() == kind);
        let deployment = find("Deployment").unwrap_or(&Value::Null);
        Self {
            deployment,
            pod: Pod::of_deployment(deployment),
            autoscaler: find("HorizontalPodAutoscaler"),
            budget: find("PodDisruptionBudget"),
            service: find("Service"),
            account: find("ServiceAccount"),
            policy: find("NetworkPolicy"),
            settings: find("ConfigMap"),
            is_live: false,
            all,
        }
    }

    /// The fewest pods that run when nothing is wrong (1, as Kubernetes has it, where no field says it), with the object
    /// and the field that say so.
    pub fn minimum(&self) -> (u32, &'a Value, &'static str) {
        let (object, field) = match self.autoscaler {
            Some(autoscaler) => (autoscaler, "/spec/minReplicas"),
            None => (self.deployment, "/spec/replicas"),
        };
        let pods = object.int(field).and_then(|pods| u32::try_from(pods).ok());
        (pods.unwrap_or(1), object, field)
    }

    /// The autoscaler's metrics, each with its pointer.
    pub fn metrics(&self) -> Vec<(String, &'a Value)> {
        self.autoscaler
            .map_or_else(Vec::new, |autoscaler| autoscaler.items("/spec/metrics"))
    }

    /// The pods' labels.
    pub fn labels(&self) -> BTreeMap<String, String> {
        self.deployment.entries("/spec/template/metadata/labels")
    }

    /// Whether the object is one of the service's, and of no other that was read beside it.
    pub fn is_of_service(&self, object: &Value) -> bool {
        let own = [
            Some(self.deployment),
            self.autoscaler,
            self.budget,
            self.service,
            self.account,
            self.policy,
            self.settings,
        ];
        own.into_iter().flatten().any(|it| std::ptr::eq(it, object))
    }
}
