//! What rules of the gate look at: the stack, what it renders, what the plan would do with it, and facts around them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;
use toml::value::Date;
use uninlu_objects::{Desired, Kind, of_kind};
use uninlu_plan::outlook::{Asked, Outlook};
use uninlu_plan::{Action, Goal, Plan, PlannedImage};
use uninlu_simulate::profile::Profile;
use uninlu_stack::Stack;

use super::{Objects, Pod};

/// A stack and what is known around it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What was meant.
    pub stack: &'a Stack,
    /// The bodies that would be sent.
    pub objects: &'a Desired,
    /// The image that the pods would get.
    pub image: &'a PlannedImage,
    /// What an apply would do; `None` where no cluster was asked.
    pub plan: Option<&'a Plan>,
    /// What its pods will meet; `None` also where it leaves them as they are.
    pub outlook: Option<&'a Outlook>,
    /// What was looked up for the gate.
    pub facts: &'a Facts,
    /// Decides which waivers still hold.
    pub today: Date,
}

/// What neither the stack file nor the plan says.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The stack file as it is typed, which rules of one's own see.
    pub document: Value,
    /// What was measured of the image; `None` when nothing was.
    pub profile: Option<Profile>,
    /// References by which the planned image is known: its tag, its digest.
    pub image_names: Vec<String>,
    /// Size of the image in the local engine, in bytes.
    pub image_size: Asked<u64>,
    /// Size of the model's weights that go into the image, in bytes; `None` when they come from a volume.
    pub weights: Option<u64>,
    /// What the server opens of a model on the node, as this machine has it; none when it comes from elsewhere.
    pub model: Vec<ModelFile>,
    /// Files of the image's context and model that look like secrets.
    pub exposed: Vec<Exposed>,
    /// What the cluster says.
    pub cluster: Cluster,
}

/// A file that goes into a build and looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// In the folder that the key names.
    pub path: String,
    /// `a private key`
    pub what: &'static str,
    /// The key of the stack file that names the folder.
    pub key: &'static str,
}

/// The model's folder, or a file in it.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// On this machine, as on the node.
    pub path: PathBuf,
    /// Who may do what with it.
    pub access: Asked<Access>,
}

/// What `stat` reports of a file, a link followed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Access {
    /// User whose it is.
    pub owner: u32,
    /// Group whose it is.
    pub group: u32,
    /// Permission bits.
    pub mode: u32,
    /// Whether it is a folder.
    #[serde(default)]
    pub is_folder: bool,
    /// Whether it is a link to what is outside of the model's folder.
    #[serde(default)]
    pub leads_out: bool,
}

/// What the cluster says of itself.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The API server's version.
    pub version: Asked<Version>,
    /// Labels of the live namespace; none when it does not exist.
    pub namespace_labels: Asked<BTreeMap<String, String>>,
    /// Whether the custom metrics API knows the metric that the autoscaler reads.
    pub metric: Asked<Listing>,
    /// What the API server warned of while it was asked to try the apply.
    pub warnings: Vec<String>,
}

/// What a metrics API says of a metric when it lists what it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listing {
    /// The metric is in the list.
    Listed,
    /// It is not. The Prometheus Adapter lists a metric once a pod has a value of it.
    Unlisted,
    /// The API is not served.
    NoApi,
}

/// A version of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Version {
    /// `1`
    pub major: u32,
    /// `34`
    pub minor: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl Facts {
    /// Where nothing was asked, and why.
    pub fn unasked(reason: &str) -> Self {
        Self {
            document: Value::Null,
            profile: None,
            image_names: Vec::new(),
            image_size: Err(reason.to_owned()),
            weights: None,
            model: Vec::new(),
            exposed: Vec::new(),
            cluster: Cluster::unasked(reason),
        }
    }
}

impl Cluster {
    /// A cluster that was not asked.
    pub fn unasked(reason: &str) -> Self {
        Self {
            version: Err(reason.to_owned()),
            namespace_labels: Err(reason.to_owned()),
            metric: Err(reason.to_owned()),
            warnings: Vec::new(),
        }
    }
}

impl<'a> Subject<'a> {
    /// A goal that no cluster was asked about.
    pub fn offline(stack: &'a Stack, goal: &'a Goal, facts: &'a Facts, today: Date) -> Self {
        Self {
            stack,
            objects: &goal.objects,
            image: &goal.image,
            plan: None,
            outlook: None,
            facts,
            today,
        }
    }

    /// A plan and what its pods will meet.
    pub fn planned(
        stack: &'a Stack,
        plan: &'a Plan,
        outlook: Option<&'a Outlook>,
        facts: &'a Facts,
        today: Date,
    ) -> Self {
        Self {
            plan: Some(plan),
            outlook,
            ..Self::offline(stack, &plan.goal, facts, today)
        }
    }

    /// The body of the kind's object; null where there is none.
    pub(super) fn body(&self, kind: Kind) -> &'a Value {
        of_kind(self.objects, kind).unwrap_or(&Value::Null)
    }

    /// Whether the plan makes the first pods.
    pub(super) fn is_first_deployment(&self) -> bool {
        let mut changes = self.plan.iter().flat_map(|plan| &plan.changes);
        changes.any(|change| change.id.kind == Kind::Deployment && change.action == Action::Create)
    }

    /// The objects, as rules over objects look at them.
    pub fn objects(&self) -> Objects<'a> {
        let mut objects = Objects::of_stack(self.objects.values().collect());
        let is_built = self.image.to_be_built.is_some();
        objects.pod.to_be_built = is_built.then_some(self.image.reference.as_str());
        objects.pod.typed = Some(&self.facts.document);
        objects
    }

    /// The Deployment's pods.
    pub(super) fn pod(&self) -> Pod<'a> {
        Pod::of_deployment(self.body(Kind::Deployment))
    }
}

/// What a rule found, and why it was skipped.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is found.
    pub found: Vec<Found>,
    /// Why it was skipped.
    pub unknown: Option<String>,
}

/// One finding.
#[derive(Debug)]
pub struct Found {
    /// What is found.
    pub message: String,
    /// The keys of the stack file that set it, more exact than the rule's own.
    pub keys: Vec<String>,
}

impl Verdict {
    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self {
            found: Vec::new(),
            unknown: Some(reason.into()),
        }
    }

    /// Findings, each with the key that it is about.
    pub(super) fn at(found: impl IntoIterator<Item = (String, String)>) -> Self {
        let found = found.into_iter().map(|(key, message)| Found {
            message,
            keys: vec![key],
        });
        Self {
            found: found.collect(),
            unknown: None,
        }
    }
}

impl FromIterator<String> for Verdict {
    fn from_iter<I: IntoIterator<Item = String>>(messages: I) -> Self {
        let found = messages.into_iter().map(|message| Found {
            message,
            keys: Vec::new(),
        });
        Self {
            found: found.collect(),
            unknown: None,
        }
    }
}

impl From<Option<String>> for Verdict {
    fn from(message: Option<String>) -> Self {
        message.into_iter().collect()
    }
}

/// Why rules that need a cluster find nothing without one.
pub const UNASKED: &str = "no cluster was asked (--offline)";
