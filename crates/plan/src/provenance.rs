//! Whether a record of a release is one of ours. The cluster keeps the records, and more people may write
//! ControllerRevisions than may write Deployments: what a record holds is applied only when this tool could have made
//! it for this stack.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::{Goal, apply_set};
use uninlu_objects::{Kind, items, of_kind, shape};
use uninlu_stack::Target;

/// The name of a release's record.
pub fn record_name(stack: &str, number: i64) -> String {
    format!("{stack}-release-{number}")
}

/// No stack is applied so often; a larger number would leave none for the next release.
const MOST: i64 = 1_000_000_000_000;

/// The number that a record's name says, if it is a name of ours.
pub fn number_of(stack: &str, name: &str) -> Option<i64> {
    let number: i64 = name
        .strip_prefix(stack)?
        .strip_prefix("-release-")?
        .parse()
        .ok()?;
    (is_counted(number) && record_name(stack, number) == name).then_some(number)
}

fn is_counted(number: i64) -> bool {
    (1..=MOST).contains(&number)
}

/// Why the object is no record of ours: its name says its number, and it belongs to nobody else.
pub fn misplaced(metadata: &ObjectMeta, number: i64, target: &Target) -> Option<String> {
    let name = metadata.name.as_deref().unwrap_or_default();
    if record_name(&target.stack, number) != name {
        return Some(format!(
            "its number is {number}, and its name says otherwise"
        ));
    }
    if !is_counted(number) {
        return Some(format!("no release has the number {number}"));
    }
    if let Some(owner) = metadata.owner_references.iter().flatten().next() {
        return Some(format!("it belongs to {} {}", owner.kind, owner.name));
    }
    let set = metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(apply_set::PART_OF))?;
    let own = apply_set::id(&apply_set::parent_id(target));
    (*set != own).then(|| format!("it is part of the ApplySet {set}"))
}

/// Why no stack of that name in that namespace stands for the goal.
pub fn foreign(goal: &Goal, target: &Target) -> Option<String> {
    let there = &goal.target;
    if (&there.stack, &there.namespace) != (&target.stack, &target.namespace) {
        return Some(format!(
            "it is of the stack {} in namespace {}",
            there.stack, there.namespace
        ));
    }
    let set = apply_set::id(&apply_set::parent_id(target));
    let owner = shape::Owner {
        stack: &target.stack,
        namespace: &target.namespace,
        member: (apply_set::PART_OF, &set),
    };
    if let Some(reason) = shape::foreign(&goal.objects, &owner) {
        return Some(reason);
    }
    let image = image(goal);
    if image != Some(goal.image.reference.as_str()) {
        return Some("its pods run another image than it says".into());
    }
    let is_pinned = image.is_some_and(|image| image.contains("@sha256:"));
    (!is_pinned).then(|| "its image is not pinned by a digest".into())
}

/// What the goal reaches that the stack, as it is written now, does not name: an image repository, a Secret, a folder of
/// the node, the namespace itself.
pub fn outside(goal: &Goal, stack: &Goal) -> Option<String> {
    let repository = |goal: &Goal| repository(&goal.image.reference).to_owned();
    let (found, own) = (repository(goal), repository(stack));
    if found != own {
        return Some(format!(
            "it runs an image of {found}, and the stack's is of {own}"
        ));
    }
    let makes_namespace = |goal: &Goal| goal.objects.keys().any(|id| id.kind == Kind::Namespace);
    if makes_namespace(goal) && !makes_namespace(stack) {
        return Some("it takes the namespace for its own, and the stack does not".into());
    }
    let named = references(stack);
    let other = references(goal).into_iter().find(|it| !named.contains(it));
    other.map(|other| format!("it uses {other}, which the stack does not name"))
}

/// `registry/path`, without tag and digest; a port is no tag.
fn repository(reference: &str) -> &str {
    let name = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

fn pod(goal: &Goal) -> &Value {
    static NONE: Value = Value::Null;
    let deployment = of_kind(&goal.objects, Kind::Deployment);
    deployment.map_or(&NONE, |body| &body["spec"]["template"]["spec"])
}

fn image(goal: &Goal) -> Option<&str> {
    pod(goal)["containers"][0]["image"].as_str()
}

/// Secrets and folders of the node, in words.
fn references(goal: &Goal) -> BTreeSet<String> {
    let pod = pod(goal);
    let secret = |name: &Value| name.as_str().map(|name| format!("Secret {name}"));
    let folder = |path: &Value| {
        path.as_str()
            .map(|path| format!("the node's folder {path}"))
    };
    let pulls = items(&pod["imagePullSecrets"]).filter_map(|item| secret(&item["name"]));
    let secrets = items(&pod["volumes"]).filter_map(|item| secret(&item["secret"]["secretName"]));
    let folders = items(&pod["volumes"]).filter_map(|item| folder(&item["hostPath"]["path"]));
    pulls.chain(secrets).chain(folders).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_its_name() {
        assert_eq!(number_of("nlu", "nlu-release-12"), Some(12));
        for name in [
            "nlu-release-",
            "nlu-release-012",
            "nlu-release-0",
            "nlu-release--1",
            "nlu-release-9223372036854775807",
            "nlu-release-99999999999999999999",
            "nlu-release-+1",
            "nlu-release-1-x",
            "other-release-1",
        ] {
            assert_eq!(number_of("nlu", name), None, "{name}");
        }
    }

    #[test]
    fn a_repository_is_a_reference_without_tag_and_digest() {
        let digest = "@sha256:0123";
        for (reference, expected) in [
            ("localhost:5000/nlu", "localhost:5000/nlu"),
            ("localhost:5000/nlu:tag", "localhost:5000/nlu"),
            (
                &format!("registry.test/ai/nlu:tag{digest}"),
                "registry.test/ai/nlu",
            ),
            (&format!("nlu{digest}"), "nlu"),
        ] {
            assert_eq!(repository(reference), expected);
        }
    }
}
