//! Which servers get requests: one, or those of several whose `/ready` says yes, as a Service routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Uri;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::client::status;

/// How often readiness is asked. A server that stops is still sent requests for up to this long, as it is in a cluster
/// until its removal has reached every node.
const READINESS_PERIOD: Duration = Duration::from_secs(1);

/// The servers.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints(Vec<Uri>);

/// The servers that get requests now.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    ready: watch::Receiver<Vec<Uri>>,
    turn: Arc<AtomicUsize>,
}

impl Endpoints {
    /// Reads addresses.
    ///
    /// # Errors
    /// An address that is none.
    pub(crate) fn parse(urls: &[String]) -> Result<Self, String> {
        let parse = |url: &String| {
            let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
            match (uri.scheme_str(), uri.authority()) {
                (Some("http"), Some(_)) => Ok(uri),
                _ => Err(format!(
                    "{url} is not the address of a server; write http://HOST:PORT"
                )),
            }
        };
        urls.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// The first server.
    pub(crate) fn first(&self) -> &Uri {
        &self.0[0]
    }

    /// A single server always gets the requests; of several, their readiness decides.
    pub(crate) fn watched(&self) -> Rotation {
        let (tell, ready) = watch::channel(self.0.clone());
        if self.0.len() > 1 {
            tokio::spawn(watch_readiness(self.0.clone(), tell));
        }
        Rotation {
            ready,
            turn: Arc::default(),
        }
    }
}

async fn watch_readiness(all: Vec<Uri>, tell: watch::Sender<Vec<Uri>>) {
    while !tell.is_closed() {
        let mut ready = Vec::new();
        for endpoint in &all {
            if status(endpoint, "ready", READINESS_PERIOD).await == Some(200) {
                ready.push(endpoint.clone());
            }
        }
        let _ = tell.send(ready);
        sleep(READINESS_PERIOD).await;
    }
}

impl Rotation {
    /// The server whose turn it is; none when none is ready.
    pub(crate) fn next(&self) -> Option<Uri> {
        let ready = self.ready.borrow();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        ready.get(turn.checked_rem(ready.len())?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_scheme_is_refused_with_its_mend() {
        let fault = Endpoints::parse(&["127.0.0.1:7860".into()]).expect_err("no scheme");
        assert!(fault.contains("write http://HOST:PORT"), "{fault}");
    }

    #[test]
    fn requests_take_turns() {
        let (_tell, ready) = watch::channel(vec![
            Uri::from_static("http://a"),
            Uri::from_static("http://b"),
        ]);
        let rotation = Rotation {
            ready,
            turn: Arc::default(),
        };
        let turns: Vec<String> = (0..3)
            .filter_map(|_| Some(rotation.next()?.to_string()))
            .collect();
        assert_eq!(turns, ["http://a/", "http://b/", "http://a/"]);
    }
}
