//! Whether this cluster, as it is now, takes what the plan wants.

use serde_json::Value;

use crate::gate::{Listing, Rule, Severity, Subject, UNASKED, Verdict, Version};
use crate::kinds::AutoscalerMetric;
use crate::kinds::prometheus::REQUESTS_PER_SECOND;
use crate::plan::Action;
use crate::plan::outlook::Obstacle;
use crate::plan::render::take_notation;

pub(super) const RULES: [Rule; 6] = [
    Rule {
        id: "kubernetes-version",
        severity: Severity::Error,
        title: "the API server is new enough",
        why: "an older one does not know fields that the objects need",
        mend: "update the cluster",
        keys: &["cluster.context"],
        check: kubernetes_version,
    },
    Rule {
        id: "removed-api",
        severity: Severity::Error,
        title: "the API server still serves every API",
        why: "the API server answers 404, and nothing is applied",
        mend: "use the API's newer version; this uninlu's own objects need none that was removed",
        keys: &[],
        check: removed_api,
    },
    Rule {
        id: "admission-warning",
        severity: Severity::Warning,
        title: "the API server warns of nothing",
        why: "a policy that warns today refuses when it is enforced, and a deprecated API is removed by an update",
        mend: "do what the warning says, or ask who keeps the policy",
        keys: &[],
        check: admission_warning,
    },
    Rule {
        id: "obstacle",
        severity: Severity::Warning,
        title: "nothing keeps the pods from coming",
        why: "the rollout waits for it until its time is over",
        mend: "make room, or what is missing, before the apply; delete what is in the way",
        keys: &[],
        check: obstacle,
    },
    Rule {
        id: "conflict",
        severity: Severity::Error,
        title: "no field belongs to another manager",
        why: "an apply refuses to take it, unless it is asked for by name",
        mend: "leave the field to its owner, or name it: `[apply] take`",
        keys: &["apply.take"],
        check: conflict,
    },
    Rule {
        id: "replacement",
        severity: Severity::Warning,
        title: "no object is deleted and recreated",
        why: "a field that cannot be changed makes another object of it; with a Deployment all pods go at once",
        mend: "keep the field as it is, or apply when an outage is fine",
        keys: &[],
        check: replacement,
    },
];

/// The oldest whose fields are all that the objects need.
const OLDEST: Version = Version {
    major: 1,
    minor: 33,
};

/// What Kubernetes removed of the kinds that a stack is made of, and with which version; from its deprecation guide.
const REMOVED: [(&str, &str, Version); 7] = [
    ("extensions/v1beta1", "Deployment", since(16)),
    ("apps/v1beta1", "Deployment", since(16)),
    ("apps/v1beta2", "Deployment", since(16)),
    ("extensions/v1beta1", "NetworkPolicy", since(16)),
    ("policy/v1beta1", "PodDisruptionBudget", since(25)),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler", since(25)),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", since(26)),
];

const fn since(minor: u32) -> Version {
    Version { major: 1, minor }
}

fn kubernetes_version(subject: &Subject) -> Verdict {
    match &subject.facts.cluster.version {
        Ok(version) => (*version < OLDEST)
            .then(|| format!("it is Kubernetes {version}, and {OLDEST} is needed"))
            .into(),
        Err(reason) => Verdict::unknown(reason),
    }
}

fn removed_api(subject: &Subject) -> Verdict {
    let version = match &subject.facts.cluster.version {
        Ok(version) => *version,
        Err(reason) => return Verdict::unknown(reason),
    };
    let removal = |body: &Value| {
        let mut removed = REMOVED.iter();
        removed
            .find(|(api, kind, since)| {
                body["apiVersion"] == *api && body["kind"] == *kind && *since <= version
            })
            .copied()
    };
    let removed = subject.objects.iter();
    removed
        .filter_map(|(id, body)| Some((id, removal(body)?)))
        .map(|(id, (api, _, since))| {
            format!("{id} is {api}, removed in {since}; the API server is {version}")
        })
        .collect()
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
        .filter(|obstacle| !is_told_by_its_rule(subject, obstacle))
        .map(|obstacle| obstacle.words.clone())
        .chain(going)
        .collect();
    let unknown = subject.outlook.map(|outlook| outlook.unknown.join("; "));
    Verdict {
        unknown: unknown.filter(|unknown| !unknown.is_empty()),
        ..found
    }
}

/// Of requests per second that are not served the rule `metric-missing` tells, with the key that asks for them.
fn is_told_by_its_rule(subject: &Subject, obstacle: &Obstacle) -> bool {
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
