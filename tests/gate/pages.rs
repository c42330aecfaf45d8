//! Each rule has its page in `docs/rules`, and each page its rule.

use std::collections::BTreeSet;
use std::path::Path;

use uninlu::gate;

#[test]
fn each_rule_has_its_page_and_each_page_its_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    let pages: BTreeSet<String> = std::fs::read_dir(&folder)
        .expect("the pages' folder")
        .map(|entry| entry.expect("readable").path())
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let rules: BTreeSet<String> = gate::ids().map(str::to_owned).collect();
    assert_eq!(pages, rules);
}

#[test]
fn a_page_says_what_its_rule_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules");
    for rule in gate::rules() {
        let page =
            std::fs::read_to_string(folder.join(format!("{}.md", rule.id))).expect("readable");
        let heading = format!("# {} ({})\n", rule.id, rule.severity.word());
        assert!(
            page.starts_with(&heading),
            "{}: no heading `{heading}`",
            rule.id
        );
        for (part, text) in [("Why", rule.why), ("Mend", rule.mend)] {
            assert!(page.contains(text), "{}: {part} is not `{text}`", rule.id);
        }
        let waiver = format!("rule = \"{}\"", rule.id);
        let can_be_waived = rule.id != "stack-file";
        assert_eq!(
            page.contains(&waiver),
            can_be_waived,
            "{}: its waiver",
            rule.id
        );
    }
}

/// A workflow that is copied must run: each command and each flag that it uses is one of the binary's.
#[test]
fn workflows_use_commands_and_flags_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci");
    for file in ["github-actions.yml", "gitlab-ci.yml"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("readable");
        serde_saphyr::from_str::<serde_json::Value>(&text)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let commands: BTreeSet<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.split_once("uninlu ")?.1.split_once(" \"$"))
            .collect();
        assert!(commands.len() >= 5, "{file}: {commands:?}");
        for (verb, rest) in commands {
            let help = help(verb);
            let flags = rest
                .split_whitespace()
                .filter(|word| word.starts_with("--"));
            for flag in flags {
                assert!(help.contains(flag), "{file}: `{verb}` has no {flag}");
            }
        }
    }
}

fn help(verb: &str) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_uninlu"))
        .args([verb, "--help"])
        .output()
        .expect("the binary was built for this test");
    assert!(output.status.success(), "there is no `uninlu {verb}`");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
