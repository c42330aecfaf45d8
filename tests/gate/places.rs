//! The gate's findings point into the stack file.

use std::path::Path;

use uninlu::stack;

use super::offline;

#[test]
fn each_finding_points_at_the_line_that_causes_it() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/cases");
    let file = cases.join("valid-everything.toml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let stack = stack::load(&file, None).expect("valid");
    let day_after_the_waiver = "2027-01-02".parse::<toml::value::Datetime>();
    let today = day_after_the_waiver.ok().and_then(|time| time.date);
    let findings = offline(&stack, today.expect("a date"));
    let told: Vec<(&str, &str)> = findings
        .iter()
        .map(|finding| {
            let keys: Vec<&str> = finding.keys.iter().map(String::as_str).collect();
            let (_, line) = stack.locate(&keys).expect("the key is in the file");
            (
                finding.rule.as_str(),
                text.lines().nth(line - 1).unwrap_or_default(),
            )
        })
        .collect();
    let all: std::collections::BTreeSet<_> = told.into_iter().collect();
    let expected = [
        ("drain-waits-for-rollout", "max-unavailable = 1"),
        (
            "host-path",
            r#"source = { host-path = "/srv/models/siamese-uninlu" }"#,
        ),
        (
            "waiver-expired",
            r#"allow = [{ rule = "host-path", reason = "one node, on purpose", until = 2027-01-01 }]"#,
        ),
    ];
    assert_eq!(all, expected.into());
}
