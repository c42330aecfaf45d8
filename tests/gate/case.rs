//! One case: a stack, what is known around it, and what its objects would be if they were rendered otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use toml::value::{Date, Datetime};
use uninlu::gate::{
    self, Access, Cluster, Exposed, Facts, Listing, ModelFile, Subject, Verdicts, Version, secrets,
};
use uninlu::kinds::{AutoscalerMetric, Going, Kind};
use uninlu::plan::outlook::{Block, Obstacle, Outlook};
use uninlu::plan::replicas::Transition;
use uninlu::plan::{Action, Change, Conflict, Goal, Parent, Plan, PlannedImage, apply_set};
use uninlu::profile::Profile;
use uninlu::stack::{self, Stack};

use super::merge::merge;

/// See the module.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Case {
    /// Keys above the first section.
    top: String,
    /// `[image]`, instead of a reference by digest.
    image: Option<String>,
    /// `[model]`, instead of a claim.
    model: Option<String>,
    /// Further sections.
    stack: String,
    /// Merge patches over the rendered objects, by kind; null takes an object away.
    objects: BTreeMap<String, Value>,
    /// So much is in each ConfigMap besides.
    config_map_bytes: usize,
    /// A patch over a profile that suits the defaults.
    profile: Option<Value>,
    /// In bytes.
    weights: Option<u64>,
    /// The model's folder on the node and what is in it, by path; null could not be looked at.
    model_files: BTreeMap<PathBuf, Option<Access>>,
    /// Texts of files that look like secrets, by their paths in the context.
    exposed: BTreeMap<String, String>,
    /// In bytes.
    image_size: Option<u64>,
    to_be_built: Option<String>,
    cluster: Option<Around>,
    /// What the plan would do, by kind.
    changes: BTreeMap<String, Done>,
    /// What is in the pods' way.
    obstacles: Vec<String>,
    /// By what the rollout gets stuck.
    stuck: Vec<String>,
    /// What will keep the autoscaler from scaling them, by the metric of the pods that it cannot read.
    unread: BTreeMap<String, String>,
    /// Nobody asked a cluster, and nobody measured.
    offline: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Around {
    version: Option<Version>,
    labels: BTreeMap<String, String>,
    metric: Option<Listing>,
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Done {
    action: Action,
    #[serde(default)]
    conflicts: Vec<(String, String)>,
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    going: Option<Going>,
}

/// The day of every case.
fn today() -> Date {
    let today = "2026-06-15".parse::<Datetime>().ok();
    today.and_then(|today| today.date).expect("a date")
}

impl Case {
    pub(crate) fn read(file: &Path) -> Self {
        let text =
            fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    pub(crate) fn verdicts(&self) -> Verdicts {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("uninlu.toml");
        fs::write(&file, self.text()).expect("writable");
        // Not loaded: what a case names need not be on this machine.
        let stack = stack::parse(&self.text(), &file, None).expect("the case's stack is valid");
        let goal = self.goal(&stack);
        let facts = Facts {
            document: stack.document(),
            ..self.facts(&stack, &goal)
        };
        let offline = Subject::offline(&stack, &goal, &facts, today());
        let (plan, outlook) = (self.plan(&goal), self.outlook());
        let mut verdicts = gate::check(&if self.offline {
            offline
        } else {
            Subject::planned(&stack, &plan, outlook.as_ref(), &facts, today())
        });
        verdicts.locate(|keys| stack.locate(keys));
        verdicts
    }

    fn text(&self) -> String {
        let image = self.image.clone().unwrap_or_else(|| {
            format!(
                "reference = \"registry.test/siamese-uninlu@sha256:{}\"",
                "0".repeat(64)
            )
        });
        let model = self
            .model
            .as_deref()
            .unwrap_or("source = { pvc = \"models\" }");
        format!(
            "name = \"siamese-uninlu\"\nnamespace = \"nlu\"\n{}\n[cluster]\ncontext = \"prod\"\n\
             [image]\n{image}\n[model]\n{model}\n{}",
            self.top, self.stack
        )
    }

    fn goal(&self, stack: &Stack) -> Goal {
        let reference = match &stack.image {
            stack::Image::Reference { reference, .. } => reference.clone(),
            stack::Image::Build(build) => format!("{}:0123456789abcdef", build.repository),
        };
        let image = PlannedImage {
            reference,
            to_be_built: self.to_be_built.clone(),
        };
        let mut goal = Goal::of_stack(stack, image, None);
        for (kind, patch) in &self.objects {
            goal.objects
                .retain(|id, _| id.kind.name() != kind || !patch.is_null());
            for (id, body) in &mut goal.objects {
                if id.kind.name() == kind {
                    merge(body, patch);
                }
            }
        }
        if self.config_map_bytes > 0 {
            for (_, body) in goal
                .objects
                .iter_mut()
                .filter(|(id, _)| id.kind == Kind::ConfigMap)
            {
                body["data"]["weights"] = "x".repeat(self.config_map_bytes).into();
            }
        }
        goal
    }

    fn exposed(&self) -> Vec<Exposed> {
        let looks = |(path, text): (&String, &String)| Exposed {
            path: path.clone(),
            what: secrets::in_name(path)
                .or_else(|| secrets::in_file(path, text.as_bytes()))
                .expect("the case's file looks like a secret"),
            key: "image.context",
        };
        self.exposed.iter().map(looks).collect()
    }

    fn facts(&self, stack: &Stack, goal: &Goal) -> Facts {
        if self.offline {
            return Facts::unasked(gate::UNASKED);
        }
        let mut profile = profile(stack, goal);
        merge(&mut profile, self.profile.as_ref().unwrap_or(&json!({})));
        let around = self.cluster.as_ref();
        let version = around.and_then(|around| around.version);
        // Weights are looked at where nothing was measured.
        let is_measured = self.weights.is_none();
        let profile: Profile = serde_json::from_value(profile).expect("a profile");
        Facts {
            exposed: self.exposed(),
            document: Value::Null,
            profile: is_measured.then_some(profile),
            image_names: vec![goal.image.reference.clone()],
            image_size: self.image_size.ok_or_else(|| "no engine has it".into()),
            weights: self.weights,
            model: self.model_files(),
            cluster: Cluster {
                version: Ok(version.unwrap_or(Version {
                    major: 1,
                    minor: 34,
                })),
                namespace_labels: Ok(around
                    .map(|around| around.labels.clone())
                    .unwrap_or_default()),
                metric: Ok(around
                    .and_then(|around| around.metric)
                    .unwrap_or(Listing::Listed)),
                warnings: around
                    .map(|around| around.warnings.clone())
                    .unwrap_or_default(),
            },
        }
    }

    fn model_files(&self) -> Vec<ModelFile> {
        let file = |(path, access): (&PathBuf, &Option<Access>)| ModelFile {
            path: path.clone(),
            access: access.ok_or_else(|| "Permission denied".into()),
        };
        self.model_files.iter().map(file).collect()
    }

    fn plan(&self, goal: &Goal) -> Plan {
        let changes = goal.objects.keys().map(|id| {
            let done = self.changes.get(id.kind.name());
            let conflicts = done.into_iter().flat_map(|done| &done.conflicts);
            Change {
                id: id.clone(),
                action: done.map_or(Action::Keep, |done| done.action),
                fields: Vec::new(),
                conflicts: conflicts
                    .map(|(field, manager)| Conflict {
                        field: field.clone(),
                        manager: manager.clone(),
                    })
                    .collect(),
                notes: done.map(|done| done.notes.clone()).unwrap_or_default(),
                transition: Transition::None,
                uid: None,
                approximate: None,
                going: done.and_then(|done| done.going.clone()),
                stamps: Vec::new(),
                paused: None,
            }
        });
        Plan {
            changes: changes.collect(),
            parent: Parent {
                id: apply_set::parent_id(&goal.target),
                going: None,
            },
            writes: Vec::new(),
            goal: goal.clone(),
        }
    }

    fn outlook(&self) -> Option<Outlook> {
        let of_pods = self.obstacles.iter().map(|words| (words, None, None));
        let of_blocks = self.stuck.iter().map(|reason| {
            let block = Block {
                reason: reason.clone(),
                fix: "change it".to_owned(),
                waits: None,
            };
            (reason, None, Some(block))
        });
        let of_metrics = self.unread.iter();
        let of_metrics = of_metrics
            .map(|(name, words)| (words, Some(AutoscalerMetric::Pods(name.clone())), None));
        let obstacles: Vec<Obstacle> = of_metrics
            .chain(of_pods)
            .chain(of_blocks)
            .map(|(words, metric, block)| Obstacle {
                words: words.clone(),
                metric,
                block,
            })
            .collect();
        (!obstacles.is_empty()).then_some(Outlook {
            pods: 2,
            surge: 1,
            floor: 2,
            steps: 2,
            expected_seconds: None,
            longest_seconds: 480,
            obstacles,
            unknown: Vec::new(),
        })
    }
}

/// A profile of what would run, by which everything is fine.
fn profile(stack: &Stack, goal: &Goal) -> Value {
    let limit = |bounds: &stack::Bounds| bounds.limit.clone().expect("a default");
    json!({
        "version": 1,
        "image": goal.image.reference,
        "measured-at": "2026-06-01T00:00:00Z",
        "processor": "a processor",
        "cpu-limit": i64::try_from(limit(&stack.resources.cpu).milli).expect("small"),
        "memory-limit": i64::try_from(limit(&stack.resources.memory).units()).expect("small"),
        "image-size": 290_000_000,
        "startup": 6.5,
        "memory-ready": 600_000_000,
        "memory-peak": 900_000_000,
        "service": [{ "characters": 60, "latency": [0.04, 0.05, 0.06], "cpu-seconds": 0.07 }],
        "saturation": {
            "characters": 60, "objective": 0.5, "requests-per-second": 24.0, "cpu-seconds": 0.07,
            "latency": [0.06, 0.4, 0.7],
        },
    })
}
