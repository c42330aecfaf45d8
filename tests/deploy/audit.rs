//! What the tool asked of the API server, by the API server's own account.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;

use crate::proxy::MARK;

/// A moment; what was asked after it can be read later.
#[derive(Debug)]
pub(crate) struct Mark {
    file: PathBuf,
    moment: Timestamp,
    namespace: String,
}

/// One request of the tool.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) verb: String,
    pub(crate) uri: String,
    /// When it reached the API server.
    pub(crate) received: Timestamp,
    /// HTTP status of the answer.
    pub(crate) code: u64,
    /// Whether it came through the fault proxy.
    pub(crate) is_proxied: bool,
}

impl Mark {
    /// Now, by the clock that the API server on this machine reads too. Only requests about `namespace` will count.
    pub(crate) fn now(file: PathBuf, namespace: &str) -> Self {
        Self {
            file,
            moment: Timestamp::now(),
            namespace: namespace.to_owned(),
        }
    }

    /// The tool's requests since the mark. A watch of before it is logged when it ends, and does not count.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let text = std::fs::read_to_string(&self.file).expect("the audit log can be read");
        let events = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter_map(|event| self.request(&event)).collect()
    }

    /// The writes among them: a dry run is none.
    pub(crate) fn writes(&self) -> Vec<Request> {
        let is_read = |verb: &str| matches!(verb, "get" | "list" | "watch");
        let requests = self.requests().into_iter();
        requests
            .filter(|request| !is_read(&request.verb) && !request.uri.contains("dryRun=All"))
            .collect()
    }

    fn request(&self, event: &Value) -> Option<Request> {
        let text = |key: &str| event[key].as_str().map(str::to_owned);
        let uri = text("requestURI")?;
        let received: Timestamp = text("requestReceivedTimestamp")?
            .parse()
            .expect("the API server writes RFC 3339");
        let agent = text("userAgent")?;
        let is_ours = agent.starts_with("uninlu/") && names(&uri, &self.namespace);
        let is_ours = is_ours && received >= self.moment;
        is_ours.then_some(Request {
            verb: text("verb")?,
            uri,
            received,
            code: event["responseStatus"]["code"].as_u64().unwrap_or(0),
            is_proxied: agent.ends_with(MARK),
        })
    }
}

/// Whether it is about this namespace, and not about one whose name goes on: tests run side by side.
fn names(uri: &str, namespace: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c == '-' || c.is_ascii_alphanumeric());
    let mut rests = uri.split(namespace).skip(1);
    rests.any(|rest| !goes_on(rest))
}
