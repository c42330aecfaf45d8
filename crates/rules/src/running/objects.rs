//! What live objects show.

use serde_json::Value;
use uninlu_objects::{Kind, Progress, prometheus};
use uninlu_plan::outlook::Asked;
use uninlu_settings::{Settings, variables::SETTINGS_FILE};
use uninlu_stack::{Image, Quantity, Replicas, Stack};
use uninlu_text::words::human_bytes;

use super::look::{each_pod, evidence, holds};
use super::{Facts, ImageSize, Look};

pub(crate) fn rollout(_: &Stack, facts: &Facts) -> Look {
    let kind = Kind::Deployment;
    object(kind, facts.deployment.as_ref(), "status", |live| {
        let status = |key: &str| live["status"][key].as_i64().unwrap_or(0);
        format!(
            "{} of {} pods are updated and ready",
            status("readyReplicas").min(status("updatedReplicas")),
            live["spec"]["replicas"]
        )
    })
}

pub(crate) fn autoscaler(stack: &Stack, facts: &Facts) -> Look {
    let Replicas::Autoscaled(_) = &stack.replicas else {
        return Look::NotPromised(NO_AUTOSCALER);
    };
    let kind = Kind::HorizontalPodAutoscaler;
    object(kind, facts.autoscaler.as_ref(), "conditions", |_| {
        "AbleToScale and ScalingActive".into()
    })
}

const NO_AUTOSCALER: &str = "the stack has no autoscaler";

pub(crate) fn disruption(stack: &Stack, facts: &Facts) -> Look {
    if stack.disruption.is_none() {
        return Look::NotPromised("one pod has no budget: it would block every drain");
    }
    let kind = Kind::PodDisruptionBudget;
    object(kind, facts.budget.as_ref(), "disruptionsAllowed", |live| {
        live["status"]["disruptionsAllowed"].to_string()
    })
}

/// An object whose progress says whether the promise is kept, and `words` what is seen when it is.
fn object(kind: Kind, live: Option<&Value>, asked: &str, words: fn(&Value) -> String) -> Look {
    let seen = match live {
        None => Err("it is not there".into()),
        Some(live) => match uninlu_objects::progress(kind, live) {
            Progress::Ready => Ok(words(live)),
            Progress::Waiting(reason) | Progress::Failed(reason) => Err(reason),
        },
    };
    Look::Seen(vec![evidence(kind.name(), asked, seen)])
}

pub(crate) fn settings(stack: &Stack, facts: &Facts) -> Look {
    let said = uninlu_objects::settings(stack);
    // Versions before wrote the defaults too: what counts is what a server makes of it.
    let is_as_said = |live: &Value| {
        let text = live["data"][SETTINGS_FILE].as_str();
        let settings = text.and_then(|text| toml::from_str::<Settings>(text).ok());
        settings.is_some_and(|settings| settings.in_force() == stack.server.in_force())
    };
    let seen = match &facts.settings {
        None => Err("it is not there".into()),
        Some(live) if is_as_said(live) => Ok("as the stack file says".into()),
        Some(live) => Err(format!(
            "{}, and the stack file says {}",
            live["data"], said["data"]
        )),
    };
    let kind = Kind::ConfigMap.name();
    Look::Seen(vec![evidence(kind, "data", seen)])
}

pub(crate) fn image_size(stack: &Stack, facts: &Facts) -> Look {
    let Image::Build(build) = &stack.image else {
        return Look::NotPromised("the image is not this stack's build");
    };
    let (Some(budget), Some(size)) = (&build.max_size, &facts.image) else {
        return Look::NotPromised("the stack has no `[image] max-size`");
    };
    let asked = "layers in the registry";
    Look::Seen(vec![match size {
        Ok(size) => evidence(
            format!("image {}", size.reference),
            asked,
            within(size, budget),
        ),
        Err(why) => evidence("image", asked, Err(why.clone())),
    }])
}

/// The budget is for the unpacked image, as `uninlu build` prints it.
fn within(size: &ImageSize, budget: &Quantity) -> Asked<String> {
    let fits = |bytes: u64| i128::from(bytes) * 1000 <= budget.milli;
    let (compressed, budget) = (human_bytes(size.compressed), &budget.text);
    match size.unpacked {
        Some(bytes) => {
            let unpacked = human_bytes(bytes);
            let seen =
                format!("{unpacked} unpacked ({compressed} to download), the budget is {budget}");
            holds(fits(bytes), seen)
        }
        None if !fits(size.compressed) => Err(format!(
            "{compressed} to download already, the budget is {budget}"
        )),
        None => Err(format!(
            "{compressed} to download; the registry does not report its unpacked size"
        )),
    }
}

pub(crate) fn requests_metric(stack: &Stack, facts: &Facts) -> Look {
    let Replicas::Autoscaled(autoscaling) = &stack.replicas else {
        return Look::NotPromised(NO_AUTOSCALER);
    };
    let (Some(_), Some(answer)) = (autoscaling.requests_per_second, &facts.requests_metric) else {
        return Look::NotPromised("the autoscaler does not look at requests");
    };
    each_pod(facts, prometheus::REQUESTS_PER_SECOND, |pod| {
        let answer = answer.as_ref().map_err(Clone::clone)?;
        let mut items = answer["items"].as_array().into_iter().flatten();
        let item = items.find(|item| item["describedObject"]["name"] == pod.name());
        let value = item.and_then(|item| item["value"].as_str());
        value
            .map(|value| format!("{value} a second"))
            .ok_or_else(|| "the API answers, and has nothing of it".into())
    })
}
