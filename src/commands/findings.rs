//! What `gate`, `plan` and `apply` share: facts for the rules, and their findings told.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use crate::bounded;
use crate::gate::{self, Access, Cluster, Exposed, Facts, ModelFile, Severity, Subject, secrets};
use crate::image::Inputs;
use crate::image::context::{self, Source};
use crate::permissions;
use crate::plan::{Plan, PlannedImage};
use crate::profile;
use crate::profile_file::{self, Unreadable};
use crate::stack::{MODEL_FILES, ModelSource, Stack};
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
        document: stack.document(),
        profile: profile_file::read(&profile)?,
        image_names: tag.into_iter().chain([image.reference.clone()]).collect(),
        weights: weights(stack),
        model: model(stack),
        exposed: inputs.map(exposed).unwrap_or_default(),
        cluster,
        ..Facts::unasked("not checked")
    })
}

/// A secret in a larger file is in none that people write.
const LARGEST: u64 = 1 << 20;

/// Files of a build that look like secrets.
fn exposed(inputs: &Inputs) -> Vec<Exposed> {
    let exposed = inputs.files().filter_map(|(path, file)| {
        let Source::Disk(source) = &file.source else {
            return None;
        };
        let what = secrets::in_name(path).or_else(|| {
            let text = (file.size <= LARGEST).then(|| bounded::read(source).ok())??;
            secrets::in_file(path, &text)
        })?;
        let model = Path::new(path).strip_prefix(context::MODEL).ok();
        let (path, key) = match model {
            Some(path) => (path, "model.source"),
            None if path.starts_with(context::CERTIFICATES) => {
                (Path::new(path), "image.ca-certificates")
            }
            None => (Path::new(path), "image.context"),
        };
        Some(Exposed {
            path: path.display().to_string(),
            what,
            key,
        })
    });
    exposed.collect()
}

/// Size of the weights that go into the image.
fn weights(stack: &Stack) -> Option<u64> {
    let ModelSource::Image { directory } = &stack.model.source else {
        return None;
    };
    crate::stack::weights_size(directory)
}

/// What the server opens when its model is a folder of the node, and this machine is that node or has the same. What
/// lies above the folder is left out: a pod sees the mount and nothing above it.
fn model(stack: &Stack) -> Vec<ModelFile> {
    let ModelSource::HostPath { path } = &stack.model.source else {
        return Vec::new();
    };
    let folder = Path::new(path);
    let Some(of_folder) = look(folder, folder) else {
        return vec![ModelFile {
            path: folder.to_owned(),
            access: Err("it is not on this machine".to_owned()),
        }];
    };
    let look = |name: &&str| look(folder, &folder.join(name));
    let files = MODEL_FILES.iter().chain([&TOKENIZER_OPTIONS]);
    // Of two forms of the weights the server reads the first.
    let files = files.filter_map(|names| names.iter().find_map(look));
    [of_folder].into_iter().chain(files).collect()
}

/// What the server reads besides [`MODEL_FILES`] where it is there.
const TOKENIZER_OPTIONS: &[&str] = &["tokenizer_config.json"];

/// `None` when it is not there.
fn look(folder: &Path, path: &Path) -> Option<ModelFile> {
    let access = match path.metadata() {
        Ok(metadata) => access(folder, path, &metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Err(error.to_string()),
    };
    Some(ModelFile {
        path: path.to_owned(),
        access,
    })
}

fn access(folder: &Path, path: &Path, metadata: &Metadata) -> Result<Access, String> {
    let (owner, group, mode) =
        permissions::owner(metadata).ok_or("this machine's files have no owner of Unix")?;
    Ok(Access {
        owner,
        group,
        mode,
        is_folder: metadata.is_dir(),
        leads_out: leads_out(folder, path),
    })
}

fn leads_out(folder: &Path, path: &Path) -> bool {
    let (folder, path) = (folder.canonicalize(), path.canonicalize());
    matches!((folder, path), (Ok(folder), Ok(path)) if !path.starts_with(&folder))
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
    verdicts.locate(|keys| stack.locate(keys));
    let file = stack.source.file.display().to_string();
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
            finding.fix
        ));
    }
}
