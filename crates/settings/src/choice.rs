//! Settings that are one of a few names.

use serde::{Deserialize, Serialize};

/// A setting that is one of a few names.
pub trait Choice: Copy + 'static {
    /// All values, in the order in which they are listed.
    const ALL: &'static [Self];

    /// The name that is written.
    fn name(self) -> &'static str;

    /// What it means, for help and schema.
    fn meaning(self) -> &'static str;

    /// The value with that name.
    fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|choice| choice.name() == name)
    }
}

/// How the linears of the network compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As the reference does.
    #[default]
    Fp32,
    /// bfloat16.
    Bf16,
    /// Weights of 8 bits.
    Int8,
    /// Half precision.
    Fp16,
}

impl Precision {
    /// Whether some device of the kind computes so.
    pub const fn runs_on(self, gpu: bool) -> bool {
        match self {
            Self::Fp32 | Self::Bf16 => true,
            Self::Int8 => !gpu,
            Self::Fp16 => gpu,
        }
    }

    /// Bytes of a linear's weight in memory.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Fp32 => 4,
            Self::Bf16 | Self::Fp16 => 2,
            Self::Int8 => 1,
        }
    }
}

impl Choice for Precision {
    const ALL: &'static [Self] = &[Self::Fp32, Self::Bf16, Self::Int8, Self::Fp16];

    fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::Fp16 => "fp16",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Fp32 => "Same as the reference",
            Self::Bf16 => "bfloat16: CPUs with AVX512-BF16 or AMX, and GPUs",
            Self::Int8 => "8-bit weights: CPUs with VNNI",
            Self::Fp16 => "Half precision: GPUs",
        }
    }
}

/// Least severe events in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What failed in the server.
    Error,
    /// What may become an error.
    Warn,
    /// Requests.
    #[default]
    Info,
    /// Connections too.
    Debug,
    /// All.
    Trace,
}

impl Choice for LogLevel {
    const ALL: &'static [Self] = &[
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Error => "Failed requests, and what stops the server",
            Self::Warn => "Also what may become an error",
            Self::Info => "Also each request of the API, and each refused request",
            Self::Debug => "Also connections that were closed",
            Self::Trace => "Everything",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error;

    use super::*;

    fn check<T: Choice + PartialEq + std::fmt::Debug + for<'de> Deserialize<'de>>() {
        for choice in T::ALL {
            let read = T::deserialize(IntoDeserializer::<Error>::into_deserializer(choice.name()));
            assert_eq!(read, Ok(*choice));
            assert_eq!(T::named(choice.name()), Some(*choice));
        }
        assert_eq!(T::named("none"), None);
    }

    #[test]
    fn a_name_is_the_same_in_files_and_in_variables() {
        check::<Precision>();
        check::<LogLevel>();
    }
}
