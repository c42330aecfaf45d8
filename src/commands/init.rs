//! `uninlu init`

use std::io::Write;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;
use miette::{Diagnostic, Result};

use crate::cli::exit;
use crate::stack;
use crate::ui::{Ui, human_bytes};

/// Writes a commented stack file; looks at the model folder and the kubeconfig, asks no cluster
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for `uninlu.toml`
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Name of the service
    #[arg(long, default_value = "siamese-uninlu")]
    name: String,
    /// Namespace
    #[arg(long, default_value = "nlu")]
    namespace: String,
    /// Context of the kubeconfig (default: the current one is proposed)
    #[arg(long)]
    context: Option<String>,
    /// Image repository to push to, without a tag
    #[arg(long)]
    repository: Option<String>,
    /// Folder with the Dockerfile that is built
    #[arg(long, default_value = ".")]
    build_context: String,
    /// Model folder on this machine: it becomes a layer of the image
    #[arg(long, conflicts_with = "claim")]
    model: Option<PathBuf>,
    /// PersistentVolumeClaim that holds the model
    #[arg(long)]
    claim: Option<String>,
    /// Overwrites an existing file
    #[arg(long)]
    force: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("{} exists", .0.display())]
    #[diagnostic(help("it was not touched; --force overwrites it"))]
    Exists(PathBuf),
    #[error("{0} is not given")]
    #[diagnostic(help("give {0}, or run on a terminal to be asked"))]
    NotGiven(&'static str),
    #[error("{} is no model folder: {missing} is not there", folder.display())]
    #[diagnostic(help(
        "name the folder as it is downloaded (config.json, vocab.txt, pytorch_model.bin or model.safetensors)"
    ))]
    NoModel {
        folder: PathBuf,
        missing: &'static str,
    },
    #[error("cannot write {}: {source}", file.display())]
    #[diagnostic(help("nothing was left behind; mend the cause and run again"))]
    Unwritable {
        file: PathBuf,
        source: std::io::Error,
    },
}

/// Runs the command.
///
/// # Errors
/// An existing file, an answer that is missing, a folder that holds no model, a disk that takes no file.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let file = args.folder.join("uninlu.toml");
    if file.exists() && !args.force {
        return Err(Stop::Exists(file).into());
    }
    let text = stack_file(&args, ui)?;
    stack::parse(&text, &file, None).map_err(|invalid| *invalid)?;
    write_atomically(&file, &text)?;
    ui.say(format_args!(
        "wrote {}; next: `uninlu plan {}`",
        file.display(),
        file.display()
    ));
    Ok(exit::OK)
}

fn stack_file(args: &Args, ui: Ui) -> Result<String, Stop> {
    let proposal = Kubeconfig::read()
        .ok()
        .and_then(|kubeconfig| kubeconfig.current_context);
    let context = given_or_asked(args.context.clone(), "--context", proposal, ui)?;
    let repository = given_or_asked(args.repository.clone(), "--repository", None, ui)?;
    let (source, memory) = match (&args.model, &args.claim) {
        (Some(folder), _) => model_in_image(folder)?,
        (None, claim) => {
            let claim = given_or_asked(claim.clone(), "--claim", Some("nlu-models".into()), ui)?;
            (
                format!("{{ pvc = {claim:?}, path = \"\" }}  # `path`: the folder on the volume"),
                String::new(),
            )
        }
    };
    let Args {
        name,
        namespace,
        build_context,
        ..
    } = args;
    Ok(format!(
        "# A stack of uninlu. Every section that is not here has a default; `uninlu schema` describes them all.\n\
         name = {name:?}\n\
         namespace = {namespace:?}\n\n\
         [cluster]\n\
         context = {context:?}  # never another context than this one\n\n\
         [image]\n\
         repository = {repository:?}  # the tag is the digest of what is built\n\
         context = {build_context:?}\n\n\
         [model]\n\
         source = {source}\n{memory}"
    ))
}

fn given_or_asked(
    given: Option<String>,
    flag: &'static str,
    proposal: Option<String>,
    ui: Ui,
) -> Result<String, Stop> {
    if let Some(value) = given {
        return Ok(value);
    }
    if !ui.can_ask() {
        return Err(Stop::NotGiven(flag));
    }
    let hint = proposal
        .as_ref()
        .map_or(String::new(), |value| format!(" [{value}]"));
    let answer = ui.ask(&format!("{}{hint}:", flag.trim_start_matches('-')));
    match (answer.is_empty(), proposal) {
        (false, _) => Ok(answer),
        (true, Some(proposal)) => Ok(proposal),
        (true, None) => Err(Stop::NotGiven(flag)),
    }
}

/// The source, and a memory section that fits the weights: they are held once, and as much again while requests run.
fn model_in_image(folder: &Path) -> Result<(String, String), Stop> {
    let missing = |missing| Stop::NoModel {
        folder: folder.to_owned(),
        missing,
    };
    for file in ["config.json", "vocab.txt"] {
        if !folder.join(file).is_file() {
            return Err(missing(file));
        }
    }
    let weights = ["model.safetensors", "pytorch_model.bin"]
        .iter()
        .find_map(|file| std::fs::metadata(folder.join(file)).ok())
        .ok_or_else(|| missing("pytorch_model.bin"))?
        .len();
    let directory = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let request = (weights.div_ceil(1 << 20) + 192).next_multiple_of(64);
    let memory = format!(
        "\n[resources]  # for weights of {}\nmemory = {{ request = \"{request}Mi\", limit = \"{}Mi\" }}\n",
        human_bytes(weights),
        request * 2
    );
    Ok((
        format!("{{ image = {:?} }}", directory.display().to_string()),
        memory,
    ))
}

/// Beside the file first, then renamed: a full disk leaves no half of a stack file.
fn write_atomically(file: &Path, text: &str) -> Result<(), Stop> {
    let unwritable = |source| Stop::Unwritable {
        file: file.to_owned(),
        source,
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    temporary.write_all(text.as_bytes()).map_err(unwritable)?;
    temporary
        .persist(file)
        .map_err(|error| unwritable(error.error))?;
    Ok(())
}
