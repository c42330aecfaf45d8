//! A plan as a file: made by `plan --out`, carried out by `apply FILE`, exactly or not at all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::writes::{ParentBodies, writes};
use super::{Change, Goal, Parent, Plan};
use uninlu_objects::{Going, ObjectId};
use uninlu_text::digest::sha256;

/// What the file is; the number changes when a reader would have to.
pub const FORMAT: &str = "uninlu.plan/v2";
/// The format without the requests, which follow from the rest of it.
const FIRST_FORMAT: &str = "uninlu.plan/v1";

/// Why a text is not a plan that can be carried out.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Unreadable {
    /// Not JSON, or JSON of another form.
    #[error("this is not a plan: {0}")]
    #[diagnostic(help("nothing was changed. Make a plan with `uninlu plan --out FILE`"))]
    Malformed(String),
    /// A plan of another version of the tool.
    #[error("the plan's format is `{0}`; this uninlu reads `{FORMAT}` and `{FIRST_FORMAT}`")]
    #[diagnostic(help(
        "nothing was changed. Make a new plan with this uninlu, or apply it with the one that made it"
    ))]
    Format(String),
    /// The digest does not fit.
    #[error("the plan is damaged or was edited: its digest is {found}, and it says {said}")]
    #[diagnostic(help(
        "nothing was changed. Only the file that `uninlu plan --out` wrote can be applied; make a new plan"
    ))]
    Damaged {
        /// The digest that the file names.
        said: String,
        /// The digest of what it holds.
        found: String,
    },
    /// It was made by somebody who may only look.
    #[error("the plan is approximate: {0}")]
    #[diagnostic(help(
        "a plan that can be carried out is made by a user who may write: docs/rbac.md has the role"
    ))]
    Approximate(String),
    /// The image is still to be built: what would be applied is not known yet.
    #[error("the plan is open: the image {0} is to be built")]
    #[diagnostic(help(
        "a saved plan pins the image's digest: run `uninlu build --push` first, then plan again"
    ))]
    Open(String),
}

/// The file's text.
///
/// # Errors
/// [`Unreadable::Open`] when the plan's image is not built yet.
pub fn write(plan: &Plan) -> Result<String, Unreadable> {
    if plan.goal.image.to_be_built.is_some() {
        return Err(Unreadable::Open(plan.goal.image.reference.clone()));
    }
    if let Some((_, message)) = plan.forbidden() {
        return Err(Unreadable::Approximate(message.to_owned()));
    }
    let content = serde_json::to_value(plan).expect("a plan is JSON");
    let file = json!({ "format": FORMAT, "digest": digest_of(&content), "digests": chain(plan), "plan": content });
    Ok(format!("{file:#}\n"))
}

/// Reads the file's text.
///
/// # Errors
/// See [`Unreadable`]; a text with one bit flipped is never read as a plan.
pub fn read(text: &str) -> Result<Plan, Unreadable> {
    let malformed = |error: serde_json::Error| Unreadable::Malformed(error.to_string());
    let file: Value = serde_json::from_str(text).map_err(malformed)?;
    let word = |key: &str| file[key].as_str().unwrap_or_default().to_owned();
    let format = word("format");
    if format != FORMAT && format != FIRST_FORMAT {
        return Err(Unreadable::Format(format));
    }
    let (said, found) = (word("digest"), digest_of(&file["plan"]));
    if said != found {
        return Err(Unreadable::Damaged { said, found });
    }
    let content = file["plan"].clone();
    if format == FIRST_FORMAT {
        let first: First = serde_json::from_value(content).map_err(malformed)?;
        return Ok(first.plan());
    }
    serde_json::from_value(content).map_err(malformed)
}

/// A plan of [`FIRST_FORMAT`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    goal: Goal,
    changes: Vec<Change>,
    parent: FirstParent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstParent {
    id: ObjectId,
    before: Option<Value>,
    after: Option<Value>,
    #[serde(default)]
    going: Option<Going>,
}

impl First {
    fn plan(self) -> Plan {
        let FirstParent {
            id,
            before,
            after,
            going,
        } = self.parent;
        let bodies = ParentBodies { before, after };
        Plan {
            writes: writes(&self.goal, &self.changes, &id, bodies),
            goal: self.goal,
            changes: self.changes,
            parent: Parent { id, going },
        }
    }
}

/// The digest over all of a plan: equal plans have equal digests.
pub fn digest(plan: &Plan) -> String {
    digest_of(&serde_json::to_value(plan).expect("a plan is JSON"))
}

/// The digests that a plan's own is made over, one for each thing that decides what will run. A model that is part of
/// the image is in the image's; one on a volume cannot be told from here.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Digests {
    /// Of the stack file; null without one.
    stack: Option<String>,
    /// Of the image; null when it is not built yet.
    image: Option<String>,
    /// Of the objects' bodies.
    objects: String,
    /// Of the plan.
    plan: String,
}

/// The digests of a plan.
pub fn chain(plan: &Plan) -> Digests {
    let image = plan.goal.image.reference.split_once('@');
    let bodies: Vec<&Value> = plan.goal.objects.values().collect();
    Digests {
        stack: plan.goal.source.clone(),
        image: image.map(|(_, digest)| digest.to_owned()),
        objects: digest_of(&json!(bodies)),
        plan: digest(plan),
    }
}

/// Keys stand in the order in which they were written, on both sides.
fn digest_of(content: &Value) -> String {
    sha256(content.to_string())
}
