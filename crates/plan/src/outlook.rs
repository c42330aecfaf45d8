//! What a change of the pods will meet: how they are replaced, whether there is room for them, and whether what they
//! refer to is there; and whether their autoscaler can read what it scales by. It is told with the plan and is no part of it: nodes fill and empty while somebody reads.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    LimitRange, Node, PersistentVolumeClaim, Pod, PodSpec, ResourceQuota,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::limits;
use super::quota;
use super::rivals::rivals;
use super::room;
use super::{Action, Change, Goal, Nearby, Plan};
use uninlu_objects::amounts::{Amounts, requests};
use uninlu_objects::{
    AutoscalerMetric, Going, INSTANCE, Kind, MANAGED_BY, MANAGER, MetricState, of_kind, resume,
};
use uninlu_stack::{Count, WAIT_FOR_NODES};
use uninlu_text::words::human_elapsed;

/// What a cluster was asked for, or why it did not tell: a user may plan without being allowed to look at nodes.
pub type Asked<T> = Result<T, String>;

/// What is around the stack.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Every node.
    pub nodes: Asked<Vec<Node>>,
    /// Every pod of the cluster that has not ended.
    pub pods: Asked<Vec<Pod>>,
    /// The namespace's quotas.
    pub quotas: Asked<Vec<ResourceQuota>>,
    /// The namespace's LimitRanges.
    pub limits: Asked<Vec<LimitRange>>,
    /// The claims that the pods mount, by name; `None` is one that does not exist.
    pub claims: BTreeMap<String, Asked<Option<PersistentVolumeClaim>>>,
    /// Whether the Secrets that the pods refer to exist, by name. Their values are never asked for.
    pub secrets: BTreeMap<String, Asked<bool>>,
    /// The metrics that the autoscaler reads.
    pub metrics: Vec<(AutoscalerMetric, Asked<MetricState>)>,
}

/// What the stack refers to besides its own objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Names of PersistentVolumeClaims.
    pub claims: Vec<String>,
    /// Names of Secrets.
    pub secrets: Vec<String>,
    /// What the autoscaler reads.
    pub metrics: Vec<AutoscalerMetric>,
}

/// What will happen to the pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Outlook {
    /// How many pods run in the end, as far as the plan decides it.
    pub pods: u32,
    /// Pods above that number meanwhile.
    pub surge: u32,
    /// How many pods keep serving throughout.
    pub floor: u32,
    /// Batches in which pods are replaced; 1 when none runs yet, 0 when the plan leaves them as they are.
    pub steps: u32,
    /// Seconds that it takes when new pods start as fast as those that run; `None` when none runs.
    pub expected_seconds: Option<u64>,
    /// Seconds after which the wait ends.
    pub longest_seconds: u32,
    /// What will keep pods from coming, or the autoscaler from scaling them.
    pub obstacles: Vec<Obstacle>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
}

/// Something that will keep pods from coming, or the autoscaler from scaling them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Obstacle {
    /// What it is, and what to do about it.
    pub words: String,
    /// The metric that the autoscaler cannot read, where it is that.
    #[serde(skip)]
    pub metric: Option<AutoscalerMetric>,
    /// Where the rollout gets stuck by it.
    #[serde(skip)]
    pub block: Option<Block>,
}

impl Obstacle {
    /// Whether the rollout gets stuck by it, whatever comes.
    pub fn is_certain(&self) -> bool {
        self.block
            .as_ref()
            .is_some_and(|block| block.waits.is_none())
    }
}

/// By what a rollout gets stuck, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// A clause.
    pub reason: String,
    /// A clause.
    pub fix: String,
    /// How long apply waits for the node that would help, where nothing speaks against one.
    pub waits: Option<Duration>,
}

/// What the plan refers to; `None` when it leaves the pods and their autoscaler as they are, and there is nothing to look
/// at.
pub fn references(plan: &Plan) -> Option<References> {
    let metrics = autoscaler(plan).map_or_else(Vec::new, AutoscalerMetric::of);
    let mut references = References {
        metrics,
        ..References::default()
    };
    let Some(pod) = deployment(plan).and_then(pod_of) else {
        return (changes_autoscaler(plan) || plan.paused().is_some()).then_some(references);
    };
    for volume in pod.volumes.iter().flatten() {
        if let Some(claim) = &volume.persistent_volume_claim {
            references.claims.push(claim.claim_name.clone());
        }
        let secret = volume.secret.as_ref();
        references
            .secrets
            .extend(secret.and_then(|secret| secret.secret_name.clone()));
    }
    let pull_secrets = pod.image_pull_secrets.iter().flatten();
    references
        .secrets
        .extend(pull_secrets.map(|secret| secret.name.clone()));
    Some(references)
}

/// The body of the Deployment, when its pods are made or replaced.
fn deployment(plan: &Plan) -> Option<&Value> {
    let change = plan
        .changes
        .iter()
        .find(|change| change.id.kind == Kind::Deployment)?;
    let makes_pods = change.action == Action::Create || change.restarts_pods();
    makes_pods.then(|| plan.goal.objects.get(&change.id))?
}

fn autoscaler(plan: &Plan) -> Option<&Value> {
    of_kind(&plan.goal.objects, Kind::HorizontalPodAutoscaler)
}

fn changes_autoscaler(plan: &Plan) -> bool {
    plan.changes.iter().any(|change| {
        change.id.kind == Kind::HorizontalPodAutoscaler
            && !matches!(change.action, Action::Keep | Action::Delete)
    })
}

fn pod_of(deployment: &Value) -> Option<PodSpec> {
    serde_json::from_value(deployment["spec"]["template"]["spec"].clone()).ok()
}

/// Looks ahead; `None` when the plan leaves the pods and their autoscaler as they are.
pub fn look(plan: &Plan, around: &Surroundings) -> Option<Outlook> {
    let own = own_pods(&plan.goal, around);
    let mut look = Look::default();
    look.metrics(around, own.len());
    look.pause(plan);
    let Some((body, pod)) = deployment(plan).and_then(|body| Some((body, pod_of(body)?))) else {
        let is_worth_telling = changes_autoscaler(plan) || plan.paused().is_some();
        return is_worth_telling.then(|| look.without_new_pods(plan, own.len()));
    };
    let wanted = match body["spec"]["replicas"].as_u64() {
        Some(replicas) => u32::try_from(replicas).unwrap_or(u32::MAX),
        // The autoscaler's number: as many as run, and its minimum where none does.
        None => u32::try_from(plan.goal.minimum_of_autoscaler())
            .unwrap_or(1)
            .max(u32::try_from(own.len()).unwrap_or(u32::MAX)),
    };
    let way = Way::of(plan, body, wanted, &own);
    look.references(around, &pod, wanted, way.surge);
    look.room(around, &requests(&pod), &way, NodeWait::of(plan, around));
    look.quotas(around, &pod, &way);
    look.limits(around, &pod);
    Some(Outlook {
        pods: wanted,
        surge: way.surge,
        floor: way.floor,
        steps: way.steps,
        expected_seconds: seconds_to_ready(&own).map(|seconds| seconds * u64::from(way.steps)),
        longest_seconds: plan.goal.wait.budget,
        obstacles: look.obstacles,
        unknown: look.unknown,
    })
}

/// Adds what others do with the stack's pods, and what of that is not known; where there was nothing to look ahead to,
/// there is now.
pub fn with_nearby(outlook: Option<Outlook>, plan: &Plan, nearby: &Nearby) -> Option<Outlook> {
    let rivals = rivals(&plan.goal.objects, &nearby.others);
    if rivals.is_empty() && nearby.unknown.is_empty() {
        return outlook;
    }
    let mut look = Look {
        unknown: nearby.unknown.clone(),
        ..Look::default()
    };
    // Two that scale, evict or select the same pods hinder each other, and the rollout goes on.
    rivals
        .into_iter()
        .for_each(|rival| look.may_meet(rival.words));
    Some(match outlook {
        Some(mut outlook) => {
            outlook.obstacles.append(&mut look.obstacles);
            outlook.unknown.append(&mut look.unknown);
            outlook
        }
        None => look.without_new_pods(plan, pods_of_goal(&plan.goal)),
    })
}

/// How many pods the goal wants at least: nobody counted those that run.
fn pods_of_goal(goal: &Goal) -> usize {
    let deployment = of_kind(&goal.objects, Kind::Deployment);
    let replicas = deployment.and_then(|body| body["spec"]["replicas"].as_i64());
    usize::try_from(replicas.unwrap_or_else(|| goal.minimum_of_autoscaler())).unwrap_or(0)
}

/// How the pods are replaced.
struct Way<'a> {
    wanted: u32,
    own: &'a [&'a Pod],
    is_rolling: bool,
    surge: u32,
    floor: u32,
    steps: u32,
    /// New pods that are made at once.
    first: u32,
    /// Old ones that go before them, and make room.
    goes_first: &'a [&'a Pod],
}

impl<'a> Way<'a> {
    fn of(plan: &Plan, body: &Value, wanted: u32, own: &'a [&'a Pod]) -> Self {
        let is_replaced = plan
            .changes
            .iter()
            .any(|change| change.id.kind == Kind::Deployment && change.action == Action::Replace);
        if own.is_empty() || is_replaced {
            return Self {
                wanted,
                own,
                is_rolling: false,
                surge: 0,
                floor: 0,
                steps: 1,
                first: wanted,
                goes_first: own,
            };
        }
        let strategy = &body["spec"]["strategy"]["rollingUpdate"];
        let surge = count(&strategy["maxSurge"]).of(wanted);
        let missing = count(&strategy["maxUnavailable"]).of_rounded_down(wanted);
        let at_once = (surge + missing).max(1);
        Self {
            wanted,
            own,
            is_rolling: true,
            surge,
            floor: wanted.saturating_sub(missing),
            steps: wanted.div_ceil(at_once),
            first: at_once,
            goes_first: &own[..own.len().min(missing as usize)],
        }
    }

    /// What must find room: so many pods, without those old ones, and how many at least. Of pods that replace others one
    /// is enough to begin with, since it lets an old one go; in the end all of them must have room.
    fn rounds(&self) -> Vec<(u32, &'a [&'a Pod], u32)> {
        if self.is_rolling {
            vec![
                (self.first, self.goes_first, 1),
                (self.wanted, self.own, self.wanted),
            ]
        } else {
            vec![(self.wanted, self.goes_first, self.wanted)]
        }
    }

    /// An old pod in whose place a new one may fit, where it has no room beside the old ones.
    fn in_place(&self) -> Option<&'a [&'a Pod]> {
        (self.is_rolling && self.goes_first.is_empty()).then(|| &self.own[..1])
    }
}

/// The stack's pods that are not on their way out.
fn own_pods<'a>(goal: &Goal, around: &'a Surroundings) -> Vec<&'a Pod> {
    let is_own = |pod: &&Pod| {
        let labels = pod.metadata.labels.as_ref();
        let has = |key: &str, value: &str| {
            labels
                .and_then(|labels| labels.get(key))
                .map(String::as_str)
                == Some(value)
        };
        pod.metadata.namespace.as_ref() == Some(&goal.target.namespace)
            && pod.metadata.deletion_timestamp.is_none()
            && has(MANAGED_BY, MANAGER)
            && has(INSTANCE, &goal.target.stack)
    };
    around.pods.iter().flatten().filter(is_own).collect()
}

/// What a stack rendered; none where it says nothing.
fn count(rendered: &Value) -> Count {
    Count::deserialize(rendered).unwrap_or(Count::Pods(0))
}

/// The median of the seconds that the pods took from their start until they were ready.
fn seconds_to_ready(pods: &[&Pod]) -> Option<u64> {
    let mut times: Vec<u64> = pods.iter().filter_map(|pod| time_to_ready(pod)).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// `None` also for a pod that was ready before and is so again: when it first was, nothing tells.
fn time_to_ready(pod: &Pod) -> Option<u64> {
    let status = pod.status.as_ref()?;
    let restarts: i32 = status
        .container_statuses
        .iter()
        .flatten()
        .map(|container| container.restart_count)
        .sum();
    let ready = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    let began = status.start_time.as_ref()?.0;
    let seconds = (ready.last_transition_time.as_ref()?.0 - began).get_seconds();
    (restarts == 0).then_some(u64::try_from(seconds).ok()?.max(1))
}

#[derive(Default)]
struct Look {
    obstacles: Vec<Obstacle>,
    unknown: Vec<String>,
}

impl Look {
    /// A value of a pod that is still to come is no more than to be expected.
    fn metrics(&mut self, around: &Surroundings, running: usize) {
        for (metric, state) in &around.metrics {
            let (name, group, fix) = (metric.name(), metric.group(), metric.fix());
            let words = match state {
                Ok(MetricState::NoApi(reason)) => format!(
                    "the autoscaler reads `{name}` from {group}, which does not answer ({reason}); {fix}"
                ),
                Ok(MetricState::Missing) if running > 0 => format!(
                    "the autoscaler reads `{name}`, and {group} has it of none of the {running} running pods; {fix}"
                ),
                Ok(MetricState::Missing | MetricState::Served) => continue,
                Err(reason) => {
                    self.unknown
                        .push(format!("whether {group} serves `{name}`: {reason}"));
                    continue;
                }
            };
            self.obstacles.push(Obstacle {
                words,
                metric: Some(metric.clone()),
                block: None,
            });
        }
    }

    /// Something by which the rollout gets stuck.
    fn meets(&mut self, reason: impl Into<String>, fix: impl Into<String>) {
        let (reason, fix) = (reason.into(), fix.into());
        self.blocked(Block {
            reason,
            fix,
            waits: None,
        });
    }

    fn blocked(&mut self, block: Block) {
        let unless = block.waits.map_or_else(String::new, |waits| {
            format!(
                " unless a node comes, for which apply waits {} (`[rollout] wait-for-nodes`)",
                human_elapsed(waits)
            )
        });
        let Block { reason, fix, .. } = &block;
        self.obstacles.push(Obstacle {
            words: format!("the rollout will get stuck{unless}: {reason}; {fix}"),
            metric: None,
            block: Some(block),
        });
    }

    /// Something that may hold it up.
    fn may_meet(&mut self, words: String) {
        self.obstacles.push(Obstacle {
            words,
            metric: None,
            block: None,
        });
    }

    /// A paused Deployment is scaled all the same.
    fn pause(&mut self, plan: &Plan) {
        let Some(words) = plan.paused() else { return };
        let fix = format!("{} lets it go on", resume(&plan.goal.target));
        if plan.changes.iter().any(Change::restarts_pods) {
            self.meets(words, fix);
        } else {
            self.may_meet(format!("{words}; {fix}"));
        }
    }

    fn without_new_pods(self, plan: &Plan, running: usize) -> Outlook {
        let pods = u32::try_from(running).unwrap_or(u32::MAX);
        Outlook {
            pods,
            surge: 0,
            floor: pods,
            steps: 0,
            expected_seconds: None,
            longest_seconds: plan.goal.wait.budget,
            obstacles: self.obstacles,
            unknown: self.unknown,
        }
    }

    fn references(&mut self, around: &Surroundings, pod: &PodSpec, pods: u32, surge: u32) {
        for (name, exists) in &around.secrets {
            match exists {
                Ok(true) => (),
                Ok(false) if is_mounted(pod, name) => {
                    self.meets(format!("the Secret `{name}` does not exist"), CREATE);
                }
                // A registry that gives the image to anyone needs none.
                Ok(false) => self.may_meet(format!(
                    "the Secret `{name}`, by which the image is pulled, does not exist"
                )),
                Err(reason) => self
                    .unknown
                    .push(format!("whether the Secret `{name}` exists: {reason}")),
            }
        }
        for (name, claim) in &around.claims {
            match claim {
                Ok(Some(claim)) => self.claim(name, claim, pods, surge),
                Ok(None) => self.meets(
                    format!("the PersistentVolumeClaim `{name}` does not exist"),
                    CREATE,
                ),
                Err(reason) => self
                    .unknown
                    .push(format!("the PersistentVolumeClaim `{name}`: {reason}")),
            }
        }
    }

    fn claim(&mut self, name: &str, claim: &PersistentVolumeClaim, pods: u32, surge: u32) {
        let modes: Vec<&str> = claim
            .spec
            .iter()
            .flat_map(|spec| spec.access_modes.iter().flatten())
            .map(String::as_str)
            .collect();
        let is_only = |mode: &str| !modes.is_empty() && modes.iter().all(|known| *known == mode);
        if is_only("ReadWriteOncePod") && pods + surge > 1 {
            self.meets(
                format!(
                    "the PersistentVolumeClaim `{name}` is ReadWriteOncePod: a second pod never starts"
                ),
                "use a claim that is ReadOnlyMany or ReadWriteMany",
            );
        } else if is_only("ReadWriteOnce") && pods + surge > 1 {
            self.may_meet(format!(
                "the PersistentVolumeClaim `{name}` is ReadWriteOnce: pods start only on the one node that has it; \
                 ReadOnlyMany or ReadWriteMany serves all"
            ));
        }
        let live = serde_json::to_value(claim).unwrap_or_default();
        if let Some(going) = Going::of(&live) {
            self.meets(
                format!(
                    "the PersistentVolumeClaim `{name}` {}: pods that have it keep it, and no new pod gets it",
                    going.words()
                ),
                "name another claim (`[model] source`), or wait until it is gone and create it again",
            );
        }
        let phase = claim
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        if phase == Some("Lost") {
            self.meets(
                format!("the PersistentVolumeClaim `{name}` has lost its volume"),
                "name another claim in `[model] source`",
            );
        }
    }

    fn room(&mut self, around: &Surroundings, need: &Amounts, way: &Way, wait: NodeWait) {
        let (nodes, pods) = match (&around.nodes, &around.pods) {
            (Ok(nodes), Ok(pods)) => (nodes, pods),
            (Err(reason), _) | (_, Err(reason)) => {
                self.unknown.push(format!("room on the nodes: {reason}"));
                return;
            }
        };
        let fill = |count: u32, goes: &[&Pod]| {
            let mut places = room::places(nodes, pods, goes);
            (room::fill(&mut places, need, count), places)
        };
        let mut rounds = way.rounds().into_iter().enumerate();
        let stuck = rounds.find_map(|(round, (count, goes, least))| {
            let (placed, places) = fill(count, goes);
            (placed < least).then_some((round, placed, count, places))
        });
        let Some((round, placed, count, places)) = stuck else {
            return;
        };
        let when = if round == 0 {
            ""
        } else {
            " when the old ones are gone"
        };
        let advice = match way.in_place() {
            Some(old) if round == 0 && fill(1, old).0 == 1 => IN_PLACE,
            _ => "ask for less in `[resources]`, or give the cluster a node with room",
        };
        let found = format!(
            "{placed} of {count} new pods find room{when} ({} each): {}",
            room::listed(need),
            room::why(&places, need)
        );
        if wait.is_expected {
            self.may_meet(format!(
                "{found}; apply waits {} for a node (`[rollout] wait-for-nodes`)",
                human_elapsed(wait.time)
            ));
        } else if wait.time.is_zero() || room::is_too_large(nodes, need) {
            self.meets(found, advice);
        } else {
            self.blocked(Block {
                reason: found,
                fix: advice.into(),
                waits: Some(wait.time),
            });
        }
    }

    fn limits(&mut self, around: &Surroundings, pod: &PodSpec) {
        match &around.limits {
            Ok(ranges) => {
                for words in limits::refusals(ranges, pod) {
                    self.meets(words, "set `[resources]` within its bounds");
                }
            }
            Err(reason) => self
                .unknown
                .push(format!("LimitRanges of the namespace: {reason}")),
        }
    }

    fn quotas(&mut self, around: &Surroundings, pod: &PodSpec, way: &Way) {
        let quotas = match &around.quotas {
            Ok(quotas) => quotas,
            Err(reason) => {
                self.unknown
                    .push(format!("quotas of the namespace: {reason}"));
                return;
            }
        };
        let ranges = around.limits.as_deref().unwrap_or_default();
        let pod = &limits::filled(ranges, pod);
        // A quota with scopes counts only some pods; which, is the API server's matter.
        for quota in quotas.iter().filter(|quota| !quota::has_scopes(quota)) {
            let name = quota.metadata.name.as_deref().unwrap_or_default();
            let missing = quota::missing(quota, pod);
            if !missing.is_empty() {
                self.meets(
                    format!(
                        "the quota `{name}` counts {}, and the API server refuses pods that do not set it",
                        missing.join(", ")
                    ),
                    "set it in `[resources]`, or give the namespace a LimitRange with a default",
                );
            }
            let mut rounds = way.rounds().into_iter();
            let full = rounds.find_map(|(_, goes, least)| {
                let over = quota::over(quota, pod, least, goes);
                (!over.is_empty()).then_some((least, over))
            });
            if let Some((count, over)) = full {
                let pods = if count == 1 { "pod" } else { "pods" };
                self.meets(
                    format!(
                        "the quota `{name}` has no room for {count} new {pods}: {}",
                        over.join(", ")
                    ),
                    "raise the quota, or ask for less in `[resources]`",
                );
            }
        }
    }
}

/// How long apply waits for a node.
#[derive(Clone, Copy)]
struct NodeWait {
    time: Duration,
    /// The stack file says that nodes come, or a node autoscaler runs in the cluster. One that a provider runs out of sight
    /// is not seen.
    is_expected: bool,
}

impl NodeWait {
    fn of(plan: &Plan, around: &Surroundings) -> Self {
        let goal = &plan.goal;
        let is_said =
            goal.places.contains_key(WAIT_FOR_NODES_KEY) || goal.wait.nodes != WAIT_FOR_NODES;
        let mut pods = around.pods.iter().flatten();
        Self {
            time: Duration::from_secs(goal.wait.nodes.into()),
            is_expected: goal.wait.nodes > 0 && (is_said || pods.any(scales_nodes)),
        }
    }
}

const WAIT_FOR_NODES_KEY: &str = "rollout.wait-for-nodes";

/// Whether the pod is a cluster autoscaler or Karpenter, by its image.
fn scales_nodes(pod: &Pod) -> bool {
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers.any(|container| {
        let image = container.image.as_deref().unwrap_or_default();
        let mut parts = image.split('/').map(|part| part.split(['@', ':']).next());
        parts.any(|part| part.is_some_and(|part| NODE_AUTOSCALERS.contains(&part)))
    })
}

/// Image names, without a tag.
const NODE_AUTOSCALERS: [&str; 2] = ["cluster-autoscaler", "karpenter"];

/// Whether a volume of the pod is that Secret.
fn is_mounted(pod: &PodSpec, name: &str) -> bool {
    let volumes = pod.volumes.iter().flatten();
    let mut secrets = volumes.filter_map(|volume| volume.secret.as_ref());
    secrets.any(|secret| secret.secret_name.as_deref() == Some(name))
}

/// What to do about an object that is missing.
const CREATE: &str = "create it before the apply";

/// What to do where a new pod fits in an old one's place only.
const IN_PLACE: &str = "`[rollout] max-surge = 0, max-unavailable = 1` stops an old pod first and puts the new one in its place (with one pod that is an outage meanwhile)";

impl Outlook {
    /// By what the rollout gets stuck, whatever comes.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.doubts().filter(|block| block.waits.is_none())
    }

    /// By what the rollout gets stuck, also where a node may yet come.
    pub fn doubts(&self) -> impl Iterator<Item = &Block> {
        let obstacles = self.obstacles.iter();
        obstacles.filter_map(|obstacle| obstacle.block.as_ref())
    }

    /// How the pods are replaced, in a sentence.
    pub fn words(&self) -> String {
        let how = if self.steps == 0 {
            format!("{} keep running", self.pods)
        } else if self.steps == 1 && self.floor == 0 {
            format!("{} start together", self.pods)
        } else {
            let steps = if self.steps == 1 { "step" } else { "steps" };
            format!(
                "rolling update, replaces {} in {} {steps} (surge {}, at least {} available)",
                self.pods, self.steps, self.surge, self.floor
            )
        };
        let expected = self.expected_seconds.map_or(String::new(), |seconds| {
            format!(
                ", about {} (as the running pods took)",
                human_elapsed(Duration::from_secs(seconds))
            )
        });
        format!(
            "{how}{expected}, timeout {}",
            human_elapsed(Duration::from_secs(self.longest_seconds.into()))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn around(quota: Value, limits: Value) -> Surroundings {
        let quota = json!({ "metadata": { "name": "q" }, "status": { "hard": quota } });
        let limits = json!({ "metadata": { "name": "l" }, "spec": { "limits": [limits] } });
        Surroundings {
            nodes: Err("not asked".into()),
            pods: Err("not asked".into()),
            quotas: Ok(vec![serde_json::from_value(quota).expect("a quota")]),
            limits: Ok(vec![serde_json::from_value(limits).expect("a LimitRange")]),
            claims: BTreeMap::new(),
            secrets: BTreeMap::new(),
            metrics: Vec::new(),
        }
    }

    /// What the quota keeps from coming; the server asks for cpu and memory, and has a limit of memory.
    fn kept_by(quota: Value, limits: Value) -> Vec<String> {
        let server =
            json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "memory": "1Gi" } });
        let pod = json!({ "containers": [{ "name": "server", "resources": server }] });
        let pod = serde_json::from_value(pod).expect("a pod");
        let mut look = Look::default();
        let way = Way {
            wanted: 2,
            own: &[],
            is_rolling: false,
            surge: 0,
            floor: 0,
            steps: 1,
            first: 2,
            goes_first: &[],
        };
        look.quotas(&around(quota, limits), &pod, &way);
        let words = look.obstacles.into_iter().map(|obstacle| obstacle.words);
        words.collect()
    }

    #[test]
    fn a_quota_refuses_pods_that_do_not_set_what_it_counts() {
        let none = json!({ "type": "PersistentVolumeClaim" });
        for quota in [
            json!({}),
            json!({ "requests.cpu": "4", "memory": "4Gi", "limits.memory": "4Gi", "pods": "9" }),
            json!({ "requests.ephemeral-storage": "1Gi", "count/services": "1" }),
        ] {
            assert_eq!(
                kept_by(quota.clone(), none.clone()),
                Vec::<String>::new(),
                "{quota}"
            );
        }
        let quota = json!({ "limits.cpu": "4", "limits.memory": "4Gi" });
        let kept = kept_by(quota.clone(), none);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(
            kept[0].contains("the quota `q` counts limits.cpu, and"),
            "{kept:?}"
        );
        // A LimitRange fills it in, and then it counts.
        let default = |cpu: &str| json!({ "type": "Container", "default": { "cpu": cpu } });
        assert_eq!(kept_by(quota.clone(), default("2")), Vec::<String>::new());
        let kept = kept_by(quota, default("3"));
        assert!(
            kept[0].contains("has no room for 2 new pods: limits.cpu"),
            "{kept:?}"
        );
    }

    #[test]
    fn a_claim_that_is_being_deleted_takes_no_new_pod() {
        let claim = |metadata: Value| {
            let claim =
                json!({ "metadata": metadata, "spec": { "accessModes": ["ReadWriteMany"] } });
            let mut look = Look::default();
            look.claim(
                "model",
                &serde_json::from_value(claim).expect("a claim"),
                2,
                1,
            );
            look.obstacles
        };
        assert!(claim(json!({ "name": "model" })).is_empty());
        let going = json!({ "deletionTimestamp": "2026-11-29T10:00:00Z", "finalizers": ["kubernetes.io/pvc-protection"] });
        let found = claim(going);
        assert!(found[0].block.is_some() && found[0].words.contains("`model` is being deleted since 2026-11-29T10:00:00Z, held by finalizer kubernetes.io/pvc-protection"), "{found:?}");
    }
}
