//! What a stack's objects can look like, whatever its file says: which fields are ever rendered, and with what in them.
//!
//! A record of a release is data of the cluster, and anybody with rights over ControllerRevisions can write one: what it
//! holds is applied only if rendering could have made it. Whether that is safe is for the rules of the gate.

use serde_json::{Map, Value};
use uninlu_settings::variables;

use super::deployment::{CONTAINER, USER};
use super::labels::{INSTANCE, MANAGED_BY, MANAGER, NAME, NAME_LABEL};
use super::{Desired, Kind, config_map};

/// Whose objects they are.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Name of the stack.
    pub stack: &'a str,
    /// Namespace of its objects.
    pub namespace: &'a str,
    /// The label of its members, and its value.
    pub member: (&'a str, &'a str),
}

/// What every stack has; the other kinds come with a key.
const ALWAYS: [Kind; 4] = [
    Kind::ServiceAccount,
    Kind::ConfigMap,
    Kind::Service,
    Kind::Deployment,
];

/// What no stack of that name could have, or could be without: `Deployment nlu/nlu: uninlu renders no such
/// .spec.template.spec.hostPID`.
pub fn foreign(objects: &Desired, owner: &Owner) -> Option<String> {
    let field = objects.iter().find_map(|(id, body)| {
        let field = foreign_field(id.kind, body, owner)?;
        Some(format!("{id}: {field}"))
    });
    let is_there = |kind: &Kind| objects.keys().any(|id| id.kind == *kind);
    let missing = ALWAYS.iter().find(|kind| !is_there(kind));
    field.or_else(|| missing.map(|kind| format!("it has no {}", kind.name())))
}

fn foreign_field(kind: Kind, body: &Value, owner: &Owner) -> Option<String> {
    let fields = fields(kind);
    let subject = Subject {
        kind,
        owner,
        fields,
    };
    let found = subject.walk(&mut Vec::new(), body).err();
    found.or_else(|| subject.missing(body))
}

/// A field's path, its keys with a space between, `*` for any key or item, and what stands there. What is no field's path
/// or beginning is foreign.
type Row = (&'static str, Is);
type Shape = &'static [Row];
type Field = (Vec<&'static str>, Is);

#[derive(Debug, Clone, Copy)]
enum Is {
    Text,
    Texts,
    Number,
    /// A number or a text: quantities, and Kubernetes' IntOrString.
    Amount,
    Exactly(&'static str),
    OneOf(&'static [&'static str]),
    Id(u32),
    True,
    False,
    /// `["ALL"]`
    All,
    /// No entries: anywhere else `{}` means "everything".
    Nothing,
    ApiVersion,
    Kind,
    ObjectName,
    StackName,
    SettingsName,
    Namespace,
    /// Labels of an object, which is a member of the set.
    MemberLabels,
    Labels,
    Selector,
    ScrapeAnnotations,
    Variable,
}

impl Is {
    const fn is_needed(self) -> bool {
        use Is::{
            ApiVersion, Kind, Labels, MemberLabels, Namespace, ObjectName, Selector, StackName,
        };
        matches!(
            self,
            ApiVersion
                | Kind
                | ObjectName
                | StackName
                | Namespace
                | MemberLabels
                | Labels
                | Selector
        )
    }
}

const COMMON: Shape = &[
    ("apiVersion", Is::ApiVersion),
    ("kind", Is::Kind),
    ("metadata name", Is::ObjectName),
    ("metadata namespace", Is::Namespace),
    ("metadata labels", Is::MemberLabels),
];

/// The tables of a kind, each with the path that all of its fields begin with.
const fn of_kind(kind: Kind) -> &'static [(&'static [&'static str], Shape)] {
    match kind {
        Kind::Namespace => &[],
        Kind::ServiceAccount => &[(&[], &[("automountServiceAccountToken", Is::False)])],
        Kind::ConfigMap => &[(&[], &[("data settings.toml", Is::Text)])],
        Kind::NetworkPolicy => &[(&[], NETWORK_POLICY)],
        Kind::Service => &[(&[], SERVICE)],
        Kind::Deployment => &[
            (&[], DEPLOYMENT),
            (&["spec", "template", "spec"], POD),
            (
                &["spec", "template", "spec", "containers", CONTAINER],
                SERVER,
            ),
        ],
        Kind::PodDisruptionBudget => &[(&[], BUDGET)],
        Kind::HorizontalPodAutoscaler => &[(&[], AUTOSCALER)],
    }
}

/// Every field of a kind, with its path.
fn fields(kind: Kind) -> Vec<Field> {
    let of_kind = of_kind(kind).iter().copied();
    let tables = [(&[] as &[&str], COMMON)].into_iter().chain(of_kind);
    tables
        .flat_map(|(prefix, shape)| shape.iter().map(move |row| field(prefix, row)))
        .collect()
}

fn field(prefix: &[&'static str], (path, is): &Row) -> Field {
    let path = prefix.iter().copied().chain(path.split(' '));
    (path.collect(), *is)
}

/// The level of PodSecurity that a namespace enforces.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const PROTOCOLS: Is = Is::OneOf(&["TCP", "UDP"]);

const BUDGET: Shape = &[
    ("spec selector matchLabels", Is::Selector),
    (
        "spec unhealthyPodEvictionPolicy",
        Is::Exactly("AlwaysAllow"),
    ),
    ("spec minAvailable", Is::Amount),
    ("spec maxUnavailable", Is::Amount),
];

const NETWORK_POLICY: Shape = &[
    ("spec podSelector matchLabels", Is::Selector),
    ("spec policyTypes *", Is::OneOf(&["Ingress", "Egress"])),
    ("spec * * ports * port", Is::Number),
    ("spec * * ports * protocol", PROTOCOLS),
    (
        "spec ingress * from * namespaceSelector matchExpressions * key",
        Is::Text,
    ),
    (
        "spec ingress * from * namespaceSelector matchExpressions * operator",
        Is::Exactly("In"),
    ),
    (
        "spec ingress * from * namespaceSelector matchExpressions * values *",
        Is::Text,
    ),
];

const SERVICE: Shape = &[
    ("metadata annotations", Is::Texts),
    (
        "spec type",
        Is::OneOf(&["ClusterIP", "NodePort", "LoadBalancer"]),
    ),
    ("spec selector", Is::Selector),
    ("spec ports * name", Is::Text),
    ("spec ports * protocol", PROTOCOLS),
    ("spec ports * port", Is::Number),
    ("spec ports * targetPort", Is::Text),
];

const AUTOSCALER: Shape = &[
    ("spec scaleTargetRef apiVersion", Is::Exactly("apps/v1")),
    ("spec scaleTargetRef kind", Is::Exactly("Deployment")),
    ("spec scaleTargetRef name", Is::StackName),
    ("spec minReplicas", Is::Number),
    ("spec maxReplicas", Is::Number),
    ("spec metrics * type", Is::OneOf(&["Resource", "Pods"])),
    ("spec metrics * resource name", Is::Text),
    ("spec metrics * pods metric name", Is::Text),
    ("spec metrics * * target *", Is::Amount),
    ("spec behavior * stabilizationWindowSeconds", Is::Number),
    ("spec behavior * selectPolicy", Is::Text),
    ("spec behavior * policies * *", Is::Amount),
];

const DEPLOYMENT: Shape = &[
    ("spec replicas", Is::Number),
    ("spec revisionHistoryLimit", Is::Number),
    ("spec progressDeadlineSeconds", Is::Number),
    ("spec selector matchLabels", Is::Selector),
    ("spec strategy type", Is::Exactly("RollingUpdate")),
    ("spec strategy rollingUpdate maxSurge", Is::Amount),
    ("spec strategy rollingUpdate maxUnavailable", Is::Amount),
    ("spec template metadata labels", Is::Labels),
    ("spec template metadata annotations", Is::ScrapeAnnotations),
];

/// Of `.spec.template.spec`.
const POD: Shape = &[
    ("serviceAccountName", Is::StackName),
    ("automountServiceAccountToken", Is::False),
    ("enableServiceLinks", Is::False),
    ("terminationGracePeriodSeconds", Is::Number),
    ("securityContext runAsNonRoot", Is::True),
    ("securityContext runAsUser", Is::Id(USER)),
    ("securityContext runAsGroup", Is::Id(USER)),
    (
        "securityContext seccompProfile type",
        Is::Exactly("RuntimeDefault"),
    ),
    ("topologySpreadConstraints * maxSkew", Is::Number),
    ("topologySpreadConstraints * topologyKey", Is::Text),
    ("topologySpreadConstraints * whenUnsatisfiable", Is::Text),
    (
        "topologySpreadConstraints * labelSelector matchLabels",
        Is::Selector,
    ),
    ("topologySpreadConstraints * matchLabelKeys *", Is::Text),
    ("imagePullSecrets * name", Is::Text),
    ("volumes settings name", Is::Text),
    ("volumes settings configMap name", Is::SettingsName),
    ("volumes tmp name", Is::Text),
    ("volumes tmp emptyDir sizeLimit", Is::Text),
    ("volumes secrets name", Is::Text),
    ("volumes secrets secret secretName", Is::Text),
    ("volumes secrets secret items * *", Is::Text),
    ("volumes model name", Is::Text),
    ("volumes model persistentVolumeClaim claimName", Is::Text),
    ("volumes model persistentVolumeClaim readOnly", Is::True),
    ("volumes model hostPath path", Is::Text),
    ("volumes model hostPath type", Is::Exactly("Directory")),
];

/// Of the pods' only container.
const SERVER: Shape = &[
    ("name", Is::Exactly(CONTAINER)),
    ("image", Is::Text),
    ("imagePullPolicy", Is::Exactly("IfNotPresent")),
    ("ports * name", Is::Text),
    ("ports * containerPort", Is::Number),
    ("ports * protocol", Is::Exactly("TCP")),
    ("env * name", Is::Variable),
    ("env * value", Is::Text),
    ("resources requests cpu", Is::Amount),
    ("resources requests memory", Is::Amount),
    ("resources limits cpu", Is::Amount),
    ("resources limits memory", Is::Amount),
    ("resources limits", Is::Nothing),
    ("resources limits nvidia.com/gpu", Is::Amount),
    ("securityContext allowPrivilegeEscalation", Is::False),
    ("securityContext capabilities drop", Is::All),
    ("securityContext readOnlyRootFilesystem", Is::True),
    ("startupProbe httpGet path", Is::Text),
    ("startupProbe httpGet port", Is::Text),
    ("startupProbe *", Is::Number),
    ("livenessProbe httpGet path", Is::Text),
    ("livenessProbe httpGet port", Is::Text),
    ("livenessProbe *", Is::Number),
    ("readinessProbe httpGet path", Is::Text),
    ("readinessProbe httpGet port", Is::Text),
    ("readinessProbe *", Is::Number),
    ("volumeMounts * name", Is::Text),
    ("volumeMounts * mountPath", Is::Text),
    ("volumeMounts * subPath", Is::Text),
    ("volumeMounts * readOnly", Is::True),
];

struct Subject<'a> {
    kind: Kind,
    owner: &'a Owner<'a>,
    fields: Vec<Field>,
}

impl Subject<'_> {
    /// `Err` names the first value that does not belong there.
    fn walk(&self, path: &mut Vec<String>, value: &Value) -> Result<(), String> {
        let fields = self.fields.iter().filter(|(field, _)| begins(field, path));
        let (leaves, inner): (Vec<&Field>, Vec<&Field>) =
            fields.partition(|(field, _)| field.len() == path.len());
        match value {
            _ if leaves.iter().any(|(_, is)| self.is_met(*is, value)) => Ok(()),
            Value::Object(entries) if !inner.is_empty() && !entries.is_empty() => {
                let entries = entries.iter().map(|(key, value)| (key.clone(), value));
                self.walk_all(path, entries)
            }
            Value::Array(items) if !inner.is_empty() && !items.is_empty() => {
                let items = items.iter().enumerate();
                self.walk_all(path, items.map(|(index, item)| (key_of(index, item), item)))
            }
            _ => Err(format!("uninlu renders no such {}", words(path))),
        }
    }

    /// A selector that is not there selects all, a name that is not there is the default's.
    fn missing(&self, body: &Value) -> Option<String> {
        let mut needed = self.fields.iter().filter(|(path, is)| {
            let is_cluster_wide = matches!(is, Is::Namespace) && !self.kind.is_namespaced();
            is.is_needed() && !path.contains(&"*") && !is_cluster_wide
        });
        let (path, _) = needed.find(|(path, _)| body_at(body, path).is_none())?;
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        Some(format!("{} is missing", words(&path)))
    }

    fn walk_all<'v>(
        &self,
        path: &mut Vec<String>,
        entries: impl Iterator<Item = (String, &'v Value)>,
    ) -> Result<(), String> {
        for (key, value) in entries {
            path.push(key);
            self.walk(path, value)?;
            path.pop();
        }
        Ok(())
    }

    fn is_met(&self, is: Is, value: &Value) -> bool {
        let Owner {
            stack, namespace, ..
        } = self.owner;
        match is {
            Is::Text => value.is_string(),
            Is::Texts => texts(value).is_some(),
            Is::Number => value.is_number(),
            Is::Amount => value.is_number() || value.is_string(),
            Is::Exactly(text) => value == text,
            Is::OneOf(texts) => texts.iter().any(|text| value == text),
            Is::Id(id) => *value == id,
            Is::True => *value == true,
            Is::False => *value == false,
            Is::All => *value == serde_json::json!(["ALL"]),
            Is::Nothing => value.as_object().is_some_and(Map::is_empty),
            Is::ApiVersion => *value == self.kind.api_resource().api_version,
            Is::Kind => value == self.kind.name(),
            Is::ObjectName => *value == name(self.kind, self.owner),
            Is::StackName => value == stack,
            Is::SettingsName => *value == config_map::name_of(stack),
            Is::Namespace => self.kind.is_namespaced() && value == namespace,
            Is::MemberLabels => self.are_labels(value, true),
            Is::Labels => self.are_labels(value, false),
            Is::Selector => self.is_selector(value),
            Is::ScrapeAnnotations => {
                let mut keys = texts(value).into_iter().flatten().map(|(key, _)| key);
                texts(value).is_some() && keys.all(|key| key.starts_with("prometheus.io/"))
            }
            Is::Variable => value.as_str().is_some_and(is_variable),
        }
    }

    fn is_selector(&self, value: &Value) -> bool {
        let labels = value.as_object();
        labels.is_some_and(|labels| labels.len() == 2)
            && value[NAME_LABEL] == NAME
            && value[INSTANCE] == self.owner.stack
    }

    /// The stack's own labels are any others; what the namespace enforces is ours.
    fn are_labels(&self, value: &Value, is_member: bool) -> bool {
        let (key, set) = self.owner.member;
        let has_level = |(label, level): (&String, &str)| label == ENFORCE && level != "restricted";
        texts(value).is_some_and(|mut labels| !labels.any(has_level))
            && value[NAME_LABEL] == NAME
            && value[INSTANCE] == self.owner.stack
            && value[MANAGED_BY] == MANAGER
            && value[key]
                == if is_member {
                    Value::from(set)
                } else {
                    Value::Null
                }
    }
}

/// Whether the path is the field's beginning, or all of it.
fn begins(field: &[&str], path: &[String]) -> bool {
    let mut pairs = field.iter().zip(path);
    field.len() >= path.len() && pairs.all(|(key, found)| *key == "*" || key == found)
}

/// What stands at a path without wildcards.
fn body_at<'a>(body: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(body, |value, key| value.get(*key))
}

/// Items are named as Kubernetes merges them.
fn key_of(index: usize, item: &Value) -> String {
    let name = item["name"].as_str().map(str::to_owned);
    name.unwrap_or_else(|| index.to_string())
}

/// The entries of a map of texts.
fn texts(value: &Value) -> Option<impl Iterator<Item = (&String, &str)>> {
    let entries = value.as_object()?;
    let are_texts = entries.values().all(Value::is_string);
    are_texts.then(|| {
        let texts = entries.iter();
        texts.filter_map(|(key, value)| Some((key, value.as_str()?)))
    })
}

fn words(path: &[String]) -> String {
    path.iter().map(|key| format!(".{key}")).collect()
}

fn is_variable(name: &str) -> bool {
    let own = name.starts_with("UNINLU_");
    own || matches!(name, variables::TRACES_ENDPOINT | variables::TRACES_SERVICE)
}

fn name(kind: Kind, owner: &Owner) -> String {
    match kind {
        Kind::Namespace => owner.namespace.to_owned(),
        Kind::ConfigMap => config_map::name_of(owner.stack),
        _ => owner.stack.to_owned(),
    }
}
