//! What can go wrong between us and an API server, each with its fix.

use miette::Diagnostic;

use crate::kinds::{ObjectId, resume};
use crate::stack::Target;

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
    Plugin(#[from] Failure),
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
    /// Every number that the next release could have is taken.
    #[error("no release can be recorded: ControllerRevisions {from} to {to} are not this stack's")]
    #[diagnostic(help(
        "delete or rename those that no one needs: `kubectl get controllerrevisions`"
    ))]
    NoNumber {
        /// The first name.
        from: String,
        /// The last name.
        to: String,
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
        "fix `[cluster] context` of the stack file: uninlu uses no other context than the one that it names"
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
        "{fix}. Then apply again; until then old pods keep serving as far as `max-unavailable` allows"
    ))]
    Rollout {
        /// The Deployment.
        object: ObjectId,
        /// Why.
        reason: String,
        /// What to do.
        fix: &'static str,
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
    pub fn paused(target: &Target, words: String) -> Self {
        let resume = resume(target);
        Self::Paused {
            words,
            resume: format!("{resume} lets it go on; then apply again"),
        }
    }
}

/// Why a credential plugin gives no credential.
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[error("the credential plugin `{command}` of user `{user}` ({file}) {reason}")]
#[diagnostic(help("{help}"))]
pub struct Failure {
    pub(super) command: String,
    pub(super) user: String,
    pub(super) file: String,
    pub(super) reason: String,
    pub(super) help: String,
}
