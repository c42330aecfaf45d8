//! Requests that are sent again when the answer may be better next time.

use std::time::Duration;

use kube::core::Status;

use super::error::Failure;
use super::guard::Over;
use crate::report::innermost;

/// Attempts of a request, with waits of 0.2, 0.4, … 3.2 s between them unless the server names longer ones.
const ATTEMPTS: u32 = 6;

/// Tries a request again when the answer may be better next time. Only for what may be sent twice: reads, applies of
/// the same body, deletions of one uid.
pub(super) async fn retried<T, F: Future<Output = Result<T, kube::Error>>>(
    request: impl Fn() -> F,
) -> Result<T, kube::Error> {
    let mut attempt = 1;
    loop {
        match request().await {
            Err(error) if attempt < ATTEMPTS && is_transient(&error) => {
                tokio::time::sleep(pause(&error, attempt)).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => is_transient_status(status),
        kube::Error::HyperError(_) => true,
        // A refused connection is an answer; one that broke is not.
        kube::Error::Service(error) => {
            let is_final = error.is::<Over>() || error.is::<Failure>();
            !is_final && !format!("{error:?}").contains("ConnectionRefused")
        }
        _ => false,
    }
}

fn is_transient_status(status: &Status) -> bool {
    matches!(status.code, 429 | 502 | 503 | 504)
}

fn pause(error: &kube::Error, attempt: u32) -> Duration {
    let named = match error {
        kube::Error::Api(status) => status
            .details
            .as_ref()
            .map_or(0, |details| details.retry_after_seconds),
        _ => 0,
    };
    Duration::from_millis(200 << (attempt - 1)).max(Duration::from_secs(named.min(10).into()))
}

/// Why nothing is known, for what is asked and is not needed.
pub(super) fn reason(error: kube::Error) -> String {
    match error {
        // The client's own mark; a proxy's page has no line to show, or no text at all.
        kube::Error::Api(status) if status.reason == "Failed to parse error data" => {
            format!("HTTP {}, not from a Kubernetes API server", status.code)
        }
        kube::Error::Api(status) if status.code == 403 => "not allowed to look".into(),
        kube::Error::Api(status) => status.message,
        other => innermost(&other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_proxy_is_not_shown() {
        for (page, code) in [("", 404), ("<html>\nForbidden", 403)] {
            let status = Status::failure(page, "Failed to parse error data").with_code(code);
            let words = format!("HTTP {code}, not from a Kubernetes API server");
            assert_eq!(reason(kube::Error::Api(status.boxed())), words);
        }
    }
}
