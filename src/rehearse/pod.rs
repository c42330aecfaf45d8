//! Pod → container: what the rendered Deployment says, in the engine's terms.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uninlu_settings::variables;

use super::Error;
use crate::image::container::{Mount, Spec};
use crate::kinds::{self, Facts, Kind, items};
use crate::stack::{CONTAINER_PORT, MODEL_FILES, ModelSource, Quantity, Stack};

/// In place of a Secret's value, which is never asked for. The rehearsal alone knows the container.
pub const KEY: &str = "rehearsal";
/// Room for an `emptyDir` that names no bound.
const SCRATCH: i64 = 64 * 1024 * 1024;

/// The container of one pod. `model` is the model's folder on this machine, where the stack's is elsewhere.
///
/// # Errors
/// [`Error::Gpu`], and a model that is not on this machine.
pub fn container(stack: &Stack, image: &str, model: Option<&Path>) -> Result<Spec, Error> {
    if stack.engine.gpus > 0 {
        return Err(Error::Gpu);
    }
    let model = model_folder(stack, model)?;
    let facts = Facts {
        image: image.to_owned(),
    };
    let objects = kinds::desired(stack, &facts);
    let object = |kind: Kind| kinds::of_kind(&objects, kind).unwrap_or(&Value::Null);
    let pod = &object(Kind::Deployment)["spec"]["template"]["spec"];
    let server = &pod["containers"][0];
    let (limits, security) = (&server["resources"]["limits"], &server["securityContext"]);
    let owner = |key: &str| pod["securityContext"][key].as_i64().unwrap_or(0);
    Ok(Spec {
        image: image.to_owned(),
        env: environment(&server["env"]),
        user: format!("{}:{}", owner("runAsUser"), owner("runAsGroup")),
        cpu: quantity(&limits["cpu"]).and_then(|cpu| i64::try_from(cpu.milli).ok()),
        memory: quantity(&limits["memory"]).and_then(|memory| i64::try_from(memory.units()).ok()),
        read_only: security["readOnlyRootFilesystem"] == true,
        drop: texts(&security["capabilities"]["drop"]),
        no_new_privileges: security["allowPrivilegeEscalation"] == false,
        mounts: mounts(pod, object(Kind::ConfigMap), model.as_deref()),
        port: CONTAINER_PORT,
    })
}

/// The model's folder on this machine; `None` when it is in the image.
fn model_folder(stack: &Stack, given: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    let folder = match (&stack.model.source, given) {
        (ModelSource::Image { .. }, None) => return Ok(None),
        (ModelSource::Image { .. }, Some(_)) => return Err(Error::ModelInImage),
        (_, Some(given)) => std::path::absolute(given).unwrap_or_else(|_| given.to_owned()),
        (ModelSource::HostPath { path }, None) => path.into(),
        (ModelSource::Pvc { claim, .. }, None) => {
            let claim = claim.clone();
            return Err(Error::ModelElsewhere { claim });
        }
    };
    for files in MODEL_FILES {
        if !files.iter().any(|file| folder.join(file).exists()) {
            let missing = files.join(" and no ");
            return Err(Error::NoModel { folder, missing });
        }
    }
    Ok(Some(folder))
}

/// Without the tracing: a rehearsal's requests are none of the collector's business. Without a management port: one
/// port of the container is published, and there everything is answered then.
fn environment(variables: &Value) -> Vec<(String, String)> {
    items(variables)
        .filter_map(|variable| {
            let text = |key: &str| variable[key].as_str().map(str::to_owned);
            Some((text("name")?, text("value")?))
        })
        .filter(|(name, _)| !name.starts_with("OTEL_") && name != variables::MANAGEMENT_LISTEN)
        .collect()
}

fn mounts(pod: &Value, settings: &Value, model: Option<&Path>) -> BTreeMap<String, Mount> {
    items(&pod["containers"][0]["volumeMounts"])
        .filter_map(|mount| {
            let volume = items(&pod["volumes"]).find(|it| it["name"] == mount["name"])?;
            let path = mount["mountPath"].as_str()?.to_owned();
            Some((path, content(volume, settings, model)?))
        })
        .collect()
}

fn content(volume: &Value, settings: &Value, model: Option<&Path>) -> Option<Mount> {
    if volume["configMap"].is_object() {
        let data = settings["data"].as_object()?.iter();
        let files = data.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
        return Some(Mount::Files(files.collect()));
    }
    if let Some(items) = volume["secret"]["items"].as_array() {
        let names = items.iter().filter_map(|item| item["path"].as_str());
        let files = names.map(|name| (name.to_owned(), KEY.to_owned()));
        return Some(Mount::Files(files.collect()));
    }
    if volume["emptyDir"].is_object() {
        let bound = quantity(&volume["emptyDir"]["sizeLimit"]);
        let bytes = bound.and_then(|bound| i64::try_from(bound.units()).ok());
        return Some(Mount::Scratch(bytes.unwrap_or(SCRATCH)));
    }
    Some(Mount::Folder(model?.to_owned()))
}

fn quantity(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?).ok()
}

fn texts(list: &Value) -> Vec<String> {
    items(list)
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}
