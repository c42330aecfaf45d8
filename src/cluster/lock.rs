//! One apply at a time for each stack: a Lease that renews itself, and that nobody has to clean up.
//!
//! Whether a holder lives is judged by whether its renewals are *seen* to come, never by comparing its clock with
//! ours: clocks of two machines differ. A holder that was killed blocks the next one for [`DURATION`] at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::error::explain;
use super::observe::retried;
use super::{Connection, Error};
use crate::kinds::{INSTANCE, MANAGED_BY, MANAGER};
use crate::ui::Step;

/// How long a Lease stands without a renewal.
pub(super) const DURATION: Duration = Duration::from_secs(10);
/// Three renewals may fail before the Lease is lost.
const RENEWAL: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(500);

/// Held until it is released or lost. Dropped without a release, it expires.
pub struct Lock {
    connection: Connection,
    state: Arc<State>,
    renewals: tokio::task::JoinHandle<()>,
}

struct State {
    lease: tokio::sync::Mutex<Lease>,
    is_lost: AtomicBool,
    lost: Notify,
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
        let Some(lease) = create_or_get(connection, holder).await? else {
            tokio::time::sleep(POLL).await;
            continue;
        };
        let lease = match lease {
            Answer::Created(lease) => return Ok(Lock::hold(connection, lease)),
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
            if let Some(lease) = take_over(connection, holder, &lease).await? {
                return Ok(Lock::hold(connection, lease));
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
    let (api, name) = (leases(connection), name(connection));
    let lease = retried(|| api.get_metadata_opt(&name)).await;
    let lease = lease.map_err(|error| explain(error, connection, "get", words(connection)))?;
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
            let lease = api.get_opt(&name(connection)).await;
            let lease = lease.map_err(|error| explain(error, connection, "get", words(connection)));
            Ok(lease?.map(Answer::Held))
        }
        Err(error) => Err(explain(error, connection, "create", words(connection))),
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
        Err(error) => Err(explain(error, connection, "update", words(connection))),
    }
}

async fn replace(connection: &Connection, lease: &Lease) -> Result<Lease, kube::Error> {
    let parameters = PostParams {
        field_manager: Some(MANAGER.into()),
        ..Default::default()
    };
    leases(connection)
        .replace(&name(connection), &parameters, lease)
        .await
}

impl Lock {
    fn hold(connection: &Connection, lease: Lease) -> Self {
        let state = Arc::new(State {
            lease: tokio::sync::Mutex::new(lease),
            is_lost: AtomicBool::new(false),
            lost: Notify::new(),
        });
        Self {
            connection: connection.clone(),
            renewals: tokio::spawn(renew(connection.clone(), Arc::clone(&state))),
            state,
        }
    }

    /// Ends when the lock is lost: whoever writes under it must then stop.
    pub async fn lost(&self) -> Error {
        let lost = self.state.lost.notified();
        if !self.state.is_lost.load(Ordering::Acquire) {
            lost.await;
        }
        Error::LockLost {
            lock: words(&self.connection),
        }
    }

    /// Gives the lock back: the Lease is deleted, if it still is this one. What fails here mends itself by expiring.
    pub async fn release(self) {
        // In this order: aborted in the middle, a renewal would have moved the version that the deletion asks for.
        let lease = self.state.lease.lock().await;
        self.renewals.abort();
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: lease.metadata.uid.clone(),
                resource_version: lease.metadata.resource_version.clone(),
            }),
            ..Default::default()
        };
        let _ = leases(&self.connection)
            .delete(&name(&self.connection), &parameters)
            .await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.renewals.abort();
    }
}

/// Renews until the Lease belongs to somebody else, or for so long that it may.
async fn renew(connection: Connection, state: Arc<State>) {
    let mut ticks = tokio::time::interval(RENEWAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut renewed = Instant::now();
    loop {
        ticks.tick().await;
        // Held over the request, so that a release never meets a Lease that is just being renewed.
        let mut lease = state.lease.lock().await;
        let mut next = lease.clone();
        if let Some(spec) = &mut next.spec {
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let sent = Instant::now();
        let answer = tokio::time::timeout(RENEWAL, replace(&connection, &next)).await;
        let is_taken = match answer {
            Ok(Ok(written)) => {
                (*lease, renewed) = (written, sent);
                false
            }
            // A renewal of ours whose answer was lost also moved the version; only another holder has taken it.
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
                !recover(&connection, &mut lease).await
            }
            _ => false,
        };
        if is_taken || renewed.elapsed() >= DURATION {
            state.is_lost.store(true, Ordering::Release);
            state.lost.notify_waiters();
            return;
        }
    }
}

/// Whether the live Lease still names us; if so, its version is taken.
async fn recover(connection: &Connection, lease: &mut Lease) -> bool {
    match leases(connection).get_opt(&name(connection)).await {
        Ok(Some(live)) if is_own(&live, lease) => {
            *lease = live;
            true
        }
        Ok(_) => false,
        // Not known now: the time since the last renewal decides.
        Err(_) => true,
    }
}

fn leases(connection: &Connection) -> Api<Lease> {
    Api::namespaced(connection.client.clone(), &connection.target.namespace)
}

fn name(connection: &Connection) -> String {
    format!("{}-uninlu", connection.target.stack)
}

fn words(connection: &Connection) -> String {
    let target = &connection.target;
    format!("Lease {}/{}", target.namespace, name(connection))
}

fn new_lease(connection: &Connection, holder: &str) -> Lease {
    let now = MicroTime(Timestamp::now());
    Lease {
        metadata: ObjectMeta {
            name: Some(name(connection)),
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
        .unwrap_or("somebody who left no name")
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
        lock: words(connection),
        holder: holder_of(lease).to_owned(),
        since: since_of(lease),
    }
}
