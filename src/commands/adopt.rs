//! `uninlu adopt`

use std::collections::BTreeSet;

use miette::{Diagnostic, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::common::{StackArgs, exit, in_shell};
use super::consent::Question;
use super::interrupted;
use super::planning::planned_image;
use crate::cluster::{self, Connection, Trust};
use crate::document::{Body, Document, body};
use crate::image;
use crate::interruption::GoingOn;
use crate::plan::Goal;
use crate::plan::adoption::{Adoption, Unadoptable, adoption};
use crate::stack;
use crate::ui::{BOLD, Ui, YELLOW, paint};

/// Takes over the stack's objects where kubectl, Helm, Terraform or another tool made them
///
/// Only who owns their fields, and the labels by which the stack knows them, change; `uninlu plan` then shows what an
/// apply would change.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  uninlu adopt
  uninlu adopt uninlu.toml --from argocd-controller")]
pub struct Args {
    #[command(flatten)]
    stack: StackArgs,
    /// Also takes the fields of this field manager; can be repeated
    #[arg(long, value_name = "MANAGER")]
    from: Vec<String>,
    /// Does not ask; needed without a terminal
    #[arg(long, short)]
    yes: bool,
    /// Prints what is taken over as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("cannot be taken over: {0}")]
    #[diagnostic(help(
        "nothing was changed. Take them from their owner first, or rename this stack"
    ))]
    Unadoptable(String),
    #[error("{0} changed since it was shown")]
    #[diagnostic(help("it was not taken over; run `uninlu adopt` again"))]
    Moved(String),
}

/// What it prints with `--json`.
pub(super) const DOCUMENTS: &[Body] = &[body::<Report>];

/// Runs the command.
///
/// # Errors
/// Whatever keeps an object from being taken over; adopting again goes on where it ended.
pub async fn run(args: Args, ui: Ui) -> Result<u8> {
    let stack = stack::load(&args.stack.stack, args.stack.env.as_deref())?;
    let connection = cluster::connect(&stack.target(), &Trust::beside(&stack.source.file)).await?;
    let (resolved, _) = image::resolve(&stack).await?;
    let objects = Goal::of_stack(&stack, planned_image(resolved), None).objects;
    let live = cluster::unowned(&connection, &objects).await?;
    let (mut adoptions, mut refused) = (Vec::new(), Vec::new());
    for (id, object) in &live {
        match adoption(&connection.target, id, object, &args.from) {
            Ok(adoption) => adoptions.extend(adoption),
            Err(unadoptable) => refused.push(unadoptable),
        }
    }
    if args.json {
        ui.json(&Document::new("adopt", stack.target(), as_json(&adoptions)))?;
    } else {
        ui.data(as_text(&adoptions))?;
    }
    if !refused.is_empty() {
        return Err(Stop::Unadoptable(words(&refused)).into());
    }
    if adoptions.is_empty() {
        return Ok(exit::OK);
    }
    if !args.yes {
        QUESTION.ask(ui)?;
    }
    let _going = GoingOn::new(interrupted::adopting(&args.stack.given()));
    let step = ui.step(format!("adopting {} objects", adoptions.len()));
    for shown in &adoptions {
        adopt(&connection, shown, &args.from).await?;
    }
    step.done("done; `uninlu plan` shows what an apply would change");
    let context = in_shell(&connection.target.context);
    let adopted = adoptions
        .iter()
        .filter_map(|adoption| live.get(&adoption.id));
    for release in adopted.filter_map(Release::of).collect::<BTreeSet<_>>() {
        ui.say(release.words(&context));
    }
    Ok(exit::OK)
}

/// Helm's own record of what it installed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Release<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Release<'a> {
    /// The release that the object says it is of.
    fn of(object: &'a Value) -> Option<Self> {
        let annotations = &object["metadata"]["annotations"];
        Some(Self {
            namespace: annotations["meta.helm.sh/release-namespace"]
                .as_str()
                .or(object["metadata"]["namespace"].as_str())?,
            name: annotations["meta.helm.sh/release-name"].as_str()?,
        })
    }

    /// What is still to be done about it.
    fn words(&self, context: &str) -> String {
        let Self { namespace, name } = self;
        let labels = in_shell(&format!("owner=helm,name={name}"));
        format!(
            "Helm still has its record of the release {name}, and `helm upgrade`, `rollback` or `uninstall` would change or delete what is the stack's now; without the record, Helm knows no such release, and the objects stay: `kubectl --context {context} -n {namespace} delete secrets -l {labels}`"
        )
    }
}

/// A controller may write the object's status at any time, also for the first time, so an object that changed is looked
/// at again; what was shown is what is taken, or nothing is. Who keeps its own fields does not matter to that.
async fn adopt(connection: &Connection, shown: &Adoption, from: &[String]) -> Result<()> {
    let mut next = shown.clone();
    for _ in 0..ATTEMPTS {
        if next.from != shown.from {
            break;
        }
        if cluster::adopt(connection, &next).await? {
            return Ok(());
        }
        let live = cluster::live(connection, &shown.id).await?;
        match live.map(|object| adoption(&connection.target, &shown.id, &object, from)) {
            Some(Ok(Some(adoption))) => next = adoption,
            _ => break,
        }
    }
    Err(Stop::Moved(shown.id.to_string()).into())
}

/// Looks at an object that keeps changing.
const ATTEMPTS: usize = 5;

const QUESTION: Question<'_> = Question {
    words: "Take them over? Only `yes` does:",
    consent: "yes",
    shown: "list",
    undone: "changed",
};

fn words(refused: &[Unadoptable]) -> String {
    let words = refused
        .iter()
        .map(|it| format!("{} ({})", it.id, it.reason));
    words.collect::<Vec<_>>().join(", ")
}

fn as_text(adoptions: &[Adoption]) -> String {
    if adoptions.is_empty() {
        return "nothing to adopt: what exists of this stack is its own\n".into();
    }
    let mut text = String::new();
    for adoption in adoptions {
        text.push_str(&format!(
            "{} {}\n",
            paint(YELLOW, "~"),
            paint(BOLD, &adoption.id)
        ));
        for (manager, fields) in &adoption.from {
            text.push_str(&format!(
                "    {fields} fields of {manager} become this stack's\n"
            ));
        }
        for manager in &adoption.kept {
            text.push_str(&format!("    {manager} keeps its own\n"));
        }
    }
    text
}

/// What `adopt --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Report {
    /// One for each object that is taken over.
    objects: Vec<Adopted>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Adopted {
    kind: &'static str,
    namespace: Option<String>,
    name: String,
    /// Whose fields become the stack's.
    from: Vec<Share>,
    /// Field managers that keep theirs.
    kept: Vec<String>,
}

/// A field manager, and how many fields.
#[derive(Debug, Serialize, JsonSchema)]
struct Share {
    manager: String,
    fields: usize,
}

fn as_json(adoptions: &[Adoption]) -> Report {
    let objects = adoptions.iter().map(|adoption| Adopted {
        kind: adoption.id.kind.name(),
        namespace: adoption.id.namespace.clone(),
        name: adoption.id.name.clone(),
        from: adoption.from.iter().map(share).collect(),
        kept: adoption.kept.clone(),
    });
    Report {
        objects: objects.collect(),
    }
}

fn share((manager, fields): &(String, usize)) -> Share {
    Share {
        manager: manager.clone(),
        fields: *fields,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_release(annotations: Value) -> Value {
        json!({ "metadata": { "namespace": "nlu", "annotations": annotations } })
    }

    #[test]
    fn what_helm_still_knows_is_said_with_the_command_that_ends_it() {
        let object = of_release(json!({
            "meta.helm.sh/release-name": "old", "meta.helm.sh/release-namespace": "language",
        }));
        let words = Release::of(&object).map(|release| release.words("prod"));
        let words = words.expect("a release");
        assert!(
            words.ends_with(
                "`kubectl --context prod -n language delete secrets -l owner=helm,name=old`"
            ),
            "{words}"
        );
        assert_eq!(Release::of(&of_release(Value::Null)), None);
    }
}
