//! What `gate`, `plan` and `apply` share: facts for the rules, and their findings told.

use crate::gate::{self, Cluster, Facts, Severity, Subject};
use crate::image::Inputs;
use crate::plan::{Plan, PlannedImage};
use crate::profile::{self, Profile, Unreadable};
use crate::stack::{self, MODEL_FILES, ModelSource, Stack};
use crate::ui::{RED, Ui, YELLOW, paint};

/// Looks up what the rules want to know besides stack and plan.
///
/// # Errors
/// A profile that is there and cannot be read.
pub(super) fn facts(
    stack: &Stack,
    image: &PlannedImage,
    inputs: Option<&Inputs>,
    cluster: Cluster,
) -> Result<Facts, Unreadable> {
    let profile = profile::path(stack, stack.environment.as_deref());
    let tag = inputs.map(Inputs::reference);
    Ok(Facts {
        document: stack::document(stack).unwrap_or_default(),
        profile: Profile::read(&profile)?,
        image_names: tag.into_iter().chain([image.reference.clone()]).collect(),
        weights: weights(stack),
        cluster,
        ..Facts::unasked("nobody looked")
    })
}

/// Size of the weights that go into the image.
fn weights(stack: &Stack) -> Option<u64> {
    let ModelSource::Image { directory } = &stack.model.source else {
        return None;
    };
    let [_, _, weights] = MODEL_FILES;
    let size = |name: &&str| Some(std::fs::metadata(directory.join(name)).ok()?.len());
    weights.iter().find_map(size)
}

/// Tells with a plan what the rules find without asking more of the cluster than the plan did. It only tells: a profile
/// that cannot be read is told too, and keeps nobody from applying.
pub(super) fn tell(stack: &Stack, plan: &Plan, inputs: Option<&Inputs>, ui: Ui) {
    let cluster = Cluster::unasked("only `uninlu gate` asks for it");
    let facts = match facts(stack, &plan.goal.image, inputs, cluster) {
        Ok(facts) => facts,
        Err(error) => return ui.warn(error),
    };
    // What pods will meet, and who owns what, the plan itself tells.
    let subject = Subject::offline(stack, &plan.goal, &facts, gate::today());
    let mut verdicts = gate::check(&subject);
    verdicts.locate(|keys| stack::locate(stack, keys));
    let file = stack.file.display().to_string();
    for finding in verdicts
        .findings
        .iter()
        .filter(|finding| finding.waived.is_none())
    {
        let style = match finding.severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
        };
        ui.say(format_args!(
            "{} {} ({}): {}; {}",
            paint(style, finding.severity.word()),
            finding.rule,
            finding.words_of_place(&file),
            finding.message,
            finding.mend
        ));
    }
}
