//! Each rule has its page in `docs/rules`, and each page its rule.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use uninlu::rules::{self, Check, Rule, Severity};

use crate::generated;
use crate::project::{filled, text};

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn each_rule_has_its_page_and_each_page_its_rule() {
    let pages: BTreeSet<String> = std::fs::read_dir(folder("docs/rules"))
        .expect("the pages' folder")
        .map(|entry| entry.expect("readable").path())
        .map(|path| {
            path.file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let rules: BTreeSet<String> = rules::all().map(|rule| rule.id.to_owned()).collect();
    assert_eq!(pages, rules);
}

/// The commands that run a rule.
fn commands(rule: &Rule) -> Vec<&'static str> {
    let has = |is: fn(&Check) -> bool| rule.checks.iter().any(is);
    let is_of_objects = has(|check| matches!(check, Check::Pod(_) | Check::Objects(_)));
    let commands = [
        ("gate", rule.is_of_gate()),
        (
            "import",
            is_of_objects || has(|check| matches!(check, Check::Files(_))),
        ),
        (
            "verify",
            is_of_objects && rule.severity == Severity::Error || looks_at_what_runs(rule),
        ),
    ];
    let run = commands.into_iter().filter(|(_, runs)| *runs);
    run.map(|(command, _)| command).collect()
}

#[test]
fn a_page_says_what_its_rule_says() {
    for rule in rules::all() {
        let page = std::fs::read_to_string(folder(&rule.page())).expect("readable");
        let heading = format!("# {} ({})\n", rule.id, rule.severity.word());
        assert!(
            page.starts_with(&heading),
            "{}: no heading `{heading}`",
            rule.id
        );
        let commands = commands(rule);
        let aliases: Vec<String> = rule.aliases.iter().map(|it| format!("`{it}`")).collect();
        let aliases = match aliases.as_slice() {
            [] => String::new(),
            aliases => format!(" Earlier ids: {}.", aliases.join(", ")),
        };
        let run = format!("\nRun by: {}.{aliases}\n", commands.join(", "));
        let title = uninlu::ui::capitalised(rule.title);
        for text in [
            &run,
            &format!("\n**{title}.** "),
            &format!("\nWhy: {}.\n", rule.why),
            &format!("\nFix: {}.\n", rule.fix),
        ] {
            assert!(page.contains(text.as_str()), "{}: no `{text}`", rule.id);
        }
        let waiver = format!("rule = \"{}\"", rule.id);
        let can_be_waived = rule.id != "stack-file" && commands != ["import"];
        assert_eq!(
            page.contains(&waiver),
            can_be_waived,
            "{}: its waiver",
            rule.id
        );
    }
}

/// The rules that a command runs, in the order of the list.
fn run_by(command: &str) -> impl Iterator<Item = &'static Rule> {
    rules::all().filter(move |rule| commands(rule).contains(&command))
}

fn looks_at_what_runs(rule: &Rule) -> bool {
    let mut checks = rule.checks.iter();
    checks.any(|check| matches!(check, Check::Running(_) | Check::Settling(_)))
}

const BEGIN: &str = "<!-- rules, from the list -->\n";

#[test]
fn tables_of_rules_are_those_of_the_list() {
    let link = |rule: &Rule| format!("[`{0}`](rules/{0}.md)", rule.id);
    let imported = run_by("import").map(|rule| {
        let severity = rule.severity.word();
        format!("| {} | {severity} | {} |\n", link(rule), rule.title)
    });
    let verified = run_by("verify").filter(|rule| !looks_at_what_runs(rule));
    let verified = verified.map(|rule| format!("| {} | {} |\n", link(rule), rule.title));
    let import_head = "| rule | severity | what must hold |\n|---|---|---|\n";
    let verify_head = "| rule | what must hold |\n|---|---|\n";
    for (file, head, rows) in [
        ("docs/import.md", import_head, imported.collect::<String>()),
        ("docs/verify.md", verify_head, verified.collect()),
    ] {
        let page = filled(&text(file), BEGIN, &format!("{head}{rows}"));
        generated::compare(file, &page, "--test offline pages");
    }
}

/// How it is checked stands beside each, which the list does not say.
#[test]
fn verifys_page_names_the_rules_over_what_runs() {
    let page = text("docs/verify.md");
    let (page, _) = page.split_once(BEGIN).expect("the table of the others");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| [`"));
    let named: BTreeSet<&str> = rows
        .filter_map(|row| Some(row.split_once("`](rules/")?.0))
        .collect();
    let rules = run_by("verify").filter(|rule| looks_at_what_runs(rule));
    assert_eq!(named, rules.map(|rule| rule.id).collect());
}

/// A workflow that is copied must run: each command and each flag that it uses is one of the binary's.
#[test]
fn workflows_use_commands_and_flags_that_exist() {
    for file in ["github-actions.yml", "gitlab-ci.yml"] {
        let (text, _) = workflow(file);
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

fn workflow(file: &str) -> (String, Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci");
    let text = std::fs::read_to_string(folder.join(file)).expect("readable");
    let workflow = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    (text, workflow)
}

/// A tag can be moved to another commit after it was looked at.
#[test]
fn actions_are_pinned_by_their_commit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts: Vec<String> = ["docs/ci", ".github/workflows"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("a folder"))
        .map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("readable"))
        .collect();
    let actions: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split_once("uses: "))
        .map(|(_, action)| action)
        .collect();
    assert!(actions.len() >= 3, "{actions:?}");
    for action in actions {
        let (commit, version) = action
            .split_once('@')
            .and_then(|(_, pin)| pin.split_once(" # v"))
            .unwrap_or_else(|| panic!("`{action}` is no `NAME@COMMIT # vVERSION`"));
        let is_hex = commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(commit.len() == 40 && is_hex, "{action}");
        assert!(
            version.starts_with(|it: char| it.is_ascii_digit()),
            "{action}"
        );
    }
}

/// A job that runs what a pull request says has no right to push what is deployed, nor to apply it.
#[test]
fn jobs_of_pull_requests_can_only_look() {
    let (_, github) = workflow("github-actions.yml");
    let (_, gitlab) = workflow("gitlab-ci.yml");
    let of_github = github["jobs"].as_object().expect("jobs").iter();
    let of_github = of_github.filter(|(_, job)| job["if"] != "github.event_name == 'push'");
    let of_gitlab = gitlab.as_object().expect("jobs").iter();
    let of_gitlab = of_gitlab.filter(|(_, job)| job["rules"].to_string().contains("merge_request"));
    let jobs: Vec<(&String, &Value)> = of_github.chain(of_gitlab).collect();
    assert_eq!(jobs.len(), 2, "{jobs:#?}");
    for (name, job) in jobs {
        let job = job.to_string();
        assert!(job.contains("REGISTRY_PULL_PASSWORD"), "{name}: {job}");
        for right in [
            "PUSH",
            "APPLY",
            "CI_REGISTRY_PASSWORD",
            "CI_JOB_TOKEN",
            "--push",
        ] {
            assert!(!job.contains(right), "{name} has {right}: {job}");
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
