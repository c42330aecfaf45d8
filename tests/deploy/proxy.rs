//! A proxy in front of the API server that injects faults: the tool speaks to it, it speaks to the real one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::sandbox::{CONTEXT, Sandbox, within};

/// What happens to a request. The proxy goes on with it even if its sender hangs up meanwhile.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is answered here, and never reaches the API server.
    Answer {
        /// HTTP status.
        code: u16,
        /// Seconds of `Retry-After`, as the API server's Status says them too.
        retry_after: Option<u32>,
    },
    /// The connection is reset before the API server sees it.
    CutBefore,
    /// The API server carries it out, and the answer is lost.
    CutAfter,
    /// The connection is reset at once, and the API server sees it so much later.
    Astray(Duration),
    /// It takes so long.
    Delay(Duration),
    /// It waits for the gate to open.
    Before(Gate),
    /// It never reaches the API server, and no answer comes.
    Swallow,
    /// The API server carries it out, and the answer never comes; [`Proxy::held`] tells.
    Hold,
}

/// Holds requests up until the test lets them go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<(Notify, Notify)>);

impl Gate {
    /// Ends when a request has come to the gate.
    pub(crate) async fn reached(&self) {
        within("a request at the gate", self.0.0.notified()).await;
    }

    /// Lets one request go on, also one that comes later.
    pub(crate) fn open(&self) {
        self.0.1.notify_one();
    }

    async fn pass(&self) {
        self.0.0.notify_one();
        self.0.1.notified().await;
    }
}

/// Which requests a fault meets.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Those that count.
    pub(crate) on: fn(&Parts) -> bool,
    /// How many of them pass first.
    pub(crate) skip: usize,
    /// How many are then met.
    pub(crate) times: usize,
    /// What happens to them.
    pub(crate) fault: Fault,
}

/// Meets the first of them.
pub(crate) const fn once(on: fn(&Parts) -> bool, fault: Fault) -> Rule {
    Rule {
        on,
        skip: 0,
        times: 1,
        fault,
    }
}

/// Meets all of them.
pub(crate) const fn always(on: fn(&Parts) -> bool, fault: Fault) -> Rule {
    Rule {
        on,
        skip: 0,
        times: usize::MAX,
        fault,
    }
}

/// An answer without a word on when to come again.
pub(crate) const fn answer(code: u16) -> Fault {
    Fault::Answer {
        code,
        retry_after: None,
    }
}

/// Added to the user agent of what comes through a proxy: the audit log then tells it from the rest.
pub(crate) const MARK: &str = " (proxy)";

/// Anything that changes something.
pub(crate) fn is_write(request: &Parts) -> bool {
    let is_dry_run = request
        .uri
        .query()
        .is_some_and(|query| query.contains("dryRun=All"));
    // Asking who one is creates nothing.
    let is_review = request.uri.path().ends_with("/selfsubjectreviews");
    request.method != Method::GET && !is_dry_run && !is_review
}

/// A renewal of the lock.
pub(crate) fn is_renewal(request: &Parts) -> bool {
    request.method == Method::PUT && request.uri.path().contains("/leases/")
}

/// The lock's creation.
pub(crate) fn is_lock(request: &Parts) -> bool {
    request.method == Method::POST && request.uri.path().ends_with("/leases")
}

/// The apply of an object.
pub(crate) fn is_patch(request: &Parts) -> bool {
    is_write(request) && request.method == Method::PATCH
}

/// A write that comes in every run: the lock's renewals come by the clock, so that a slow run has more of them.
pub(crate) fn is_step(request: &Parts) -> bool {
    is_write(request) && !is_renewal(request)
}

/// The apply of the Service: in the middle of the order.
pub(crate) fn is_service(request: &Parts) -> bool {
    is_write(request) && request.uri.path().contains("/services/")
}

/// A watch, of whatever.
pub(crate) fn is_watch(request: &Parts) -> bool {
    request
        .uri
        .query()
        .is_some_and(|query| query.contains("watch="))
}

/// See the module.
pub(crate) struct Proxy {
    folder: TempDir,
    state: Arc<State>,
    server: tokio::task::JoinHandle<()>,
}

struct State {
    client: Client,
    mark: &'static str,
    rules: Mutex<Vec<Rule>>,
    /// A rule met a request.
    is_met: Notify,
    is_held: Notify,
}

impl Proxy {
    /// Starts a proxy with these rules.
    pub(crate) async fn start(sandbox: &Sandbox, rules: &[Rule]) -> Self {
        Self::start_with(sandbox, rules, MARK).await
    }

    /// One whose requests look in the audit log as if they came without a proxy.
    pub(crate) async fn start_unmarked(sandbox: &Sandbox, rules: &[Rule]) -> Self {
        Self::start_with(sandbox, rules, "").await
    }

    async fn start_with(sandbox: &Sandbox, rules: &[Rule], mark: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            client: sandbox.client.clone(),
            mark,
            rules: Mutex::new(rules.to_vec()),
            is_met: Notify::new(),
            is_held: Notify::new(),
        });
        let proxy = Self {
            folder: TempDir::new().expect("a temporary folder"),
            server: tokio::spawn(serve(listener, Arc::clone(&state))),
            state,
        };
        proxy.write_kubeconfig(address);
        proxy
    }

    fn write_kubeconfig(&self, address: SocketAddr) {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": CONTEXT,
            "clusters": [{ "name": "proxy", "cluster": { "server": format!("http://{address}") } }],
            "users": [{ "name": "nobody", "user": {} }],
            "contexts": [{ "name": CONTEXT, "context": { "cluster": "proxy", "user": "nobody" } }],
        });
        std::fs::write(self.kubeconfig(), kubeconfig.to_string()).expect("a kubeconfig");
    }

    /// The kubeconfig that leads here.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Ends when a request is held.
    pub(crate) async fn held(&self) {
        within("a request that is held", self.state.is_held.notified()).await;
    }

    /// Ends when so many more of these requests have come.
    pub(crate) async fn sees(&self, on: fn(&Parts) -> bool, count: usize) {
        let gate = Gate::default();
        let rule = Rule {
            on,
            skip: count - 1,
            times: 1,
            fault: Fault::Before(gate.clone()),
        };
        self.state.rules().push(rule);
        gate.reached().await;
        gate.open();
    }

    /// Ends when every rule met as many requests as it says.
    pub(crate) async fn spent(&self) {
        let spent = async {
            loop {
                let met = self.state.is_met.notified();
                if self.state.rules().iter().all(|rule| rule.times == 0) {
                    return;
                }
                met.await;
            }
        };
        within("the faults of the test", spent).await;
    }

    /// Rules that met nothing, or less than they should have: a test of a fault that never happened proves nothing.
    #[track_caller]
    pub(crate) fn expect_spent(&self) {
        let rules = self.state.rules();
        let left: Vec<_> = rules.iter().filter(|rule| rule.times > 0).collect();
        assert!(left.is_empty(), "these faults did not happen: {left:?}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        tokio::spawn(connection(stream, Arc::clone(&state)));
    }
}

/// An error of the service closes the connection without an answer, which is what a cut is.
async fn connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        // A task of its own: it outlives the connection.
        let answer = tokio::spawn(async move { state.answer(request).await });
        async move { answer.await.ok().flatten().ok_or(Cut) }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

impl State {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().expect("no panic under the lock")
    }

    fn fault(&self, request: &Parts) -> Option<Fault> {
        let mut rules = self.rules();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.times > 0 && (rule.on)(request))?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        self.is_met.notify_waiters();
        Some(rule.fault.clone())
    }

    /// `None` cuts the connection.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Option<Response<Body>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let fault = self.fault(&parts);
        match &fault {
            Some(Fault::Answer { code, retry_after }) => return Some(refusal(*code, *retry_after)),
            Some(Fault::CutBefore) => return None,
            Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
            Some(Fault::Before(gate)) => gate.pass().await,
            Some(Fault::Swallow) => std::future::pending().await,
            Some(Fault::Astray(time)) => {
                let time = *time;
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    self.forward(parts, body.into()).await
                });
                return None;
            }
            Some(Fault::CutAfter | Fault::Hold) | None => (),
        }
        let answer = self.forward(parts, body.into()).await;
        match fault {
            Some(Fault::CutAfter) => None,
            Some(Fault::Hold) => {
                self.is_held.notify_one();
                std::future::pending().await
            }
            _ => answer,
        }
    }

    async fn forward(&self, mut parts: Parts, body: Body) -> Option<Response<Body>> {
        parts.headers.remove(HOST);
        parts.headers.remove(CONNECTION);
        parts.version = http::Version::default();
        if let Some(agent) = parts.headers.get_mut(USER_AGENT) {
            let marked = format!("{}{}", agent.to_str().expect("the tool's own"), self.mark);
            *agent = marked.parse().expect("a valid header");
        }
        let mut answer = self
            .client
            .send(Request::from_parts(parts, body))
            .await
            .ok()?;
        answer.headers_mut().remove(TRANSFER_ENCODING);
        *answer.version_mut() = http::Version::default();
        Some(answer)
    }
}

/// As the API server words it.
fn refusal(code: u16, retry_after: Option<u32>) -> Response<Body> {
    let reason = StatusCode::from_u16(code)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason.replace(' ', ""),
        "message": format!("injected: {reason}"),
        "details": { "retryAfterSeconds": retry_after.unwrap_or(0) },
    });
    let mut answer = Response::builder()
        .status(code)
        .header("content-type", "application/json");
    if let Some(seconds) = retry_after {
        answer = answer.header("retry-after", seconds);
    }
    answer
        .body(Body::from(status.to_string().into_bytes()))
        .expect("a valid answer")
}
