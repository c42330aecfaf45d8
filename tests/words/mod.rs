//! What a user reads is in plain words: field terms, present tense, active voice. [`AVOID`] is the list; whatever has one
//! of its phrases fails with the place and the word to use instead.

mod literals;
mod read;

use regex::Regex;

/// A pattern, in which a space is any white space, and what to write instead.
const AVOID: [(&str, &str); 24] = [
    (r"mend(s|ed|ing)?", "fix; in JSON `help`"),
    (
        r"(is|are|was|were) no \w+",
        "is not a …, an invalid …, has no …",
    ),
    (r"(is|are|was|were) none", "is not one, does not count"),
    (r"tell|tells|told|telling", "reports, shows, prints, says"),
    (r"says? nothing (of|on)", "does not report"),
    (
        r"nobody|whoever|somebody|everybody",
        "no one, anyone who, another user, all",
    ),
    (r"(laid|lays?) (\S+ ){0,6}over", "merged into"),
    (r"as it stands", "the base stack"),
    (
        r"(the )?cluster( has)? moved|what moved",
        "the cluster changed, what changed",
    ),
    (r"made (again|anew)|makes? (\w+ )?anew", "recreated"),
    (r"left the stack", "is no longer in the stack"),
    (r"not looked at|looked at", "skipped, checked"),
    (r"pods are replaced", "rolling update"),
    (r"(\d+|N|\{\w*\}) (is|are) replaced", "replaces N pods"),
    (r"more meanwhile", "surge"),
    (r"waited for \S+ s at most", "timeout"),
    (r"the talk|is talk|talks? in", "progress output"),
    (r"the book", "documentation"),
    (r"(the )?way of the data", "data flow"),
    (r"faults?", "error"),
    (r"agenda|rounds?", "queue, batch"),
    (r"hints?", "prompt"),
    (
        r"outlook|surroundings|prospects?",
        "preflight, cluster facts",
    ),
    (
        r"走完一生|黄金用例|不点名就不拿",
        "完整生命周期, 基准用例, 未明确指定时绝不接管",
    ),
];

/// Where such a word is right.
const FIELD_TERMS: [&str; 6] = [
    r"there (is|are|was|were) (no|none)",
    r"(is|are|was|were) no (longer|more|less|larger|smaller|later|older|newer)",
    // Of errors that a test makes on purpose; a benchmark's name in its table.
    r"faults \| \w+",
    r"fault injection|injected faults?|page faults?",
    // Between two machines; and numbers.
    r"round[- ]trips?|rounds? (up|down|off)|math\.round",
    r"as it stands in",
];

/// The list, compiled.
struct Words {
    avoid: Vec<(Regex, &'static str)>,
    field_terms: Vec<Regex>,
}

impl Words {
    fn new() -> Self {
        Self {
            avoid: AVOID
                .map(|(words, instead)| (pattern(words), instead))
                .into(),
            field_terms: FIELD_TERMS.map(pattern).into(),
        }
    }

    /// Where a phrase is, and what to write instead.
    fn hits(&self, text: &read::Text) -> Vec<String> {
        let mut body = text.body.clone();
        for term in &self.field_terms {
            let without = |found: &regex::Captures| found[0].replace(|it| it != '\n', "·");
            body = term.replace_all(&body, without).into_owned();
        }
        let hit = |(avoid, instead): &(Regex, &str)| {
            let hits = avoid.find_iter(&body).map(|found| {
                let line = text.line + body[..found.start()].matches('\n').count();
                let words = found.as_str();
                format!("{}:{line}: `{words}`; write: {instead}", text.place)
            });
            hits.collect::<Vec<_>>()
        };
        self.avoid.iter().flat_map(hit).collect()
    }
}

fn pattern(words: &str) -> Regex {
    let boundary = if words.is_ascii() { r"\b" } else { "" };
    let words = words.replace(' ', r"\s+");
    let pattern = format!("(?i){boundary}({words}){boundary}");
    Regex::new(&pattern).unwrap_or_else(|error| panic!("{words}: {error}"))
}

#[test]
fn what_a_user_reads_is_in_plain_words() {
    let (words, texts) = (Words::new(), read::everything());
    let hits: Vec<String> = texts.iter().flat_map(|text| words.hits(text)).collect();
    assert!(
        hits.is_empty(),
        "{} phrases:\n{}",
        hits.len(),
        hits.join("\n")
    );
}

/// A list that finds nothing would pass too.
#[test]
fn each_phrase_of_the_list_is_found_and_field_terms_are_not() {
    let words = Words::new();
    let found = |body: &str| {
        let place = "here".to_owned();
        words.hits(&read::Text {
            place,
            line: 1,
            body: body.to_owned(),
        })
    };
    for bad in [
        "the mend",
        "x is no\nduration",
        "4 are replaced in 2 steps",
        "nobody serves it",
        "黄金用例",
    ] {
        assert_eq!(found(bad).len(), 1, "{bad}");
    }
    for good in [
        "there is no Deployment",
        "is no longer here",
        "default",
        "a round trip",
        "ground",
    ] {
        assert_eq!(found(good), Vec::<String>::new(), "{good}");
    }
}
