//! `.dockerignore` with Docker's own rules, which are not git's: a pattern is anchored at the context's root, the last
//! rule that matches a path or a folder above it wins, and `!` takes files back.
//!
//! The engine does not apply the file to an uploaded archive, so it is done here. What a rule means is taken from
//! `moby/patternmatcher` (`MatchesUsingParentResults`, the way BuildKit's own client walks), quirks included: a context
//! must hold the same files whether `docker build` or `uninlu build` made it.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// The rules of one `.dockerignore`.
#[derive(Debug, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    /// A rule with `!`: it takes back what an earlier rule left out.
    exception: bool,
    regex: Regex,
    /// The pattern up to its first wildcard.
    literal_prefix: String,
}

/// A line that is no pattern.
#[derive(Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// Line in the file, from 1.
    pub line: usize,
    /// The line as written.
    pub pattern: String,
    /// What is wrong with it.
    pub fault: String,
}

impl Ignore {
    /// Reads the text of a `.dockerignore`.
    ///
    /// # Errors
    /// The first line that is no valid pattern.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let rules = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
            .map(|(index, line)| {
                Rule::parse(line.trim()).map_err(|fault| BadPattern {
                    line: index + 1,
                    pattern: line.to_owned(),
                    fault,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Whether the path (relative to the context, with `/`) is left out of the context.
    pub fn excludes(&self, path: &str) -> bool {
        let mut matched = vec![false; self.rules.len()];
        let ancestors = path.match_indices('/').map(|(end, _)| &path[..end]);
        for ancestor in ancestors {
            self.judge(ancestor, &mut matched);
        }
        self.judge(path, &mut matched)
    }

    /// The verdict on one path, given which rules matched its parent; leaves behind which rules match the path.
    fn judge(&self, path: &str, matched: &mut [bool]) -> bool {
        let mut excluded = false;
        for (rule, matched) in self.rules.iter().zip(matched) {
            // Docker asks a rule only where it could turn the verdict. That shows: a rule which was not asked about a
            // folder does not hold for what lies below it.
            *matched = *matched || (rule.exception == excluded && rule.regex.is_match(path));
            if *matched {
                excluded = !rule.exception;
            }
        }
        excluded
    }

    /// Whether an excluded folder must be walked all the same, because an exception could match something below it.
    pub fn may_take_back_below(&self, folder: &str) -> bool {
        let folder = format!("{folder}/");
        self.rules.iter().any(|rule| {
            rule.exception
                && (rule.literal_prefix.starts_with(&folder)
                    || folder.starts_with(&rule.literal_prefix))
        })
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Self, String> {
        let (exception, pattern) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if pattern.is_empty() {
            return Err("`!` stands alone".to_owned());
        }
        let pattern = clean(pattern);
        let regex = Regex::new(&regex_of(&pattern)?).map_err(|error| error.to_string())?;
        let literal_end = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
        Ok(Self {
            exception,
            regex,
            literal_prefix: pattern[..literal_end].to_owned(),
        })
    }
}

/// The shortest equal path, without a leading slash: `/a/./b/` is `a/b`.
fn clean(pattern: &str) -> String {
    let cleaned = path_clean::clean(pattern).to_string_lossy().into_owned();
    match cleaned.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => cleaned,
    }
}

fn regex_of(pattern: &str) -> Result<String, String> {
    if let Some(suffix) = literal_suffix(pattern) {
        return Ok(format!("^.*{}$", regex::escape(suffix)));
    }
    let mut regex = String::from("^");
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' if characters.next_if_eq(&'*').is_some() => {
                characters.next_if_eq(&'/');
                let is_last = characters.peek().is_none();
                regex.push_str(if is_last { ".*" } else { "(.*/)?" });
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' => regex.push_str(&class(&mut characters)?),
            '\\' => regex.push_str(&escaped(&mut characters)?),
            literal => regex.push_str(&escape(literal)),
        }
    }
    regex.push('$');
    Ok(regex)
}

/// `**name` matches whatever ends so, even inside a file name, as long as no other wildcard follows. A quirk of
/// Docker's; `**/name` is not concerned.
fn literal_suffix(pattern: &str) -> Option<&str> {
    let suffix = pattern.strip_prefix("**")?;
    let is_literal = !suffix.contains(['*', '?', '[', ']', '\\']);
    (is_literal && !suffix.starts_with('/')).then_some(suffix)
}

/// A character class after its `[`, in the grammar of Go's `filepath.Match`.
fn class(characters: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut class = String::from("[");
    if characters.next_if_eq(&'^').is_some() {
        class.push('^');
    }
    let mut is_empty = true;
    while is_empty || characters.next_if_eq(&']').is_none() {
        class.push_str(&class_member(characters)?);
        if characters.next_if_eq(&'-').is_some() {
            class.push('-');
            class.push_str(&class_member(characters)?);
        }
        is_empty = false;
    }
    class.push(']');
    Ok(class)
}

fn class_member(characters: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    match characters.next() {
        None => Err("`[` is not closed".to_owned()),
        Some(special @ ('-' | ']')) => {
            Err(format!("`{special}` inside `[…]` needs a `\\` before it"))
        }
        Some('\\') => escaped(characters),
        Some(literal) => Ok(escape(literal)),
    }
}

fn escaped(characters: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let character = characters.next().ok_or("ends with a lone `\\`")?;
    Ok(escape(character))
}

fn escape(character: char) -> String {
    regex::escape(character.encode_utf8(&mut [0; 4]))
}
