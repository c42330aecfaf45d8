//! JUnit XML, as CI systems read it. There is no one schema; this is what Jenkins, GitLab and GitHub's readers share.

use std::fmt::Write as _;

use crate::escape;

/// A suite of test cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// `uninlu.gate`, by which CI systems group cases.
    pub class: String,
    /// The file that is tested, if there is one.
    pub file: Option<String>,
    /// In their order.
    pub cases: Vec<Case>,
}

/// One test case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen besides.
    pub output: Vec<String>,
}

/// How a test case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should.
    Failed(Vec<Failure>),
    /// It was not tried, and why.
    Skipped(String),
}

/// Why a test case failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `error` or `warning`.
    pub kind: &'static str,
    /// In a line.
    pub message: String,
    /// In full.
    pub text: String,
}

/// The file's text.
pub fn write(suites: &[Suite]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in suites {
        write_suite(&mut text, suite);
    }
    text + "</testsuites>\n"
}

fn write_suite(text: &mut String, suite: &Suite) {
    let count = |is: fn(&Outcome) -> bool| {
        let cases = suite.cases.iter();
        cases.filter(|case| is(&case.outcome)).count()
    };
    let _ = writeln!(
        text,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
        escaped(&suite.name),
        suite.cases.len(),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
    );
    let file = suite.file.as_ref();
    let file = file.map_or(String::new(), |file| format!(" file=\"{}\"", escaped(file)));
    let class = escaped(&suite.class);
    for case in &suite.cases {
        let name = escaped(&case.name);
        let _ = writeln!(
            text,
            "    <testcase classname=\"{class}\" name=\"{name}\"{file}>"
        );
        write_case(text, case);
        *text += "    </testcase>\n";
    }
    *text += "  </testsuite>\n";
}

fn write_case(text: &mut String, case: &Case) {
    match &case.outcome {
        Outcome::Passed => (),
        Outcome::Failed(failures) => {
            for failure in failures {
                let (message, body) = (escaped(&failure.message), escaped(&failure.text));
                let _ = writeln!(
                    text,
                    "      <failure type=\"{}\" message=\"{message}\">{body}</failure>",
                    failure.kind
                );
            }
        }
        Outcome::Skipped(why) => {
            let _ = writeln!(text, "      <skipped message=\"{}\"/>", escaped(why));
        }
    }
    for output in &case.output {
        let _ = writeln!(text, "      <system-out>{}</system-out>", escaped(output));
    }
}

/// For attributes and text alike. What XML 1.0 cannot hold at all becomes the replacement character.
fn escaped(text: &str) -> String {
    let text = escape::log(text);
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // A parser would read them in an attribute as spaces.
            '\n' => escaped += "&#10;",
            '\t' => escaped += "&#9;",
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_counts_its_cases_and_escapes_their_words() {
        let case = |name: &str, outcome, output: &[&str]| Case {
            name: name.into(),
            outcome,
            output: output.iter().map(|it| (*it).to_owned()).collect(),
        };
        let failure = Failure {
            kind: "error",
            message: "\"x\" > 'y'\nz".into(),
            text: "fix: a > b".into(),
        };
        let suite = Suite {
            name: "verify <nlu>".into(),
            class: "uninlu".into(),
            file: Some("a&b.toml".into()),
            cases: vec![
                case("first", Outcome::Passed, &["a < b & c\nd\u{1b}[0m"]),
                case("second", Outcome::Failed(vec![failure]), &[]),
                case("third", Outcome::Skipped("the stack has none".into()), &[]),
            ],
        };
        assert_eq!(
            write(&[suite]),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="verify &lt;nlu&gt;" tests="3" failures="1" errors="0" skipped="1">
    <testcase classname="uninlu" name="first" file="a&amp;b.toml">
      <system-out>a &lt; b &amp; c&#10;d\u{1b}[0m</system-out>
    </testcase>
    <testcase classname="uninlu" name="second" file="a&amp;b.toml">
      <failure type="error" message="&quot;x&quot; &gt; 'y'&#10;z">fix: a &gt; b</failure>
    </testcase>
    <testcase classname="uninlu" name="third" file="a&amp;b.toml">
      <skipped message="the stack has none"/>
    </testcase>
  </testsuite>
</testsuites>
"#
        );
    }
}
