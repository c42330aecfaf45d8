//! What a pod is: image, model, settings, resources, probes.

use serde_json::Value;
use uninlu_settings::variables;

use super::keys::{Draft, Given, in_pod, seconds, table, whole};
use crate::import::view::View;
use crate::kinds::pod::{PROBE_FAILURES, PROBE_PERIOD};
use crate::kinds::{PULL_MARGIN, written};
use crate::rules::Fields;
use crate::stack::Quantity;

pub(super) fn image(view: &View<'_>, given: &Given, draft: &mut Draft) {
    let pointer = view.pod.in_container("/image");
    let image = view.deployment.text(&pointer);
    let is_own = view.pod.is_own_server();
    let is_pinned = image.contains('@');
    match &given.running {
        _ if is_own && is_pinned => draft.set("image", "reference", image),
        Some(running) if is_own => {
            let comment = format!("what runs under `{image}`");
            draft.fix("image", "reference", running.as_str(), comment);
        }
        _ => {
            let comment = if is_own {
                format!("the tag of `{image}` is left out: it is the digest of what is built")
            } else {
                format!("instead of `{image}`: `uninlu build` builds uninlu's own server")
            };
            draft.fix("image", "repository", repository(image), comment);
            if let Some(context) = &given.build_context {
                draft.set("image", "context", context.as_str());
            }
        }
    }
    let secrets = view
        .deployment
        .items(&in_pod("/imagePullSecrets"))
        .into_iter();
    let names: Vec<Value> = secrets
        .filter_map(|(_, secret)| Some(Value::from(secret["name"].as_str()?)))
        .collect();
    if !names.is_empty() {
        draft.set("image", "pull-secrets", names);
    }
}

/// The image without tag and digest.
fn repository(image: &str) -> String {
    let image = image.split('@').next().unwrap_or_default();
    let repository = match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    };
    let repository = repository.trim_matches('/').to_lowercase();
    if repository.is_empty() {
        "siamese-uninlu".to_owned()
    } else {
        repository
    }
}

pub(super) fn model(view: &View<'_>, given: &Given, draft: &mut Draft) {
    let mount = view.pod.model_mount().map(|(_, mount)| mount);
    let path = view.pod.model_path();
    // The model may lie below what is mounted.
    let below = mount.zip(path.as_deref()).map(|(mount, path)| {
        let at = mount["mountPath"].as_str().unwrap_or_default();
        let below = path.strip_prefix(at.trim_end_matches('/'));
        below.unwrap_or_default().trim_matches('/').to_owned()
    });
    source(view, given, mount, &below.unwrap_or_default(), draft);
    let is_mounted = given.model.is_none() && (mount.is_some() || view.pod.is_own_server());
    if let Some(path) = path.filter(|path| is_mounted && path != variables::DEFAULT_MODEL) {
        draft.set("model", "mount", path);
    }
    let environment = view.pod.environment();
    let warmup = [variables::WARMUP, "WARMUP_TEXT", "WARMUP"]
        .into_iter()
        .find_map(|name| environment.get(name));
    if let Some((text, _)) = warmup {
        draft.set("model", "warmup", text.as_str());
    }
}

fn source(view: &View<'_>, given: &Given, mount: Option<&Value>, below: &str, draft: &mut Draft) {
    let mut set = |value: Value| draft.set("model", "source", value);
    if let Some(folder) = &given.model {
        return set(table([("image", folder.display().to_string().into())]));
    }
    if let Some(claim) = &given.claim {
        return set(table([("pvc", claim.as_str().into())]));
    }
    let volume = mount.and_then(|mount| view.pod.volume(mount["name"].as_str()?));
    let volume = volume.map_or(&Value::Null, |(_, volume)| volume);
    let sub_path = mount.and_then(|mount| mount["subPath"].as_str());
    let inside: Vec<&str> = [sub_path.unwrap_or_default(), below]
        .into_iter()
        .map(|part| part.trim_matches('/'))
        .filter(|part| !part.is_empty())
        .collect();
    let inside = inside.join("/");
    if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
        let path = (!inside.is_empty()).then(|| ("path", inside.into()));
        return set(table([("pvc", claim.into())].into_iter().chain(path)));
    }
    if let Some(path) = volume["hostPath"]["path"].as_str() {
        let path = match inside.as_str() {
            "" => path.to_owned(),
            inside => format!("{}/{inside}", path.trim_end_matches('/')),
        };
        return set(table([("host-path", path.into())]));
    }
    let kinds = volume
        .as_object()
        .into_iter()
        .flatten()
        .map(|(kind, _)| kind);
    let was = match kinds.into_iter().find(|kind| *kind != "name") {
        Some(kind) if kind == "configMap" => {
            "it came from a ConfigMap, which holds 1 MiB, and the weights are 390 MB".to_owned()
        }
        Some(kind) => {
            format!("it came from a volume of the kind `{kind}`, which a stack does not mount")
        }
        None if view.pod.is_own_server() => {
            "it is in the image; --model names its folder on this machine".to_owned()
        }
        None => "nothing mounts it: it is in the image, or downloaded".to_owned(),
    };
    let help = format!("the claim that holds the model ({was}); --claim or --model names it");
    draft.ask(
        "model",
        "source",
        table([("pvc", "nlu-models".into())]),
        &help,
    );
}

pub(super) fn server(view: &View<'_>, draft: &mut Draft) {
    let Some(settings) = view.settings else {
        return;
    };
    let data = settings.entries("/data");
    if let Some(text) = data.get(variables::SETTINGS_FILE) {
        let table: toml::Table = text.parse().unwrap_or_default();
        for (key, value) in table {
            draft.set("server", &key, toml_as_json(value));
        }
    } else if let Some(text) = data.get("config.json") {
        let pointer = "/data/config.json";
        let config: Value = serde_json::from_str(text).unwrap_or_default();
        for (key, value) in config.as_object().into_iter().flatten() {
            match (key.as_str(), whole(value)) {
                ("max_length" | "max_text_length", Some(length)) => {
                    draft.set("server", "max-length", length);
                }
                _ => draft.leave(settings, pointer, format!("`{key}` of config.json has no key: the server batches by tokens (`[server] batch-tokens`), and reads the model's own config.json with the model")),
            }
        }
    }
}

/// Settings are numbers and durations.
fn toml_as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

pub(super) fn engine(view: &View<'_>, draft: &mut Draft) {
    if let Some((precision, _)) = view.pod.environment().get(variables::PRECISION) {
        draft.set("engine", "precision", precision.as_str());
    }
    let gpus = view
        .deployment
        .at(&view.pod.in_container("/resources/limits/nvidia.com~1gpu"))
        .and_then(whole);
    if let Some(gpus) = gpus.filter(|gpus| *gpus > 0) {
        match gpus {
            1 => draft.set("engine", "gpus", 1),
            _ => draft.fix(
                "engine",
                "gpus",
                1,
                format!("it was {gpus}: the server uses one, the others would be paid for nothing"),
            ),
        }
    }
}

pub(super) fn resources(view: &View<'_>, draft: &mut Draft) {
    for name in ["cpu", "memory"] {
        let bound = |bound: &str| {
            let pointer = view.pod.in_container(&format!("/resources/{bound}/{name}"));
            view.deployment.at(&pointer).map(written)
        };
        // A limit without a request is the request.
        let (request, limit) = (
            bound("requests").or_else(|| bound("limits")),
            bound("limits"),
        );
        let quantity =
            |text: &Option<String>| text.as_deref().and_then(|text| Quantity::parse(text).ok());
        let is_below = matches!((quantity(&request), quantity(&limit)), (Some(request), Some(limit)) if limit < request);
        let entries = |limit: &Option<String>| {
            let request = request
                .as_deref()
                .map(|text| ("request", Value::from(text)));
            let limit = limit.as_deref().map(|text| ("limit", Value::from(text)));
            table(request.into_iter().chain(limit))
        };
        match (&request, &limit) {
            (None, None) => (),
            (Some(raised), Some(limit)) if is_below => {
                let comment = format!("the limit {limit} was below the request {raised}");
                draft.fix("resources", name, entries(&request), comment);
            }
            (_, None) => draft.fix(
                "resources",
                name,
                entries(&None),
                "no limit was set: the stack's default holds",
            ),
            _ => draft.set("resources", name, entries(&limit)),
        }
    }
}

pub(super) fn probes(view: &View<'_>, draft: &mut Draft) {
    startup(view, draft);
    for (name, key) in [
        ("livenessProbe", "liveness"),
        ("readinessProbe", "readiness"),
    ] {
        let pointer = view.pod.in_container(&format!("/{name}"));
        let number = |field: &str| view.deployment.int(&format!("{pointer}/{field}"));
        let (period, timeout) = (number("periodSeconds"), number("timeoutSeconds"));
        let failures =
            number("failureThreshold").filter(|failures| *failures != i64::from(PROBE_FAILURES));
        let is_longer =
            matches!((period, timeout), (Some(period), Some(timeout)) if timeout > period);
        let timeout_within = if is_longer { period } else { timeout };
        let entries = [
            period.map(|value| ("period", seconds(value))),
            timeout_within.map(|value| ("timeout", seconds(value))),
            failures.map(|value| ("failures", Value::from(value))),
        ];
        let entries: Vec<_> = entries.into_iter().flatten().collect();
        if entries.is_empty() {
            continue;
        }
        match (is_longer, timeout) {
            (true, Some(was)) => draft.fix(
                "probes",
                key,
                table(entries),
                format!("the timeout was {was} s, longer than the period"),
            ),
            _ => draft.set("probes", key, table(entries)),
        }
    }
}

fn startup(view: &View<'_>, draft: &mut Draft) {
    let pointer = view.pod.in_container("/startupProbe");
    let number = |field: &str| view.deployment.int(&format!("{pointer}/{field}"));
    if view.deployment.at(&pointer).is_some() {
        let (period, failures) = (
            number("periodSeconds")
                .unwrap_or(PROBE_PERIOD.into())
                .max(1),
            number("failureThreshold").unwrap_or(PROBE_FAILURES.into()),
        );
        // Several budgets give one threshold; the Deployment's deadline shows which it was.
        let deadline = view
            .deployment
            .int("/spec/progressDeadlineSeconds")
            .unwrap_or_default()
            - i64::from(PULL_MARGIN);
        let is_it = view.pod.is_own_server()
            && deadline > 0
            && (deadline + period - 1) / period == failures;
        let budget = if is_it { deadline } else { period * failures };
        let timeout =
            number("timeoutSeconds").map(|timeout| ("timeout", seconds(timeout.min(period))));
        let entries = [("period", seconds(period)), ("budget", seconds(budget))]
            .into_iter()
            .chain(timeout);
        return draft.set("probes", "startup", table(entries));
    }
    let delays = ["livenessProbe", "readinessProbe"]
        .into_iter()
        .filter_map(|probe| {
            view.deployment.int(
                &view
                    .pod
                    .in_container(&format!("/{probe}/initialDelaySeconds")),
            )
        });
    if let Some(delay) = delays.max().filter(|delay| *delay > 0) {
        let comment = format!(
            "instead of `initialDelaySeconds` (up to {delay} s): ends as soon as the model is loaded"
        );
        draft.fix(
            "probes",
            "startup",
            table([("period", seconds(5)), ("budget", seconds(delay.max(30)))]),
            comment,
        );
    }
}
