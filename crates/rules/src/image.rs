//! Which image runs, how large it is, and whether what was measured is what runs.

use uninlu_stack::Image;
use uninlu_text::words::human_bytes;

use super::running::objects as live;
use super::{Check, Pod, Rule, Spot, Subject, Verdict};

pub(super) const RULES: [Rule; 3] = [
    Rule {
        id: "image-digest",
        aliases: &["image-tag-mutable"],
        title: "every image is pinned by its digest",
        why: "a tag could mean another image tomorrow: pods of one Deployment would differ, and no plan would show it",
        fix: "name it as `repository@sha256:…`; what uninlu builds is pinned before it is applied",
        keys: &["image.reference", "image"],
        checks: &[Check::Pod(image_digest)],
        ..Rule::ERROR
    },
    Rule {
        id: "image-size",
        title: "the image is within its budget",
        why: "each new node pulls it before a pod can start there",
        fix: "make it smaller, or raise `max-size`; `docker history` shows which layer is large",
        keys: &["image.max-size"],
        checks: &[Check::Planned(image_size), Check::Running(live::image_size)],
        ..Rule::ERROR
    },
    Rule {
        id: "profile-stale",
        title: "the profile measured what would run",
        why: "the rules that calculate with the profile speak of another image, or of other limits",
        fix: "measure again: `uninlu rehearse`",
        keys: &["image", "resources"],
        checks: &[Check::Planned(profile_stale)],
        ..Rule::WARNING
    },
];

fn image_digest<'a>(pod: &Pod<'a>) -> Vec<Spot<'a>> {
    Spot::in_containers(pod, |at, container| {
        let image = container["image"].as_str().unwrap_or_default();
        let is_pinned = image.contains("@sha256:") || pod.to_be_built == Some(image);
        (!image.is_empty() && !is_pinned).then(|| {
            (
                format!("{at}/image"),
                format!("runs `{image}`, which is a tag"),
            )
        })
    })
}

fn image_size(subject: &Subject) -> Verdict {
    let Image::Build(build) = &subject.stack.image else {
        return Verdict::default();
    };
    let Some(budget) = &build.max_size else {
        return Verdict::default();
    };
    let profile = subject.facts.profile.as_ref();
    let measured = profile.map(|profile| profile.image_size.unsigned_abs());
    let size = match (&subject.facts.image_size, measured) {
        (Ok(size), _) => *size,
        (Err(_), Some(size)) => size,
        (Err(reason), None) => return Verdict::unknown(reason),
    };
    (i128::from(size) > budget.units())
        .then(|| format!("it has {}, its budget is {budget}", human_bytes(size)))
        .into()
}

fn profile_stale(subject: &Subject) -> Verdict {
    let Some(profile) = &subject.facts.profile else {
        return Verdict::default();
    };
    let resources = &subject.stack.resources;
    let cpu = resources.cpu.limit.as_ref().map(|limit| limit.milli);
    let memory = resources.memory.limit.as_ref().map(|limit| limit.units());
    let is_other_image = !subject.facts.image_names.contains(&profile.image);
    let is_other_limit = cpu.is_some_and(|cpu| cpu != i128::from(profile.cpu_limit))
        || memory.is_some_and(|memory| memory != i128::from(profile.memory_limit));
    let image = is_other_image.then(|| format!("it measured the image {}", profile.image));
    let limit = is_other_limit.then(|| {
        let memory = human_bytes(profile.memory_limit.unsigned_abs());
        format!(
            "it measured under limits of {}m CPU and {memory}",
            profile.cpu_limit
        )
    });
    image.into_iter().chain(limit).collect()
}
