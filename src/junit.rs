//! JUnit XML, as CI systems show it.

use std::fmt::Write as _;

use crate::escape;

/// One test case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen, for whoever unfolds it.
    pub output: String,
}

/// How a test case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// Not as it should, and why.
    Failed(String),
    /// It was not tried, and why.
    Skipped(String),
}

/// The file's text: one suite with its cases.
pub fn junit(suite: &str, cases: &[Case]) -> String {
    let count = |is: fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.outcome)).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
        escaped(suite),
        cases.len(),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
    );
    for case in cases {
        write_case(&mut text, suite, case);
    }
    text + "  </testsuite>\n</testsuites>\n"
}

fn write_case(text: &mut String, suite: &str, case: &Case) {
    let (suite, name) = (escaped(suite), escaped(&case.name));
    let _ = writeln!(text, "    <testcase classname=\"{suite}\" name=\"{name}\">");
    match &case.outcome {
        Outcome::Passed => (),
        Outcome::Failed(why) => {
            let _ = writeln!(text, "      <failure message=\"{}\"/>", escaped(why));
        }
        Outcome::Skipped(why) => {
            let _ = writeln!(text, "      <skipped message=\"{}\"/>", escaped(why));
        }
    }
    if !case.output.is_empty() {
        let output = escaped(&case.output);
        let _ = writeln!(text, "      <system-out>{output}</system-out>");
    }
    *text += "    </testcase>\n";
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
        let case = |name: &str, outcome| Case {
            name: name.into(),
            outcome,
            output: String::new(),
        };
        let cases = [
            Case {
                output: "a < b & c\nd\u{1b}[0m".into(),
                ..case("first", Outcome::Passed)
            },
            case("second", Outcome::Failed("\"x\" > 'y'\nz".into())),
            case("third", Outcome::Skipped("the stack has none".into())),
        ];
        assert_eq!(
            junit("verify <nlu>", &cases),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="verify &lt;nlu&gt;" tests="3" failures="1" skipped="1">
    <testcase classname="verify &lt;nlu&gt;" name="first">
      <system-out>a &lt; b &amp; c&#10;d\u{1b}[0m</system-out>
    </testcase>
    <testcase classname="verify &lt;nlu&gt;" name="second">
      <failure message="&quot;x&quot; &gt; 'y'&#10;z"/>
    </testcase>
    <testcase classname="verify &lt;nlu&gt;" name="third">
      <skipped message="the stack has none"/>
    </testcase>
  </testsuite>
</testsuites>
"#
        );
    }
}
