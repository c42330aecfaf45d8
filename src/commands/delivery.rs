//! From a plan that was shown to pods that run: what `apply`, `apply FILE` and `rollback` share.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use miette::{Diagnostic, Result};

use super::consent::{NoConsent, Question};
use super::interrupted::{Going, Stage};
use super::late;
use super::planning::{Delivery, plan_goal, refuse_release, releases};
use crate::cluster::{self, Connection, Lock, Releases};
use crate::kinds::{self, AutoscalerMetric, Kind};
use crate::plan::outlook::Block;
use crate::plan::release::{Outcome, Record, Release, newest_ready, outlived};
use crate::plan::render::Detail;
use crate::plan::{Action, Goal, Plan, file, moved, render};
use crate::stack::OnFailure;
use crate::ui::{Ui, Unwritable, capitalised};
use crate::who;

/// What is asked of the one who applies, and how it is done.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct DeliveryArgs {
    /// Does not ask; needed without a terminal
    #[arg(long, short)]
    pub(super) yes: bool,
    /// With --yes: also when more than two objects go, or a Deployment or Service is replaced
    #[arg(long, requires = "yes")]
    yes_delete: bool,
    /// Applies also where the plan says that the rollout will get stuck
    #[arg(long)]
    even_if_stuck: bool,
    /// Takes a field that another manager owns, as the plan names it (`Deployment/NAME:.spec.…`); can be repeated
    #[arg(long, value_name = "OBJECT:FIELD")]
    take: Vec<String>,
    /// Does not wait for the rollout
    #[arg(long)]
    no_wait: bool,
    /// Waits so many seconds for another apply of the same stack to end
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    lock_timeout: u64,
    /// Prints the applied plan as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Why it stops before it writes.
#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("other managers own fields that this stack sets: {0}")]
    #[diagnostic(help(
        "nothing was changed. Take them with --take or `[apply] take` (the plan shows how to write it), or leave them to their owner"
    ))]
    Conflicts(String),
    #[error("the cluster changed since the plan was shown: {0}")]
    #[diagnostic(help("nothing was changed. Make a new plan and apply again"))]
    Moved(String),
    #[error("--take {0}: the plan has no such conflict")]
    #[diagnostic(help("nothing was changed. The plan shows each conflict with its --take"))]
    UnknownTake(String),
    #[error("the plan takes away more than --yes alone agrees to: {0}")]
    #[diagnostic(help(
        "nothing was changed. Look at the plan above; if it is meant, run again with --yes --yes-delete"
    ))]
    Deletions(String),
    #[error("the rollout will get stuck: {reason}")]
    #[diagnostic(help("nothing was changed. {fix}. To apply all the same: --even-if-stuck"))]
    Stuck { reason: String, fix: String },
}

/// How many objects may go without `--yes-delete`: what turning one feature off takes away.
const DELETIONS: usize = 2;

/// Shows a plan, asks, and carries it out; nothing is written when there is nothing to do.
///
/// `build` makes the image, where it is still to be built, and returns its reference, pinned by its digest.
///
/// # Errors
/// Whatever keeps the plan from being carried out; what was written before stays, and applying again completes it.
pub(super) async fn deliver(
    command: &str,
    delivery: Delivery,
    args: &DeliveryArgs,
    build: impl AsyncFnOnce() -> Result<Option<String>>,
    ui: Ui,
) -> Result<()> {
    show(command, args, &delivery, ui)?;
    check(&delivery, args, ui)?;
    if delivery.has_work() {
        agree(&QUESTION, delivery.doubts(), args, ui)?;
    }
    carry(delivery, args, build, ui).await
}

/// Asks, unless `--yes` is given, and asks again where a rollout will get stuck, unless `--even-if-stuck` is given. Where a
/// node may come, `--yes` is enough.
///
/// # Errors
/// Where there is no consent.
pub(super) fn agree<'a>(
    question: &Question<'_>,
    mut doubts: impl Iterator<Item = &'a Block>,
    args: &DeliveryArgs,
    ui: Ui,
) -> Result<(), NoConsent> {
    if !args.yes {
        question.ask(ui)?;
    }
    match doubts.next() {
        Some(doubt) if args.even_if_stuck => ui.warn(format_args!(
            "the rollout will get stuck, applying all the same: {}",
            doubt.reason
        )),
        Some(doubt) if args.yes && doubt.waits.is_some() => ui.warn(format_args!(
            "the rollout will get stuck unless a node comes: {}",
            doubt.reason
        )),
        Some(_) => ALL_THE_SAME.ask(ui)?,
        None => (),
    }
    Ok(())
}

const ALL_THE_SAME: Question<'_> = Question {
    words: "The rollout will get stuck (`!` above). Apply all the same? Only `stuck` does:",
    consent: "stuck",
    shown: "plan",
    undone: "changed",
};

/// Whether this plan may be carried out at all, if whoever is asked agrees.
///
/// # Errors
/// A user who may not write, fields of others that nobody asked for, more deletions than `--yes` alone agrees to, a
/// rollout that gets stuck where nobody can be asked.
pub(super) fn check(delivery: &Delivery, args: &DeliveryArgs, ui: Ui) -> Result<()> {
    refuse_forbidden(&delivery.connection, &delivery.plan)?;
    if !delivery.has_work() {
        return Ok(());
    }
    refuse_conflicts(&delivery.plan, &args.take, &delivery.take)?;
    if args.yes && !args.yes_delete {
        refuse_deletions(&delivery.plan)?;
    }
    let is_asked = !args.yes && ui.can_ask();
    if !is_asked && !args.even_if_stuck {
        refuse_stuck(delivery.blocks())?;
    }
    Ok(())
}

/// Nobody is there to agree to a rollout that gets stuck.
fn refuse_stuck<'a>(blocks: impl Iterator<Item = &'a Block>) -> Result<(), Stop> {
    let (mut reasons, mut fixes): (Vec<&str>, Vec<String>) = Default::default();
    for block in blocks {
        reasons.push(&block.reason);
        let fix = capitalised(&block.fix);
        if !fixes.contains(&fix) {
            fixes.push(fix);
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Stop::Stuck {
        reason: reasons.join("; "),
        fix: fixes.join(". "),
    })
}

/// Carries out a plan that was checked and agreed to.
///
/// # Errors
/// As [`deliver`].
pub(super) async fn carry(
    delivery: Delivery,
    args: &DeliveryArgs,
    build: impl AsyncFnOnce() -> Result<Option<String>>,
    ui: Ui,
) -> Result<()> {
    let has_work = delivery.has_work();
    let Delivery {
        connection,
        plan: shown,
        back_to,
        given,
        ..
    } = delivery;
    if !has_work {
        if args.no_wait {
            return Ok(());
        }
        let _going = Going::new(Stage::WaitingForEarlier, given);
        return wait_for_earlier(&connection, &shown.goal, ui).await;
    }
    let going = Going::new(Stage::Building, given);
    let mut goal = shown.goal.clone();
    if goal.image.to_be_built.is_some()
        && let Some(reference) = build().await?
    {
        goal = goal.with_image(reference);
    }
    going.now(Stage::Locking {
        has_namespace: shown.namespace_creation().is_some(),
    });
    cluster::make_namespace(&connection, &shown, ui).await?;
    let lock = take_lock(&connection, args, ui).await?;
    let way = Way {
        back_to,
        waits: !args.no_wait,
        going: &going,
    };
    let result = under_lock(lock.connection(), &shown, goal, way, ui).await;
    lock.release().await;
    for warning in connection.warnings() {
        ui.warn(format_args!("the API server says: {warning}"));
    }
    result
}

fn show(command: &str, args: &DeliveryArgs, delivery: &Delivery, ui: Ui) -> Result<(), Unwritable> {
    if args.json {
        ui.json(&delivery.document(command))
    } else {
        ui.data(delivery.text(Detail::Brief))
    }
}

/// A user who may only look can plan, and no more.
fn refuse_forbidden(connection: &Connection, plan: &Plan) -> Result<(), cluster::Error> {
    match plan.forbidden() {
        Some((id, message)) => Err(cluster::Error::Forbidden {
            context: connection.target.context.clone(),
            verb: "apply",
            object: id.to_string(),
            message: message.to_owned(),
        }),
        None => Ok(()),
    }
}

/// Each field that somebody else owns must have been asked for by name.
fn refuse_conflicts(plan: &Plan, asked: &[String], allowed: &[String]) -> Result<(), Stop> {
    let notations: BTreeSet<String> = plan
        .changes
        .iter()
        .flat_map(|change| {
            change
                .conflicts
                .iter()
                .map(|conflict| render::take_notation(change, &conflict.field))
        })
        .collect();
    if let Some(unknown) = asked.iter().find(|field| !notations.contains(*field)) {
        return Err(Stop::UnknownTake(unknown.clone()));
    }
    let left: Vec<&str> = notations
        .iter()
        .map(String::as_str)
        .filter(|field| !asked.iter().chain(allowed).any(|taken| taken == field))
        .collect();
    if left.is_empty() {
        Ok(())
    } else {
        Err(Stop::Conflicts(left.join(", ")))
    }
}

const QUESTION: Question<'_> = Question {
    words: "Apply this plan? Only `yes` does:",
    consent: "yes",
    shown: "plan",
    undone: "changed",
};

/// Nobody looks at the plan of an unattended apply.
fn refuse_deletions(plan: &Plan) -> Result<(), Stop> {
    let is_gone = |action: Action| matches!(action, Action::Delete | Action::Replace);
    let goes: Vec<_> = plan
        .changes
        .iter()
        .filter(|change| is_gone(change.action))
        .collect();
    let interrupts = goes.iter().any(|change| {
        change.action == Action::Replace
            && matches!(change.id.kind, Kind::Deployment | Kind::Service)
    });
    if goes.len() <= DELETIONS && !interrupts {
        return Ok(());
    }
    let names: Vec<String> = goes
        .iter()
        .map(|change| format!("{} {}", change.action.word(), change.id))
        .collect();
    Err(Stop::Deletions(names.join(", ")))
}

/// What is carried out is what was shown.
///
/// # Errors
/// In what the plan of now differs.
pub(super) fn refuse_moved(shown: &Plan, now: &Plan) -> Result<()> {
    let moved = moved(shown, now);
    if moved.is_empty() {
        Ok(())
    } else {
        Err(Stop::Moved(moved.join("; ")).into())
    }
}

/// How a plan is carried out.
#[derive(Clone, Copy)]
struct Way<'a> {
    back_to: Option<i64>,
    waits: bool,
    going: &'a Going,
}

async fn take_lock(connection: &Connection, args: &DeliveryArgs, ui: Ui) -> Result<Lock> {
    let step = ui.step(format!("lock of {}", connection.target.stack));
    let patience = Duration::from_secs(args.lock_timeout);
    let lock = cluster::lock(connection, &who::process(), patience, &step).await?;
    step.done("taken");
    Ok(lock)
}

/// What is sent is what was shown, or nothing is. The connection is the lock's.
async fn under_lock(
    connection: &Connection,
    shown: &Plan,
    goal: Goal,
    way: Way<'_>,
    ui: Ui,
) -> Result<()> {
    let (plan, _) = plan_goal(connection, goal).await?;
    refuse_moved(shown, &plan)?;
    if plan.is_empty() {
        way.going.now(Stage::WaitingForEarlier);
        return wait_for_earlier(connection, &plan.goal, ui).await;
    }
    let mut earlier = cluster::releases(connection).await?;
    late::record(connection, &mut earlier, ui).await;
    let release = carry_out(connection, &plan, &earlier, way, ui).await;
    match release {
        Err(failure) if failure.is_rollout && plan.goal.wait.on_failure == OnFailure::Rollback => {
            let undone = undo(connection, &plan.goal, failure.number, way, ui).await;
            Err(after_undo(failure, undone))
        }
        Err(failure) => Err(failure.report),
        Ok(()) => Ok(()),
    }
}

/// A release that began and did not come about.
struct Failure {
    number: i64,
    is_rollout: bool,
    report: miette::Report,
}

/// Records the release, writes the plan, waits, and records how it ended.
async fn carry_out(
    connection: &Connection,
    plan: &Plan,
    earlier: &Releases,
    way: Way<'_>,
    ui: Ui,
) -> Result<(), Failure> {
    let record = Record {
        goal: plan.goal.clone().without_place(),
        plan: file::digest(plan),
        summary: render::summary(plan),
        by: who::user_at_host(),
        user: cluster::whoami(connection).await,
        at: Timestamp::now(),
        back_to: way.back_to,
    };
    let began = cluster::begin(connection, earlier, record).await;
    let release = began.map_err(|error| Failure {
        number: 0,
        is_rollout: false,
        report: error.into(),
    })?;
    way.going.now(Stage::Writing(release.number));
    let started = Instant::now();
    let step = ui.step(format!("applying release {}", release.number));
    let result = match cluster::apply(connection, plan, ui).await {
        Ok(()) => {
            step.done(render::summary(plan));
            if way.waits {
                way.going
                    .now(Stage::Waiting(release.number, plan.goal.wait.on_failure));
                wait(connection, &plan.goal, ui).await
            } else {
                Ok(())
            }
        }
        Err(error) => {
            step.failed("stopped");
            Err(error)
        }
    };
    let seconds = started.elapsed().as_secs();
    let outcome = match &result {
        Ok(()) if way.waits => Outcome::Ready { seconds },
        // Nothing was seen that says otherwise.
        Ok(()) | Err(cluster::Error::Unwatched { .. }) => Outcome::Written { seconds },
        Err(error) => Outcome::Failed {
            seconds,
            reason: first_line(error),
        },
    };
    record_end(connection, &release, outcome, earlier, ui).await;
    result.map_err(|error| Failure {
        number: release.number,
        is_rollout: matches!(error, cluster::Error::Rollout { .. }),
        report: error.into(),
    })
}

fn first_line(error: &cluster::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The pods run or do not, whatever becomes of the record: a record that cannot be written is a warning.
async fn record_end(
    connection: &Connection,
    release: &Release,
    outcome: Outcome,
    earlier: &[Release],
    ui: Ui,
) {
    let mut all = earlier.to_vec();
    all.push(Release {
        outcome: outcome.clone(),
        ..release.clone()
    });
    let ended = async {
        cluster::end(connection, release.number, &outcome).await?;
        cluster::forget(connection, &outlived(&all)).await
    };
    if let Err(error) = ended.await {
        ui.warn(format_args!(
            "the end of release {} could not be recorded: {error}",
            release.number
        ));
    }
}

/// Goes back to the release that ran before, without asking: the stack file said so.
async fn undo(
    connection: &Connection,
    stack: &Goal,
    failed: i64,
    way: Way<'_>,
    ui: Ui,
) -> Result<Option<i64>> {
    let releases = releases(connection, ui).await?;
    let Some(earlier) = newest_ready(&releases, failed) else {
        return Ok(None);
    };
    refuse_release(earlier, stack)?;
    ui.say(format_args!(
        "the rollout failed: going back to release {}, as `[rollout] on-failure` says",
        earlier.number
    ));
    let goal = earlier.record.goal.clone().at(&connection.target);
    let (plan, _) = plan_goal(connection, goal).await?;
    refuse_conflicts(&plan, &[], &[])?;
    let number = Some(earlier.number);
    let way = Way {
        back_to: number,
        waits: true,
        ..way
    };
    carry_out(connection, &plan, &releases, way, ui)
        .await
        .map_err(|failure| failure.report)?;
    Ok(number)
}

fn after_undo(failure: Failure, undone: Result<Option<i64>>) -> miette::Report {
    match undone {
        Ok(Some(number)) => failure
            .report
            .wrap_err(format!("rolled back to release {number}, which runs again")),
        Ok(None) => failure
            .report
            .wrap_err("not rolled back: no earlier release of this stack ever ran"),
        Err(error) => failure
            .report
            .wrap_err(format!("the rollback failed too: {error}")),
    }
}

/// Nothing is to be written: what an earlier apply began is waited for.
async fn wait_for_earlier(connection: &Connection, goal: &Goal, ui: Ui) -> Result<()> {
    wait(connection, goal, ui).await?;
    late::see(connection, ui).await;
    Ok(())
}

async fn wait(connection: &Connection, goal: &Goal, ui: Ui) -> Result<(), cluster::Error> {
    let step = ui.step(format!(
        "rollout of {} {}",
        Kind::Deployment.name(),
        goal.target.stack
    ));
    let result = cluster::watch_rollout(connection, goal.wait, &step).await;
    match &result {
        Ok(()) => step.done("ready"),
        Err(cluster::Error::Unwatched { .. }) => step.failed("not seen"),
        Err(_) => step.failed("failed"),
    }
    result?;
    if let Some(autoscaler) = kinds::of_kind(&goal.objects, Kind::HorizontalPodAutoscaler) {
        tell_autoscaler(connection, &AutoscalerMetric::of(autoscaler), ui).await;
    }
    Ok(())
}

/// The pods run; an autoscaler without its metric only fails when load comes, so it is told now.
async fn tell_autoscaler(connection: &Connection, metrics: &[AutoscalerMetric], ui: Ui) {
    let step = ui.step("the autoscaler's first look at its metrics");
    match cluster::autoscaler_trouble(connection, metrics).await {
        Ok(None) => step.done("done"),
        Ok(Some(reason)) => {
            step.failed("it does not scale");
            ui.warn(format_args!(
                "the autoscaler does not scale as it should: {reason}; `cpu` needs metrics-server, `requests-per-second` the Prometheus Adapter with the rule of `uninlu render adapter`"
            ));
        }
        Err(error) => {
            step.failed("not seen");
            ui.warn(format_args!(
                "whether the autoscaler scales could not be checked: {error}; `uninlu status` shows it"
            ));
        }
    }
}
