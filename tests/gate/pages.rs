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
