//! ApplySet (KEP-3659, as kubectl ships it): how a stack knows what belongs to it, also after it left the file.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use uninlu_objects::{INSTANCE, Kind, MANAGED_BY, MANAGER, ObjectId};
use uninlu_stack::Target;

/// Label of every member; its value is the set's id.
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// Label of the parent; its value is the set's id.
const ID: &str = "applyset.kubernetes.io/id";
const TOOLING: &str = "applyset.kubernetes.io/tooling";
const GROUP_KINDS: &str = "applyset.kubernetes.io/contains-group-kinds";

/// Which ConfigMap is the parent of the stack's set.
pub fn parent_id(target: &Target) -> ObjectId {
    ObjectId {
        kind: Kind::ConfigMap,
        namespace: Some(target.namespace.clone()),
        name: format!("{}-applyset", target.stack),
    }
}

/// The set's id: a hash of where its parent is, so that two parents never share members.
pub fn id(parent: &ObjectId) -> String {
    let place = format!(
        "{}.{}.ConfigMap.",
        parent.name,
        parent.namespace.as_deref().unwrap_or_default()
    );
    let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(place));
    format!("applyset-{hash}-v1")
}

/// Body of the parent, whose set contains the given kinds.
pub fn parent_body(stack_name: &str, parent: &ObjectId, kinds: &BTreeSet<Kind>) -> Value {
    let mut group_kinds: Vec<String> = kinds.iter().map(|kind| kind.group_kind()).collect();
    group_kinds.sort_unstable();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": parent.name,
            "namespace": parent.namespace,
            "labels": { ID: id(parent), MANAGED_BY: MANAGER, INSTANCE: stack_name },
            "annotations": {
                TOOLING: format!("{MANAGER}/{}", env!("CARGO_PKG_VERSION")),
                GROUP_KINDS: group_kinds.join(","),
            },
        },
    })
}

/// The kinds that the live parent says its set contains. Kinds that we do not know cannot be ours.
pub fn kinds_of(parent: &Value) -> BTreeSet<Kind> {
    let group_kinds = parent["metadata"]["annotations"][GROUP_KINDS]
        .as_str()
        .unwrap_or_default();
    group_kinds
        .split(',')
        .filter_map(|group_kind| {
            Kind::ALL
                .into_iter()
                .find(|kind| kind.group_kind() == group_kind)
        })
        .collect()
}

/// Whether the live parent already says what `body` says. The version of the tool alone is no difference: a newer
/// uninlu that changes nothing else must not write.
pub fn says_the_same(live: &Value, body: &Value) -> bool {
    let labels = [ID, MANAGED_BY, INSTANCE];
    labels
        .iter()
        .all(|key| live["metadata"]["labels"][*key] == body["metadata"]["labels"][*key])
        && kinds_of(live) == kinds_of(body)
}

/// Whether the live object is the parent of another tool's set.
pub fn is_foreign(live: &Value, parent: &ObjectId) -> bool {
    let tooling = live["metadata"]["annotations"][TOOLING]
        .as_str()
        .unwrap_or_default();
    live["metadata"]["labels"][ID] != id(parent) || !tooling.starts_with(&format!("{MANAGER}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent() -> ObjectId {
        parent_id(&Target {
            stack: "demo".into(),
            namespace: "ns".into(),
            context: "test".into(),
            kubeconfig: None,
            environment: None,
        })
    }

    #[test]
    fn the_id_is_what_kubectl_computes() {
        // sha256("demo-applyset.ns.ConfigMap.") in URL-safe base64 without padding, KEP-3659.
        let id = id(&parent());
        assert!(id.starts_with("applyset-") && id.ends_with("-v1"), "{id}");
        assert_eq!(id.len(), "applyset-".len() + 43 + "-v1".len());
    }

    #[test]
    fn the_kinds_survive_a_round_trip() {
        let kinds = BTreeSet::from([Kind::Deployment, Kind::Service, Kind::PodDisruptionBudget]);
        let body = parent_body("demo", &parent(), &kinds);
        assert_eq!(kinds_of(&body), kinds);
        assert_eq!(
            body["metadata"]["annotations"][GROUP_KINDS],
            "Deployment.apps,PodDisruptionBudget.policy,Service"
        );
    }
}
