//! Versions and their ranges as Masterminds/semver v3 has them, which Helm asks (`semverCompare`, `kubeVersion`).
//!
//! The recorded answers of that library are the measure (crates/helm-template/tests/semver).

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Pre-release and metadata, of a version and of one in a constraint.
const SUFFIX: &str =
    r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
/// A version in a constraint: each part may be a wildcard.
const PARTIAL: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?";
/// In the library's order, the empty one first.
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
/// Longest texts that the library reads.
const LONGEST_VERSION: usize = 256;
const LONGEST_CONSTRAINT: usize = 512;
const MOST_GROUPS: usize = 32;

struct Patterns {
    version: Regex,
    range: Regex,
    find: Regex,
    valid: Regex,
}

static PATTERNS: LazyLock<Result<Patterns, regex::Error>> = LazyLock::new(|| {
    let partial = format!("{PARTIAL}{SUFFIX}");
    Ok(Patterns {
        version: Regex::new(&format!(r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?{SUFFIX}$"))?,
        range: Regex::new(&format!(r"\s*({partial})\s+-\s+({partial})\s*"))?,
        find: Regex::new(&format!(r"({OPERATORS})\s*({partial})"))?,
        valid: Regex::new(&format!(
            r"^(\s*({OPERATORS})\s*({partial})\s*)((?:\s+|,\s*)({OPERATORS})\s*({partial})\s*)*$"
        ))?,
    })
});

fn patterns() -> Result<&'static Patterns, String> {
    PATTERNS.as_ref().map_err(ToString::to_string)
}

/// A version; `1`, `1.2` and `v1.2` are versions too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) numbers: [u64; 3],
    /// Without its dash; empty for a release.
    pub(super) pre: String,
    pub(super) metadata: String,
}

impl Version {
    /// Reads a version.
    ///
    /// # Errors
    /// What is no version.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is not a version");
        if text.len() > LONGEST_VERSION {
            return Err("a version of more than 256 bytes".to_owned());
        }
        let found = patterns()?.version.captures(text).ok_or_else(refused)?;
        let number = |at: usize| {
            let digits = group(&found, at).trim_start_matches('.');
            match digits {
                "" => Ok(0),
                digits => digits.parse().map_err(|_| refused()),
            }
        };
        Ok(Self {
            numbers: [number(1)?, number(2)?, number(3)?],
            pre: group(&found, 5).to_owned(),
            metadata: group(&found, 8).to_owned(),
        })
    }

    /// Precedence; metadata has none.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => pre_order(&self.pre, &other.pre),
            }
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(formatter, "{major}.{minor}.{patch}")?;
        if !self.pre.is_empty() {
            write!(formatter, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(formatter, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn group<'t>(captures: &Captures<'t>, at: usize) -> &'t str {
    captures.get(at).map_or("", |found| found.as_str())
}

/// Part by part: numbers below words, a missing part below any.
fn pre_order(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(other)) => match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// How much of a constraint's version is written; the rest is a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Major,
    Minor,
    All,
}

#[derive(Debug)]
struct Constraint {
    operator: String,
    version: Version,
    written: Written,
}

/// Whether the version is in the range.
///
/// # Errors
/// A text that is no range, or no version.
pub fn matches(range: &str, version: &str) -> Result<bool, String> {
    let groups = groups(range)?;
    let version = Version::parse(version)?;
    Ok(groups.iter().any(|group| {
        // A pre-release is looked at only where the group names one.
        let takes_pre = group.iter().any(|it| !it.version.pre.is_empty());
        (takes_pre || version.pre.is_empty()) && group.iter().all(|it| it.holds(&version))
    }))
}

/// Alternatives, each of constraints that must all hold.
fn groups(range: &str) -> Result<Vec<Vec<Constraint>>, String> {
    if range.len() > LONGEST_CONSTRAINT {
        return Err("a range of versions of more than 512 bytes".to_owned());
    }
    let patterns = patterns()?;
    let range = patterns.range.replace_all(range, |found: &Captures<'_>| {
        format!(">= {}, <= {} ", group(found, 1), group(found, 11))
    });
    let alternatives: Vec<&str> = range.split("||").collect();
    if alternatives.len() > MOST_GROUPS {
        return Err(format!("more than {MOST_GROUPS} ranges of versions"));
    }
    let group = |text: &str| {
        if !patterns.valid.is_match(text) {
            return Err(format!("`{text}` is not a range of versions"));
        }
        let found = patterns.find.captures_iter(text);
        found.map(|found| Constraint::of(&found)).collect()
    };
    alternatives.into_iter().map(group).collect()
}

impl Constraint {
    fn of(found: &Captures<'_>) -> Result<Self, String> {
        let is_wild = |at: usize| {
            matches!(
                group(found, at).trim_start_matches('.'),
                "" | "x" | "X" | "*"
            )
        };
        let (major, minor, pre) = (group(found, 3), group(found, 4), group(found, 6));
        let (written, version) = match () {
            () if is_wild(3) => (Written::Nothing, format!("0.0.0{pre}")),
            () if is_wild(4) => (Written::Major, format!("{major}.0.0{pre}")),
            () if is_wild(5) => (Written::Minor, format!("{major}{minor}.0{pre}")),
            () => (Written::All, group(found, 2).to_owned()),
        };
        Ok(Self {
            operator: group(found, 1).to_owned(),
            version: Version::parse(&version)?,
            written,
        })
    }

    fn holds(&self, version: &Version) -> bool {
        let order = version.order(&self.version);
        let is_whole = self.written == Written::All;
        match self.operator.as_str() {
            "" | "=" if is_whole => order.is_eq(),
            "" | "=" | "~" | "~>" => self.is_near(version),
            "!=" if is_whole => order.is_ne(),
            "!=" => self.differs(version),
            ">" if is_whole => order.is_gt(),
            ">" => self.is_after(version),
            "<" => order.is_lt(),
            ">=" | "=>" => order.is_ge(),
            "<=" | "=<" if is_whole => order.is_le(),
            "<=" | "=<" => !self.is_beyond(version),
            _ => self.is_compatible(version),
        }
    }

    fn parts(&self, version: &Version) -> [(u64, u64); 3] {
        [0, 1, 2].map(|at| (version.numbers[at], self.version.numbers[at]))
    }

    fn differs(&self, version: &Version) -> bool {
        let [major, minor, _] = self.parts(version);
        if major.0 != major.1 {
            return true;
        }
        match self.written {
            Written::Major => false,
            // The library reads a wild major as 0, with all of its minors.
            Written::Nothing => minor.0 != minor.1 || version.order(&self.version).is_ne(),
            _ => minor.0 != minor.1 || pre_differs(&version.pre, &self.version.pre),
        }
    }

    fn is_after(&self, version: &Version) -> bool {
        let [major, minor, _] = self.parts(version);
        if major.0 != major.1 {
            return major.0 > major.1;
        }
        match self.written {
            Written::Major => false,
            Written::Minor => minor.0 > minor.1,
            _ => version.order(&self.version).is_gt(),
        }
    }

    /// Above what is written of an upper bound: `<=1.2` holds for 1.2.9.
    fn is_beyond(&self, version: &Version) -> bool {
        let [major, minor, _] = self.parts(version);
        major.0 > major.1
            || (major.0 == major.1 && minor.0 > minor.1 && self.written != Written::Major)
    }

    /// `~`: the last number may grow.
    fn is_near(&self, version: &Version) -> bool {
        if version.order(&self.version).is_lt() {
            return false;
        }
        let takes_all = self.version.numbers == [0, 0, 0]
            && matches!(self.written, Written::Nothing | Written::All);
        let [major, minor, _] = self.parts(version);
        takes_all || (major.0 == major.1 && (minor.0 == minor.1 || self.written == Written::Major))
    }

    /// `^`: what stands behind the first number that is not 0 may grow.
    fn is_compatible(&self, version: &Version) -> bool {
        if version.order(&self.version).is_lt() {
            return false;
        }
        let [major, minor, patch] = self.parts(version);
        if major.1 > 0 || self.written == Written::Major {
            return major.0 == major.1;
        }
        if minor.1 > 0 || self.written == Written::Minor {
            return major.0 == 0 && minor.0 == minor.1;
        }
        major.0 == 0 && minor.0 == 0 && patch.0 == patch.1
    }
}

fn pre_differs(one: &str, other: &str) -> bool {
    pre_order(one, other).is_ne()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is a range, a version, and what the library says of them.
    #[test]
    fn ranges_are_those_of_the_library() {
        let recorded = include_str!("../tests/semver/masterminds.jsonl");
        for line in recorded.lines() {
            let (range, version, expected): (String, String, serde_json::Value) =
                serde_json::from_str(line).expect("recorded");
            let found: serde_json::Value = match groups(&range) {
                Err(_) => "constraint".into(),
                Ok(_) => matches(&range, &version).map_or("version".into(), Into::into),
            };
            assert_eq!(found, expected, "{range} of {version}");
        }
    }
}
