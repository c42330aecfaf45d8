//! Metrics as a scraper reads them: the OpenMetrics text format 1.0, strictly, since a scraper that stops at one bad line
//! loses all of them.

use std::collections::BTreeMap;

/// One family of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name, without the suffixes of its samples.
    pub name: String,
    /// `counter`, `gauge`, `histogram`, …; `unknown` where the page does not say.
    pub kind: String,
    /// Its samples, in the order of the page.
    pub samples: Vec<Sample>,
}

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The family's name with the sample's suffix.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// What the samples of a type may be called, after the family's name.
const SUFFIXES: [(&str, &[&str]); 8] = [
    ("counter", &["_total", "_created"]),
    ("gauge", &[""]),
    ("histogram", &["_bucket", "_sum", "_count", "_created"]),
    ("gaugehistogram", &["_bucket", "_gsum", "_gcount"]),
    ("summary", &["", "_sum", "_count", "_created"]),
    ("info", &["_info"]),
    ("stateset", &[""]),
    ("unknown", &[""]),
];

/// Reads a page.
///
/// # Errors
/// The first line that breaks the format, and why.
pub fn parse(page: &str) -> Result<Vec<Family>, String> {
    let mut families: Vec<Family> = Vec::new();
    let mut lines = page.lines().enumerate();
    for (index, line) in lines.by_ref() {
        let at = |what: String| format!("line {}: {what}: `{line}`", index + 1);
        if line == "# EOF" {
            if lines.next().is_some() {
                return Err(at("something follows the end".into()));
            }
            for family in &families {
                check_histogram(family)?;
            }
            return Ok(families);
        }
        match line.strip_prefix("# ") {
            Some(metadata) => take_metadata(metadata, &mut families).map_err(at)?,
            None => take_sample(line, &mut families).map_err(at)?,
        }
    }
    Err("the last line is not `# EOF`: the page was cut off".into())
}

fn take_metadata(metadata: &str, families: &mut Vec<Family>) -> Result<(), String> {
    let mut words = metadata.splitn(3, ' ');
    let (Some(what), Some(name)) = (words.next(), words.next()) else {
        return Err("neither a comment of the format nor a sample".into());
    };
    check_name(name)?;
    let value = words.next().unwrap_or_default();
    let is_new = families.last().is_none_or(|last| last.name != name);
    if is_new {
        if families.iter().any(|family| family.name == name) {
            return Err(format!("the family {name} stands in two places"));
        }
        families.push(Family {
            name: name.to_owned(),
            kind: "unknown".to_owned(),
            samples: Vec::new(),
        });
    }
    let Some(family) = families.last_mut() else {
        return Ok(());
    };
    if !family.samples.is_empty() {
        return Err("it comes after its family's samples".into());
    }
    match what {
        "TYPE" if SUFFIXES.iter().any(|(kind, _)| *kind == value) => family.kind = value.to_owned(),
        "TYPE" => return Err(format!("`{value}` is not a type")),
        "UNIT" if value.is_empty() || name.ends_with(&format!("_{value}")) => (),
        "UNIT" => return Err(format!("the name does not end with the unit `{value}`")),
        "HELP" => (),
        _ => return Err(format!("`{what}` is not TYPE, UNIT or HELP")),
    }
    Ok(())
}

fn take_sample(line: &str, families: &mut [Family]) -> Result<(), String> {
    let end = line.find(['{', ' ']).ok_or("a sample has a value")?;
    let (name, rest) = line.split_at(end);
    check_name(name)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let rest = rest.strip_prefix(' ').ok_or("a space parts the value")?;
    // An exemplar follows ` # `; a scraper without them skips it.
    let numbers = rest.split_once(" # ").map_or(rest, |(numbers, _)| numbers);
    let mut numbers = numbers.split(' ');
    let value = number(numbers.next().unwrap_or_default())?;
    numbers.next().map_or(Ok(0.0), number)?;
    if numbers.next().is_some() {
        return Err("more than a value and a time".into());
    }
    let family = families.last_mut().ok_or("no family comes before it")?;
    let suffix = name.strip_prefix(&family.name);
    let (_, suffixes) = SUFFIXES
        .iter()
        .find(|(kind, _)| *kind == family.kind)
        .ok_or("its family has no type")?;
    if !suffix.is_some_and(|suffix| suffixes.contains(&suffix)) {
        return Err(format!("no sample of the {} {}", family.kind, family.name));
    }
    let is_known = |known: &&Sample| known.name == name && known.labels == labels;
    if family.samples.iter().any(|known| is_known(&known)) {
        return Err("a second sample of the same series".into());
    }
    family.samples.push(Sample {
        name: name.to_owned(),
        labels,
        value,
    });
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let is_valid = |(index, c): (usize, char)| {
        c.is_ascii_alphabetic() || c == '_' || c == ':' || index > 0 && c.is_ascii_digit()
    };
    if !name.is_empty() && name.chars().enumerate().all(is_valid) {
        Ok(())
    } else {
        Err(format!("`{name}` is not a name of a metric"))
    }
}

/// The labels, and what follows their `}`.
fn labels(mut rest: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok((labels, rest));
    }
    loop {
        let (name, value) = rest.split_once("=\"").ok_or("a label has a value")?;
        check_name(name)?;
        let (value, after) = quoted(value).ok_or("a quote is not closed")?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("the label {name} stands there twice"));
        }
        rest = match after.strip_prefix(',') {
            Some(rest) => rest,
            None => {
                let rest = after.strip_prefix('}').ok_or("the labels do not end")?;
                return Ok((labels, rest));
            }
        };
    }
}

/// The text up to the closing quote, without its escapes, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[index + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            c => value.push(c),
        }
    }
    None
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ => text
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .ok_or_else(|| format!("`{text}` is not a number")),
    }
}

/// Buckets count what is at most their bound, so they grow, and the last one counts all.
fn check_histogram(family: &Family) -> Result<(), String> {
    if family.kind != "histogram" {
        return Ok(());
    }
    let mut series: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in &family.samples {
        if sample.name.ends_with("_bucket") {
            let mut labels = sample.labels.clone();
            let bound = labels.remove("le").unwrap_or_default();
            let bound = number(&bound).map_err(|error| format!("{}: le: {error}", sample.name))?;
            series
                .entry(labels)
                .or_default()
                .push((bound, sample.value));
        }
    }
    let grows = |buckets: &Vec<(f64, f64)>| {
        let pairs = buckets.windows(2);
        let (last, _) = buckets.last().copied().unwrap_or_default();
        last == f64::INFINITY
            && pairs
                .into_iter()
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1)
    };
    if series.values().all(grows) {
        Ok(())
    } else {
        Err(format!(
            "the buckets of {} do not grow up to +Inf",
            family.name
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_whole() {
        let page = "# HELP http_requests Answered requests, each \"counted\" once\n\
            # TYPE http_requests counter\n\
            http_requests_total{method=\"POST\",route=\"/a\\\"\\\\\\n\"} 3 1.5 # {id=\"x\"} 1\n\
            # HELP seconds\n# TYPE seconds histogram\n# UNIT seconds seconds\n\
            # EOF\n";
        assert!(parse(page).is_err(), "a unit is a suffix");
        let page = page.replace("# UNIT seconds seconds\n", "seconds_bucket{le=\"0.5\"} 1\nseconds_bucket{le=\"+Inf\"} 2\nseconds_sum 0.75\nseconds_count 2\n");
        let families = parse(&page).expect("a valid page");
        let names: Vec<(&str, &str, usize)> = families
            .iter()
            .map(|family| {
                (
                    family.name.as_str(),
                    family.kind.as_str(),
                    family.samples.len(),
                )
            })
            .collect();
        assert_eq!(
            names,
            [("http_requests", "counter", 1), ("seconds", "histogram", 4)]
        );
        let sample = &families[0].samples[0];
        assert_eq!(sample.labels["route"], "/a\"\\\n");
        assert_eq!(sample.value, 3.0);
    }

    #[test]
    fn a_broken_page_is_told_with_its_line() {
        for (page, words) in [
            ("", "cut off"),
            ("# TYPE a counter\na_total 1\n", "cut off"),
            ("# TYPE a counter\na_total 1\n# EOF\na_total 2\n", "line 3"),
            ("# TYPE a counter\na 1\n# EOF\n", "line 2: no sample of"),
            ("# TYPE a gauge\na one\n# EOF\n", "`one` is not a number"),
            ("# TYPE a gauge\na inf\n# EOF\n", "`inf` is not a number"),
            ("# TYPE a gauge\na 1 2 3\n# EOF\n", "more than"),
            (
                "# TYPE a gauge\na{b=\"c} 1\n# EOF\n",
                "a quote is not closed",
            ),
            (
                "# TYPE a gauge\na{b=\"c\",b=\"d\"} 1\n# EOF\n",
                "stands there twice",
            ),
            ("# TYPE a gauge\na 1\na 2\n# EOF\n", "second sample"),
            ("# TYPE a number\n# EOF\n", "not a type"),
            ("# TYPE 1a gauge\n# EOF\n", "not a name"),
            ("a 1\n# EOF\n", "no family"),
            ("error: no memory\n# EOF\n", "`no` is not a number"),
            (
                "# TYPE a gauge\n# TYPE b gauge\n# TYPE a gauge\n# EOF\n",
                "two places",
            ),
            (
                "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n# EOF\n",
                "do not grow",
            ),
            (
                "# TYPE a histogram\na_bucket{le=\"1\"} 2\n# EOF\n",
                "do not grow",
            ),
        ] {
            let error = parse(page).expect_err(page);
            assert!(error.contains(words), "{page:?}: {error}");
        }
    }
}
