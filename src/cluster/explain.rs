//! What the client says when a request fails → [`Error`].

use kube::core::Status;

use super::error::Failure;
use super::guard::Over;
use super::{Connection, Error, lease};
use crate::report::innermost;

/// Turns a client error into ours. `verb` and `object` say what was asked for.
pub(super) fn explain(
    error: kube::Error,
    connection: &Connection,
    verb: &'static str,
    object: impl ToString,
) -> Error {
    match error {
        kube::Error::Api(status) => refusal(*status, connection, verb, object.to_string()),
        kube::Error::Service(error) if error.is::<Over>() => Error::LockLost {
            lock: lease::words(connection),
        },
        kube::Error::Service(cause) => match cause.downcast::<Failure>() {
            Ok(failure) => (*failure).into(),
            Err(cause) => unreachable(connection, innermost(&*cause)),
        },
        other => unreachable(connection, innermost(&other)),
    }
}

fn unreachable(connection: &Connection, reason: String) -> Error {
    Error::Unreachable {
        context: connection.target.context.clone(),
        server: connection.server.clone(),
        reason,
    }
}

fn refusal(status: Status, connection: &Connection, verb: &'static str, object: String) -> Error {
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
