//! One apply at a time for each stack: a Lease that renews itself, and that expires by itself.
//!
//! Whether a holder lives is judged by whether its renewals are *seen* to come, never by comparing its clock with
//! ours: clocks of two machines differ. A holder that was killed blocks the next one for [`DURATION`] at most.
//!
//! ```text
//! renewal sent ─▶ answered                              the holder may write for TERM from the sending
//!      └▶ seen by the next one ── DURATION ──▶ taken    later than the sending, so later than TERM + MARGIN
//! ```
//! A write that is cut off at the end of the term may still be under way in a proxy: the margin is for that. It is
//! client-go's leader election (RenewDeadline 10 s of LeaseDuration 15 s, RetryPeriod 2 s), which does not fence either.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::explain::explain;
use super::guard::{Astray, Guard, Moment, Term, guarded};
use super::retry::retried;
use super::{Connection, Error, lease};
use crate::kinds::{INSTANCE, MANAGED_BY, MANAGER};
use crate::ui::Step;

/// How long a Lease stands without being seen to change.
pub(crate) const DURATION: Duration = Duration::from_secs(15);
/// How long a holder may write after it sent the last renewal that was answered.
const TERM: Duration = Duration::from_secs(10);
/// How long a write that nobody waits for any more may take to arrive.
const MARGIN: Duration = DURATION.saturating_sub(TERM);
/// Three renewals may fail before the term ends.
const RENEWAL: Duration = Duration::from_secs(2);
/// How long one renewal may take; the next one goes over another connection.
const ATTEMPT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(500);

/// Held until it is released or taken by another. Dropped without a release, it expires.
pub struct Lock {
    connection: Connection,
    unguarded: Connection,
    state: Arc<State>,
    astray: Astray,
    renewals: tokio::task::JoinHandle<()>,
}

struct State {
    lease: tokio::sync::Mutex<Lease>,
    term: watch::Sender<Term>,
}

/// Takes the stack's lock, in its namespace, which must exist. A Lease that is not renewed any more is taken over.
///
/// # Errors
/// [`Error::Locked`] as soon as another apply is seen to live, or when it still does after `patience`.
pub async fn lock(
    connection: &Connection,
    holder: &str,
    patience: Duration,
    step: &Step,
) -> Result<Lock, Error> {
    let started = Instant::now();
    let mut seen: Option<(Lease, Instant)> = None;
    let mut has_renewed = false;
    loop {
        let sent = Moment::now();
        let Some(lease) = create_or_get(connection, holder).await? else {
            tokio::time::sleep(POLL).await;
            continue;
        };
        let lease = match lease {
            Answer::Created(lease) => match Lock::hold(connection, lease, sent).await {
                Some(lock) => return Ok(lock),
                None => continue,
            },
            Answer::Held(lease) => lease,
        };
        let since = match &seen {
            Some((known, since)) if is_same(known, &lease) => *since,
            known => {
                has_renewed |= known.is_some();
                Instant::now()
            }
        };
        if since.elapsed() > DURATION {
            let sent = Moment::now();
            if let Some(lease) = take_over(connection, holder, &lease).await?
                && let Some(lock) = Lock::hold(connection, lease, sent).await
            {
                return Ok(lock);
            }
            seen = None;
            continue;
        }
        if has_renewed && started.elapsed() >= patience {
            return Err(locked(connection, &lease));
        }
        step.update(format_args!(
            "the lock is held by {} since {}; waiting to see whether it lives",
            holder_of(&lease),
            since_of(&lease)
        ));
        seen = Some((lease, since));
        tokio::time::sleep(POLL).await;
    }
}

/// Whether somebody holds the lock, or left it.
///
/// # Errors
/// See [`Error`].
pub(super) async fn exists(connection: &Connection) -> Result<bool, Error> {
    let (api, name) = (leases(connection), lease::name(connection));
    let lease = retried(|| api.get_metadata_opt(&name)).await;
    let lease =
        lease.map_err(|error| explain(error, connection, "get", lease::words(connection)))?;
    Ok(lease.is_some())
}

enum Answer {
    Created(Lease),
    Held(Lease),
}

/// `None` when the Lease went away between two requests.
async fn create_or_get(connection: &Connection, holder: &str) -> Result<Option<Answer>, Error> {
    let api = leases(connection);
    let parameters = PostParams {
        field_manager: Some(MANAGER.into()),
        ..Default::default()
    };
    match api
        .create(&parameters, &new_lease(connection, holder))
        .await
    {
        Ok(lease) => Ok(Some(Answer::Created(lease))),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let lease = api.get_opt(&lease::name(connection)).await;
            let lease =
                lease.map_err(|error| explain(error, connection, "get", lease::words(connection)));
            Ok(lease?.map(Answer::Held))
        }
        Err(error) => Err(explain(
            error,
            connection,
            "create",
            lease::words(connection),
        )),
    }
}

/// `None` when somebody else was faster.
async fn take_over(
    connection: &Connection,
    holder: &str,
    dead: &Lease,
) -> Result<Option<Lease>, Error> {
    let mut lease = new_lease(connection, holder);
    lease.metadata.resource_version = dead.metadata.resource_version.clone();
    lease.metadata.uid = dead.metadata.uid.clone();
    if let Some(spec) = &mut lease.spec {
        let transitions = dead.spec.as_ref().and_then(|spec| spec.lease_transitions);
        spec.lease_transitions = Some(transitions.unwrap_or(0) + 1);
    }
    match replace(connection, &lease).await {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
        Err(error) => Err(explain(
            error,
            connection,
            "update",
            lease::words(connection),
        )),
    }
}

async fn replace(connection: &Connection, lease: &Lease) -> Result<Lease, kube::Error> {
    let parameters = PostParams {
        field_manager: Some(MANAGER.into()),
        ..Default::default()
    };
    leases(connection)
        .replace(&lease::name(connection), &parameters, lease)
        .await
}

impl Lock {
    /// `None` when the Lease is another's by now: an answer that took long says nothing of the present.
    async fn hold(connection: &Connection, lease: Lease, sent: Moment) -> Option<Self> {
        let (term, is_held) = watch::channel(Term::new(sent, TERM));
        let state = Arc::new(State {
            lease: tokio::sync::Mutex::new(lease),
            term,
        });
        if sent.elapsed() >= RENEWAL && state.renew(connection).await == Renewal::Taken {
            return None;
        }
        let astray = Astray::default();
        let guard = Guard {
            term: is_held,
            astray: astray.clone(),
        };
        Some(Self {
            connection: guarded(connection, guard),
            unguarded: connection.clone(),
            renewals: tokio::spawn(keep(connection.clone(), Arc::clone(&state))),
            state,
            astray,
        })
    }

    /// The connection for everything that is done under the lock: a write on it fails with [`Error::LockLost`] once
    /// another holder may begin.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Gives the lock back: the Lease is deleted, if it still is this one. What fails here mends itself by expiring.
    ///
    /// While a write may still be under way nobody else may begin: the lock is kept for that long, and one that could
    /// not be renewed is left to expire.
    pub async fn release(self) {
        if let Some(since) = self.astray.last() {
            tokio::time::sleep_until(since + MARGIN).await;
        }
        // In this order: aborted in the middle, a renewal would have moved the version that the deletion asks for.
        let mut lease = self.state.lease.lock().await;
        self.renewals.abort();
        if self.state.term.borrow().is_over() {
            return;
        }
        let _ = tokio::time::timeout(ATTEMPT, give_back(&self.unguarded, &mut lease)).await;
    }
}

/// A renewal whose answer never came has moved the version.
async fn give_back(connection: &Connection, lease: &mut Lease) {
    let is_moved =
        |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.code == 409);
    if delete(connection, lease)
        .await
        .is_err_and(|error| is_moved(&error))
        && recover(connection, lease).await == Renewal::Tried
    {
        let _ = delete(connection, lease).await;
    }
}

async fn delete(connection: &Connection, lease: &Lease) -> Result<(), kube::Error> {
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: lease.metadata.uid.clone(),
            resource_version: lease.metadata.resource_version.clone(),
        }),
        ..Default::default()
    };
    let (api, name) = (leases(connection), lease::name(connection));
    api.delete(&name, &parameters).await.map(drop)
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewals.abort();
    }
}

/// Renews until the Lease is another's. After an outage it goes on: a renewal that the API server takes proves that
/// nobody held the lock meanwhile.
async fn keep(connection: Connection, state: Arc<State>) {
    let mut ticks = tokio::time::interval(RENEWAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if state.renew(&connection).await == Renewal::Taken {
            state.term.send_replace(Term::ended());
            return;
        }
    }
}

/// What is known of a renewal.
#[derive(Debug, PartialEq, Eq)]
enum Renewal {
    /// It was answered, or it was not: the term says until when that does not matter.
    Tried,
    /// The Lease is gone, or another's.
    Taken,
}

impl State {
    async fn renew(&self, connection: &Connection) -> Renewal {
        // Held over the requests, so that a release never meets a Lease that is just being renewed.
        let mut lease = self.lease.lock().await;
        let attempt = tokio::time::timeout(ATTEMPT, self.attempt(connection, &mut lease));
        attempt.await.unwrap_or(Renewal::Tried)
    }

    async fn attempt(&self, connection: &Connection, lease: &mut Lease) -> Renewal {
        let mut next = lease.clone();
        if let Some(spec) = &mut next.spec {
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let sent = Moment::now();
        match replace(connection, &next).await {
            Ok(written) => {
                *lease = written;
                self.term.send_replace(Term::new(sent, TERM));
                Renewal::Tried
            }
            // A renewal of ours whose answer was lost also moved the version; only another holder has taken it.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                recover(connection, lease).await
            }
            Err(_) => Renewal::Tried,
        }
    }
}

/// Whether the live Lease still names us; if so, its version is taken.
async fn recover(connection: &Connection, lease: &mut Lease) -> Renewal {
    match leases(connection).get_opt(&lease::name(connection)).await {
        Ok(Some(live)) if is_own(&live, lease) => {
            *lease = live;
            Renewal::Tried
        }
        Ok(_) => Renewal::Taken,
        Err(_) => Renewal::Tried,
    }
}

fn leases(connection: &Connection) -> Api<Lease> {
    Api::namespaced(connection.client.clone(), &connection.target.namespace)
}

fn new_lease(connection: &Connection, holder: &str) -> Lease {
    let now = MicroTime(Timestamp::now());
    Lease {
        metadata: ObjectMeta {
            name: Some(lease::name(connection)),
            namespace: Some(connection.target.namespace.clone()),
            labels: Some(
                [
                    (MANAGED_BY, MANAGER.to_owned()),
                    (INSTANCE, connection.target.stack.clone()),
                ]
                .map(|(key, value)| (key.to_owned(), value))
                .into(),
            ),
            ..Default::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..Default::default()
        }),
    }
}

fn is_same(one: &Lease, other: &Lease) -> bool {
    one.metadata.uid == other.metadata.uid
        && one.metadata.resource_version == other.metadata.resource_version
}

/// Two processes may have the same name (in containers each is process 1); they do not begin in the same microsecond.
fn is_own(live: &Lease, own: &Lease) -> bool {
    let began = |lease: &Lease| {
        lease
            .spec
            .as_ref()
            .and_then(|spec| spec.acquire_time.clone())
    };
    live.metadata.uid == own.metadata.uid
        && holder_of(live) == holder_of(own)
        && began(live) == began(own)
}

fn holder_of(lease: &Lease) -> &str {
    lease
        .spec
        .as_ref()
        .and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or("an unnamed holder")
}

fn since_of(lease: &Lease) -> String {
    let time = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.acquire_time.as_ref());
    time.map_or_else(
        || "an unknown time".into(),
        |time| time.0.strftime("%FT%TZ").to_string(),
    )
}

fn locked(connection: &Connection, lease: &Lease) -> Error {
    Error::Locked {
        stack: connection.target.stack.clone(),
        lock: lease::words(connection),
        holder: holder_of(lease).to_owned(),
        since: since_of(lease),
    }
}
