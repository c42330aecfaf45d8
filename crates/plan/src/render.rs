//! A plan for people (text) and for programs (JSON).

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::diff::fields_of;
use super::file::Digests;
use super::outlook::Outlook;
use super::{Action, Approximate, Change, FieldChange, Plan, PlannedImage};
use uninlu_objects::{Going, Kind};
use uninlu_text::escape;
use uninlu_text::style::{self, BOLD, DIM, GREEN, RED, YELLOW, paint};

/// Adds a line to a text, which cannot fail.
macro_rules! line {
    ($text:ident $($words:tt)*) => {{
        let _ = writeln!($text $($words)*);
    }};
}

impl Action {
    /// `create`, `update`, …
    pub const fn word(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Update => "update",
            Action::Replace => "replace",
            Action::Delete => "delete",
            Action::Keep => "keep",
        }
    }

    fn mark(self) -> String {
        match self {
            Action::Create => paint(GREEN, "+"),
            Action::Update => paint(YELLOW, "~"),
            Action::Replace => paint(RED, "±"),
            Action::Delete => paint(RED, "-"),
            Action::Keep => paint(DIM, "="),
        }
    }
}

/// How much of an object that is created is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What its reader decides by, in a few lines.
    Brief,
    /// Each field.
    Full,
}

/// The plan as text: one paragraph per changed object, the rest counted, and what the pods will meet.
pub fn text(plan: &Plan, outlook: Option<&Outlook>, detail: Detail) -> String {
    let mut text = String::new();
    let (target, image) = (&plan.goal.target, &plan.goal.image);
    line!(text, "{}{}", paint(BOLD, &target.stack), target.words());
    match &image.to_be_built {
        Some(reason) => line!(
            text,
            "image {} is to be built ({reason}); its digest is pinned at apply",
            image.reference
        ),
        None => line!(text, "image {}", image.reference),
    }
    line!(text);
    for change in plan
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep || !change.stamps.is_empty())
    {
        paragraph(&mut text, change);
        if change.action == Action::Create
            && let Some(object) = plan.goal.objects.get(&change.id)
        {
            created(&mut text, change.id.kind, object, detail);
        }
    }
    for (words, objects) in approximations(plan) {
        let words = format_args!("{words} ({objects} objects)");
        line!(text, "{}", paint(DIM, words));
    }
    if let Some(going) = &plan.parent.going {
        let words = format_args!("{} {}", plan.parent.id, going.words());
        line!(text, "{} {words}", paint(RED, "!"));
    }
    if let Some(outlook) = outlook {
        outlook_lines(&mut text, outlook);
    }
    line!(text, "{}", legend(plan));
    text
}

fn outlook_lines(text: &mut String, outlook: &Outlook) {
    line!(text, "pods: {}", outlook.words());
    for obstacle in &outlook.obstacles {
        line!(text, "    {} {}", paint(RED, "!"), obstacle.words);
    }
    for unknown in &outlook.unknown {
        let words = format_args!("not checked: {unknown}");
        line!(text, "    {}", paint(DIM, words));
    }
}

fn created(text: &mut String, kind: Kind, object: &Value, detail: Detail) {
    match detail {
        Detail::Brief => {
            for (label, words) in uninlu_objects::summary(kind, object) {
                let label = format!("{label}:");
                line!(text, "    {label:<12} {words}");
            }
        }
        Detail::Full => {
            for field in fields_of(object) {
                field_lines(text, &field);
            }
        }
    }
}

/// Why parts of the plan are approximate, each reason once, with the number of objects.
fn approximations(plan: &Plan) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for reason in plan
        .changes
        .iter()
        .filter_map(|change| change.approximate.as_ref())
    {
        *reasons.entry(reason.words()).or_default() += 1;
    }
    reasons
}

/// `2 to create, 1 to update, 3 to keep`, or that there is nothing to do.
pub fn summary(plan: &Plan) -> String {
    counted(plan, |action, count| {
        format!("{count} to {}", action.word())
    })
}

/// The same with the mark that each paragraph begins with.
fn legend(plan: &Plan) -> String {
    counted(plan, |action, count| {
        format!("{} {count} to {}", action.mark(), action.word())
    })
}

fn counted(plan: &Plan, words: impl Fn(Action, usize) -> String) -> String {
    if plan.is_empty() {
        return format!(
            "no differences: {} objects are as the stack wants them",
            plan.changes.len()
        );
    }
    let actions = [
        Action::Create,
        Action::Update,
        Action::Replace,
        Action::Delete,
        Action::Keep,
    ];
    let counts = actions.into_iter().map(|action| {
        let of_it = plan.changes.iter().filter(|it| it.action == action);
        (action, of_it.count())
    });
    counts
        .filter(|(_, count)| *count > 0)
        .map(|(action, count)| words(action, count))
        .collect::<Vec<_>>()
        .join(", ")
}

fn paragraph(text: &mut String, change: &Change) {
    let restart = match (change.restarts_pods(), change.action) {
        (true, Action::Replace) => paint(
            RED,
            "  all pods stop before new ones start: the service is down until then",
        ),
        (true, _) => paint(YELLOW, "  rolling update of the pods"),
        (false, _) => String::new(),
    };
    line!(text, "{} {}{restart}", change.action.mark(), change.id);
    for field in &change.fields {
        field_lines(text, field);
    }
    for conflict in &change.conflicts {
        line!(
            text,
            "    {} {} belongs to {}; apply takes it only with --take '{}'",
            paint(RED, "!"),
            conflict.field,
            conflict.manager,
            take_notation(change, &conflict.field)
        );
    }
    let stamps = stamp_words(change);
    for note in change.notes.iter().chain(&stamps) {
        line!(text, "    {}", paint(DIM, note));
    }
}

fn stamp_words(change: &Change) -> Option<String> {
    let paths = change.stamps.join(", ");
    (!paths.is_empty()).then(|| {
        format!("not from this stack: admission (a mutating webhook) sets {paths} to a new value at each request")
    })
}

/// What the API server warned of, for people; nothing when it did not.
pub fn warnings(warnings: &[String]) -> String {
    let mut text = String::new();
    for warning in warnings {
        let mark = paint(YELLOW, "warning:");
        line!(text, "{mark} the API server says: {warning}");
    }
    text
}

/// The same as Markdown: fenced, since the words are a policy's.
pub fn warnings_in_markdown(warnings: &[String]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let lines = escape::log(&warnings.join("\n"));
    let fence = escape::fence(&lines, 3);
    format!("\nThe API server warns:\n\n{fence}text\n{lines}\n{fence}\n")
}

/// `Deployment/siamese-uninlu:.spec.replicas`
pub fn take_notation(change: &Change, field: &str) -> String {
    format!("{}/{}:{field}", change.id.kind.name(), change.id.name)
}

/// Field changes as text, one or more lines each.
pub fn fields(fields: &[FieldChange]) -> String {
    let mut text = String::new();
    for field in fields {
        field_lines(&mut text, field);
    }
    text
}

/// What was found in place of what was wanted, and who did it.
pub fn drift(change: &Change) -> String {
    let mut text = String::new();
    let words = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), Value::to_string)
    };
    for field in &change.fields {
        let by = field.owner.as_ref().map_or_else(
            || "a manager that the API server does not name".to_owned(),
            |owner| format!("{} ({} at {})", owner.manager, owner.operation, owner.time),
        );
        line!(
            text,
            "    {}: wanted {}, found {}; by {by}",
            field.path,
            words(&field.to),
            paint(RED, words(&field.from))
        );
    }
    text
}

fn field_lines(text: &mut String, field: &FieldChange) {
    let owner = field.owner.as_ref().map(|owner| {
        format!(
            "set by {}, {} at {}",
            owner.manager, owner.operation, owner.time
        )
    });
    let because = field.because.clone();
    let words: Vec<String> = owner.into_iter().chain(because).collect();
    let aside = match words.as_slice() {
        [] => String::new(),
        words => paint(DIM, format_args!("  ({})", words.join("; "))),
    };
    match (&field.from, &field.to) {
        (Some(Value::String(from)), Some(Value::String(to)))
            if from.contains('\n') || to.contains('\n') =>
        {
            line!(text, "    {}{aside}", field.path);
            line_diff(text, from, to);
        }
        (Some(from), Some(to)) => line!(text, "    {}: {from} → {to}{aside}", field.path),
        (None, Some(to)) => line!(text, "    {}: {}{aside}", field.path, paint(GREEN, to)),
        (Some(from), None) => line!(
            text,
            "    {}: {from} → {}{aside}",
            field.path,
            paint(RED, "removed")
        ),
        (None, None) => (),
    }
}

fn line_diff(text: &mut String, from: &str, to: &str) {
    for change in TextDiff::from_lines(from, to).iter_all_changes() {
        let content = change.to_string();
        let content = content.trim_end_matches('\n');
        match change.tag() {
            ChangeTag::Delete => line!(text, "        {}", paint(RED, format_args!("- {content}"))),
            ChangeTag::Insert => line!(
                text,
                "        {}",
                paint(GREEN, format_args!("+ {content}"))
            ),
            ChangeTag::Equal => line!(text, "          {content}"),
        }
    }
}

/// The plan as Markdown: a table of what happens, and the whole plan folded below it.
pub fn markdown(plan: &Plan, outlook: Option<&Outlook>) -> String {
    let target = &plan.goal.target;
    let mut text = format!(
        "### uninlu: {} in namespace {} of context {}\n\n{}\n",
        escape::code(&target.stack),
        escape::code(&target.namespace),
        escape::code(&target.context),
        summary(plan)
    );
    for obstacle in outlook.iter().flat_map(|outlook| &outlook.obstacles) {
        line!(text, "\n**!** {}", obstacle.words);
    }
    if plan.is_empty() {
        for change in &plan.changes {
            if let Some(words) = stamp_words(change) {
                line!(text, "\n{}: {words}", change.id);
            }
        }
        return text;
    }
    line!(text, "\n| action | object | fields | pods |");
    line!(text, "|---|---|---|---|");
    for change in plan
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep)
    {
        let pods = match (change.restarts_pods(), change.action) {
            (true, Action::Replace) => "**all down at once**",
            (true, _) => "rolling update",
            (false, _) => "",
        };
        line!(
            text,
            "| {} | {} | {} | {pods} |",
            change.action.word(),
            escape::cell(&change.id.to_string()),
            change.fields.len()
        );
    }
    let plain = escape::log(&style::plain(&self::text(plan, outlook, Detail::Brief)));
    // A setting's text may hold a fence of its own.
    let fence = escape::fence(&plain, 3);
    line!(
        text,
        "\n<details><summary>The whole plan</summary>\n\n{fence}text\n{plain}{fence}\n\n</details>"
    );
    text
}

/// The plan as data: fields, not bodies.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Planned {
    /// The image of the pods.
    image: PlannedImage,
    /// Digest of the plan.
    digest: String,
    /// The digests that it is made over.
    digests: Digests,
    /// Whether an apply writes something.
    has_changes: bool,
    /// What the pods will meet; null when the plan leaves them as they are.
    pods: Option<Outlook>,
    /// Whether the rollout will get stuck: then an apply needs `--even-if-stuck`.
    gets_stuck: bool,
    /// One for each object.
    changes: Vec<PlannedChange>,
    /// What the API server warned of.
    warnings: Vec<String>,
}

/// What happens to an object.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct PlannedChange {
    kind: &'static str,
    namespace: Option<String>,
    name: String,
    action: Action,
    /// Whether pods are replaced by it.
    restarts_pods: bool,
    /// The fields that change; of an object that is created, all of them.
    fields: Vec<FieldChange>,
    conflicts: Vec<PlannedConflict>,
    /// Why this is not the API server's own prediction.
    approximate: Option<String>,
    /// Fields that admission sets to a new value at each request.
    stamps: Vec<String>,
    notes: Vec<String>,
    /// What keeps an object that is being deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    being_deleted: Option<String>,
}

/// A field that another manager owns.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct PlannedConflict {
    field: String,
    manager: String,
    /// What takes it: `--take` with this value.
    take: String,
}

/// The plan for programs.
pub fn json(plan: &Plan, outlook: Option<&Outlook>, warnings: &[String]) -> Planned {
    Planned {
        image: plan.goal.image.clone(),
        digest: super::file::digest(plan),
        digests: super::file::chain(plan),
        has_changes: !plan.is_empty(),
        pods: outlook.cloned(),
        gets_stuck: outlook.is_some_and(|outlook| outlook.blocks().next().is_some()),
        changes: plan
            .changes
            .iter()
            .map(|change| change_json(change, plan.goal.objects.get(&change.id)))
            .collect(),
        warnings: warnings.to_vec(),
    }
}

fn change_json(change: &Change, object: Option<&Value>) -> PlannedChange {
    let fields = match (change.action, object) {
        (Action::Create, Some(object)) => fields_of(object),
        _ => change.fields.clone(),
    };
    let conflicts = change.conflicts.iter().map(|conflict| PlannedConflict {
        field: conflict.field.clone(),
        manager: conflict.manager.clone(),
        take: take_notation(change, &conflict.field),
    });
    PlannedChange {
        kind: change.id.kind.name(),
        namespace: change.id.namespace.clone(),
        name: change.id.name.clone(),
        action: change.action,
        restarts_pods: change.restarts_pods(),
        fields,
        conflicts: conflicts.collect(),
        approximate: change.approximate.as_ref().map(Approximate::words),
        stamps: change.stamps.clone(),
        notes: change.notes.clone(),
        being_deleted: change.going.as_ref().map(Going::words),
    }
}
