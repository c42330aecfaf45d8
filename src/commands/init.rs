//! `uninlu init`

mod ask;
#[cfg(test)]
mod cases;
mod check;
mod file;
mod fit;
mod notes;

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use miette::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::common::{FILE, exit, stack_argument};
use crate::cluster::{self, Contexts, Survey, Trust};
use crate::document::{self, Body, Document, body};
use crate::kinds::INSTANCE;
use crate::profile::Profile;
use crate::stack::{self, Target};
use crate::ui::Ui;
use crate::{atomic, profile_file};
use ask::{Proposal, ask};
use check::{Key, Refusal};
use file::{Model, Place};
use fit::{Fit, Ground, Reach, Size};

/// Writes a commented stack file that fits the model folder and the context's cluster, which it only reads
///
/// On a terminal it asks for what is not given; elsewhere --context, --repository and one of --model and --claim are
/// needed. A profile beside the file (`uninlu.profile.json`) sets resources and probes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu init --context prod --repository registry.example.com/nlu --claim models
  uninlu init stacks/nlu --context prod --repository registry.example.com/nlu --model ./model")]
pub struct Args {
    /// Folder for `uninlu.toml`
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Name of the service [default: siamese-uninlu]
    #[arg(long)]
    name: Option<String>,
    /// Namespace of every object [default: nlu]
    #[arg(long)]
    namespace: Option<String>,
    /// Context of the kubeconfig; on a terminal the current one is proposed
    #[arg(long)]
    context: Option<String>,
    /// Image repository to push to, without a tag
    #[arg(long)]
    repository: Option<String>,
    /// A folder of your own with a Dockerfile, to build instead of the server's sources that the tool carries; relative to DIR
    #[arg(long, value_name = "DIR")]
    build_context: Option<String>,
    /// Model folder on this machine: it becomes a layer of the image
    #[arg(long, value_name = "DIR", conflicts_with = "claim")]
    model: Option<PathBuf>,
    /// PersistentVolumeClaim that holds the model
    #[arg(long)]
    claim: Option<String>,
    /// Folder of the model on the claim's volume [default: its root]
    #[arg(long, value_name = "FOLDER", requires = "claim")]
    path: Option<String>,
    /// Overwrites an existing file
    #[arg(long)]
    force: bool,
    /// Prints the file's path and what was found as JSON
    #[arg(long)]
    json: bool,
}

/// What `init --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// The file that was written.
    file: String,
    /// What was found in the cluster, and what follows from it.
    notes: Vec<String>,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("{} exists", .0.display())]
    #[diagnostic(help("it was not touched; --force overwrites it"))]
    Exists(PathBuf),
    #[error("{}", unanswered(.0.len()))]
    #[diagnostic(help("no file was written. Give all flags, or run on a terminal to be asked"))]
    Unanswered(#[related] Vec<Refusal>),
    #[error("cannot write {}", file.display())]
    #[diagnostic(help("nothing was left behind; fix the cause and run again"))]
    Unwritable {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

fn unanswered(count: usize) -> String {
    match count {
        1 => "an answer that a stack file needs is missing or not valid".to_owned(),
        _ => format!("{count} answers that a stack file needs are missing or not valid"),
    }
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Report>];

/// Runs the command.
///
/// # Errors
/// An existing file, answers that are missing or refused, a folder without a Dockerfile, a disk that takes no file.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let home = std::env::home_dir();
    let file = file_in(&check::expand(&args.folder, home.as_deref())?);
    if file.exists() && !args.force {
        return Err(Stop::Exists(file).into());
    }
    let contexts = cluster::contexts().unwrap_or_else(|error| {
        ui.warn(error);
        Contexts::default()
    });
    let given = Given::read(&args, home.as_deref());
    let given = settle(given, &contexts, ui)?;
    let place = place(&given, &contexts, ui)?;
    let survey = survey(&place, &contexts, ui).await;
    let model = model(&given, survey.as_ref(), home.as_deref(), ui)?;
    let profile = profile(&file, ui);
    let fit = fit_of(&place, &model, survey.as_ref(), profile.as_ref());
    let text = file::text(&place, &model, &fit, survey.as_ref(), profile.as_ref());
    stack::check(&text, &file).map_err(|invalid| *invalid)?;
    write(&file, &text)?;
    let notes = notes::of(&place, &model, &fit, survey.as_ref());
    for warning in &notes.warnings {
        ui.warn(warning);
    }
    for fact in &notes.facts {
        ui.say(fact);
    }
    let argument = stack_argument(&file);
    let file = file.display().to_string();
    ui.say(format_args!(
        "wrote {file}; next: `uninlu validate{argument}`, then `uninlu plan{argument}`"
    ));
    if args.json {
        let notes = [notes.facts, notes.warnings].concat();
        ui.json(&Document::new(
            "init",
            header(&place),
            Report { file, notes },
        ))?;
    }
    Ok(exit::OK)
}

fn file_in(folder: &Path) -> PathBuf {
    match folder == Path::new(".") {
        true => PathBuf::from(FILE),
        false => folder.join(FILE),
    }
}

fn header(place: &Place) -> document::Place {
    document::Place {
        stack: Some(place.name.clone()),
        namespace: Some(place.namespace.clone()),
        context: Some(place.context.clone()),
        environment: None,
    }
}

/// The flags' values, and why some of them cannot be used.
#[derive(Default)]
struct Given {
    name: Option<String>,
    namespace: Option<String>,
    context: Option<String>,
    repository: Option<String>,
    build_context: Option<String>,
    source: Option<Source>,
    path: Option<String>,
    refused: Vec<Refusal>,
}

/// Where the model comes from, before the folder on a claim's volume is known.
enum Source {
    Claim(String),
    Folder(PathBuf),
}

impl Given {
    fn read(args: &Args, home: Option<&Path>) -> Self {
        let mut given = Self::default();
        let refused = &mut given.refused;
        let mut value = |flag: &str, key: Key, text: &Option<String>| {
            let read = check::value(key, text.as_deref()?);
            kept(flag, read, refused)
        };
        given.name = value("--name", Key::Name, &args.name);
        given.namespace = value("--namespace", Key::Namespace, &args.namespace);
        given.repository = value("--repository", Key::Repository, &args.repository);
        given.path = value("--path", Key::Path, &args.path);
        given.context = args.context.clone().filter(|context| !context.is_empty());
        let claim = args.claim.as_deref().map(check::claim);
        let claim = claim.and_then(|read| kept("--claim", read, refused));
        let folder = args.model.as_deref();
        let folder = folder.map(|folder| check::model_folder(folder, home));
        let folder = folder.and_then(|read| kept("--model", read, refused));
        given.source = claim.map(Source::Claim).or(folder.map(Source::Folder));
        given.build_context = args.build_context.clone();
        let build = args.build_context.as_deref().map(Path::new);
        let build = build.map(|folder| check::expand(folder, home));
        if let Some(build) = build.and_then(|read| kept("--build-context", read, refused)) {
            given.build_context = Some(build.display().to_string());
        }
        given
    }

    /// What no flag says, and no default does.
    fn missing(&self, contexts: &Contexts) -> Vec<Refusal> {
        let was_refused = |flag: &str| {
            let begin = format!("{flag}: ");
            self.refused.iter().any(|it| it.message.starts_with(&begin))
        };
        let lacks = |is_given: bool, flags: &[&str], help: String| {
            let is_missing = !is_given && !flags.iter().any(|flag| was_refused(flag));
            is_missing.then(|| Refusal::new(format!("{} is not given", flags.join(" or ")), help))
        };
        let context = match contexts.names.as_slice() {
            [] => "name a context of the kubeconfig".to_owned(),
            names => format!("the kubeconfig has {}", names.join(", ")),
        };
        let all = [
            lacks(self.context.is_some(), &["--context"], context),
            lacks(
                self.repository.is_some(),
                &["--repository"],
                "name the image repository to push to, such as `registry.example.com/nlu`".into(),
            ),
            lacks(
                self.source.is_some(),
                &["--model", "--claim"],
                "name a model folder on this machine, or the PersistentVolumeClaim that holds it"
                    .into(),
            ),
        ];
        all.into_iter().flatten().collect()
    }
}

fn kept<T>(flag: &str, read: Result<T, Refusal>, refused: &mut Vec<Refusal>) -> Option<T> {
    read.map_err(|Refusal { message, help }| {
        refused.push(Refusal::new(format!("{flag}: {message}"), help));
    })
    .ok()
}

/// On a terminal a flag that is refused is asked for; elsewhere all that is missing or refused is said at once.
fn settle(mut given: Given, contexts: &Contexts, ui: Ui) -> Result<Given, Stop> {
    if !ui.can_ask() {
        let missing = given.missing(contexts);
        let lacking = [std::mem::take(&mut given.refused), missing].concat();
        return match lacking.is_empty() {
            true => Ok(given),
            false => Err(Stop::Unanswered(lacking)),
        };
    }
    for refusal in &given.refused {
        ask::refuse(refusal, ui);
    }
    Ok(given)
}

fn place(given: &Given, contexts: &Contexts, ui: Ui) -> Result<Place> {
    let default = |given: &Option<String>, key: Key, question: &str, default: &str| match given {
        Some(value) => Ok(value.clone()),
        None if ui.can_ask() => {
            let read = |answer: &str| check::value(key, answer);
            ask(question, Some(Proposal::of(default)), read, ui)
        }
        None => Ok(default.to_owned()),
    };
    let needed =
        |given: &Option<String>, question: &str, proposal: Option<&str>, read: &Read| match given {
            Some(value) => Ok(value.clone()),
            None => ask(question, proposal.map(Proposal::of), read, ui),
        };
    let current = contexts.current.as_deref();
    let question = match contexts.names.as_slice() {
        [] => "context of the kubeconfig".to_owned(),
        names => format!("context of the kubeconfig, one of {}", names.join(", ")),
    };
    Ok(Place {
        name: default(
            &given.name,
            Key::Name,
            "name of the service",
            "siamese-uninlu",
        )?,
        namespace: default(&given.namespace, Key::Namespace, "namespace", "nlu")?,
        context: needed(&given.context, &question, current, &|answer| {
            context(answer, contexts)
        })?,
        repository: needed(
            &given.repository,
            "image repository to push to, without a tag",
            None,
            &|answer| check::value(Key::Repository, answer),
        )?,
        build_context: given.build_context.clone(),
    })
}

type Read<'a> = dyn Fn(&str) -> Result<String, Refusal> + 'a;

/// One that the kubeconfig has, where it has any.
fn context(answer: &str, contexts: &Contexts) -> Result<String, Refusal> {
    let Contexts { names, .. } = contexts;
    if names.is_empty() || names.iter().any(|name| name == answer) {
        return Ok(answer.to_owned());
    }
    Err(Refusal::new(
        format!("the kubeconfig has no context `{answer}`"),
        format!(
            "it has {}; `--context {answer}` takes one that is still to come",
            names.join(", ")
        ),
    ))
}

/// Reads the cluster of the context; where that fails, the file has defaults.
async fn survey(place: &Place, contexts: &Contexts, ui: Ui) -> Option<Survey> {
    let context = &place.context;
    if !contexts.names.contains(context) {
        ui.warn(format_args!(
            "the kubeconfig has no context `{context}` yet; the stack file has defaults"
        ));
        return None;
    }
    let target = Target {
        stack: place.name.clone(),
        namespace: place.namespace.clone(),
        context: context.clone(),
        kubeconfig: None,
        environment: None,
    };
    let unread = |reason: &str| {
        ui.warn(format_args!(
            "the cluster of context `{context}` was not read, and the stack file has defaults: {reason}"
        ));
    };
    let step = ui.step(format!("cluster of context {context}"));
    let found = match cluster::connect(&target, &Trust::here()).await {
        Ok(connection) => cluster::survey(&connection).await,
        Err(error) => {
            step.failed("not read");
            unread(&error.to_string());
            return None;
        }
    };
    if let Some(reason) = found.silence() {
        step.failed("not read");
        unread(reason);
        return None;
    }
    step.done("read");
    Some(found)
}

/// The claims that the namespace has.
fn claims(survey: Option<&Survey>) -> &[PersistentVolumeClaim] {
    survey
        .and_then(|survey| survey.claims.as_deref().ok())
        .unwrap_or_default()
}

fn model(given: &Given, survey: Option<&Survey>, home: Option<&Path>, ui: Ui) -> Result<Model> {
    let names: Vec<String> = claims(survey).iter().map(ResourceExt::name_any).collect();
    let source = match &given.source {
        Some(Source::Claim(claim)) => Source::Claim(claim.clone()),
        Some(Source::Folder(folder)) => Source::Folder(folder.clone()),
        None => {
            let read = |answer: &str| source(answer, &names, home);
            let beside = check::is_model(Path::new(BESIDE)).then_some(BESIDE);
            let proposal = beside.or(names.first().map(String::as_str));
            ask(
                &source_question(&names),
                proposal.map(Proposal::of),
                read,
                ui,
            )?
        }
    };
    Ok(match source {
        Source::Folder(directory) => Model::Folder {
            weights: stack::weights_size(&directory).unwrap_or_default(),
            directory,
        },
        Source::Claim(claim) => {
            let root = Proposal {
                shown: "its root",
                answer: "",
            };
            let question = "folder of the model on the claim's volume";
            let read = |answer: &str| check::value(Key::Path, answer);
            let path = match &given.path {
                Some(path) => path.clone(),
                None if given.source.is_none() => ask(question, Some(root), read, ui)?,
                None => String::new(),
            };
            Model::Claim { claim, path }
        }
    })
}

/// Where a model folder is looked for.
const BESIDE: &str = "./model";

fn source_question(claims: &[String]) -> String {
    let there = match claims {
        [] => String::new(),
        _ => format!(" ({})", claims.join(", ")),
    };
    format!("model: a folder such as ~/model, or a claim of the namespace{there}")
}

/// A path, or a claim; a claim that the cluster has is meant before a folder of the same name.
fn source(answer: &str, claims: &[String], home: Option<&Path>) -> Result<Source, Refusal> {
    let is_claim = claims.iter().any(|claim| claim == answer);
    let path = Path::new(answer);
    if check::looks_like_path(answer) || (!is_claim && path.is_dir()) {
        return check::model_folder(path, home).map(Source::Folder);
    }
    check::value(Key::Claim, answer).map(Source::Claim)
}

/// What was measured before; a profile that cannot be read does not hold up the file.
fn profile(file: &Path, ui: Ui) -> Option<Profile> {
    let file = file.with_file_name("uninlu.profile.json");
    profile_file::read(&file).unwrap_or_else(|error| {
        ui.warn(format_args!("the stack file has defaults: {error}"));
        None
    })
}

fn fit_of(place: &Place, model: &Model, survey: Option<&Survey>, profile: Option<&Profile>) -> Fit {
    let size = match (profile, model) {
        (Some(profile), _) => Size::of_profile(profile),
        (None, Model::Folder { weights, .. }) => Size::of_weights(*weights),
        (None, Model::Claim { .. }) => Size::USUAL,
    };
    let reach = match model {
        Model::Claim { claim, .. } => {
            let named = |it: &&PersistentVolumeClaim| it.name_any() == *claim;
            Reach::of(claims(survey).iter().find(named))
        }
        Model::Folder { .. } => Reach::Anywhere,
    };
    let around =
        survey.and_then(|survey| Some((survey.nodes.as_ref().ok()?, survey.pods.as_ref().ok()?)));
    let own: Vec<&Pod> = around
        .iter()
        .flat_map(|(_, pods)| pods.iter())
        .filter(|pod| {
            pod.namespace().as_ref() == Some(&place.namespace)
                && pod.labels().get(INSTANCE) == Some(&place.name)
        })
        .collect();
    let ground = around.map(|(nodes, pods)| Ground {
        nodes,
        pods,
        own: &own,
    });
    fit::fit(&size, ground, reach)
}

/// A full disk leaves no half of a stack file.
fn write(file: &Path, text: &str) -> Result<(), Stop> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)
        .and_then(|()| atomic::write(file, text))
        .map_err(|source| Stop::Unwritable {
            file: file.to_owned(),
            source,
        })
}
