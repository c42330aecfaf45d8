//! What `gate`, `plan` and `apply` share: facts for the rules, and their findings told.

use miette::Result;

use crate::gate::{self, Cluster, Facts, Place, Severity, Subject, Verdicts};
use crate::image::{self, Inputs};
use crate::plan::outlook::Asked;
use crate::plan::{Plan, PlannedImage};
use crate::profile::{self, Profile};
use crate::stack::{self, Image, MODEL_FILES, ModelSource, Stack};
use crate::ui::{RED, Ui, YELLOW, paint};

/// Looks up what the rules want to know besides stack and plan.
///
/// # Errors
/// A profile that is there and cannot be read.
pub(super) async fn facts(
    stack: &Stack,
    image: &PlannedImage,
    inputs: Option<&Inputs>,
    cluster: Cluster,
) -> Result<Facts> {
    let profile = profile::path(stack, stack.environment.as_deref());
    let tag = inputs.map(Inputs::reference);
    Ok(Facts {
        document: stack::document(stack).unwrap_or_default(),
        profile: Profile::read(&profile)?,
        image_names: tag.into_iter().chain([image.reference.clone()]).collect(),
        image_size: image_size(stack, inputs).await,
        weights: weights(stack),
        cluster,
    })
}

/// Asked of the engine only where there is a budget to hold.
async fn image_size(stack: &Stack, inputs: Option<&Inputs>) -> Asked<u64> {
    let has_budget = matches!(&stack.image, Image::Build(build) if build.max_size.is_some());
    let (true, Some(inputs)) = (has_budget, inputs) else {
        return Err("the stack has no budget for it".to_owned());
    };
    match image::local(inputs).await {
        Ok(Some(image)) => Ok(image.size),
        Ok(None) => Err("no local Docker engine has the image, and there is no profile".to_owned()),
        Err(error) => Err(error.to_string()),
    }
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

/// Tells with a plan what the rules find without asking the cluster more than the plan did.
pub(super) async fn tell(
    stack: &Stack,
    plan: &Plan,
    inputs: Option<&Inputs>,
    ui: Ui,
) -> Result<()> {
    let cluster = Cluster::unasked("only `uninlu gate` asks for it");
    let facts = facts(stack, &plan.goal.image, inputs, cluster).await?;
    // What pods will meet, and who owns what, the plan itself tells.
    let subject = Subject::offline(stack, &plan.goal, &facts, gate::today());
    let mut verdicts = gate::check(&subject);
    locate(stack, &mut verdicts);
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
    Ok(())
}

/// Finds the lines of the stack file that the findings are about.
pub(super) fn locate(stack: &Stack, verdicts: &mut Verdicts) {
    for finding in &mut verdicts.findings {
        let keys: Vec<&str> = finding.keys.iter().map(String::as_str).collect();
        finding.place = stack::locate(stack, &keys).map(|(key, line)| Place {
            key: key.to_owned(),
            line,
        });
    }
}
