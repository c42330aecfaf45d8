//! Who else lives in a stack's namespace: what is there besides the stack's own objects, what those own, and what
//! controllers put into every namespace.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// An object of the namespace, by its metadata alone.
#[derive(Debug, Clone)]
pub struct Inhabitant {
    /// API group; empty for the core group.
    pub group: String,
    /// `Ingress`
    pub kind: String,
    /// Its metadata.
    pub metadata: ObjectMeta,
}

/// What of the namespace is the stack's.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// The objects that a destroy deletes.
    pub uids: BTreeSet<String>,
    /// Names of its Services: Endpoints have the same, and no owner.
    pub services: BTreeSet<String>,
    /// Name of the Lease that is its lock.
    pub lock: String,
}

/// Kinds that store nothing of their own: what they show is told by another kind, goes by itself, or is the same in
/// every namespace.
const PROJECTIONS: [(&str, &str); 4] = [
    ("", "Event"),
    ("events.k8s.io", "Event"),
    ("metrics.k8s.io", "PodMetrics"),
    ("packages.operators.coreos.com", "PackageManifest"),
];

/// Whether objects of the kind say anything about who lives in a namespace.
pub fn counts(group: &str, kind: &str) -> bool {
    !PROJECTIONS.contains(&(group, kind))
}

/// What controllers put into every namespace, by name: Kubernetes', OpenShift's, Istio's.
const GIVEN: [(&str, &str, &str); 10] = [
    ("", "ConfigMap", "kube-root-ca.crt"),
    ("", "ConfigMap", "openshift-service-ca.crt"),
    ("", "ConfigMap", "istio-ca-root-cert"),
    ("", "ServiceAccount", "default"),
    (RBAC, "RoleBinding", "system:deployers"),
    (RBAC, "RoleBinding", "system:image-builders"),
    (RBAC, "RoleBinding", "system:image-pullers"),
    (OPENSHIFT, "RoleBinding", "system:deployers"),
    (OPENSHIFT, "RoleBinding", "system:image-builders"),
    (OPENSHIFT, "RoleBinding", "system:image-pullers"),
];
const RBAC: &str = "rbac.authorization.k8s.io";
/// Shows the same bindings once more.
const OPENSHIFT: &str = "authorization.openshift.io";

/// The objects of others, each once, as `Ingress.networking.k8s.io bystander`, sorted.
pub fn others(all: &[Inhabitant], own: &Own) -> Vec<String> {
    let family = family(all, own);
    let mut seen = BTreeSet::new();
    let others: BTreeSet<String> = all
        .iter()
        .filter(|one| !one.uid().is_some_and(|uid| family.contains(uid)) && !is_given(one, own))
        // One object may be served by several groups.
        .filter(|one| one.uid().is_none_or(|uid| seen.insert(uid.to_owned())))
        .map(Inhabitant::words)
        .collect();
    others.into_iter().collect()
}

/// Uids of the stack's objects and of all that has no other owners than those; and of the Secrets that belong to what
/// is given, such as an account's token. Anything else may have the namespace's own account for its owner.
fn family(all: &[Inhabitant], own: &Own) -> BTreeSet<String> {
    let mut family = own.uids.clone();
    let given = all.iter().filter(|one| is_given(one, own));
    let given: BTreeSet<String> = given
        .filter_map(|one| one.uid().map(str::to_owned))
        .collect();
    let of_account = |one: &Inhabitant| {
        (one.group.as_str(), one.kind.as_str()) == ("", "Secret") && one.is_owned_by(&given)
    };
    family.extend(
        all.iter()
            .filter(|one| of_account(one))
            .filter_map(|one| one.uid().map(str::to_owned)),
    );
    loop {
        let known = family.len();
        let owned = all.iter().filter(|one| one.is_owned_by(&family));
        let owned: Vec<String> = owned
            .filter_map(|one| one.uid().map(str::to_owned))
            .collect();
        family.extend(owned);
        if family.len() == known {
            return family;
        }
    }
}

fn is_given(one: &Inhabitant, own: &Own) -> bool {
    let (group, kind, name) = (one.group.as_str(), one.kind.as_str(), one.name());
    match (group, kind) {
        ("", "Endpoints") => own.services.contains(name),
        ("coordination.k8s.io", "Lease") => name == own.lock,
        ("", "ServiceAccount") if matches!(name, "builder" | "deployer") => {
            one.is_annotated(|key| key.starts_with("openshift.io/"))
        }
        ("", "Secret") => one
            .is_annotated(|key| key == "openshift.io/internal-registry-auth-token.service-account"),
        // Copied into every namespace by the Operator Lifecycle Manager.
        ("operators.coreos.com", "ClusterServiceVersion") => one.is_labelled("olm.copiedFrom"),
        _ => GIVEN.contains(&(group, kind, name)),
    }
}

impl Inhabitant {
    fn uid(&self) -> Option<&str> {
        self.metadata.uid.as_deref()
    }

    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    fn words(&self) -> String {
        match self.group.as_str() {
            "" => format!("{} {}", self.kind, self.name()),
            group => format!("{}.{group} {}", self.kind, self.name()),
        }
    }

    /// An object with one more owner stays when ours are gone.
    fn is_owned_by(&self, family: &BTreeSet<String>) -> bool {
        let owners = self
            .metadata
            .owner_references
            .as_deref()
            .unwrap_or_default();
        !owners.is_empty() && owners.iter().all(|owner| family.contains(&owner.uid))
    }

    fn is_annotated(&self, is_it: impl Fn(&str) -> bool) -> bool {
        has_key(self.metadata.annotations.as_ref(), is_it)
    }

    fn is_labelled(&self, key: &str) -> bool {
        has_key(self.metadata.labels.as_ref(), |known| known == key)
    }
}

fn has_key(map: Option<&BTreeMap<String, String>>, is_it: impl Fn(&str) -> bool) -> bool {
    map.is_some_and(|map| map.keys().any(|key| is_it(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn one(kind: &str, uid: &str, metadata: Value) -> Inhabitant {
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        let mut metadata = metadata;
        metadata["uid"] = json!(uid);
        Inhabitant {
            group: group.to_owned(),
            kind: kind.to_owned(),
            metadata: serde_json::from_value(metadata).expect("metadata"),
        }
    }

    fn named(kind: &str, uid: &str, name: &str) -> Inhabitant {
        one(kind, uid, json!({ "name": name }))
    }

    fn owned(kind: &str, uid: &str, owners: &[&str]) -> Inhabitant {
        let owners: Vec<Value> = owners
            .iter()
            .map(|uid| json!({ "apiVersion": "v1", "kind": "Any", "name": "any", "uid": uid }))
            .collect();
        one(kind, uid, json!({ "name": uid, "ownerReferences": owners }))
    }

    fn own() -> Own {
        Own {
            uids: ["deployment", "service"].map(str::to_owned).into(),
            services: ["nlu".to_owned()].into(),
            lock: "nlu-uninlu".into(),
        }
    }

    #[test]
    fn what_is_ours_and_what_every_namespace_has_is_nobody_else() {
        let all = [
            named("Deployment.apps", "deployment", "nlu"),
            owned("Pod", "pod", &["set"]),
            owned("ReplicaSet.apps", "set", &["deployment"]),
            owned("EndpointSlice.discovery.k8s.io", "slice", &["service"]),
            named("Endpoints", "endpoints", "nlu"),
            named("Lease.coordination.k8s.io", "lease", "nlu-uninlu"),
            named("ConfigMap", "ca", "kube-root-ca.crt"),
            named("ServiceAccount", "account", "default"),
            owned("Secret", "secret", &["account"]),
            named(
                "RoleBinding.rbac.authorization.k8s.io",
                "binding",
                "system:deployers",
            ),
        ];
        assert_eq!(others(&all, &own()), Vec::<String>::new());
    }

    #[test]
    fn everything_else_is() {
        let all = [
            named("Ingress.networking.k8s.io", "1", "bystander"),
            named("Ingress.extensions", "1", "bystander"),
            named("Role.rbac.authorization.k8s.io", "2", "bystander"),
            named("Widget.example.com", "3", "mine"),
            named("Endpoints", "4", "database"),
            named("ConfigMap", "5", "default"),
            named("ServiceAccount", "6", "builder"),
            named("Lease.coordination.k8s.io", "7", "other-uninlu"),
            owned("Pod", "8", &["deployment", "somebody"]),
            owned("Pod", "9", &["somebody"]),
            named("ServiceAccount", "account", "default"),
            owned("ConfigMap", "11", &["account"]),
            owned("Widget.example.com", "12", &["account"]),
            one(
                "Deployment.apps",
                "10",
                json!({ "name": "copy",
                "labels": { "app.kubernetes.io/managed-by": "uninlu" } }),
            ),
        ];
        let expected = [
            "ConfigMap 11",
            "ConfigMap default",
            "Deployment.apps copy",
            "Endpoints database",
            "Ingress.networking.k8s.io bystander",
            "Lease.coordination.k8s.io other-uninlu",
            "Pod 8",
            "Pod 9",
            "Role.rbac.authorization.k8s.io bystander",
            "ServiceAccount builder",
            "Widget.example.com 12",
            "Widget.example.com mine",
        ];
        assert_eq!(others(&all, &own()), expected);
    }
}
