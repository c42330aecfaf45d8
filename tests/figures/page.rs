//! A page's comments, and what stands behind them.
//!
//! `<!-- figure: RECORD/NAME -->2.8<!-- / -->` is a number with as many decimals as the text chooses to have;
//! `<!-- figures: RECORD… -->` are the tables of whole runs; `<!-- table: RECORD/TABLE -->` is one that a run wrote, and
//! `<!-- table: RECORD/TABLE: one | other -->` has its columns' names in the page's language.

use regex::Captures;

use super::record::{Fact, Record, Records, text};
use crate::project::pattern;

const BLOCK: &str = r"(?s)<!-- figures: ([a-z0-9 -]+?) -->\n.*?<!-- / -->";
const TABLE: &str = r"(?s)<!-- table: ([a-z0-9-]+)/([a-z0-9-]+)((?:: [^\n]+?)?) -->\n.*?<!-- / -->";
const FIGURE: &str = r"<!-- figure: ([a-z0-9-]+)/([a-z0-9-]+) -->([^<]*)<!-- / -->";

/// The page as it should be.
pub(super) fn filled(name: &str, page: &str, records: &Records) -> String {
    let page = pattern(BLOCK).replace_all(page, |found: &Captures| {
        let names: Vec<&str> = found[1].split(' ').collect();
        let runs: Vec<&Record> = names.iter().map(|name| records.of(name)).collect();
        format!(
            "<!-- figures: {} -->\n{}<!-- / -->",
            &found[1],
            block(&runs)
        )
    });
    let page = pattern(TABLE).replace_all(&page, |found: &Captures| {
        let table = records.of(&found[1]).tables.get(&found[2]);
        let table = table.unwrap_or_else(|| panic!("{}/{}: no such table", &found[1], &found[2]));
        let columns = match found[3].strip_prefix(": ") {
            Some(translated) => translated.split(" | ").map(str::to_owned).collect(),
            None => table.columns.clone(),
        };
        assert_eq!(
            columns.len(),
            table.columns.len(),
            "{name}: columns of {}/{}",
            &found[1],
            &found[2]
        );
        format!(
            "<!-- table: {}/{}{} -->\n{}<!-- / -->",
            &found[1],
            &found[2],
            &found[3],
            shown(&columns, &table.rows)
        )
    });
    let page = pattern(FIGURE).replace_all(&page, |found: &Captures| {
        let number = records.number(&found[1], &found[2]);
        let decimals = found[3].split_once('.').map_or(0, |(_, it)| it.len());
        let number = format!("{number:.decimals$}");
        format!(
            "<!-- figure: {}/{} -->{number}<!-- / -->",
            &found[1], &found[2]
        )
    });
    let opened = pattern("<!-- (figures?|table): ").find_iter(&page).count();
    let known = [BLOCK, TABLE, FIGURE].map(|it| pattern(it).find_iter(&page).count());
    assert_eq!(
        opened,
        known.iter().sum::<usize>(),
        "{name}: a comment of a figure is not closed or has a wrong form"
    );
    page.into_owned()
}

/// Names of the records that a page takes something from.
pub(super) fn records_named_in(page: &str) -> Vec<String> {
    let names = |form: &str| {
        let found = pattern(form);
        let names = found.captures_iter(page).map(|it| it[1].to_owned());
        names.collect::<Vec<_>>()
    };
    let named = [BLOCK, TABLE, FIGURE].map(names).concat();
    let single = named.iter().flat_map(|it| it.split(' '));
    single.map(str::to_owned).collect()
}

/// Runs: where each is from, then a table of all that was seen.
fn block(runs: &[&Record]) -> String {
    let is_one = runs.iter().all(|run| run.scenario == runs[0].scenario);
    let head = if is_one {
        "| what | seen | fact |\n|---|---|---|\n".to_owned()
    } else {
        "| scenario | what | seen | fact |\n|---|---|---|---|\n".to_owned()
    };
    let row = |run: &Record, what: &str, seen: &str, fact: &str| {
        let cells = [run.scenario.as_str(), what, seen, fact].map(|it| it.replace('|', "\\|"));
        let cells = if is_one { &cells[1..] } else { &cells[..] };
        format!("| {} |\n", cells.join(" | "))
    };
    let mut rows = String::new();
    for run in runs {
        rows.extend(
            run.figures
                .iter()
                .map(|(what, seen)| row(run, what, text(seen), "")),
        );
        let fact = |it: &Fact| row(run, &it.fact, &it.seen, verdict(it));
        rows.extend(run.facts.iter().map(fact));
    }
    format!("{}\n{head}{rows}", origins(runs))
}

fn verdict(fact: &Fact) -> &'static str {
    if fact.holds {
        "holds"
    } else {
        "**does not hold**"
    }
}

/// A line for each origin, with the scenarios that have it.
fn origins(runs: &[&Record]) -> String {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for run in runs {
        let (origin, scenario) = (run.origin(), run.scenario.as_str());
        match lines.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, scenarios)) => scenarios.push(scenario),
            None => lines.push((origin, vec![scenario])),
        }
    }
    let line = |(origin, scenarios): (String, Vec<&str>)| {
        let scenarios: Vec<String> = scenarios.iter().map(|it| format!("`{it}`")).collect();
        format!("- {}: {origin}\n", scenarios.join(", "))
    };
    lines.into_iter().map(line).collect()
}

fn shown(columns: &Vec<String>, rows: &[Vec<String>]) -> String {
    let row = |cells: &Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(columns.len()));
    let rows: String = rows.iter().map(row).collect();
    [row(columns), rule, rows].concat()
}
