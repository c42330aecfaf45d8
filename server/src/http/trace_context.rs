//! The caller's trace (W3C Trace Context): parsed, and written anew wherever it goes on.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::Extractor;

/// The header that names a trace.
pub(super) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
/// What vendors must pass on at least (W3C Trace Context, 3.3.1.5); more is dropped.
const STATE_BYTES: usize = 512;
/// Entries of a state at most (3.3.1.1).
const STATE_ENTRIES: usize = 32;

/// A trace, and the span in it that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    parent: String,
    state: Option<String>,
}

impl TraceContext {
    /// Nothing where the header is absent, is there twice, or is not what the recommendation says.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACE_PARENT).iter();
        let (value, None) = (values.next()?, values.next()) else {
            return None;
        };
        let (trace, span, flags) = parse(value.to_str().ok()?)?;
        Some(Self {
            parent: format!("00-{trace:032x}-{span:016x}-{flags:02x}"),
            state: state(headers),
        })
    }

    /// Its id, in 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }

    /// As a header of version 00.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.parent).ok()
    }
}

impl Extractor for TraceContext {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(&self.parent),
            "tracestate" => self.state.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// Trace, span and flags. Later versions may append fields (3.2.4); of the flags only "sampled" is known.
fn parse(text: &str) -> Option<(u128, u64, u8)> {
    let mut parts = text.splitn(5, '-');
    let version = digits(parts.next()?, 2)?;
    let trace = digits(parts.next()?, 32)?;
    let span = digits(parts.next()?, 16)?;
    let flags = digits(parts.next()?, 2)?;
    let has_more = parts.next().is_some();
    let is_valid = version != 0xff && !(version == 0 && has_more) && trace != 0 && span != 0;
    is_valid.then_some((
        trace,
        u64::try_from(span).ok()?,
        u8::try_from(flags & 1).ok()?,
    ))
}

/// Exactly so many digits, in lower case.
fn digits(text: &str, count: usize) -> Option<u128> {
    let is_lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_valid = text.len() == count && text.bytes().all(is_lower);
    is_valid.then(|| u128::from_str_radix(text, 16).ok())?
}

fn state(headers: &HeaderMap) -> Option<String> {
    let values: Option<Vec<&str>> = headers
        .get_all(TRACE_STATE)
        .iter()
        .map(|value| value.to_str().ok())
        .collect();
    let state = values?.join(",");
    let is_bounded = state.len() <= STATE_BYTES && state.split(',').count() <= STATE_ENTRIES;
    (is_bounded && !state.is_empty()).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(pairs: &[(HeaderName, &str)]) -> Option<TraceContext> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value")));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        TraceContext::of(&map)
    }

    #[test]
    fn what_the_recommendation_allows_is_taken() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let span = "b7ad6b7169203331";
        for (value, flags) in [
            (VALID.to_owned(), "01"),
            (format!("00-{trace}-{span}-00"), "00"),
            (format!("00-{trace}-{span}-ff"), "01"),
            (format!("cc-{trace}-{span}-01"), "01"),
            (format!("cc-{trace}-{span}-01-what-comes-later"), "01"),
        ] {
            let context = of(&[(TRACE_PARENT, &value)]).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(context.parent, format!("00-{trace}-{span}-{flags}"));
            assert_eq!(context.id(), trace);
        }
    }

    #[test]
    fn anything_else_is_dropped() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let span = "b7ad6b7169203331";
        for value in [
            String::new(),
            "x".repeat(9_000),
            format!("ff-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01-more"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-1"),
            format!("0-{trace}-{span}-01"),
            format!("00-+{}-{span}-01", &trace[1..]),
            format!("00-{trace}0-{span}-01"),
            format!(" {VALID}."),
        ] {
            assert_eq!(of(&[(TRACE_PARENT, &value)]), None, "{value}");
        }
        assert_eq!(of(&[(TRACE_PARENT, VALID), (TRACE_PARENT, VALID)]), None);
    }

    #[test]
    fn a_state_is_bounded() {
        let state = |state: &str| {
            of(&[(TRACE_PARENT, VALID), (TRACE_STATE, state)])
                .expect("valid")
                .state
        };
        assert_eq!(state("a=1,b=2").as_deref(), Some("a=1,b=2"));
        assert_eq!(state(&format!("a={}", "x".repeat(600))), None);
        assert_eq!(state(&["a=1"; 33].join(",")), None);
    }
}
