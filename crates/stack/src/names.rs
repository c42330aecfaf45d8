//! Kubernetes' rules for names and labels.

use std::collections::BTreeMap;

use super::at::{At, entries};
use super::fault::Faults;

/// RFC 1123 label: lower-case letters, digits and `-`, beginning and ending with a letter or digit, at most 63.
pub(super) fn is_label(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| alphanumeric(byte) || byte == b'-')
        && alphanumeric(bytes[0])
        && alphanumeric(bytes[bytes.len() - 1])
}

pub(super) fn check_label(at: &At<String>, what: &str, faults: &mut Faults) {
    faults.check(
        is_label(&at.value),
        &at.span,
        format!("`{}` is no {what} in Kubernetes", at.value),
        "lower-case letters, digits and `-`, beginning and ending with a letter or digit, at most 63 (RFC 1123)",
    );
}

/// RFC 1123 subdomain: labels with dots between, at most 253 characters (names of claims and Secrets).
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

pub(super) fn check_subdomain(at: &At<String>, what: &str, faults: &mut Faults) {
    faults.check(
        is_subdomain(&at.value),
        &at.span,
        format!("`{}` is not a valid name of a {what}", at.value),
        "lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit, at most 253 (RFC 1123)",
    );
}

/// A key of a label or an annotation: a name, and before a slash perhaps a domain.
pub(super) fn is_qualified_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_qualified(name),
        None => is_qualified(key),
    }
}

/// The labels' values; a key that is reserved or malformed is a fault.
pub(super) fn check_labels(
    labels: BTreeMap<String, At<String>>,
    faults: &mut Faults,
) -> BTreeMap<String, String> {
    for (key, at) in &labels {
        faults.check(
            is_qualified_key(key) && (at.value.is_empty() || is_qualified(&at.value)),
            &at.span,
            format!("`{key} = {}` is not a valid label", at.value),
            "letters, digits, `-`, `_`, `.`, beginning and ending with a letter or digit, at most 63",
        );
        faults.check(
            !RESERVED.iter().any(|prefix| key.starts_with(prefix)),
            &at.span,
            format!("the label `{key}` is set by uninlu itself"),
            "choose another key",
        );
    }
    entries(labels)
}

/// Labels by which objects are found and pruned: a stack that set them could claim another's objects.
const RESERVED: [&str; 2] = ["app.kubernetes.io/", "applyset.kubernetes.io/"];

fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        && bytes[0].is_ascii_alphanumeric()
        && bytes[bytes.len() - 1].is_ascii_alphanumeric()
}
