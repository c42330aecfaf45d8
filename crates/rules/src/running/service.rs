//! What the server answers.

use serde::Deserialize;
use serde_json::{Value, json};
use uninlu_plan::outlook::Asked;
use uninlu_settings::Settings;
use uninlu_stack::Stack;

use super::exposition::{self, Family};
use super::facts::shortened;
use super::look::{each_pod, holds};
use super::{Answer, Facts, Look};

pub(super) fn health(_: &Stack, facts: &Facts) -> Look {
    each_pod(facts, "GET /health", |pod| says(&pod.health, "ok"))
}

pub(super) fn readiness(_: &Stack, facts: &Facts) -> Look {
    each_pod(facts, "GET /ready", |pod| says(&pod.ready, "ready"))
}

fn says(answer: &Asked<Answer>, status: &str) -> Result<String, String> {
    let answer = answer.as_ref().map_err(Clone::clone)?;
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let is_it = answer.status == 200 && body == json!({ "status": status });
    holds(is_it, answer.summary())
}

/// What dashboards, alerts and the autoscaler read.
const FAMILIES: [(&str, &str); 10] = [
    ("http_requests", "counter"),
    ("http_request_duration_seconds", "histogram"),
    ("http_requests_in_flight", "gauge"),
    ("uninlu_queue_tokens", "gauge"),
    ("uninlu_queue_seconds", "gauge"),
    ("uninlu_busy_seconds", "counter"),
    ("uninlu_failed_passes", "counter"),
    ("uninlu_model_load_seconds", "gauge"),
    ("uninlu_config_reloads", "counter"),
    ("process_resident_memory_bytes", "gauge"),
];

pub(super) fn metrics(_: &Stack, facts: &Facts) -> Look {
    each_pod(facts, "GET /metrics", |pod| {
        let families = exposition::parse(body(&pod.metrics)?)?;
        let has = |(name, kind): &(&str, &str)| {
            let is_it = |family: &&Family| family.name == *name && family.kind == *kind;
            families.iter().find(is_it)
        };
        let missing: Vec<String> = FAMILIES
            .iter()
            .filter(|family| has(family).is_none_or(|family| family.samples.is_empty()))
            .map(|(name, kind)| format!("{name} ({kind})"))
            .collect();
        if !missing.is_empty() {
            return Err(format!("without {}", missing.join(", ")));
        }
        // The one series of which the adapter makes what the autoscaler reads.
        let requests = has(&FAMILIES[0]).is_some_and(|family| {
            let mut samples = family.samples.iter();
            samples.any(|sample| sample.labels.get("route").map(String::as_str) == Some(PREDICT))
        });
        let seen = format!("{} families, all that are expected", families.len());
        holds(requests, seen).map_err(|_| format!("http_requests has no series of {PREDICT}"))
    })
}

const PREDICT: &str = "/api/predict";

fn body(answer: &Asked<Answer>) -> Result<&str, String> {
    let answer = answer.as_ref().map_err(Clone::clone)?;
    match answer.status {
        200 => Ok(&answer.body),
        _ => Err(answer.summary()),
    }
}

pub(super) fn logs(_: &Stack, facts: &Facts) -> Look {
    each_pod(facts, "log", |pod| {
        let log = pod.log.as_ref().map_err(Clone::clone)?;
        let is_object =
            |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object());
        match log.lines().find(|line| !is_object(line)) {
            Some(line) => Err(format!("no JSON object: {}", shortened(line))),
            None if log.is_empty() => Err("it is empty".into()),
            None => Ok(format!("{} lines, each a JSON object", log.lines().count())),
        }
    })
}

pub(super) fn settings_in_force(stack: &Stack, facts: &Facts) -> Look {
    let said = &stack.server;
    each_pod(facts, "GET /info", |pod| {
        let info: Value = serde_json::from_str(body(&pod.info)?).unwrap_or_default();
        if info["settings"].is_null() {
            return Err("it reports no settings: the image is older than this uninlu".into());
        }
        let reported = format!("settings {}", info["settings"]);
        let is_it = Settings::deserialize(&info["settings"])
            .is_ok_and(|reported| reported.as_far_as(said) == *said);
        holds(is_it, reported).map_err(|reported| {
            let said = serde_json::to_string(said).unwrap_or_default();
            format!("{reported}, and the stack file says {said}")
        })
    })
}

pub(super) fn predictions(stack: &Stack, facts: &Facts) -> Look {
    let golden = &stack.verify.predict;
    if golden.is_empty() {
        return Look::NotPromised("the stack has no `[verify] predict`");
    }
    each_pod(facts, "POST /api/predict", |pod| {
        for (golden, answer) in golden.iter().zip(&pod.predictions) {
            let text = shortened(&golden.text);
            let body = body(answer).map_err(|why| format!("`{text}`: {why}"))?;
            let answer: Value = serde_json::from_str(body).unwrap_or_default();
            if answer["output"] != golden.output {
                return Err(format!(
                    "`{text}`: {}, not {}",
                    answer["output"], golden.output
                ));
            }
        }
        let (answered, all) = (pod.predictions.len(), golden.len());
        holds(
            answered == all,
            format!("{answered} of {all} outputs as known"),
        )
    })
}

pub(super) fn latency(stack: &Stack, facts: &Facts) -> Look {
    let Some(bound) = stack.verify.latency else {
        return Look::NotPromised("the stack has no `[verify] latency`");
    };
    each_pod(facts, "POST /api/predict, timed", |pod| {
        let times = pod.times.as_ref().map_err(Clone::clone)?;
        let median = median(times).ok_or("no prediction was timed")?;
        let (ms, bound) = (median * 1e3, bound.milliseconds);
        let seen = format!(
            "median of {} is {ms:.0} ms, the bound is {bound} ms",
            times.len()
        );
        holds(ms <= f64::from(bound), seen)
    })
}

fn median(times: &[f64]) -> Option<f64> {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}
