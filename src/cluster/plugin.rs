//! The credential plugin of a kubeconfig (`users[].user.exec`), run as kubectl runs it: once, and once more when its
//! credential expires. The Kubernetes client would run it twice before the first request and again at every attempt,
//! and names neither the command nor how to get it.

use std::io::IsTerminal;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use jiff::{SignedDuration, Timestamp};
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Mutex;
use tower::BoxError;
use tower::filter::AsyncPredicate;

use super::error::Failure;
use super::kubeconfig::Entry;
use super::trust::words;
use crate::escape;
use crate::ui;

/// The plugin, and the credential that it gave last.
#[derive(Debug, Clone)]
pub(super) struct Plugin {
    exec: Arc<ExecConfig>,
    user: String,
    file: String,
    last: Arc<Mutex<Result<Credential, Failure>>>,
}

/// `status` of an ExecCredential (client.authentication.k8s.io/v1).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    expiration_timestamp: Option<Timestamp>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    status: Option<Credential>,
}

impl Plugin {
    /// Runs the entry's plugin, when it has one that counts: a token or a password beside it comes first.
    ///
    /// # Errors
    /// [`Failure`], with the plugin's own words.
    pub(super) async fn start(entry: &Entry) -> Result<Option<Self>, Failure> {
        let user = &entry.user;
        let has_password = user.username.is_some() && user.password.is_some();
        let comes_first = user.token.is_some() || user.token_file.is_some() || has_password;
        let Some(mut exec) = user.exec.clone().filter(|_| !comes_first) else {
            return Ok(None);
        };
        if exec.provide_cluster_info {
            exec.cluster = (&entry.cluster).try_into().ok();
        }
        let mut plugin = Self {
            exec: Arc::new(exec),
            user: entry.user_name.clone(),
            file: entry.user_file.display().to_string(),
            last: Arc::new(Mutex::new(Ok(Credential::default()))),
        };
        let credential = plugin.run().await?;
        plugin.last = Arc::new(Mutex::new(Ok(credential)));
        Ok(Some(plugin))
    }

    /// The user without the plugin; with the certificate that it gave, if it gave one.
    pub(super) async fn user(&self, user: &AuthInfo) -> AuthInfo {
        let mut user = user.clone();
        user.exec = None;
        let last = self.last.lock().await;
        let Ok(Credential {
            client_certificate_data: Some(certificate),
            client_key_data: Some(key),
            ..
        }) = &*last
        else {
            return user;
        };
        // The key's type is the client's own: only its reading makes one.
        let data = json!({
            "client-certificate-data": BASE64_STANDARD.encode(certificate),
            "client-key-data": BASE64_STANDARD.encode(key),
        });
        if let Ok(given) = serde_json::from_value::<AuthInfo>(data) {
            user.client_certificate_data = given.client_certificate_data;
            user.client_key_data = given.client_key_data;
        }
        user
    }

    /// The token of now. One that has expired is renewed once; when that fails, every request fails by the same words.
    async fn token(&self) -> Result<Option<String>, Failure> {
        let mut last = self.last.lock().await;
        if last.as_ref().is_ok_and(Credential::is_expiring) {
            *last = self.run().await;
        }
        last.as_ref()
            .map(|credential| credential.token.clone())
            .map_err(Clone::clone)
    }

    async fn run(&self) -> Result<Credential, Failure> {
        let is_interactive = self.is_interactive()?;
        let unstarted = |error: std::io::Error| {
            self.failure(
                format!("cannot be run: {error}"),
                "install it, or put it on the PATH",
            )
        };
        let mut child = self.command(is_interactive).spawn().map_err(unstarted)?;
        let (stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        let (answer, said, status) = tokio::join!(
            read_answer(stdout),
            read_words(stderr.as_mut(), is_interactive),
            child.wait(),
        );
        let status = status.map_err(unstarted)?;
        let Some(answer) = answer else {
            return Err(self.failure(
                format!("printed more than {LONGEST_ANSWER} bytes"),
                "run it by hand: it must print an ExecCredential and nothing else",
            ));
        };
        if !status.success() {
            return Err(self.failed(status, &said));
        }
        let credential = credential(&answer);
        credential.map_err(|reason| {
            self.failure(reason, "run it by hand: it must print an ExecCredential")
        })
    }

    fn command(&self, is_interactive: bool) -> Command {
        let exec = &*self.exec;
        let input = if is_interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        };
        let info = json!({
            "apiVersion": exec.api_version, "kind": "ExecCredential",
            "spec": { "interactive": is_interactive, "cluster": exec.cluster },
        });
        let mut command = Command::new(exec.command.as_deref().unwrap_or_default());
        command
            .args(exec.args.iter().flatten())
            .envs(
                exec.env
                    .iter()
                    .flatten()
                    .filter_map(|pair| pair.get("name").zip(pair.get("value"))),
            )
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Whether it may ask the person at the terminal.
    fn is_interactive(&self) -> Result<bool, Failure> {
        let has_terminal = std::io::stdin().is_terminal();
        match self.exec.interactive_mode {
            Some(ExecInteractiveMode::Never) => Ok(false),
            Some(ExecInteractiveMode::Always) if !has_terminal => Err(self.failure(
                "it asks for input, and standard input is not a terminal".to_owned(),
                "run this on a terminal, or use credentials that need no answer",
            )),
            _ => Ok(has_terminal),
        }
    }

    fn failed(&self, status: ExitStatus, said: &str) -> Failure {
        let said = if said.is_empty() {
            "it wrote nothing to stderr"
        } else {
            said
        };
        self.failure(
            format!("failed ({status}): {said}"),
            "its own words say why; log in again, or run it by hand",
        )
    }

    /// The kubeconfig's own hint comes first, since its author knows the plugin.
    fn failure(&self, reason: String, help: &str) -> Failure {
        let hint = self
            .exec
            .install_hint
            .as_deref()
            .map(str::trim)
            .filter(|hint| !hint.is_empty());
        let help = hint.unwrap_or(help);
        Failure {
            command: words(&self.exec),
            user: self.user.clone(),
            file: self.file.clone(),
            reason,
            help: shown(help),
        }
    }
}

impl Credential {
    /// A little early, so that it does not end on its way.
    fn is_expiring(&self) -> bool {
        const MARGIN: SignedDuration = SignedDuration::from_secs(10);
        let end = self.expiration_timestamp;
        end.is_some_and(|end| Timestamp::now() + MARGIN >= end)
    }
}

/// Reads JSON or YAML. Never tells what stands in it: that is the credential.
fn credential(answer: &[u8]) -> Result<Credential, String> {
    let answer: Answer = serde_saphyr::from_slice(answer)
        .map_err(|_| "printed something else than an ExecCredential".to_owned())?;
    let credential = answer.status.unwrap_or_default();
    let has_certificate =
        credential.client_certificate_data.is_some() && credential.client_key_data.is_some();
    if credential.token.is_none() && !has_certificate {
        return Err(
            "printed an ExecCredential without a token and without a certificate".to_owned(),
        );
    }
    Ok(credential)
}

/// Bytes of an ExecCredential at most.
const LONGEST_ANSWER: u64 = 1 << 20;

/// What it printed; `None` when that is longer than any credential. The pipe is closed then: a program that goes on
/// writing into one that nothing reads would never end.
async fn read_answer(stdout: Option<impl AsyncRead + Unpin>) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    if let Some(stdout) = stdout {
        // An answer that is cut off is no ExecCredential, and is told as that.
        let _ = stdout
            .take(LONGEST_ANSWER + 1)
            .read_to_end(&mut answer)
            .await;
    }
    (answer.len() as u64 <= LONGEST_ANSWER).then_some(answer)
}

/// The end of what it said; at a terminal all of it is shown at once, since it may be a question.
async fn read_words(stderr: Option<&mut (impl AsyncRead + Unpin)>, is_shown: bool) -> String {
    const LONGEST: usize = 2_000;
    let (mut end, mut chunk) = (Vec::new(), [0; 1024]);
    let Some(stderr) = stderr else {
        return String::new();
    };
    while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
        if is_shown {
            ui::pass_on(&chunk[..length]);
        }
        end.extend_from_slice(&chunk[..length]);
        end.drain(..end.len().saturating_sub(LONGEST));
    }
    shown(&String::from_utf8_lossy(&end))
}

/// A line that a program drew anew has returns, which say nothing here.
fn shown(words: &str) -> String {
    escape::visible(&words.trim().replace('\r', ""))
}

/// Puts the token of now into each request.
impl<B: Send + 'static> AsyncPredicate<Request<B>> for Plugin {
    type Future = BoxFuture<'static, Result<Request<B>, BoxError>>;
    type Request = Request<B>;

    fn check(&mut self, mut request: Request<B>) -> Self::Future {
        let plugin = self.clone();
        Box::pin(async move {
            if let Some(token) = plugin.token().await? {
                let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            Ok(request)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(script: &str, hint: Option<&str>) -> Entry {
        let user = json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "installHint": hint,
            "command": "sh", "args": ["-c", script],
        } });
        Entry {
            cluster: kube::config::Cluster::default(),
            cluster_file: "/k".into(),
            user: serde_json::from_value(user).expect("a user"),
            user_name: "ann".into(),
            user_file: "/k".into(),
        }
    }

    async fn failure(script: &str, hint: Option<&str>) -> Failure {
        let entry = plugin(script, hint);
        Plugin::start(&entry).await.expect_err("it fails")
    }

    #[tokio::test]
    async fn its_words_are_told_bounded_and_without_commands_to_the_terminal() {
        let told = failure(
            r"printf '\033[2Jno login\n' >&2; exit 7",
            Some("brew install it"),
        )
        .await;
        assert!(told.reason.contains("exit status: 7"), "{told}");
        assert!(told.reason.ends_with(r"\u{1b}[2Jno login"), "{told}");
        assert_eq!(told.help, "brew install it");
        let long = failure("yes 0123456789 | head -c 100000 >&2; exit 1", None).await;
        assert!(long.reason.len() < 3_000, "{}", long.reason.len());
    }

    #[tokio::test]
    async fn what_it_prints_is_never_told() {
        for script in [
            "echo s3cr3t",
            "echo '{\"status\": {\"user\": \"s3cr3t\"}}'",
            "echo '['s3cr3t",
        ] {
            let told = failure(&format!("{script}; :"), None).await;
            assert!(!told.reason.contains("s3cr3t"), "{told}");
        }
    }

    #[tokio::test]
    async fn one_that_prints_without_end_is_stopped() {
        for script in [
            "exec yes",
            "yes 0123456789 | head -c 3000000",
            "yes; exit 0",
        ] {
            let told =
                tokio::time::timeout(std::time::Duration::from_secs(20), failure(script, None));
            let told = told.await.expect("it ends");
            assert!(
                told.reason.contains("more than 1048576 bytes"),
                "{script}: {told}"
            );
        }
    }

    #[tokio::test]
    async fn it_runs_once_and_again_only_when_its_token_expires() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        for (end, runs) in [("2999-01-01T00:00:00Z", 1), ("2001-01-01T00:00:00Z", 3)] {
            let script = format!(
                "echo run >> {log}; echo '{{\"status\": {{\"token\": \"t\", \"expirationTimestamp\": \"{end}\"}}}}'",
                log = log.display(),
            );
            let started = Plugin::start(&plugin(&script, None)).await;
            let started = started.expect("a credential").expect("a plugin");
            for _ in 0..2 {
                assert_eq!(
                    started.token().await.expect("a token").as_deref(),
                    Some("t")
                );
            }
            let text = std::fs::read_to_string(&log).expect("it ran");
            assert_eq!(text.lines().count(), runs);
            std::fs::remove_file(&log).expect("it is there");
        }
    }

    #[tokio::test]
    async fn a_renewal_that_fails_is_not_tried_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let script = format!(
            "echo run >> {log}; test $(wc -l < {log}) = 1 || exit 4; echo '{{\"status\": {{\"token\": \"t\", \"expirationTimestamp\": \"2001-01-01T00:00:00Z\"}}}}'",
            log = log.display(),
        );
        let started = Plugin::start(&plugin(&script, None)).await;
        let started = started.expect("a credential").expect("a plugin");
        for _ in 0..3 {
            assert!(started.token().await.is_err());
        }
        let text = std::fs::read_to_string(&log).expect("it ran");
        assert_eq!(text.lines().count(), 2);
    }

    #[tokio::test]
    async fn a_certificate_becomes_the_users() {
        let script = r#"echo '{"status": {"clientCertificateData": "C", "clientKeyData": "K"}}'"#;
        let entry = plugin(script, None);
        let started = Plugin::start(&entry)
            .await
            .expect("a credential")
            .expect("a plugin");
        let user = started.user(&entry.user).await;
        assert_eq!(user.client_certificate_data.as_deref(), Some("Qw=="));
        assert!(user.client_key_data.is_some() && user.exec.is_none());
        assert_eq!(started.token().await.expect("no failure"), None);
    }
}
