//! The roles of `docs/rbac/`: what they allow of a stack's kinds is written from the table of kinds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use uninlu::kinds::Kind;

use super::generated;

/// Each role that has the stack's kinds, and what it may do with them.
const ROLES: [(&str, &[&str]); 2] = [
    ("plan", &["list"]),
    ("apply", &["get", "create", "patch", "delete"]),
];

/// Stands above the rules of the kinds, which end at the next comment.
const HEAD: &str = "  # The kinds of a stack.\n";

fn file(role: &str) -> String {
    format!("docs/rbac/{role}.yaml")
}

fn text(role: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file(role));
    fs::read_to_string(path).expect("readable")
}

/// A rule for each API group, in the order of the table. A namespace needs rights in the whole cluster, which
/// docs/rbac.md names.
fn rules(verbs: &[&str]) -> String {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_namespaced());
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for resource in kinds.map(Kind::api_resource) {
        match groups
            .iter_mut()
            .find(|(group, _)| *group == resource.group)
        {
            Some((_, resources)) => resources.push(resource.plural),
            None => groups.push((resource.group, vec![resource.plural])),
        }
    }
    let rule = |(group, resources): &(String, Vec<String>)| {
        let group = if group.is_empty() { "\"\"" } else { group };
        let (resources, verbs) = (resources.join(", "), verbs.join(", "));
        format!("  - apiGroups: [{group}]\n    resources: [{resources}]\n    verbs: [{verbs}]\n")
    };
    groups.iter().map(rule).collect()
}

/// The role's text with the rules of the kinds in their place.
fn with_rules(text: &str, rules: &str) -> String {
    let (before, after) = text.split_once(HEAD).expect("the role has the kinds");
    let rest = after.find("  #").expect("a comment follows them");
    format!("{before}{HEAD}{rules}{}", &after[rest..])
}

#[test]
fn the_roles_have_every_kind_of_the_table() {
    for (role, verbs) in ROLES {
        let whole = with_rules(&text(role), &rules(verbs));
        generated::compare(&file(role), &whole, "--test kinds roles");
    }
}

/// What the role allows, as `RESOURCE.GROUP: VERB`.
fn rights(role: &str) -> BTreeSet<String> {
    let role: Value = serde_saphyr::from_str(&text(role)).expect("YAML");
    let texts = |list: &Value| -> Vec<String> {
        let texts = list.as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let verbs = texts(&rule["verbs"]).into_iter();
                rights.extend(verbs.map(|verb| format!("{resource}.{group}: {verb}")));
            }
        }
    }
    rights
}

fn is_write(right: &str) -> bool {
    [": get", ": list", ": watch"]
        .iter()
        .all(|verb| !right.ends_with(verb))
}

#[test]
fn who_plans_writes_nothing() {
    let rights = rights("plan");
    let writes: Vec<_> = rights.iter().filter(|right| is_write(right)).collect();
    assert_eq!(writes, [""; 0]);
}

#[test]
fn who_applies_writes_objects_releases_and_the_lock_and_nothing_else() {
    let resources = Kind::ALL.map(Kind::api_resource);
    let mut known = resources
        .map(|it| format!("{}.{}: ", it.plural, it.group))
        .to_vec();
    known.extend(["controllerrevisions.apps: ", "leases.coordination.k8s.io: "].map(str::to_owned));
    let rights = rights("apply");
    let mut writes = rights.iter().filter(|right| is_write(right));
    assert!(writes.clone().count() > known.len());
    let other = writes.find(|right| !known.iter().any(|known| right.starts_with(known)));
    assert_eq!(other, None);
}
