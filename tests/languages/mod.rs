//! A page and its translation show the same: commands, code, pictures, links. So neither can fall behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::project::{pattern, root, text};

/// Without their endings.
const PAGES: [&str; 6] = [
    "README",
    "docs/autoscaling",
    "docs/from-helm",
    "docs/from-the-tutorial",
    "docs/how-to",
    "docs/tutorial",
];

fn both(page: &str) -> [String; 2] {
    [
        text(&format!("{page}.md")),
        text(&format!("{page}.zh-CN.md")),
    ]
}

/// Each block of code, line by line, without comments: those are translated.
fn blocks(page: &str) -> Vec<String> {
    let comment = pattern(r"(?m)(^|\s+)# .*$");
    let found = pattern(r"(?s)```.*?```");
    let blocks = found.find_iter(page);
    blocks
        .map(|it| comment.replace_all(it.as_str(), "").into_owned())
        .collect()
}

fn without_blocks(page: &str) -> String {
    pattern(r"(?s)```.*?```").replace_all(page, "").into_owned()
}

/// Everything between backticks.
fn code(page: &str) -> BTreeSet<String> {
    let page = without_blocks(page);
    let found = pattern(r"`([^`\n]+)`");
    found
        .captures_iter(&page)
        .map(|it| it[1].to_owned())
        .collect()
}

/// Which pages and pictures are shown; the other language's page, and headings, have names of their own.
fn links(page: &str) -> BTreeSet<String> {
    let page = without_blocks(page);
    let found = pattern(r"\]\(([^)\n]+)\)");
    let page_of = |it: &str| {
        it.split('#')
            .next()
            .map(|it| it.replace(".zh-CN.md", ".md"))
    };
    let targets = found.captures_iter(&page).filter_map(|it| page_of(&it[1]));
    targets
        .filter(|it| it != "README.md" && !it.is_empty())
        .collect()
}

/// As it is named in a link: `## The label app` is `#the-label-app`.
fn anchors(page: &str) -> BTreeSet<String> {
    let page = without_blocks(page);
    let headings = page.lines().filter_map(|line| {
        let title = line.trim_start_matches('#');
        (title != line).then_some(title.strip_prefix(' ')?)
    });
    let name = |title: &str| {
        let is_kept = |it: &char| it.is_alphanumeric() || " -_".contains(*it);
        let kept: String = title.to_lowercase().chars().filter(is_kept).collect();
        kept.replace(' ', "-")
    };
    headings.map(name).collect()
}

/// Levels of headings, and rows of tables.
fn shape(page: &str) -> Vec<String> {
    let page = without_blocks(page);
    let lines = page.lines().filter_map(|line| match line.split_once(' ') {
        Some((mark, _)) if !mark.is_empty() && mark.bytes().all(|it| it == b'#') => {
            Some(mark.to_owned())
        }
        _ if line.starts_with('|') => Some(format!(
            "| {} cells",
            line.replace("\\|", "").matches('|').count()
        )),
        _ => None,
    });
    lines.collect()
}

/// What one has and the other has not.
fn difference<'a>(one: &'a BTreeSet<String>, other: &'a BTreeSet<String>) -> Vec<&'a String> {
    one.symmetric_difference(other).collect()
}

#[test]
fn a_page_and_its_translation_show_the_same() {
    for page in PAGES {
        let [english, chinese] = both(page);
        assert_eq!(blocks(&english), blocks(&chinese), "{page}: blocks of code");
        let (one, other) = (code(&english), code(&chinese));
        assert!(
            one == other,
            "{page}: code in one language alone: {:#?}",
            difference(&one, &other)
        );
        let (one, other) = (links(&english), links(&chinese));
        assert!(
            one == other,
            "{page}: links in one language alone: {:#?}",
            difference(&one, &other)
        );
        assert_eq!(
            shape(&english),
            shape(&chinese),
            "{page}: headings and tables"
        );
    }
}

#[test]
fn a_link_to_a_page_leads_to_one() {
    for page in PAGES {
        let folder = Path::new(page).parent().expect("a folder");
        for (ending, page) in ["md", "zh-CN.md"].iter().zip(both(page)) {
            let page = without_blocks(&page);
            let found = pattern(r"\]\(([^)#\n]+)(#[^)\n]*)?\)");
            let targets = found.captures_iter(&page).map(|it| it[1].to_owned());
            for target in targets.filter(|it| !it.contains("://")) {
                let path = root().join(folder).join(&target);
                assert!(path.exists(), "{ending}: {target} in {}", folder.display());
            }
        }
    }
}

#[test]
fn a_link_to_a_heading_leads_to_one() {
    let found = pattern(r"\]\(([^)#\n]*)#([^)\n]+)\)");
    let mut count = 0;
    for name in PAGES {
        let folder = root().join(name);
        let folder = folder.parent().expect("a folder");
        for page in both(name) {
            for link in found.captures_iter(&without_blocks(&page)) {
                let target = match &link[1] {
                    "" => page.clone(),
                    file if file.contains("://") || !file.ends_with(".md") => continue,
                    file => std::fs::read_to_string(folder.join(file)).expect("readable"),
                };
                assert!(anchors(&target).contains(&link[2]), "{name}: {}", &link[0]);
                count += 1;
            }
        }
    }
    assert!(count > 10, "links to headings: {count}");
}

/// `uninlu VERB …` of the blocks, with the flags that they give.
#[test]
fn the_commands_of_the_pages_are_the_tools() {
    let commands: Vec<String> = PAGES
        .iter()
        .flat_map(|page| blocks(&both(page)[0]))
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("uninlu "))
        .collect();
    assert!(commands.len() > 15, "{commands:#?}");
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let verbs = if words[0] == "import" {
            &words[..2]
        } else {
            &words[..1]
        };
        if verbs[0].starts_with('-') {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_uninlu"))
            .args(verbs)
            .arg("--help")
            .output();
        let output = output.expect("the binary was built for this test");
        assert!(output.status.success(), "{command}: {output:?}");
        let help = String::from_utf8_lossy(&output.stdout).into_owned();
        for flag in words.iter().filter(|it| it.starts_with("--")) {
            assert!(help.contains(flag), "`{command}`: there is no {flag}");
        }
    }
}

/// So that the commands of the usual tutorial answer.
#[test]
fn the_label_of_the_usual_chart_is_on_the_pods_and_not_in_the_selector() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stack = folder.path().join("uninlu.toml");
    let uninlu = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uninlu"));
        let output = command.current_dir(root()).args(arguments).output();
        let output = output.expect("the binary was built for this test");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let file = stack.to_str().expect("UTF-8");
    uninlu(&["import", "helm", "tests/import/usual-chart", "--out", file]);
    let rendered = uninlu(&["render", file]);
    let deployment = rendered
        .split("\n---\n")
        .find(|it| it.contains("\nkind: Deployment\n"));
    let deployment: serde_json::Value =
        serde_saphyr::from_str(deployment.expect("a Deployment")).expect("YAML");
    assert_eq!(
        deployment["spec"]["template"]["metadata"]["labels"]["app"],
        "siamese-uninlu"
    );
    let selector = &deployment["spec"]["selector"]["matchLabels"];
    assert!(
        selector.is_object() && selector.get("app").is_none(),
        "{selector}"
    );
}

#[test]
fn a_translated_comment_is_no_difference_and_a_command_is() {
    let english = "```\nmake demo     # all of it\n# words\n```\n`a`";
    let chinese = "```\nmake demo     # 全部\n# 说明\n```\n`a`";
    assert_eq!(blocks(english), blocks(chinese));
    assert_ne!(
        blocks(english),
        blocks(&chinese.replace("make demo", "make test"))
    );
    assert_eq!(code(english), code("`a`"));
}
