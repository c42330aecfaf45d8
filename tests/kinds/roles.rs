//! The roles of `docs/rbac/` name every kind that a stack is made of, with the verbs that the tool sends for it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use uninlu::kinds::Kind;

/// What the role allows, as `GROUP/RESOURCE: VERB`.
fn rights(role: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rbac");
    let text = std::fs::read_to_string(folder.join(format!("{role}.yaml"))).expect("readable");
    let role: Value = serde_saphyr::from_str(&text).expect("YAML");
    let texts = |list: &Value| -> Vec<String> {
        let texts = list.as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    rights.insert(format!("{group}/{resource}: {verb}"));
                }
            }
        }
    }
    rights
}

/// A namespace is made with rights of another sort, which docs/rbac.md names.
fn of_kinds(verbs: &[&str]) -> BTreeSet<String> {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.is_namespaced());
    let resources = kinds.map(Kind::api_resource);
    resources
        .flat_map(|it| {
            verbs
                .iter()
                .map(move |verb| format!("{}/{}: {verb}", it.group, it.plural))
        })
        .collect()
}

#[test]
fn who_plans_may_list_every_kind_and_write_nothing() {
    let rights = rights("plan");
    let missing: Vec<_> = of_kinds(&["list"]).difference(&rights).cloned().collect();
    assert_eq!(missing, [""; 0]);
    let reads = [": get", ": list"];
    let writes = rights
        .iter()
        .filter(|right| !reads.iter().any(|verb| right.ends_with(verb)));
    assert_eq!(writes.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn who_applies_may_write_every_kind_and_nothing_else() {
    let writes = ["create", "update", "patch", "delete"];
    let rights = rights("apply");
    let is_write = |right: &&String| {
        writes
            .iter()
            .any(|verb| right.ends_with(&format!(": {verb}")))
    };
    let missing: Vec<_> = of_kinds(&["get", "create", "patch", "delete"])
        .difference(&rights)
        .cloned()
        .collect();
    assert_eq!(missing, [""; 0]);
    let of_kinds = of_kinds(&writes);
    // Releases and the lock are no objects of a stack.
    let others = ["apps/controllerrevisions: ", "coordination.k8s.io/leases: "];
    let more = rights.iter().filter(is_write).filter(|right| {
        !of_kinds.contains(*right) && !others.iter().any(|other| right.starts_with(other))
    });
    assert_eq!(more.collect::<Vec<_>>(), [""; 0]);
}
