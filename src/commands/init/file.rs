//! The text of the stack file.

use std::fmt::Write;
use std::path::PathBuf;

use super::fit::{Fit, MOST, Size, cpu, memory};
use crate::cluster::Survey;
use crate::plan::outlook::Asked;
use crate::profile::Profile;
use crate::ui::human_bytes;

/// What the file says about the service and where it runs.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) context: String,
    pub(super) repository: String,
    pub(super) build_context: Option<String>,
}

/// Where the model comes from.
#[derive(Debug, Clone)]
pub(super) enum Model {
    Claim { claim: String, path: String },
    Folder { directory: PathBuf, weights: u64 },
}

/// Predicted once before a pod is ready; about nothing in particular.
const WARMUP: &str = "今天天气很好，我们一起去公园散步。";

/// The whole file.
pub(super) fn text(
    place: &Place,
    model: &Model,
    fit: &Fit,
    survey: Option<&Survey>,
    profile: Option<&Profile>,
) -> String {
    let mut text = format!(
        "# A stack of uninlu. What is not here has a default; `uninlu explain` describes every key.\n\
         name = {}\nnamespace = {}\n",
        quoted(&place.name),
        quoted(&place.namespace)
    );
    if fit.replicas == 1 {
        let why = fit.why_few.as_deref().unwrap_or("one pod");
        line(&mut text, "replicas = 1", why);
    }
    text.push_str("\n[cluster]\n");
    let context = format!("context = {}", quoted(&place.context));
    line(&mut text, &context, "no other context is ever written to");
    let creates = "the namespace comes and goes with the stack";
    match survey.map(|survey| &survey.namespace) {
        // The cluster has it, so another user keeps it.
        Some(Ok(true)) => (),
        Some(Ok(false)) => line(&mut text, "create-namespace = true", creates),
        _ => line(&mut text, "# create-namespace = true", creates),
    }
    text.push_str("\n[image]\n");
    let repository = format!("repository = {}", quoted(&place.repository));
    line(
        &mut text,
        &repository,
        "the tag is the digest of what is built",
    );
    if let Some(folder) = &place.build_context {
        let _ = writeln!(text, "context = {}", quoted(folder));
    }
    let _ = writeln!(text, "\n[model]\nsource = {}", source(model));
    let warmup = format!("warmup = {}", quoted(WARMUP));
    line(&mut text, &warmup, "predicted once before a pod is ready");
    resources(&mut text, model, fit, profile);
    probes(&mut text, profile);
    rollout(&mut text, fit);
    autoscaling(&mut text, fit, survey, profile);
    text
}

fn source(model: &Model) -> String {
    match model {
        Model::Claim { claim, path } if path.is_empty() => format!("{{ pvc = {} }}", quoted(claim)),
        Model::Claim { claim, path } => {
            format!("{{ pvc = {}, path = {} }}", quoted(claim), quoted(path))
        }
        Model::Folder { directory, .. } => {
            format!("{{ image = {} }}", quoted(&directory.display().to_string()))
        }
    }
}

/// Only what differs from the defaults, which are those of the published model.
fn resources(text: &mut String, model: &Model, fit: &Fit, profile: Option<&Profile>) {
    let Size {
        cpu: cores,
        memory: bytes,
    } = &fit.size;
    let is_measured = profile.is_some();
    if fit.size == Size::USUAL && !is_measured {
        return;
    }
    text.push('\n');
    let why = match (model, is_measured) {
        (_, true) => "from the profile, with room above what was measured".to_owned(),
        (Model::Folder { weights, .. }, false) => format!(
            "for weights of {}; `uninlu rehearse` measures what a pod needs",
            human_bytes(*weights)
        ),
        (Model::Claim { .. }, false) => "`uninlu rehearse` measures what a pod needs".to_owned(),
    };
    line(text, "[resources]", &why);
    if *cores != Size::USUAL.cpu || is_measured {
        let bounds = bounds("cpu", cores.map(cpu));
        match &fit.why_small {
            Some(why) => line(text, &bounds, why),
            None => text.push_str(&(bounds + "\n")),
        }
    }
    if *bytes != Size::USUAL.memory || is_measured {
        text.push_str(&(bounds("memory", bytes.map(memory)) + "\n"));
    }
}

fn bounds(what: &str, [request, limit]: [String; 2]) -> String {
    format!("{what} = {{ request = \"{request}\", limit = \"{limit}\" }}")
}

/// Ten times the measured start, since the cluster's disks and processors may be slower.
fn probes(text: &mut String, profile: Option<&Profile>) {
    let Some(profile) = profile else { return };
    let budget = ((profile.startup * 10.0).ceil().max(30.0) as u64).next_multiple_of(10);
    let period = if profile.startup < 20.0 { 1 } else { 2 };
    let why = format!(
        "from the profile: ready {:.1} s after the start; the budget is ten times that, at least 30 s",
        profile.startup
    );
    text.push('\n');
    line(text, "[probes]", &why);
    let _ = writeln!(
        text,
        "startup = {{ period = \"{period}s\", budget = \"{budget}s\" }}"
    );
}

fn rollout(text: &mut String, fit: &Fit) {
    if fit.has_surge {
        return;
    }
    let why = fit.why_few.as_deref().unwrap_or("no room for one more pod");
    text.push('\n');
    line(text, "[rollout]", why);
    let ends = match fit.replicas {
        1 => "a change stops the pod before it starts the new one: no pod serves meanwhile",
        _ => "a change stops one pod before it starts the new one",
    };
    line(text, "max-surge = 0", ends);
    text.push_str("max-unavailable = 1\n");
}

/// Of what one pod was measured to carry, a target leaves some to spare.
const SHARE: f64 = 0.8;

fn autoscaling(text: &mut String, fit: &Fit, survey: Option<&Survey>, profile: Option<&Profile>) {
    // Beside `replicas = 1` the section would be an error.
    if fit.replicas == 1 {
        return;
    }
    let (most, room) = match fit.room {
        Some(room) if room <= fit.replicas => (
            MOST - 1,
            Some("the nodes have no room for another pod".to_owned()),
        ),
        Some(room) if room < MOST => (room, Some(format!("the nodes have room for {room}"))),
        _ => (MOST - 1, None),
    };
    let replicas = format!("# replicas = {{ min = {}, max = {most} }}", fit.replicas);
    let rate = profile.map(|profile| profile.saturation.requests_per_second);
    let (target, measured) = match rate {
        Some(rate) if rate * SHARE >= 1.0 => (
            (rate * SHARE) as u64,
            format!("; one pod was measured to carry {rate:.1}"),
        ),
        _ => (20, String::new()),
    };
    let of = |served: fn(&Survey) -> &Asked<bool>| match survey.map(served) {
        Some(Ok(true)) => "; this cluster serves it",
        Some(Ok(false)) => "; this cluster does not serve it yet",
        _ => "",
    };
    text.push('\n');
    line(text, "# [autoscaling]", "instead of a fixed number of pods");
    match room {
        Some(room) => line(text, &replicas, &room),
        None => text.push_str(&(replicas + "\n")),
    }
    let cpu = format!("percent of the request{}", of(|survey| &survey.cpu));
    line(text, "# cpu = 60", &cpu);
    let requests = format!(
        "per pod, through the custom metrics API{}{measured}",
        of(|survey| &survey.requests_per_second)
    );
    line(
        text,
        &format!("# requests-per-second = {target}"),
        &requests,
    );
}

/// A line with a comment behind it, in the same column where the line is short.
fn line(text: &mut String, line: &str, comment: &str) {
    let _ = writeln!(text, "{line:<38} # {comment}");
}

/// As TOML writes a string.
fn quoted(text: &str) -> toml::Value {
    toml::Value::from(text)
}
