//! Whether this cluster, as it is now, takes what the plan wants.

use uninlu_objects::AutoscalerMetric;
use uninlu_objects::prometheus::REQUESTS_PER_SECOND;
use uninlu_plan::Action;
use uninlu_plan::outlook::Obstacle;
use uninlu_plan::render::take_notation;

use super::fields::Fields;
use super::planned::UNASKED;
use super::{Check, Listing, Objects, Rule, Spot, Subject, Verdict, Version};

pub(super) const RULES: [Rule; 7] = [
    Rule {
        id: "kubernetes-version",
        title: "the API server is new enough",
        why: "an older one does not know fields that the objects need",
        fix: "update the cluster",
        keys: &["cluster.context"],
        checks: &[Check::Planned(kubernetes_version)],
        ..Rule::ERROR
    },
    Rule {
        id: "removed-api",
        aliases: &["api-version-gone"],
        title: "the API server serves every API version",
        why: "the API server answers 404, and nothing is applied",
        fix: "use the API's newer version; this uninlu's own objects need none that was removed",
        checks: &[Check::Objects(removed_api)],
        ..Rule::ERROR
    },
    Rule {
        id: "admission-warning",
        title: "the API server warns of nothing",
        why: "a policy that warns today refuses when it is enforced, and a deprecated API is removed by an update",
        fix: "do what the warning says, or ask who keeps the policy",
        checks: &[Check::Planned(admission_warning)],
        ..Rule::WARNING
    },
    Rule {
        id: "stuck",
        title: "the rollout does not get stuck",
        why: "pods that cannot start are waited for in vain; an apply refuses such a plan without --even-if-stuck",
        fix: "make room, or what is missing, before the apply",
        checks: &[Check::Planned(stuck)],
        ..Rule::ERROR
    },
    Rule {
        id: "obstacle",
        title: "nothing is in the pods' way",
        why: "the rollout waits for what is in its way, or another object works against the stack's",
        fix: "delete what is in the way before the apply, or make what is missing",
        checks: &[Check::Planned(obstacle)],
        ..Rule::WARNING
    },
    Rule {
        id: "conflict",
        title: "no field belongs to another manager",
        why: "an apply refuses to take it, unless it is asked for by name",
        fix: "leave the field to its owner, or name it: `[apply] take`",
        keys: &["apply.take"],
        checks: &[Check::Planned(conflict)],
        ..Rule::ERROR
    },
    Rule {
        id: "replacement",
        title: "no object is deleted and recreated",
        why: "a field that cannot be changed makes another object of it; with a Deployment all pods go at once",
        fix: "keep the field as it is, or apply when an outage is fine",
        checks: &[Check::Planned(replacement)],
        ..Rule::WARNING
    },
];

/// The oldest whose fields are all that the objects need.
const OLDEST: Version = Version {
    major: 1,
    minor: 33,
};

/// API versions that are gone: the version, its kinds (none: all), since when, and what is served instead.
const GONE: [(&str, &str, &str, &str); 24] = [
    ("autoscaling/v2beta1", "", "1.25", "autoscaling/v2"),
    ("autoscaling/v2beta2", "", "1.26", "autoscaling/v2"),
    (
        "policy/v1beta1",
        "PodSecurityPolicy",
        "1.25",
        "a PodSecurity label of the namespace",
    ),
    ("policy/v1beta1", "", "1.25", V1),
    (
        "extensions/v1beta1",
        "Ingress",
        "1.22",
        "networking.k8s.io/v1",
    ),
    (
        "extensions/v1beta1",
        "NetworkPolicy",
        "1.16",
        "networking.k8s.io/v1",
    ),
    (
        "extensions/v1beta1",
        "HorizontalPodAutoscaler",
        "1.8",
        "autoscaling/v2",
    ),
    ("extensions/v1beta1", "", "1.16", "apps/v1"),
    ("apps/v1beta1", "", "1.16", V1),
    ("apps/v1beta2", "", "1.16", V1),
    (
        "networking.k8s.io/v1beta1",
        "Ingress IngressClass",
        "1.22",
        V1,
    ),
    ("batch/v1beta1", "", "1.25", V1),
    ("batch/v2alpha1", "", "1.21", V1),
    ("rbac.authorization.k8s.io/v1beta1", "", "1.22", V1),
    ("rbac.authorization.k8s.io/v1alpha1", "", "1.22", V1),
    ("apiextensions.k8s.io/v1beta1", "", "1.22", V1),
    ("scheduling.k8s.io/v1beta1", "", "1.22", V1),
    ("coordination.k8s.io/v1beta1", "Lease", "1.22", V1),
    ("discovery.k8s.io/v1beta1", "", "1.25", V1),
    ("node.k8s.io/v1beta1", "", "1.25", V1),
    (
        "storage.k8s.io/v1beta1",
        "StorageClass CSIDriver CSINode",
        "1.22",
        V1,
    ),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity", "1.27", V1),
    ("apiregistration.k8s.io/v1beta1", "", "1.22", V1),
    (
        "admissionregistration.k8s.io/v1beta1",
        "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
        "1.22",
        V1,
    ),
];
/// `v1` of the same group.
const V1: &str = "v1";

fn kubernetes_version(subject: &Subject) -> Verdict {
    match &subject.facts.cluster.version {
        Ok(version) => (*version < OLDEST)
            .then(|| format!("it is Kubernetes {version}, and {OLDEST} is needed"))
            .into(),
        Err(reason) => Verdict::unknown(reason),
    }
}

/// Every version in the list is gone in the oldest cluster that a stack can be applied to, so no cluster is asked
/// (kubernetes.io/docs/reference/using-api/deprecation-guide).
fn removed_api<'a>(objects: &Objects<'a>) -> Vec<Spot<'a>> {
    let removed = objects.all.iter().copied().filter_map(|object| {
        let version = object.text("/apiVersion");
        let is_it = |(gone, kinds, ..): &&(&str, &str, &str, &str)| {
            let mut kinds = kinds.split_whitespace().peekable();
            *gone == version && (kinds.peek().is_none() || kinds.any(|kind| kind == object.kind()))
        };
        let (_, _, since, instead) = GONE.iter().find(is_it)?;
        let instead = match (*instead, version.split_once('/')) {
            (V1, Some((group, _))) => format!("{group}/{V1}"),
            (instead, _) => instead.to_owned(),
        };
        let what = format!("`{version}` is not served since Kubernetes {since}: {instead} is");
        Some(Spot::at(object, "/apiVersion", what))
    });
    removed.collect()
}

fn admission_warning(subject: &Subject) -> Verdict {
    let Some(plan) = subject.plan else {
        return Verdict::unknown(UNASKED);
    };
    if plan.forbidden().is_some() {
        return Verdict::unknown("this user may not try an apply");
    }
    subject.facts.cluster.warnings.iter().cloned().collect()
}

/// As an apply judges: both ask the outlook.
fn stuck(subject: &Subject) -> Verdict {
    if subject.plan.is_none() {
        return Verdict::unknown(UNASKED);
    }
    let blocks = subject.outlook.iter().flat_map(|outlook| outlook.blocks());
    blocks
        .map(|block| format!("{}; {}", block.reason, block.fix))
        .collect()
}

fn obstacle(subject: &Subject) -> Verdict {
    let Some(plan) = subject.plan else {
        return Verdict::unknown(UNASKED);
    };
    let going = plan.going().map(|(id, going)| {
        format!(
            "{id} {}: apply waits until it is gone, and fails if it stays",
            going.words()
        )
    });
    let obstacles = subject
        .outlook
        .iter()
        .flat_map(|outlook| &outlook.obstacles);
    let found: Verdict = obstacles
        .filter(|obstacle| !obstacle.is_certain() && !has_rule_of_its_own(subject, obstacle))
        .map(|obstacle| obstacle.words.clone())
        .chain(going)
        .collect();
    let unknown = subject.outlook.map(|outlook| outlook.unknown.join("; "));
    Verdict {
        unknown: unknown.filter(|unknown| !unknown.is_empty()),
        ..found
    }
}

/// The rule `metric-missing` reports requests per second that are not served, with the key that asks for them.
fn has_rule_of_its_own(subject: &Subject, obstacle: &Obstacle) -> bool {
    let metric = AutoscalerMetric::Pods(REQUESTS_PER_SECOND.to_owned());
    obstacle.metric == Some(metric)
        && matches!(subject.facts.cluster.metric, Ok(listing) if listing != Listing::Listed)
}

fn conflict(subject: &Subject) -> Verdict {
    let Some(plan) = subject.plan else {
        return Verdict::unknown(UNASKED);
    };
    if plan.forbidden().is_some() {
        return Verdict::unknown("this user may not try an apply");
    }
    let mut found = Vec::new();
    for change in &plan.changes {
        for conflict in &change.conflicts {
            let take = take_notation(change, &conflict.field);
            if !subject.stack.apply.take.contains(&take) {
                let manager = &conflict.manager;
                found.push(format!("{take} belongs to {manager}"));
            }
        }
    }
    found.into_iter().collect()
}

fn replacement(subject: &Subject) -> Verdict {
    let Some(plan) = subject.plan else {
        return Verdict::unknown(UNASKED);
    };
    plan.changes
        .iter()
        .filter(|change| change.action == Action::Replace)
        .map(|change| {
            let notes = change.notes.join("; ");
            format!("{} is deleted and recreated: {notes}", change.id)
        })
        .collect()
}
