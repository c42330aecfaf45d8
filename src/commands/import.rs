//! `uninlu import`

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use miette::{Diagnostic, IntoDiagnostic, Result};

use super::common::exit;
use crate::atomic;
use crate::cluster::{self, Trust};
use crate::document::{Body, Document, Place, body};
use crate::import::{self, Chart, Given, Source};
use crate::stack::{self, Target};
use crate::ui::Ui;

/// Makes a stack file of a Helm chart, of manifests, or of live objects, and reports what is wrong in them
///
/// The stack file goes to --out or stdout, the report to stderr. Findings are not errors.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu import helm ./chart --out uninlu.toml
  uninlu import live --context prod --namespace nlu")]
pub struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    Helm(Helm),
    Yaml(Manifests),
    Live(Live),
}

/// Reads a chart's folder, or a values file alone; runs no Helm and asks no cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu import helm ./chart --values prod.yaml
  uninlu import helm ./chart --release nlu --namespace nlu --context prod --out uninlu.toml")]
struct Helm {
    /// Chart's folder, or a values file
    #[arg(value_name = "DIR|VALUES")]
    chart: PathBuf,
    /// Values merged into the chart's own; can be repeated
    #[arg(long, short = 'f', value_name = "FILE")]
    values: Vec<PathBuf>,
    /// Name of the installed release, whose objects the stack is to take over
    #[arg(long)]
    release: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    common: Common,
}

/// Reads manifests: what `helm template` prints, or what `kubectl apply -f` takes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu import yaml manifests
  uninlu import yaml deployment.yaml service.yaml --json")]
struct Manifests {
    /// Files, or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    manifests: Vec<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    common: Common,
}

/// Reads a namespace's objects; writes nothing to the cluster
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu import live --context prod --namespace nlu
  uninlu import live --context prod --namespace nlu --name server --out uninlu.toml")]
struct Live {
    /// Context of the kubeconfig; no other one is asked
    #[arg(long)]
    context: String,
    /// Namespace to read
    #[arg(long)]
    namespace: String,
    #[command(flatten)]
    common: Common,
}

/// Where the stack is to live: no file says it.
#[derive(Debug, clap::Args)]
struct PlaceArgs {
    /// Context of the kubeconfig for the stack
    #[arg(long)]
    context: Option<String>,
    /// Namespace for the stack
    #[arg(long)]
    namespace: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Name of the Deployment where there are several, and of the stack
    #[arg(long)]
    name: Option<String>,
    /// Folder that is built instead of the sources in the tool; relative to the stack file
    #[arg(long, value_name = "DIR")]
    build_context: Option<String>,
    /// Claim that holds the model
    #[arg(long, conflicts_with = "model")]
    claim: Option<String>,
    /// Model folder on this machine: it becomes a layer of the image
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// File for the stack; without it the stack goes to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrites an existing file
    #[arg(long, requires = "out")]
    force: bool,
    /// Prints stack and report as JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("{} exists", .0.display())]
    #[diagnostic(help("it was not touched; --force overwrites it"))]
    Exists(PathBuf),
    #[error("cannot read {}: {reason}", path.display())]
    #[diagnostic(help("name a chart's folder, a values file, or manifests"))]
    Unreadable {
        path: PathBuf,
        reason: std::io::Error,
    },
    #[error("{} has more than {} MiB", .0.display(), LARGEST_NAMED >> 20)]
    #[diagnostic(help("name the manifests of the service alone"))]
    TooLarge(PathBuf),
    #[error("{} is not a chart: it has no Chart.yaml", .0.display())]
    #[diagnostic(help("name a folder with one, or read manifests with `uninlu import yaml`"))]
    NoChart(PathBuf),
    #[error("cannot write {}: {reason}", file.display())]
    #[diagnostic(help("is there room, and may you write there?"))]
    Unwritable {
        file: PathBuf,
        reason: std::io::Error,
    },
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<import::Report>];

/// Runs the command.
///
/// # Errors
/// What cannot be read, or holds no Deployment; an existing file; a cluster that does not answer.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    match args.from {
        From::Helm(args) => {
            let chart = chart(&args)?;
            let given = given(&args.common, args.place.context, args.place.namespace);
            finish(&chart.read()?, &given, &args.common, ui)
        }
        From::Yaml(args) => {
            let mut chart = Chart::default();
            for path in &args.manifests {
                let (files, unread) = files(path)?;
                chart.files.extend(files);
                chart.unread.extend(unread);
            }
            let given = given(&args.common, args.place.context, args.place.namespace);
            finish(&chart.read()?, &given, &args.common, ui)
        }
        From::Live(args) => {
            let (source, running) = live(&args, ui).await?;
            let context = Some(args.context);
            let given = Given {
                running,
                ..given(&args.common, context, Some(args.namespace))
            };
            finish(&source, &given, &args.common, ui)
        }
    }
}

fn given(common: &Common, context: Option<String>, namespace: Option<String>) -> Given {
    Given {
        name: common.name.clone(),
        namespace,
        context,
        build_context: common.build_context.clone(),
        // Absolute, since the stack file may lie elsewhere.
        model: common
            .model
            .as_ref()
            .map(|model| std::path::absolute(model).unwrap_or_else(|_| model.clone())),
        claim: common.claim.clone(),
        running: None,
    }
}

/// The chart with its files; of a values file alone only that, unless it lies in a chart.
fn chart(args: &Helm) -> Result<Chart> {
    let mut values = args.values.clone();
    let folder = if args.chart.is_dir() {
        if !args.chart.join("Chart.yaml").is_file() {
            return Err(Stop::NoChart(args.chart.clone()).into());
        }
        Some(args.chart.clone())
    } else {
        let folder = args.chart.parent().unwrap_or(Path::new("")).to_owned();
        let is_in_chart = folder.join("Chart.yaml").is_file();
        // A chart's own values are read with it.
        if !is_in_chart
            || args
                .chart
                .file_name()
                .is_some_and(|name| name != "values.yaml")
        {
            values.insert(0, args.chart.clone());
        }
        is_in_chart.then_some(folder)
    };
    let mut chart = Chart {
        release: args.release.clone(),
        namespace: args
            .place
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned()),
        ..Chart::default()
    };
    if let Some(folder) = folder {
        let folder = if folder.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            folder
        };
        (chart.files, chart.unread) = files(&folder)?;
        chart.below = charts_below(&folder);
    }
    for file in values {
        let text = read(&file)?;
        chart.values.push((file.display().to_string(), text));
    }
    Ok(chart)
}

/// Larger files are data, and no text that anybody wrote.
const LARGEST: u64 = 4 << 20;
/// Files of a chart that is no chart but a disk.
const MOST_FILES: usize = 2_000;

/// Files by their path in a folder, and what could not be read of those that may hold objects, with the reason.
type Files = (BTreeMap<String, String>, Vec<(String, String)>);

/// The text files of a folder by their path in it, or the file itself. Charts below it are others' matter. Links are
/// followed as far as they stay in the folder.
fn files(path: &Path) -> Result<Files> {
    let mut files = BTreeMap::new();
    let mut unread = Vec::new();
    if !path.is_dir() {
        files.insert(path.display().to_string(), read(path)?);
        return Ok((files, unread));
    }
    let is_hidden = |entry: &walkdir::DirEntry| {
        entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
    };
    let is_chart = path.join("Chart.yaml").is_file();
    let is_subchart = |entry: &walkdir::DirEntry| {
        is_chart
            && entry.depth() == 1
            && entry.file_type().is_dir()
            && entry.file_name() == "charts"
    };
    let leads_out = |entry: &walkdir::DirEntry| {
        let real = |path: &Path| path.canonicalize().ok();
        let is_inside = real(entry.path()).zip(real(path));
        entry.path_is_symlink() && is_inside.is_none_or(|(to, root)| !to.starts_with(root))
    };
    let inside = |found: &Path| {
        let inside = found.strip_prefix(path).unwrap_or(found);
        inside.display().to_string()
    };
    let mut walk = walkdir::WalkDir::new(path)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !is_hidden(entry) && !is_subchart(entry));
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            // A link to a folder that holds it: everything is read by its own path.
            Err(error) if error.loop_ancestor().is_some() => continue,
            Err(error) => {
                let name = inside(error.path().unwrap_or(path));
                let reason = error
                    .io_error()
                    .map_or(error.to_string(), ToString::to_string);
                unread.push((name, format!("it cannot be read: {reason}")));
                continue;
            }
        };
        if leads_out(&entry) {
            unread.push((
                inside(entry.path()),
                "it is a link out of the folder".to_owned(),
            ));
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
        } else if entry.file_type().is_file() {
            if files.len() == MOST_FILES {
                let reason = format!(
                    "there are more than {MOST_FILES} files, and this one and those behind it are skipped"
                );
                unread.push((inside(entry.path()), reason));
                break;
            }
            match text_of(&entry) {
                Ok(text) => drop(files.insert(inside(entry.path()), text)),
                Err(reason) => unread.push((inside(entry.path()), reason)),
            }
        }
    }
    // Pictures, archives and the like hold no objects.
    unread.retain(|(name, _)| {
        let ending = Path::new(name).extension().and_then(|it| it.to_str());
        let ending = ending.map(str::to_ascii_lowercase);
        ending.is_none_or(|it| matches!(&*it, "yaml" | "yml" | "json" | "tpl"))
    });
    Ok((files, unread))
}

/// Names of the folders and archives in a chart's `charts`.
fn charts_below(folder: &Path) -> Vec<String> {
    let below = folder.join("charts").read_dir();
    let below = below.into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
    let mut names: Vec<String> = below.filter_map(name).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

fn text_of(entry: &walkdir::DirEntry) -> Result<String, String> {
    let is_small = entry
        .metadata()
        .is_ok_and(|metadata| metadata.len() <= LARGEST);
    if !is_small {
        return Err(format!("it has more than {} MiB", LARGEST >> 20));
    }
    std::fs::read_to_string(entry.path()).map_err(|error| format!("it cannot be read: {error}"))
}

/// Bytes of a file that is named, which may be a list of all that a namespace holds.
const LARGEST_NAMED: u64 = 32 << 20;

fn read(path: &Path) -> Result<String, Stop> {
    let unreadable = |reason| Stop::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    // A pipe does not say how much will come.
    let mut bounded = file.take(LARGEST_NAMED + 1);
    bounded.read_to_string(&mut text).map_err(unreadable)?;
    match text.len() as u64 > LARGEST_NAMED {
        true => Err(Stop::TooLarge(path.to_owned())),
        false => Ok(text),
    }
}

/// The namespace's objects, and the digest of the image that runs.
async fn live(args: &Live, ui: Ui) -> Result<(Source, Option<String>)> {
    let target = Target {
        stack: args.common.name.clone().unwrap_or_default(),
        namespace: args.namespace.clone(),
        context: args.context.clone(),
        kubeconfig: None,
        environment: None,
    };
    let connection = cluster::connect(&target, &Trust::here()).await?;
    let step = ui.step(format!("reading namespace {}", args.namespace));
    let objects = cluster::everything(&connection).await?;
    let source = import::live(objects);
    let running = match import::running_pods(&source, args.common.name.as_deref()) {
        Some((selector, container)) => {
            cluster::running_image(&connection, &selector, &container).await?
        }
        None => None,
    };
    step.done(format_args!("context {}", args.context));
    Ok((source, running))
}

/// Writes the stack and prints the report.
fn finish(source: &Source, given: &Given, common: &Common, ui: Ui) -> Result<u8> {
    if let Some(file) = common
        .out
        .as_ref()
        .filter(|file| file.exists() && !common.force)
    {
        return Err(Stop::Exists(file.clone()).into());
    }
    let name = given.name.as_deref();
    let draft = import::draft(source, given)?;
    let file = common
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("uninlu.toml"));
    let file = std::path::absolute(&file).into_diagnostic()?;
    let imported = import::written(draft, source, name, &file, |text| stack::check(text, &file))
        .map_err(|invalid| *invalid)?;
    let findings = import::check(source, name);
    if let Some(out) = &common.out {
        write(out, &imported.stack)?;
    }
    if common.json {
        let written = stack::parse(&imported.stack, &file, None);
        let place = written.map_or(Place::NONE, |stack| stack.target().into());
        let report = import::json(&findings, &imported, source);
        ui.json(&Document::new("import", place, report))?;
        return Ok(exit::OK);
    }
    if common.out.is_none() {
        ui.file(&imported.stack)?;
    }
    ui.say(import::text(&findings, &imported, source).trim_end());
    if let Some(out) = &common.out {
        ui.say(format_args!(
            "wrote {0}; next: `uninlu validate {0}`",
            out.display()
        ));
    }
    Ok(exit::OK)
}

fn write(file: &Path, text: &str) -> Result<(), Stop> {
    let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder
        .and_then(|()| atomic::write(file, text))
        .map_err(|reason| Stop::Unwritable {
            file: file.to_owned(),
            reason,
        })
}
