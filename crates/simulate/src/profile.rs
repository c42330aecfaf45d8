//! What `rehearse` measured of an image with a model under a stack's limits: the facts that `simulate` and the gate
//! calculate with. A file beside the stack file, so that it is reviewed and versioned with it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use uninlu_stack::{Source, Stack};

/// Version of the file's form.
pub const VERSION: u32 = 3;
/// The versions that are read: 2 has the same keys, in kebab-case.
const READ: [u32; 2] = [2, VERSION];

/// One measurement, on one machine, under one stack's limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of the file's form.
    #[serde(alias = "version")]
    pub format_version: u32,
    /// Image that was measured, by tag or digest.
    pub image: String,
    /// When, in RFC 3339.
    #[serde(alias = "measured-at")]
    pub measured_at: String,
    /// Processor's name, since every time below is of this processor.
    pub processor: String,
    /// CPU limit of the measured container, in millicores.
    #[serde(alias = "cpu-limit")]
    pub cpu_limit: i64,
    /// Memory limit of the measured container, in bytes.
    #[serde(alias = "memory-limit")]
    pub memory_limit: i64,
    /// Size of the image, in bytes.
    #[serde(alias = "image-size")]
    pub image_size: i64,
    /// From the container's start until `/ready` answered 200, in seconds.
    pub startup: f64,
    /// Memory of the container's control group when ready, in bytes.
    #[serde(alias = "memory-ready")]
    pub memory_ready: i64,
    /// The most memory of it during the measurement, in bytes.
    #[serde(alias = "memory-peak")]
    pub memory_peak: i64,
    /// How long texts of some lengths take when one comes alone. In ascending order of characters.
    pub service: Vec<Service>,
    /// What the container carries.
    pub saturation: Saturation,
}

/// What a request with a text of that length costs when it is alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Length of the text in code points.
    pub characters: usize,
    /// P50, P95 and P99 of the answer's time, in seconds.
    pub latency: [f64; 3],
    /// CPU time of a request, in seconds.
    #[serde(alias = "cpu-seconds")]
    pub cpu_seconds: f64,
}

/// The highest rate, found by bisection under open-loop load, at which the objective holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Saturation {
    /// Length in code points of the texts it was searched with.
    pub characters: usize,
    /// What 95 of 100 requests must stay below, counted from the scheduled arrival, in seconds.
    pub objective: f64,
    /// Requests per second of one container.
    #[serde(alias = "requests-per-second")]
    pub requests_per_second: f64,
    /// CPU time of a request at that rate, in seconds.
    #[serde(alias = "cpu-seconds")]
    pub cpu_seconds: f64,
    /// P50, P95 and P99 at that rate, in seconds.
    pub latency: [f64; 3],
}

/// Where a stack's profile lies: `uninlu.profile.json`, or `uninlu.ENV.profile.json`, beside the stack file.
pub fn path(stack: &Stack, env: Option<&str>) -> PathBuf {
    let Source { folder, stem, .. } = stack.source.as_ref();
    let name = match env {
        Some(env) => format!("{stem}.{env}.profile.json"),
        None => format!("{stem}.profile.json"),
    };
    folder.join(name)
}

impl Profile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong with it, also another [`VERSION`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let profile: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let version = profile.format_version;
        if !READ.contains(&version) {
            return Err(format!(
                "its version is {version}, this uninlu reads {} and {VERSION}",
                READ[0]
            ));
        }
        Ok(profile)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("strings and numbers become JSON");
        format!("{text}\n")
    }
}
