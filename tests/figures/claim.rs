//! What is calculated instead of measured comes out again, and the pages say of it what came out.

use std::process::Command;

use super::record::{Fact, Records};
use crate::project::{root, text};

#[test]
fn the_usual_tutorials_claim_is_calculated_as_it_is_written() {
    let output = Command::new("python3")
        .args(["-B", "tests/autoscaling/claim.py", "--check"])
        .arg(env!("CARGO_BIN_EXE_uninlu"))
        .current_dir(root())
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The rows of the first table behind a heading, without its head; cells without their edges.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = page.split_once(heading).expect("the heading");
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    lines.map(cells).collect()
}

/// A row for each part of the claim, in the record's order, with a finding that begins as the simulation ended.
#[test]
fn the_findings_of_the_pages_are_those_of_the_record() {
    let records = Records::read();
    let facts = &records.of("tutorial-claim").facts;
    assert_eq!(facts.len(), 6, "what the tutorial claims");
    for (page, heading, [holds, fails]) in [
        (
            "docs/autoscaling.md",
            "\n## The usual tutorial's claim\n",
            ["reproduced", "refuted"],
        ),
        (
            "docs/autoscaling.zh-CN.md",
            "\n## 常见教程的说法\n",
            ["复现", "不成立"],
        ),
    ] {
        let rows = rows(&text(page), heading);
        assert_eq!(rows.len(), facts.len(), "{page}: {rows:#?}");
        for (row, fact) in rows.iter().zip(facts) {
            let Fact {
                fact,
                holds: it_holds,
                seen,
            } = fact;
            let begin = if *it_holds { holds } else { fails };
            assert!(
                row[1].starts_with(begin),
                "{page}: `{fact}` ({seen}): the finding is {:?}, not {begin}",
                row[1]
            );
        }
    }
}

/// The English page has the claims in the record's words.
#[test]
fn each_claim_has_its_row() {
    let records = Records::read();
    let facts = &records.of("tutorial-claim").facts;
    let rows = rows(
        &text("docs/autoscaling.md"),
        "\n## The usual tutorial's claim\n",
    );
    let named: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let claims: Vec<&str> = facts.iter().map(|fact| fact.fact.as_str()).collect();
    assert_eq!(named, claims);
}
