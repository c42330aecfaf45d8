//! What a person should know about the cluster before the first plan.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;

use super::file::{Model, Place};
use super::fit::{Fit, MOST, cpu, memory};
use crate::cluster::Survey;
use crate::plan::outlook::Asked;

/// Notes to a file that was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// What was found, a line each.
    pub(super) facts: Vec<String>,
    /// What will keep the pods from running.
    pub(super) warnings: Vec<String>,
}

/// None where the cluster was not read.
pub(super) fn of(place: &Place, model: &Model, fit: &Fit, survey: Option<&Survey>) -> Notes {
    let Some(survey) = survey else {
        return Notes::default();
    };
    let warnings = [no_room(fit), no_claim(place, model, survey)];
    Notes {
        facts: vec![
            format!("nodes: {}", nodes(fit, survey)),
            format!(
                "claims in namespace {}: {}",
                place.namespace,
                claims(&survey.claims)
            ),
            format!("storage classes: {}", classes(&survey.classes)),
            format!(
                "metrics: CPU {}, requests per second {}",
                served(&survey.cpu),
                served(&survey.requests_per_second)
            ),
        ],
        warnings: warnings.into_iter().flatten().collect(),
    }
}

fn nodes(fit: &Fit, survey: &Survey) -> String {
    let count = match &survey.nodes {
        Ok(nodes) => nodes.len(),
        Err(reason) => return reason.clone(),
    };
    if let Err(reason) = &survey.pods {
        return format!("{count}; the room on them is not known: {reason}");
    }
    let pod = format!(
        "{} CPU and {}",
        cpu(fit.size.cpu[0]),
        memory(fit.size.memory[0])
    );
    match fit.room {
        None => count.to_string(),
        Some(MOST) => format!("{count}, with room for {MOST} pods or more that request {pod}"),
        Some(1) => format!("{count}, with room for 1 pod that requests {pod}"),
        Some(room) => format!("{count}, with room for {room} pods that request {pod}"),
    }
}

/// `models (ReadWriteMany, Bound)`
fn claims(claims: &Asked<Vec<PersistentVolumeClaim>>) -> String {
    let words = |claim: &PersistentVolumeClaim| {
        let spec = claim.spec.as_ref();
        let modes = spec.and_then(|spec| spec.access_modes.as_deref());
        let status = claim.status.as_ref();
        let phase = status.and_then(|status| status.phase.clone());
        let mut facts = modes.unwrap_or_default().to_vec();
        facts.extend(phase);
        match facts.as_slice() {
            [] => claim.name_any(),
            _ => format!("{} ({})", claim.name_any(), facts.join(", ")),
        }
    };
    listed(claims, words)
}

/// `fast, standard (default)`
fn classes(classes: &Asked<Vec<StorageClass>>) -> String {
    listed(classes, |class| match is_default(class) {
        true => format!("{} (default)", class.name_any()),
        false => class.name_any(),
    })
}

fn is_default(class: &StorageClass) -> bool {
    let default = "storageclass.kubernetes.io/is-default-class";
    class
        .annotations()
        .get(default)
        .is_some_and(|it| it == "true")
}

fn listed<T>(found: &Asked<Vec<T>>, words: impl Fn(&T) -> String) -> String {
    match found.as_deref() {
        Ok([]) => "none".to_owned(),
        Ok(all) => all.iter().map(words).collect::<Vec<_>>().join(", "),
        Err(reason) => reason.clone(),
    }
}

fn served(found: &Asked<bool>) -> String {
    match found {
        Ok(true) => "served".to_owned(),
        Ok(false) => "not served yet".to_owned(),
        Err(reason) => reason.clone(),
    }
}

fn no_room(fit: &Fit) -> Option<String> {
    let lack = fit.lack.as_ref()?;
    Some(format!(
        "not one pod of this stack finds room: {lack}; lower `[resources]`, or give the cluster a node with room"
    ))
}

fn no_claim(place: &Place, model: &Model, survey: &Survey) -> Option<String> {
    let Model::Claim { claim, .. } = model else {
        return None;
    };
    let known = survey.claims.as_ref().ok()?;
    if known.iter().any(|it| it.name_any() == *claim) {
        return None;
    }
    let class = match survey.classes.as_deref() {
        Ok([]) => {
            "; this cluster has no storage class, so it also needs a volume that an administrator makes, or a model in the image: `--model DIR`"
        }
        Ok(classes) if !classes.iter().any(is_default) => {
            "; this cluster has no default storage class, so the claim must name one"
        }
        _ => "",
    };
    Some(format!(
        "namespace {} has no PersistentVolumeClaim `{claim}` yet; create it, and copy the model to its volume, before the first apply{class}",
        place.namespace
    ))
}
