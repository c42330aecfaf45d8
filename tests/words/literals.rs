//! The string literals of a Rust source: what a program can print.

/// A string literal, with its line.
pub(super) struct Literal {
    pub(super) line: usize,
    pub(super) text: String,
}

/// Those outside comments and tests, in their order. Reasons of lints and of `expect` are for programmers, and left out.
pub(super) fn of(source: &str) -> Vec<Literal> {
    let source = source
        .split("\n#[cfg(test)]\nmod ")
        .next()
        .unwrap_or_default();
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(start) = rest.find(['"', '/', '\'']) {
        let (before, from) = rest.split_at(start);
        let skipped = if from.starts_with("//") {
            from.find('\n').unwrap_or(from.len())
        } else if from.starts_with("/*") {
            from.find("*/").map_or(from.len(), |end| end + 2)
        } else if from.starts_with('"') {
            let hashes = before.len() - before.trim_end_matches('#').len();
            let is_raw = before.trim_end_matches('#').ends_with('r');
            let length = if is_raw {
                raw(from, hashes)
            } else {
                escaped(from)
            };
            let is_for_programmers = before.ends_with("reason = ") || before.ends_with("expect(");
            if !is_for_programmers {
                let line = 1 + source[..source.len() - from.len()].matches('\n').count();
                let text = from[1..length].replace("\\\n", "\n").replace("\\n", "\n");
                found.push(Literal { line, text });
            }
            length
        } else if from.starts_with('\'') {
            character(from)
        } else {
            1
        };
        rest = &from[skipped..];
    }
    found
}

/// Length of `r#"…"#`, from its first quote on.
fn raw(from: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    from[1..]
        .find(&end)
        .map_or(from.len(), |at| at + 1 + end.len())
}

/// Length of `"…"`.
fn escaped(from: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in from.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => (),
        }
    }
    from.len()
}

/// Length of `'x'`; of a lifetime, its quote alone.
fn character(from: &str) -> usize {
    let mut characters = from.char_indices().skip(1);
    let (_, first) = characters.next().unwrap_or_default();
    if first == '\\' {
        return from[3..].find('\'').map_or(1, |at| at + 4);
    }
    match characters.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}

#[test]
fn literals_are_told_from_everything_else() {
    let source = r##"
        // "a comment" 'x
        fn f<'a>(x: &'a str) -> char { '"' }
        let a = "one \" two"; /* "three" */ let b = r#"four " five"#; let c = '\'';
        a.expect("six");
"##;
    let found: Vec<(usize, String)> = of(source)
        .into_iter()
        .map(|it| (it.line, it.text))
        .collect();
    let expected = [
        (4, "one \\\" two\"".to_owned()),
        (4, "four \" five\"#".to_owned()),
    ];
    assert_eq!(found, expected);
}
