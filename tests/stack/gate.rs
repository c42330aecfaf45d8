//! The gate's findings point into the stack file.

use uninlu::gate;
use uninlu::stack;

use super::commands::case;

#[test]
fn each_finding_points_at_the_line_that_causes_it() {
    let file = case("valid-everything.toml");
    let text = std::fs::read_to_string(&file).expect("readable");
    let stack = stack::load(&file, None).expect("valid");
    let day_after_the_waiver = "2027-01-02".parse::<toml::value::Datetime>();
    let today = day_after_the_waiver.ok().and_then(|time| time.date);
    let findings = gate::check(&stack, today.expect("a date"));
    let told: Vec<(&str, &str)> = findings
        .iter()
        .map(|finding| {
            let (_, line) = stack::locate(&stack, finding.keys).expect("the key is in the file");
            (finding.rule, text.lines().nth(line - 1).unwrap_or_default())
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "host-path",
                r#"source = { host-path = "/srv/models/siamese-uninlu" }"#
            ),
            ("own-rules-not-yet", "[[gate.rule]]"),
        ]
    );
}
