//! What the API server says besides its answers: the `Warning` headers of admission policies, Pod Security and
//! deprecated APIs (RFC 7234, section 5.5; Kubernetes sends code 299).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::WARNING;
use http::{HeaderMap, HeaderValue};

/// The warnings of a connection, each once however often it comes.
#[derive(Debug, Clone, Default)]
pub(super) struct Warnings(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    all: BTreeSet<String>,
    /// Those that were not taken yet.
    fresh: BTreeSet<String>,
}

/// A server that talks without end is not kept in memory.
const MOST: usize = 200;

impl Warnings {
    /// Keeps what an answer's headers warn of.
    pub(super) fn hear(&self, headers: &HeaderMap) {
        let texts = headers.get_all(WARNING).iter().flat_map(read);
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for text in texts {
            if heard.all.len() < MOST && heard.all.insert(text.clone()) {
                heard.fresh.insert(text);
            }
        }
    }

    /// What came since this was asked last, in the order of the alphabet: requests run side by side.
    pub(super) fn take(&self) -> Vec<String> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut heard.fresh).into_iter().collect()
    }
}

/// The texts of a header: `299 - "text" "date", 299 - "another"`. What is written otherwise is left out.
fn read(header: &HeaderValue) -> Vec<String> {
    let header = String::from_utf8_lossy(header.as_bytes());
    let (mut rest, mut texts) = (&*header, Vec::new());
    while let Some((text, behind)) = quoted(rest) {
        texts.push(text);
        // A date may follow; the next warning stands behind a comma.
        let Some(comma) = behind.find(',') else {
            break;
        };
        let date = behind.find('"').filter(|quote| *quote < comma);
        let dated = date.and_then(|quote| quoted(&behind[quote..]));
        rest = dated.map_or(&behind[comma..], |(_, behind)| behind);
    }
    texts.retain(|text| !text.is_empty());
    texts
}

/// The next quoted string, without its quotes and backslashes, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (_, inside) = text.split_once('"')?;
    let (mut read, mut letters) = (String::new(), inside.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((read, &inside[at + 1..])),
            '\\' => read.extend(letters.next().map(|(_, letter)| letter)),
            letter => read.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(header: &'static str) -> Vec<String> {
        read(&HeaderValue::from_static(header))
    }

    #[test]
    fn headers_are_read_as_kubernetes_writes_them() {
        let cases: [(&str, &[&str]); 8] = [
            (r#"299 - "plain""#, &["plain"]),
            (r#"299 - "one", 299 - "two, three""#, &["one", "two, three"]),
            (
                r#"299 - "one" "Sat, 25 Aug 2012 23:34:45 GMT", 299 agent "two""#,
                &["one", "two"],
            ),
            (
                r#"299 - "would violate \"restricted:latest\": a \\ b""#,
                &[r#"would violate "restricted:latest": a \ b"#],
            ),
            ("299 - \"", &[]),
            ("", &[]),
            ("299 -", &[]),
            (r#"299 - """#, &[]),
        ];
        for (header, expected) in cases {
            assert_eq!(texts(header), expected, "{header}");
        }
    }

    #[test]
    fn the_same_warning_is_told_once() {
        let warnings = Warnings::default();
        let mut headers = HeaderMap::new();
        headers.append(WARNING, HeaderValue::from_static(r#"299 - "b""#));
        headers.append(WARNING, HeaderValue::from_static(r#"299 - "a", 299 - "b""#));
        warnings.hear(&headers);
        assert_eq!(warnings.take(), ["a", "b"]);
        headers.append(WARNING, HeaderValue::from_static(r#"299 - "c""#));
        warnings.hear(&headers);
        assert_eq!(warnings.take(), ["c"]);
    }
}
