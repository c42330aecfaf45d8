//! What can go wrong between us and an API server, each with its mend.

use kube::core::Status;
use miette::Diagnostic;

use super::guard::Over;
use super::lock;
use super::plugin::Failure;
use crate::kinds::{ObjectId, resume};

/// Why a cluster could not be read or written.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Error {
    /// A file is no kubeconfig, or cannot be read.
    #[error("cannot use the kubeconfig {file}: {reason}")]
    #[diagnostic(help(
        "set KUBECONFIG or `[cluster] kubeconfig`; `kubectl config view` shows what kubectl reads"
    ))]
    Kubeconfig {
        /// The file.
        file: String,
        /// Why, without any of its text.
        reason: String,
    },
    /// There is no kubeconfig at all.
    #[error("no kubeconfig: {files} does not exist")]
    #[diagnostic(help(
        "set KUBECONFIG or `[cluster] kubeconfig` to the file of your cluster; without them it is ~/.kube/config"
    ))]
    NoKubeconfig {
        /// The files that were looked for.
        files: String,
    },
    /// A kubeconfig inside of a checkout wants more than to be read.
    #[error("the kubeconfig {file} is part of the stack's checkout, and would {would}")]
    #[diagnostic(help(
        "nothing was run. If you trust it, pass --allow-exec or set UNINLU_ALLOW_EXEC=1; or use a kubeconfig outside of the checkout (KUBECONFIG)"
    ))]
    Untrusted {
        /// The file.
        file: String,
        /// `run the command …`
        would: String,
    },
    /// The credential plugin gives no credential.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plugin(#[from] super::plugin::Failure),
    /// A way to log in that Kubernetes removed, or that needs a program of its own.
    #[error(
        "user `{user}` ({file}) logs in by the auth-provider `{provider}`, which Kubernetes' clients no longer have"
    )]
    #[diagnostic(help(
        "make the kubeconfig anew with a credential plugin: gke-gcloud-auth-plugin for `gcp`, kubelogin for `azure`, kubectl oidc-login for `oidc`"
    ))]
    AuthProvider {
        /// Its name.
        provider: String,
        /// Whose.
        user: String,
        /// The kubeconfig.
        file: String,
    },
    /// A file that the kubeconfig names.
    #[error("cannot read {file}, the `{key}` of the kubeconfig {kubeconfig}")]
    #[diagnostic(help(
        "make the kubeconfig anew, or correct the path: a relative one starts at the kubeconfig's folder"
    ))]
    CredentialFile {
        /// `tokenFile`, `client-key`, …
        key: &'static str,
        /// The file.
        file: String,
        /// The kubeconfig.
        kubeconfig: String,
        /// Why.
        source: std::io::Error,
    },
    /// A proxy that this tool cannot speak to.
    #[error("cannot use the proxy {proxy} of {source_name}")]
    #[diagnostic(help(
        "write `http://HOST:PORT`, `https://…` or `socks5://…`; NO_PROXY names the servers that need none"
    ))]
    Proxy {
        /// Without credentials.
        proxy: String,
        /// `HTTPS_PROXY`, or the kubeconfig.
        source_name: String,
    },
    /// The stack names a context that the kubeconfig lacks.
    #[error("the kubeconfig has no context `{context}`; it has: {known}")]
    #[diagnostic(help(
        "mend `[cluster] context` of the stack file: uninlu never uses another context than the one it names"
    ))]
    UnknownContext {
        /// The context that the stack names.
        context: String,
        /// The contexts that exist.
        known: String,
    },
    /// The API server does not answer.
    #[error("the API server of context `{context}` ({server}) does not answer: {reason}")]
    #[diagnostic(help(
        "is the cluster up, and reachable from here? `kubectl --context {context} version` asks the same server"
    ))]
    Unreachable {
        /// The context.
        context: String,
        /// Its server's address, and the proxy on the way to it.
        server: String,
        /// The innermost cause.
        reason: String,
    },
    /// The credentials are not accepted.
    #[error("the API server of context `{context}` does not accept the credentials: {message}")]
    #[diagnostic(help("they may have expired: log in again, or renew the kubeconfig"))]
    Unauthorized {
        /// The context.
        context: String,
        /// The API server's words.
        message: String,
    },
    /// The user may not do this.
    #[error("not allowed to {verb} {object}: {message}")]
    #[diagnostic(help(
        "ask for a role that allows it; `kubectl --context {context} auth can-i --list` shows what is allowed"
    ))]
    Forbidden {
        /// The context.
        context: String,
        /// `list`, `patch`, …
        verb: &'static str,
        /// What was asked for.
        object: String,
        /// The API server's words.
        message: String,
    },
    /// The API server refuses for another reason.
    #[error("the API server refuses to {verb} {object}: {message}")]
    #[diagnostic(help("{help}"))]
    Refused {
        /// `list`, `patch`, …
        verb: &'static str,
        /// What was asked for.
        object: String,
        /// The API server's words.
        message: String,
        /// What to do.
        help: &'static str,
    },
    /// The namespace is going.
    #[error("the namespace `{namespace}` is being deleted: nothing can be made in it")]
    #[diagnostic(help(
        "wait until it is gone (`kubectl --context {context} get namespace {namespace}`); what holds it stands in its status"
    ))]
    Terminating {
        /// The context.
        context: String,
        /// The namespace.
        namespace: String,
    },
    /// Another apply holds the lock.
    #[error("{stack} is being applied by {holder} since {since} ({lock})")]
    #[diagnostic(help(
        "nothing was changed. Try again when it is done, or wait for it with --lock-timeout; one that was killed is passed over by itself"
    ))]
    Locked {
        /// The stack.
        stack: String,
        /// The Lease.
        lock: String,
        /// `user@host (process)`
        holder: String,
        /// When it was taken, by the holder's clock.
        since: String,
    },
    /// The lock went to somebody else, or may have.
    #[error("the lock ({lock}) was lost: it could not be renewed in time")]
    #[diagnostic(help(
        "what was written before stays, and nothing more is written. Apply again: it waits up to 15 s for the lock to expire, and completes what is left"
    ))]
    LockLost {
        /// The Lease.
        lock: String,
    },
    /// The rollout failed for good.
    #[error("the rollout of {object} failed: {reason}")]
    #[diagnostic(help(
        "{mend}. Then apply again; until then old pods keep serving as far as `max-unavailable` allows"
    ))]
    Rollout {
        /// The Deployment.
        object: ObjectId,
        /// Why.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// Nothing could be seen of the rollout, which may well go on.
    #[error("the rollout of {object} cannot be watched: {reason}")]
    #[diagnostic(help(
        "everything was written, and nothing says that the rollout failed. `uninlu status` shows how far it is, and records the release as ready once its pods are; watching needs the rights of docs/rbac/apply.yaml"
    ))]
    Unwatched {
        /// The Deployment.
        object: ObjectId,
        /// Why.
        reason: String,
    },
    /// Its pods are not replaced until somebody resumes it.
    #[error("{words}")]
    #[diagnostic(help("{resume}"))]
    Paused {
        /// Who paused it, and when.
        words: String,
        /// The command that resumes it.
        resume: String,
    },
    /// Something deleted does not go.
    #[error("still there after {seconds} s: {objects}")]
    #[diagnostic(help(
        "a finalizer holds it until its controller removes it (`kubectl get … -o yaml` names it). Then run the same command again"
    ))]
    NotGone {
        /// How long was waited.
        seconds: u64,
        /// What is left, with its finalizers.
        objects: String,
    },
}

impl Error {
    /// See [`Error::Paused`].
    pub fn paused(connection: &super::Connection, words: String) -> Self {
        let resume = resume(&connection.target);
        Self::Paused {
            words,
            resume: format!("{resume} lets it go on; then apply again"),
        }
    }
}

/// Turns a client error into ours. `verb` and `object` say what was asked for.
pub(super) fn explain(
    error: kube::Error,
    connection: &super::Connection,
    verb: &'static str,
    object: impl ToString,
) -> Error {
    match error {
        kube::Error::Api(status) => refusal(*status, connection, verb, object.to_string()),
        kube::Error::Service(error) if error.is::<Over>() => Error::LockLost {
            lock: lock::words(connection),
        },
        kube::Error::Service(cause) => match cause.downcast::<Failure>() {
            Ok(failure) => (*failure).into(),
            Err(cause) => unreachable(connection, innermost(&*cause)),
        },
        other => unreachable(connection, innermost(&other)),
    }
}

fn unreachable(connection: &super::Connection, reason: String) -> Error {
    Error::Unreachable {
        context: connection.target.context.clone(),
        server: connection.server.clone(),
        reason,
    }
}

fn refusal(
    status: Status,
    connection: &super::Connection,
    verb: &'static str,
    object: String,
) -> Error {
    let (context, message) = (connection.target.context.clone(), status.message.clone());
    let is_terminating = status.details.as_ref().is_some_and(|details| {
        let mut causes = details.causes.iter();
        causes.any(|cause| cause.reason == "NamespaceTerminating")
    });
    match status.code {
        403 if is_terminating => Error::Terminating {
            context,
            namespace: connection.target.namespace.clone(),
        },
        401 => Error::Unauthorized { context, message },
        403 if is_missing_right(&status) => Error::Forbidden {
            context,
            verb,
            object,
            message,
        },
        code => Error::Refused {
            verb,
            object,
            message,
            help: help_for(code, &status.message),
        },
    }
}

/// Admission answers 403 too, in words of its own; only authorization says `User "…" cannot …`.
fn is_missing_right(status: &Status) -> bool {
    let details = status.details.as_ref();
    details.is_none_or(|details| details.causes.is_empty()) && status.message.contains("\" cannot ")
}

const fn help_for_code(code: u16) -> &'static str {
    match code {
        403 => "a policy or quota of the cluster says no: its message names it",
        404 => "it went away meanwhile: plan again",
        409 => "it changed meanwhile: plan again",
        422 => "a value is not valid for this cluster: the message names the field",
        429 => "the API server is overloaded: try again later",
        500..=599 => "the API server is in trouble: try again, and look at its health",
        _ => "the API server's message says why",
    }
}

fn help_for(code: u16, message: &str) -> &'static str {
    if message.contains("field not declared in schema") {
        "this cluster's Kubernetes is older than the objects need: uninlu needs 1.33 or newer"
    } else {
        help_for_code(code)
    }
}

/// The cause that has no further one: the others repeat it.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_that_denies_is_no_missing_right() {
        let told = |message: &str| is_missing_right(&Status::failure(message, "Forbidden"));
        assert!(told(
            r#"deployments.apps "nlu" is forbidden: User "ann" cannot patch resource "deployments" in API group "apps" in the namespace "nlu""#
        ));
        assert!(!told(
            r#"admission webhook "images.example.com" denied the request: this image cannot run here"#
        ));
    }
}
