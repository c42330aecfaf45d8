//! What can be seen of a rollout: news of the watched objects, and a look of our own where a watch is broken or silent.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join3;
use futures::stream::{BoxStream, SelectAll, select_all};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::ListParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::Connection;
use super::retry::retried;
use crate::kinds::instance_selector;
use crate::report::innermost;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Deployment,
    ReplicaSets,
    Pods,
    Events,
    Nodes,
}

impl Source {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Source::Deployment => "the Deployment",
            Source::ReplicaSets => "the ReplicaSets",
            Source::Pods => "the pods",
            Source::Events => "the events",
            Source::Nodes => "the nodes",
        }
    }

    /// Whether [`look`] sees it too.
    pub(super) const fn is_looked_at(self) -> bool {
        matches!(
            self,
            Source::Deployment | Source::ReplicaSets | Source::Pods
        )
    }

    /// What happens without the watch.
    pub(super) const fn instead(self) -> &'static str {
        match self {
            Source::Events => "without events, reasons may be missing until it is back",
            Source::Nodes => "without it, a node that joins is not seen until it is back",
            _ => "asking every 2 s until it is back",
        }
    }
}

/// One thing that a watch said.
pub(super) struct Change {
    pub(super) source: Source,
    pub(super) news: News,
}

pub(super) enum News {
    Deployment(Deployment),
    ReplicaSet(ReplicaSet),
    Pod(Pod),
    PodGone(Pod),
    /// `is_earlier`: it was there when the watch began.
    Event {
        event: Event,
        is_earlier: bool,
    },
    Node {
        node: Box<Node>,
        is_earlier: bool,
    },
    /// Everything that is there was listed: the watch sees again.
    Listed,
    /// It sees nothing, and why; it begins anew by itself.
    Broken(String),
}

/// How an object came to be said.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Listed,
    Changed,
    Gone,
}

/// Everything that happens to the stack's Deployment, ReplicaSets, pods and their events. The watchers resume by
/// themselves after a cut.
pub(super) fn changes(connection: &Connection) -> SelectAll<BoxStream<'static, Change>> {
    let selector = instance_selector(&connection.target.stack);
    let by_name = format!("metadata.name={}", connection.target.stack);
    let by_name = watcher::Config::default().fields(&by_name);
    let by_label = watcher::Config::default().labels(&selector);
    select_all([
        watched(Source::Deployment, own(connection), by_name, |object, _| {
            Some(News::Deployment(object))
        }),
        watched(
            Source::ReplicaSets,
            own(connection),
            by_label.clone(),
            |object, _| Some(News::ReplicaSet(object)),
        ),
        watched(Source::Pods, own(connection), by_label, |object, how| {
            Some(match how {
                How::Gone => News::PodGone(object),
                _ => News::Pod(object),
            })
        }),
        watched(
            Source::Events,
            own(connection),
            watcher::Config::default(),
            |event, how| {
                let is_earlier = how == How::Listed;
                (how != How::Gone).then_some(News::Event { event, is_earlier })
            },
        ),
    ])
}

/// Every node that is there, joins or changes.
pub(super) fn nodes(connection: &Connection) -> BoxStream<'static, Change> {
    let api = Api::all(connection.client.clone());
    watched(
        Source::Nodes,
        api,
        watcher::Config::default(),
        |node: Node, how| {
            let is_earlier = how == How::Listed;
            let node = Box::new(node);
            (how != How::Gone).then_some(News::Node { node, is_earlier })
        },
    )
}

fn own<K>(connection: &Connection) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    Api::namespaced(connection.client.clone(), &connection.target.namespace)
}

fn watched<K>(
    source: Source,
    api: Api<K>,
    config: watcher::Config,
    news: impl Fn(K, How) -> Option<News> + Send + 'static,
) -> BoxStream<'static, Change>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, config)
        .default_backoff()
        .filter_map(move |said| {
            let news = match said {
                Ok(watcher::Event::Apply(object)) => news(object, How::Changed),
                Ok(watcher::Event::InitApply(object)) => news(object, How::Listed),
                Ok(watcher::Event::Delete(object)) => news(object, How::Gone),
                Ok(watcher::Event::InitDone) => Some(News::Listed),
                Ok(watcher::Event::Init) => None,
                Err(error) => Some(News::Broken(why_broken(&error))),
            };
            std::future::ready(news.map(|news| Change { source, news }))
        })
        .boxed()
}

fn why_broken(error: &watcher::Error) -> String {
    match error {
        watcher::Error::WatchError(status) => format!("{} ({})", status.message, status.code),
        other => innermost(other),
    }
}

/// What a look saw; `None` is what this user may not see.
pub(super) struct Seen {
    pub(super) deployment: Option<Deployment>,
    pub(super) replica_sets: Option<Vec<ReplicaSet>>,
    pub(super) pods: Option<Vec<Pod>>,
}

/// Why a look saw nothing.
pub(super) struct Unseen {
    /// The API server's words, or the connection's.
    pub(super) reason: String,
    /// Whether another look would be answered alike: 401 or 403.
    pub(super) is_refusal: bool,
}

/// A look that takes longer than this sees nothing.
const LOOK: Duration = Duration::from_secs(10);

/// Asks for the Deployment, and for what explains it.
///
/// # Errors
/// Where the Deployment is not answered.
pub(super) async fn look(connection: &Connection) -> Result<Seen, Unseen> {
    let selected = ListParams::default().labels(&instance_selector(&connection.target.stack));
    let (sets, pods) = (own(connection), own(connection));
    let looks = join3(
        deployment(connection),
        retried(|| sets.list(&selected)),
        retried(|| pods.list(&selected)),
    );
    let looked = tokio::time::timeout(LOOK, looks).await;
    let (deployment, sets, pods) = looked.map_err(|_| Unseen {
        reason: format!("the API server did not answer within {} s", LOOK.as_secs()),
        is_refusal: false,
    })?;
    Ok(Seen {
        deployment: deployment.map_err(unseen)?,
        replica_sets: sets.ok().map(|list| list.items),
        pods: pods.ok().map(|list| list.items),
    })
}

/// By its name; or from the list, for those who may only list.
async fn deployment(connection: &Connection) -> Result<Option<Deployment>, kube::Error> {
    let (api, name) = (own::<Deployment>(connection), &connection.target.stack);
    let one = retried(|| api.get_opt(name)).await;
    if !matches!(&one, Err(kube::Error::Api(status)) if status.code == 403) {
        return one;
    }
    let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
    let list = retried(|| api.list(&by_name)).await?;
    Ok(list.items.into_iter().next())
}

fn unseen(error: kube::Error) -> Unseen {
    match error {
        kube::Error::Api(status) => Unseen {
            is_refusal: matches!(status.code, 401 | 403),
            reason: format!("{} ({})", status.message, status.code),
        },
        other => Unseen {
            is_refusal: false,
            reason: innermost(&other),
        },
    }
}
