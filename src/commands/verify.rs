//! `uninlu verify`

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use miette::{Diagnostic, IntoDiagnostic, Result, WrapErr};

use super::common::{StackArgs, exit};
use super::effect::is_typed;
use crate::cluster::{self, Connection, Trust};
use crate::document::{Body, Document, body};
use crate::gate;
use crate::image;
use crate::plan::outlook::Asked;
use crate::rules::ImageSize;
use crate::stack::{self, Image, Stack};
use crate::ui::Ui;
use crate::verify::{self, Check, Facts, render};

/// Proves on the running pods what the stack promises, each promise with what was asked and what was seen
///
/// Looks and asks, and changes nothing. What cannot be read is not proven, and fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu verify
  uninlu verify uninlu.toml --api-key-file key --junit verify.xml")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    #[command(flatten)]
    key: KeyArgs,
    /// Prints the checks as JSON
    #[arg(long)]
    json: bool,
    /// Writes the checks to a file as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Looks again for so many seconds while only that fails which may come true by itself; 0 looks once
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE.as_secs())]
    wait: u64,
}

/// Where the key's file may stand.
const VARIABLE: &str = "UNINLU_API_KEY_FILE";

/// What the predictions need.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct KeyArgs {
    /// File with the key that `[access] api-key` asks for
    #[arg(long, env = VARIABLE, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
}

/// The kubelet brings a changed ConfigMap within a minute and its cache's time; autoscalers look every 15 s.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(2);

/// Why nothing, or not everything, is proven.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum Unproven {
    #[error("{stack} is not deployed in namespace {namespace} of context {context}")]
    #[diagnostic(help("`uninlu apply` deploys it; `uninlu plan` shows what that would do"))]
    NotDeployed {
        stack: String,
        namespace: String,
        context: String,
    },
    #[error("not everything is as the stack promises: {0}")]
    #[diagnostic(help(
        "the evidence and the fix of each are above; docs/verify.md describes each check"
    ))]
    Failed(String),
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<render::Report>];

/// Runs the command.
///
/// # Errors
/// A promise that is not kept, or not proven; whatever keeps the cluster from being read.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let key = args.key.read()?;
    let patience = Duration::from_secs(args.wait);
    let checks = look(&stack, key.as_deref(), patience, ui).await?;
    if let Some(file) = &args.junit {
        write(file, &render::junit(&stack, &checks))?;
    }
    if args.json {
        ui.json(&Document::new(
            "verify",
            stack.target(),
            render::json(&checks),
        ))?;
        return Ok(match verify::failed(&checks).as_slice() {
            [] => exit::OK,
            _ => exit::ERROR,
        });
    }
    ui.data(render::text(&checks))?;
    judge(&checks)?;
    Ok(exit::OK)
}

/// What `apply --verify` does after the rollout.
///
/// # Errors
/// As [`run`].
pub(super) async fn after_rollout(stack: &Stack, key: Option<&str>, ui: Ui) -> Result<()> {
    let checks = look(stack, key, PATIENCE, ui).await?;
    ui.data(render::text(&checks))?;
    judge(&checks)
}

fn judge(checks: &[Check]) -> Result<()> {
    let failed = verify::failed(checks);
    if failed.is_empty() {
        return Ok(());
    }
    Err(Unproven::Failed(failed.join(", ")).into())
}

fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot write {}", file.display()))
}

/// Asks until everything holds, or until something fails that waiting does not fix, or until the patience ends.
async fn look(stack: &Stack, key: Option<&str>, patience: Duration, ui: Ui) -> Result<Vec<Check>> {
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    let step = ui.step(format!("verifying {}", stack.name));
    let began = Instant::now();
    let mut size = None;
    loop {
        let mut facts = cluster::facts(&connection, stack, key).await?;
        if facts.deployment.is_none() {
            return Err(not_deployed(stack, &connection).into());
        }
        if size.is_none() {
            size = image_size(stack, &facts).await;
        }
        facts.image.clone_from(&size);
        let checks = verify::check(stack, &facts, gate::today());
        let failed = verify::failed(&checks);
        if failed.is_empty() {
            step.done(render::summary(&checks));
            return Ok(checks);
        }
        if !verify::may_settle(&checks) || began.elapsed() >= patience {
            step.failed(render::summary(&checks));
            return Ok(checks);
        }
        step.update(format_args!("waits for: {}", failed.join(", ")));
        tokio::time::sleep(PAUSE).await;
    }
}

fn not_deployed(stack: &Stack, connection: &Connection) -> Unproven {
    Unproven::NotDeployed {
        stack: stack.name.clone(),
        namespace: stack.namespace.clone(),
        context: connection.target.context.clone(),
    }
}

/// Of the image that the Deployment names; not asked for where there is no budget.
async fn image_size(stack: &Stack, facts: &Facts) -> Option<Asked<ImageSize>> {
    match &stack.image {
        Image::Build(build) if build.max_size.is_some() => (),
        _ => return None,
    }
    let pod = &facts.deployment.as_ref()?["spec"]["template"]["spec"];
    let reference = pod["containers"][0]["image"].as_str()?;
    let size = image::size(reference).await;
    Some(size.map_err(|error| error.to_string()))
}

impl KeyArgs {
    /// Whether it was typed: the variable may stand for other commands.
    pub(super) fn is_typed(&self) -> bool {
        let file = self.api_key_file.as_deref().and_then(Path::to_str);
        is_typed(file, VARIABLE)
    }

    pub(super) fn read(&self) -> Result<Option<String>> {
        let Some(file) = &self.api_key_file else {
            return Ok(None);
        };
        let key = std::fs::read_to_string(file)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot read the API key's file {}", file.display()))?;
        Ok(Some(key.trim().to_owned()))
    }
}
