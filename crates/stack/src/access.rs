//! `[access]`: who is answered.

use http::Uri;
use schemars::JsonSchema;
use serde::Deserialize;

use super::at::{At, values};
use super::fault::Faults;
use super::names;

/// Who is answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Access {
    /// The key that callers must send; `None` answers everybody.
    pub api_key: Option<SecretKey>,
    /// Origins whose pages may call from a browser (CORS).
    pub origins: Vec<String>,
}

/// One key of a Secret that somebody else made: its value never passes through here.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretKey {
    /// Name of the Secret, in the stack's namespace.
    pub secret: String,
    /// Key of its data.
    pub key: String,
}

/// Who is answered
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Access")]
pub(super) struct RawAccess {
    /// The key that callers must send as `Authorization: Bearer`: a Secret's (default: all callers are answered)
    api_key: Option<At<RawSecretKey>>,
    /// Origins whose pages may call from a browser, such as `https://demo.example.com` (default: none)
    origins: Vec<At<String>>,
}

/// One key of an existing Secret
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "SecretKey")]
struct RawSecretKey {
    /// Name of the Secret, in the stack's namespace
    secret: At<String>,
    /// Key of its data
    key: At<String>,
}

impl RawAccess {
    pub(super) fn validate(self, faults: &mut Faults) -> Access {
        for at in &self.origins {
            faults.check(
                is_origin(&at.value),
                &at.span,
                format!("`{}` is not a web origin", at.value),
                "write scheme and host without a path, such as `https://demo.example.com`; `*` is not taken",
            );
        }
        Access {
            api_key: self.api_key.map(|at| at.value.validate(faults)),
            origins: values(self.origins),
        }
    }
}

impl RawSecretKey {
    fn validate(self, faults: &mut Faults) -> SecretKey {
        names::check_subdomain(&self.secret, "Secret", faults);
        let is_key = |text: &str| {
            (1..=253).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                && !text.starts_with("..")
                && text != "."
        };
        faults.check(
            is_key(&self.key.value),
            &self.key.span,
            format!("`{}` is not a valid key of a Secret", self.key.value),
            "letters, digits, `-`, `_` and `.`, at most 253",
        );
        SecretKey {
            secret: self.secret.value,
            key: self.key.value,
        }
    }
}

/// As browsers send it (RFC 6454): compared byte for byte, so without a path and in lower case.
fn is_origin(text: &str) -> bool {
    let has_scheme = text.starts_with("https://") || text.starts_with("http://");
    has_scheme
        && !text.ends_with('/')
        && text.to_lowercase() == text
        && text
            .parse::<Uri>()
            .is_ok_and(|uri| uri.path() == "/" && uri.query().is_none() && !text.contains('@'))
}
