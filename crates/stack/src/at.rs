//! A value that remembers where in the file it stands.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer};

/// A value with its place in the file, so that a fault found later can still point at it.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) value: T,
    /// In bytes of the file.
    pub(super) span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        let span = spanned.span();
        Ok(Self {
            value: spanned.into_inner(),
            span,
        })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A section that is absent should have been at the beginning of the file.
impl<T: Default> Default for At<T> {
    fn default() -> Self {
        Self {
            value: T::default(),
            span: 0..0,
        }
    }
}

/// The values of a list.
pub(super) fn values<T>(typed: Vec<At<T>>) -> Vec<T> {
    typed.into_iter().map(|at| at.value).collect()
}

/// The values of a table.
pub(super) fn entries<T>(typed: BTreeMap<String, At<T>>) -> BTreeMap<String, T> {
    let typed = typed.into_iter();
    typed.map(|(key, at)| (key, at.value)).collect()
}

/// The value of an optional key, or its default.
pub(super) fn value_or<T: Clone>(key: &Option<At<T>>, default: T) -> T {
    key.as_ref().map_or(default, |at| at.value.clone())
}
