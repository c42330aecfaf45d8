//! The server's image: files → digest → tag; built and pushed only where that tag is missing.
//!
//! ```text
//! carried sources, or a folder (.dockerignore) ─▶ digest ─▶ repository:tag    pure behind the file reads
//! repository:tag ─▶ registry ─▶ repository@sha256:…                          plan needs no Docker engine
//!                      └ not there: docker build ─▶ docker push ─▶ registry
//! ```

pub mod archive;
pub mod carried;
pub mod container;
pub mod context;
mod credentials;
pub mod digest;
pub mod docker;
mod entry;
pub mod error;
pub mod ignore;
mod links;
mod mend;
pub mod progress;
pub mod registry;
mod size;
mod tls;
mod upload;

use std::collections::{BTreeMap, HashMap};

pub use error::Error;
pub use size::size;
pub use tls::install_crypto_provider;

use crate::revision;
use crate::stack::{Build, Context, Image, ModelSource, Stack};
use crate::ui::{Ui, human_bytes};
use context::{Content, Entry};
use digest::Recipe;
use docker::{Engine, Job, LocalImage};

/// What is built: libtorch, and with it the server, exist for this platform.
const PLATFORM: &str = "linux/amd64";
/// Label with the whole digest of the inputs, of which the tag is the beginning.
const INPUTS_LABEL: &str = "dev.uninlu.inputs";
/// OCI's label for the commit.
const REVISION_LABEL: &str = "org.opencontainers.image.revision";

/// What a build is made of. Equal inputs give an equal tag, on any machine.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Repository without a tag.
    pub repository: String,
    /// The digest's first 16 characters.
    pub tag: String,
    /// blake3 of everything that decides about the image, 64 lowercase hexadecimal characters.
    pub digest: String,
    settings: WrittenSettings,
    recipe: Recipe,
    /// Context and model: in the digest.
    entries: Vec<Entry>,
    /// Sent along for the build stages; not in the digest.
    certificates: Vec<Entry>,
}

impl Inputs {
    /// `repository:tag`
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// Bytes of context and model.
    pub fn size(&self) -> u64 {
        self.entries.iter().map(Entry::size).sum()
    }

    /// The files that the engine gets, each with its path in the context.
    pub fn files(&self) -> impl Iterator<Item = (&str, &context::FileContent)> {
        let entries = self.entries.iter().chain(&self.certificates);
        entries.filter_map(|entry| match &entry.content {
            Content::File(file) => Some((entry.path.as_str(), file)),
            Content::Folder | Content::Link { .. } => None,
        })
    }

    /// Refuses an image under our tag that was not built of these inputs, or that does not know a setting.
    fn check(&self, place: Place, labels: &HashMap<String, String>) -> Result<(), Error> {
        let label = labels.get(INPUTS_LABEL);
        if label == Some(&self.digest) {
            return self.settings.check(&self.reference(), labels);
        }
        let found = match label {
            Some(digest) => format!("its label {INPUTS_LABEL} is {digest}"),
            None => format!("it has no label {INPUTS_LABEL}"),
        };
        let reference = self.reference();
        Err(Error::Foreign {
            place: place.words(),
            found: format!("{found}, and the inputs' digest is {}", self.digest),
            help: place.help(&reference),
            reference,
        })
    }

    /// What to warn of before this is sent anywhere.
    pub fn surprise(&self) -> Option<String> {
        let model = format!("{}/", context::MODEL);
        let own: Vec<Entry> = self
            .entries
            .iter()
            .filter(|entry| !entry.path.starts_with(&model))
            .cloned()
            .collect();
        context::surprise(&own)
    }
}

/// The hot settings that a stack writes, each with its place.
#[derive(Debug, Clone)]
struct WrittenSettings(BTreeMap<&'static str, String>);

impl WrittenSettings {
    fn of(stack: &Stack) -> Self {
        let place = |name: &str| stack.written(&format!("server.{name}"));
        let names = stack.server.names().into_iter();
        let written = names.map(|name| (name, place(name).map(|at| at.place).unwrap_or_default()));
        Self(written.collect())
    }

    /// The names that an image with this label does not know.
    fn unknown(&self, label: Option<&str>) -> Vec<&'static str> {
        uninlu_settings::image::unknown(self.0.keys().copied(), label)
    }

    /// Refuses an image that would be given a setting that it does not know.
    fn check(&self, reference: &str, labels: &HashMap<String, String>) -> Result<(), Error> {
        let label = labels.get(uninlu_settings::image::LABEL);
        let label = label.map(String::as_str);
        let unknown = self.unknown(label).into_iter();
        let unknown: Vec<String> = unknown
            .map(|name| format!("`[server] {name}` ({})", self.0[name]))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Error::UnknownSettings {
            reference: reference.to_owned(),
            settings: unknown.join(", "),
            known: uninlu_settings::image::known(label).join(", "),
        })
    }
}

/// Where an image was found.
#[derive(Debug, Clone, Copy)]
enum Place {
    Registry,
    Engine,
}

impl Place {
    const fn words(self) -> &'static str {
        match self {
            Place::Registry => "the registry",
            Place::Engine => "the Docker engine",
        }
    }

    fn help(self, reference: &str) -> String {
        match self {
            Place::Registry => format!(
                "nothing was changed, and this image is not deployed. Find out who pushed it, delete {reference} in the registry, and run `uninlu build --push`; let only the job that builds push there"
            ),
            Place::Engine => {
                format!(
                    "nothing was pushed. `docker image rm {reference}` removes it; then build again"
                )
            }
        }
    }
}

/// Where the image of a stack is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// In the registry, or given by the stack file.
    Pinned {
        /// `repository@sha256:…`
        reference: String,
    },
    /// Not in the registry yet.
    ToBeBuilt {
        /// `repository:tag`
        reference: String,
        /// Why, as a clause for the plan.
        reason: String,
    },
}

impl Resolved {
    /// What stands in the container's `image`.
    pub fn reference(&self) -> &str {
        match self {
            Resolved::Pinned { reference } | Resolved::ToBeBuilt { reference, .. } => reference,
        }
    }
}

/// How to build.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuildOptions {
    /// Builds although the image is there, and runs every step anew.
    pub no_cache: bool,
    /// Shows each line that a step writes.
    pub verbose: bool,
}

/// What a build came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The image in the engine.
    pub image: LocalImage,
    /// Whether something was built; otherwise the engine had the tag already.
    pub is_new: bool,
}

/// Reads and hashes what the stack's image is built of. Files only: no engine, no registry. Blocks.
///
/// # Errors
/// [`Error::NotBuilt`] when the stack names its image; a file or folder that is not as it must be.
pub fn inputs(stack: &Stack) -> Result<Inputs, Error> {
    let build = match &stack.image {
        Image::Build(build) => build,
        Image::Reference { reference, .. } => {
            return Err(Error::NotBuilt {
                reference: reference.clone(),
            });
        }
    };
    let recipe = recipe(build, default_target(stack));
    let mut entries = match &build.context {
        Context::Carried => carried::entries(),
        Context::Folder { folder, .. } => context::walk(folder, &recipe.dockerfile)?,
    };
    if let ModelSource::Image { directory } = &stack.model.source {
        entries.extend(context::walk_model(directory)?);
        entries.sort_by(|left, right| left.path.cmp(&right.path));
    }
    let digest = digest::digest(&recipe, &entries);
    Ok(Inputs {
        repository: build.repository.clone(),
        tag: digest::tag(&digest),
        digest,
        certificates: context::certificates(&build.ca_certificates)?,
        settings: WrittenSettings::of(stack),
        recipe,
        entries,
    })
}

/// The Dockerfile's stage that the stack needs.
fn default_target(stack: &Stack) -> &'static str {
    match &stack.model.source {
        _ if stack.engine.gpus > 0 => "gpu",
        ModelSource::Image { .. } => "server-with-model",
        ModelSource::Pvc { .. } | ModelSource::HostPath { .. } => "server",
    }
}

fn recipe(build: &Build, default_target: &str) -> Recipe {
    let dockerfile = match &build.context {
        Context::Carried => carried::DOCKERFILE.to_owned(),
        Context::Folder { dockerfile, .. } => {
            entry::slashed(&path_clean::clean(dockerfile)).unwrap_or_default()
        }
    };
    Recipe {
        platform: PLATFORM,
        dockerfile,
        target: build
            .target
            .clone()
            .unwrap_or_else(|| default_target.to_owned()),
        args: build.args.clone(),
    }
}

async fn inputs_aside(stack: &Stack) -> Result<Inputs, Error> {
    let stack = stack.clone();
    tokio::task::spawn_blocking(move || inputs(&stack))
        .await
        .expect("hashing files does not panic")
}

/// Where the stack's image is, by the registry's own word. Needs no Docker engine.
///
/// # Errors
/// As [`inputs`] and [`registry::digest`]: a registry that does not answer is an error, never "not there".
/// [`Error::UnknownSettings`] where the stack writes a setting that the image does not know.
pub async fn resolve(stack: &Stack) -> Result<(Resolved, Option<Inputs>), Error> {
    if let Image::Reference { reference, .. } = &stack.image {
        let reference = reference.clone();
        let settings = WrittenSettings::of(stack);
        // Every image knows the first settings: for them no registry needs to answer.
        if !settings.unknown(None).is_empty() {
            settings.check(&reference, &registry::labels(&reference).await?)?;
        }
        return Ok((Resolved::Pinned { reference }, None));
    }
    let inputs = inputs_aside(stack).await?;
    let resolved = match registered(&inputs).await? {
        Some(reference) => Resolved::Pinned { reference },
        None => Resolved::ToBeBuilt {
            reference: inputs.reference(),
            reason: "the registry has no image of these inputs yet".to_owned(),
        },
    };
    Ok((resolved, Some(inputs)))
}

/// `repository@sha256:…`, if the registry has the image of these inputs. It is then never built again: another build,
/// even of equal inputs, has another digest, and would replace every running pod.
///
/// # Errors
/// As [`registry::digest`]; [`Error::Foreign`] when the tag is on an image of other inputs.
pub async fn registered(inputs: &Inputs) -> Result<Option<String>, Error> {
    let found = registry::find(&inputs.reference(), &inputs.repository).await?;
    let Some((pinned, labels)) = found else {
        return Ok(None);
    };
    inputs.check(Place::Registry, &labels)?;
    Ok(Some(pinned))
}

/// The image of these inputs in the engine; none when there is no engine.
///
/// # Errors
/// An engine that answers but cannot say; [`Error::Foreign`] when the tag is on an image of other inputs.
pub async fn local(inputs: &Inputs) -> Result<Option<LocalImage>, Error> {
    match Engine::connect().await {
        Ok(engine) => own(&engine, inputs).await,
        Err(Error::NoEngine { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The image of these inputs in that engine.
///
/// # Errors
/// As [`local`].
pub async fn own(engine: &Engine, inputs: &Inputs) -> Result<Option<LocalImage>, Error> {
    let image = engine.image(&inputs.reference()).await?;
    if let Some(image) = &image {
        inputs.check(Place::Engine, &image.labels)?;
    }
    Ok(image)
}

/// Sees to it that the registry has the image: builds only when the engine lacks the tag, pushes only when the
/// registry lacks it. Gives `repository@sha256:…`.
///
/// # Errors
/// As [`build`] and [`push`].
pub async fn build_and_push(stack: &Stack, inputs: &Inputs, ui: Ui) -> Result<String, Error> {
    if let Some(pinned) = registered(inputs).await? {
        return Ok(pinned);
    }
    build(stack, inputs, BuildOptions::default(), ui).await?;
    push(inputs, ui).await
}

/// Builds the image in the engine, unless it has the tag already.
///
/// # Errors
/// No engine, a failing step, a context that changed meanwhile.
pub async fn build(
    stack: &Stack,
    inputs: &Inputs,
    options: BuildOptions,
    ui: Ui,
) -> Result<Built, Error> {
    let engine = Engine::connect().await?;
    let reference = inputs.reference();
    if !options.no_cache
        && let Some(image) = own(&engine, inputs).await?
    {
        let is_new = false;
        return Ok(Built { image, is_new });
    }
    for surprise in [inputs.surprise(), left_out(stack)].into_iter().flatten() {
        ui.warn(surprise);
    }
    let job = job(stack, inputs, options).await?;
    engine.build(job, ui).await?;
    let missing = || Error::Engine {
        task: format!("keep the image {reference}"),
        cause: "it is not there after the build".to_owned(),
        help: "something removed it meanwhile (an image prune?): build again".to_owned(),
    };
    let image = own(&engine, inputs).await?.ok_or_else(missing)?;
    let is_new = true;
    Ok(Built { image, is_new })
}

/// A Dockerfile beside the stack file may be meant, and is not what is built.
fn left_out(stack: &Stack) -> Option<String> {
    let dockerfile = stack.source.folder.join(carried::DOCKERFILE);
    let is_carried =
        matches!(&stack.image, Image::Build(build) if build.context == Context::Carried);
    (is_carried && dockerfile.is_file()).then(|| {
        format!(
            "{} is not used: without `[image] context` the server's sources that the tool carries are built; `context = \".\"` builds the stack file's folder",
            dockerfile.display()
        )
    })
}

/// Pushes the image that the engine has, and gives `repository@sha256:…` by the registry's own word, which is what
/// [`resolve`] finds from then on.
///
/// # Errors
/// [`Error::Push`] with its mend; [`Error::Vanished`] when the engine pushed elsewhere.
pub async fn push(inputs: &Inputs, ui: Ui) -> Result<String, Error> {
    let reference = inputs.reference();
    let registry = registry::host(&reference)?;
    let credentials = credentials::for_engine(&registry).await?;
    let engine = Engine::connect().await?;
    engine
        .push(&inputs.repository, &inputs.tag, credentials, ui)
        .await?;
    registered(inputs)
        .await?
        .ok_or(Error::Vanished { reference })
}

async fn job(stack: &Stack, inputs: &Inputs, options: BuildOptions) -> Result<Job, Error> {
    let revision = revision(stack);
    let registry = registry::host(&inputs.reference())?;
    let credential = credentials::for_engine(&registry).await?;
    let mut entries = inputs.entries.clone();
    entries.extend(inputs.certificates.iter().cloned());
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    entries.dedup_by(|left, right| left.path == right.path);
    Ok(Job {
        reference: inputs.reference(),
        platform: inputs.recipe.platform,
        dockerfile: inputs.recipe.dockerfile.clone(),
        target: inputs.recipe.target.clone(),
        labels: labels(inputs, &revision),
        args: args(inputs, revision),
        entries,
        no_cache: options.no_cache,
        verbose: options.verbose,
        credentials: credential
            .map(|credential| (registry, credential))
            .into_iter()
            .collect(),
    })
}

/// What the image is labelled with: of the folder that is built, or of the tool that carries the sources.
fn revision(stack: &Stack) -> revision::Revision {
    match &stack.image {
        Image::Build(Build {
            context: Context::Folder { folder, .. },
            ..
        }) => revision::of(folder),
        Image::Build(_) | Image::Reference { .. } => revision::Revision {
            commit: carried::COMMIT.map(str::to_owned),
            version: Some(format!("v{}", env!("CARGO_PKG_VERSION"))),
        },
    }
}

/// The stack file's arguments, and `GIT_COMMIT` and `VERSION` for a Dockerfile that wants them. What the user wrote
/// wins.
fn args(inputs: &Inputs, revision: revision::Revision) -> HashMap<String, String> {
    let known = [
        ("GIT_COMMIT", revision.commit),
        ("VERSION", revision.version),
    ];
    let known = known
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.chain(inputs.recipe.args.clone()).collect()
}

fn labels(inputs: &Inputs, revision: &revision::Revision) -> HashMap<String, String> {
    let digest = (INPUTS_LABEL.to_owned(), inputs.digest.clone());
    let commit = revision
        .commit
        .clone()
        .map(|commit| (REVISION_LABEL.to_owned(), commit));
    std::iter::once(digest).chain(commit).collect()
}

/// One sentence about what was, or was not, built.
pub fn summary(inputs: &Inputs, built: &Built) -> String {
    let size = human_bytes(built.image.size);
    if built.is_new {
        format!("built {} ({size})", inputs.reference())
    } else {
        format!(
            "nothing was built: the inputs are unchanged (digest {}), and the engine has {} ({size})",
            inputs.tag,
            inputs.reference()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(label: Option<&str>) -> Result<(), Error> {
        let written = [("max-work", "uninlu.toml:7"), ("of-later", "uninlu.toml:8")];
        let written = written.map(|(name, place)| (name, place.to_owned()));
        let label = label.map(|names| {
            let key = uninlu_settings::image::LABEL.to_owned();
            (key, names.to_owned())
        });
        WrittenSettings(written.into()).check("registry.test/nlu", &label.into_iter().collect())
    }

    #[test]
    fn a_setting_that_the_image_does_not_know_is_refused_by_name_and_place() {
        let refused = check(Some("max-length")).expect_err("an older server");
        assert_eq!(
            refused.to_string(),
            "the server of registry.test/nlu does not know `[server] max-work` (uninlu.toml:7), `[server] of-later` (uninlu.toml:8)"
        );
        let refused = check(None).expect_err("a server from before the label");
        assert!(
            refused
                .to_string()
                .ends_with("`[server] of-later` (uninlu.toml:8)"),
            "{refused}"
        );
        assert!(!refused.to_string().contains("max-work"), "{refused}");
        assert!(check(Some("max-work of-later")).is_ok());
    }
}
