//! Whether a stopping pod may answer what it took in.

use uninlu_settings::variables::DRAIN;
use uninlu_stack::Duration;

use super::fields::Fields;
use super::{Check, Pod, Rule, Spot};

pub(super) const RULES: [Rule; 1] = [Rule {
    id: "grace-period",
    title: "the grace period is longer than the drain",
    why: "the kubelet kills the process while it still answers requests that it took in",
    fix: "shorten `drain`: the grace period is rendered 10 s longer",
    keys: &["rollout.drain"],
    checks: &[Check::Pod(grace_period)],
    ..Rule::ERROR
}];

/// What Kubernetes gives a pod that does not set it, in seconds.
const DEFAULT_GRACE: i64 = 30;

fn grace_period<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    let environment = pod.environment();
    let drain = environment.get(DRAIN);
    let Some(drain) = drain.and_then(|(drain, _)| Duration::parse(drain).ok()) else {
        return Vec::new();
    };
    let pointer = pod.field("/terminationGracePeriodSeconds");
    let grace = pod.object.int(&pointer).unwrap_or(DEFAULT_GRACE);
    let what = format!("the grace period is {grace} s, and the server drains for {drain}");
    Spot::when(
        grace <= i64::from(drain.seconds),
        pod.object,
        &pointer,
        what,
    )
}
