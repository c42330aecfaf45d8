//! `uninlu init`

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::Kubeconfig;
use miette::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::common::exit;
use crate::atomic;
use crate::cluster::{self, Prospect, Trust};
use crate::document::{self, Document};
use crate::stack::{self, MODEL_FILES, Target};
use crate::ui::{Ui, human_bytes};

/// Writes a commented stack file; looks at the model folder, the kubeconfig and the context's cluster, and only reads there
///
/// On a terminal it asks for what is not given; elsewhere --context, --repository and one of --model and --claim are
/// needed.
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
    /// Prints the file's path as JSON
    #[arg(long)]
    json: bool,
}

/// What `init --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// The file that was written.
    file: String,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("{} exists", .0.display())]
    #[diagnostic(help("it was not touched; --force overwrites it"))]
    Exists(PathBuf),
    #[error("{0} is not given")]
    #[diagnostic(help("give {0}, or run on a terminal to be asked"))]
    NotGiven(&'static str),
    #[error("{} is not a model folder: it has no {missing}", folder.display())]
    #[diagnostic(help("name the folder as it is downloaded"))]
    NoModel { folder: PathBuf, missing: String },
    #[error("cannot write {}", file.display())]
    #[diagnostic(help("nothing was left behind; fix the cause and run again"))]
    Unwritable {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Runs the command.
///
/// # Errors
/// An existing file, an answer that is missing or no valid one, a folder that holds no model or no Dockerfile, a disk that takes no file.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let file = args.folder.join("uninlu.toml");
    if file.exists() && !args.force {
        return Err(Stop::Exists(file).into());
    }
    let kubeconfig = Kubeconfig::read().unwrap_or_default();
    let place = Place::gather(&args, &kubeconfig, ui)?;
    let prospect = look_at_cluster(&place, &kubeconfig, ui).await;
    let model = gather_model(&args, prospect.as_ref(), ui)?;
    let text = stack_file(&place, &model, prospect.as_ref());
    stack::check(&text, &file).map_err(|invalid| *invalid)?;
    write(&file, &text)?;
    warn_of_claim(&place, &model, prospect.as_ref(), ui);
    let file = file.display().to_string();
    ui.say(format_args!("wrote {file}; next: `uninlu validate {file}`"));
    if args.json {
        ui.json(&Document::new("init", place.header(), Report { file }))?;
    }
    Ok(exit::OK)
}

/// What the file says of the service and where it runs.
#[derive(Debug)]
struct Place {
    name: String,
    namespace: String,
    context: String,
    repository: String,
    build_context: Option<String>,
}

#[derive(Debug)]
enum Model {
    Claim { claim: String, path: String },
    Folder { directory: PathBuf, weights: u64 },
}

impl Place {
    fn header(&self) -> document::Place {
        document::Place {
            stack: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            context: Some(self.context.clone()),
            environment: None,
        }
    }

    fn gather(args: &Args, kubeconfig: &Kubeconfig, ui: Ui) -> Result<Self, Stop> {
        let current = kubeconfig.current_context.as_deref();
        Ok(Self {
            name: given_or_default(&args.name, "the service\'s name", "siamese-uninlu", ui),
            namespace: given_or_default(&args.namespace, "the namespace", "nlu", ui),
            context: given_or_asked(
                &args.context,
                "--context",
                &context_question(kubeconfig),
                current,
                ui,
            )?,
            repository: given_or_asked(
                &args.repository,
                "--repository",
                "the image repository to push to, without a tag",
                None,
                ui,
            )?,
            build_context: args.build_context.clone(),
        })
    }
}

/// A cluster that does not answer must not hold up a file that can be written without it.
const PATIENCE: Duration = Duration::from_secs(5);

async fn look_at_cluster(place: &Place, kubeconfig: &Kubeconfig, ui: Ui) -> Option<Prospect> {
    let context = &place.context;
    if !kubeconfig
        .contexts
        .iter()
        .any(|known| known.name == *context)
    {
        ui.warn(format_args!(
            "the kubeconfig has no context `{context}` yet"
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
    let looked = tokio::time::timeout(PATIENCE, async {
        let connection = cluster::connect(&target, &Trust::here()).await?;
        Ok::<_, cluster::Error>(cluster::prospect(&connection).await)
    });
    match looked.await {
        Ok(Ok(Prospect {
            namespace: Err(reason),
            claims: Err(_),
            ..
        })) => not_seen(context, &reason, ui),
        Ok(Ok(prospect)) => Some(prospect),
        Ok(Err(error)) => not_seen(context, &error.to_string(), ui),
        Err(_) => not_seen(context, "it does not answer", ui),
    }
}

fn not_seen(context: &str, reason: &str, ui: Ui) -> Option<Prospect> {
    ui.warn(format_args!(
        "the cluster of context `{context}` was not checked: {reason}"
    ));
    None
}

/// The claims that the namespace has.
fn claims(prospect: Option<&Prospect>) -> &[String] {
    prospect
        .and_then(|prospect| prospect.claims.as_deref().ok())
        .unwrap_or_default()
}

fn warn_of_claim(place: &Place, model: &Model, prospect: Option<&Prospect>, ui: Ui) {
    let Model::Claim { claim, .. } = model else {
        return;
    };
    let was_seen = prospect.is_some_and(|prospect| prospect.claims.is_ok());
    if was_seen && !claims(prospect).contains(claim) {
        ui.warn(format_args!(
            "namespace {} has no PersistentVolumeClaim `{claim}` yet; make it, and copy the model to its volume, before the first apply",
            place.namespace
        ));
    }
}

fn context_question(kubeconfig: &Kubeconfig) -> String {
    let known: Vec<&str> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.as_str())
        .collect();
    match known.as_slice() {
        [] => "the kubeconfig\'s context".to_owned(),
        _ => format!("the kubeconfig\'s context, one of {}", known.join(", ")),
    }
}

fn gather_model(args: &Args, prospect: Option<&Prospect>, ui: Ui) -> Result<Model, Stop> {
    if let Some(folder) = &args.model {
        return look_at_model(folder);
    }
    let known = claims(prospect);
    let there = match known {
        [] => String::new(),
        _ => format!(" (there: {})", known.join(", ")),
    };
    let question = format!(
        "the claim that holds the model{there}, or a model folder on this machine for the image"
    );
    let answer = given_or_asked(
        &args.claim,
        "--model or --claim",
        &question,
        Some(known.first().map_or("nlu-models", String::as_str)),
        ui,
    )?;
    if args.claim.is_none() && Path::new(&answer).is_dir() {
        return look_at_model(Path::new(&answer));
    }
    Ok(Model::Claim {
        claim: answer,
        path: args.path.clone().unwrap_or_default(),
    })
}

fn given_or_default(given: &Option<String>, question: &str, default: &str, ui: Ui) -> String {
    match given {
        Some(value) => value.clone(),
        None if ui.can_ask() => ask(question, Some(default), ui).unwrap_or_default(),
        None => default.to_owned(),
    }
}

fn given_or_asked(
    given: &Option<String>,
    flag: &'static str,
    question: &str,
    proposal: Option<&str>,
    ui: Ui,
) -> Result<String, Stop> {
    match given {
        Some(value) => Ok(value.clone()),
        None if ui.can_ask() => ask(question, proposal, ui).ok_or(Stop::NotGiven(flag)),
        None => Err(Stop::NotGiven(flag)),
    }
}

/// The answer, or the proposal when it is empty.
fn ask(question: &str, proposal: Option<&str>, ui: Ui) -> Option<String> {
    let hint = proposal.map_or(String::new(), |value| format!(" [{value}]"));
    let answer = ui.ask(&format!("{question}{hint}:"));
    match answer.is_empty() {
        true => proposal.map(str::to_owned),
        false => Some(answer),
    }
}

/// The folder, absolute since the stack file may lie elsewhere, and the size of its weights.
fn look_at_model(folder: &Path) -> Result<Model, Stop> {
    let missing = |files: &&&[&str]| !files.iter().any(|file| folder.join(file).exists());
    if let Some(files) = MODEL_FILES.iter().find(missing) {
        return Err(Stop::NoModel {
            folder: folder.to_owned(),
            missing: files.join(" and no "),
        });
    }
    let weights = stack::weights_size(folder).unwrap_or_default();
    let directory = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    Ok(Model::Folder { directory, weights })
}

fn stack_file(place: &Place, model: &Model, prospect: Option<&Prospect>) -> String {
    let Place {
        name,
        namespace,
        context,
        repository,
        build_context,
    } = place;
    let creates = match prospect.map(|prospect| &prospect.namespace) {
        // The cluster has it, and so somebody else keeps it.
        Some(Ok(true)) => String::new(),
        Some(Ok(false)) => format!("create-namespace = true                # {CREATES}\n"),
        _ => format!("# create-namespace = true              # {CREATES}\n"),
    };
    let built = match build_context {
        Some(folder) => format!("context = {}\n", quoted(folder)),
        None => String::new(),
    };
    let cpu = served(prospect.map(|prospect| &prospect.cpu));
    let requests = served(prospect.map(|prospect| &prospect.requests_per_second));
    let (source, resources) = match model {
        Model::Claim { claim, path } if path.is_empty() => {
            (format!("{{ pvc = {} }}", quoted(claim)), String::new())
        }
        Model::Claim { claim, path } => {
            let source = format!("{{ pvc = {}, path = {} }}", quoted(claim), quoted(path));
            (source, String::new())
        }
        Model::Folder { directory, weights } => {
            let directory = directory.display().to_string();
            let source = format!("{{ image = {} }}", quoted(&directory));
            (source, resources_for(*weights))
        }
    };
    format!(
        "# A stack of uninlu. What is not here has a default; `uninlu schema` describes every key.\n\
         name = {name}\n\
         namespace = {namespace}\n\
         \n\
         [cluster]\n\
         context = {context}  # no other context is ever written to\n\
         {creates}\
         \n\
         [image]\n\
         repository = {repository}  # the tag is the digest of what is built\n\
         {built}\
         \n\
         [model]\n\
         source = {source}\n\
         # warmup = \"测试预热文本\"               # predicted once before a pod is ready\n\
         {resources}\
         \n\
         # [autoscaling]                        # instead of two fixed replicas\n\
         # replicas = {{ min = 2, max = 8 }}\n\
         # cpu = 60                             # percent of the request{cpu}\n\
         # requests-per-second = 20             # per pod, through the custom metrics API{requests}\n",
        name = quoted(name),
        namespace = quoted(namespace),
        context = quoted(context),
        repository = quoted(repository),
    )
}

const CREATES: &str = "the namespace comes and goes with the stack";

fn served(found: Option<&Result<bool, String>>) -> &'static str {
    match found {
        Some(Ok(true)) => "; this cluster serves it",
        Some(Ok(false)) => "; this cluster does not serve it yet",
        _ => "",
    }
}

/// Memory that fits the weights: they are held once, and as much again may be needed while requests run.
fn resources_for(weights: u64) -> String {
    let request = (weights.div_ceil(1 << 20) + BESIDE_WEIGHTS).next_multiple_of(64);
    format!(
        "\n\
         [resources]                            # for weights of {}; measure, then set\n\
         memory = {{ request = \"{request}Mi\", limit = \"{}Mi\" }}\n",
        human_bytes(weights),
        request * 2
    )
}

/// Memory of libtorch and the server besides the weights, in MiB; generous, since too little kills the pod.
const BESIDE_WEIGHTS: u64 = 192;

/// As TOML writes a string.
fn quoted(text: &str) -> toml::Value {
    toml::Value::from(text)
}

/// A full disk leaves no half of a stack file.
fn write(file: &Path, text: &str) -> Result<(), Stop> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| atomic::write(file, text))
        .map_err(|source| Stop::Unwritable {
            file: file.to_owned(),
            source,
        })
}
