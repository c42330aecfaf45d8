//! What was asked of a running stack, and what it answered.

use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uninlu_plan::outlook::Asked;

/// Everything that the checks look at.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The live Deployment.
    pub deployment: Option<Value>,
    /// The live ConfigMap of the hot settings.
    pub settings: Option<Value>,
    /// The live PodDisruptionBudget.
    pub budget: Option<Value>,
    /// The live HorizontalPodAutoscaler.
    pub autoscaler: Option<Value>,
    /// Size of the Deployment's image; `None` when it was not asked for.
    pub image: Option<Asked<ImageSize>>,
    /// What the custom metrics API reports of the pods; `None` when it was not asked.
    pub requests_metric: Option<Asked<Value>>,
    /// The pods that have not ended and are not on their way out.
    pub pods: Vec<PodFacts>,
}

/// What one pod answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodFacts {
    /// The object.
    pub pod: Pod,
    /// `uninlu-server inspect`, run in it.
    pub inspection: Asked<Inspection>,
    /// Its last lines of log.
    pub log: Asked<String>,
    /// `GET /health`
    pub health: Asked<Answer>,
    /// `GET /ready`
    pub ready: Asked<Answer>,
    /// `GET /metrics`
    pub metrics: Asked<Answer>,
    /// `GET /info`
    pub info: Asked<Answer>,
    /// The answers to `[verify] predict`, in its order.
    pub predictions: Vec<Asked<Answer>>,
    /// Seconds that further answers to the same took; none when they were not measured.
    pub times: Asked<Vec<f64>>,
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body; what is no UTF-8 is replaced.
    pub body: String,
}

/// What `uninlu-server inspect` prints; `server/src/inspect.rs` describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Inspection {
    process: Process,
    server: Option<Process>,
    /// What became of a file in `/`.
    pub root: Trial,
}

/// A process as the kernel describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Process {
    /// Its number in the container.
    pub pid: u32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// What it may do beyond a user's rights.
    pub capabilities: Capabilities,
    /// Whether nothing that it starts can gain rights.
    pub no_new_privs: bool,
    /// 0 is off, 1 strict, 2 a filter.
    pub seccomp: u32,
}

/// Masks in hexadecimal, as the kernel writes them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Capabilities {
    /// What counts now.
    pub effective: String,
    /// What it may take.
    pub permitted: String,
    /// What anything that it starts may ever get.
    pub bounding: String,
}

/// An attempt to make a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    /// Where.
    pub path: String,
    /// Whether it was made.
    pub created: bool,
    /// The kernel's words.
    pub error: Option<String>,
    /// The kernel's number of it.
    pub errno: Option<i32>,
}

impl PodFacts {
    /// The pod's name.
    pub fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }
}

impl Inspection {
    /// The running server itself; where it is not the container's first process, the one that looked.
    pub fn server(&self) -> &Process {
        self.server.as_ref().unwrap_or(&self.process)
    }
}

impl Answer {
    /// Status and body, cut where it is long.
    pub fn summary(&self) -> String {
        format!("{} {}", self.status, shortened(&self.body))
    }
}

/// The first line of what may be long, up to what fits on a terminal's.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 120;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Size of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// The image.
    pub reference: String,
    /// Bytes that a node downloads: the compressed layers.
    pub compressed: u64,
    /// Bytes of the unpacked layers; `None` where the registry does not report it.
    pub unpacked: Option<u64>,
}
