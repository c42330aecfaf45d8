//! The only room with a Kubernetes client: connect, observe, lock, apply, watch a rollout, keep
//! releases, ask what runs, destroy.
//!
//! Nothing here decides: what is written stands in a [`crate::plan::Plan`].

mod adopt;
mod apply;
mod capabilities;
mod connect;
mod deletion;
mod destroy;
mod error;
mod everything;
mod explain;
mod forward;
mod guard;
mod inhabitants;
mod kubeconfig;
mod lease;
mod lock;
mod metrics;
mod observe;
mod plugin;
mod proxy;
mod releases;
mod retry;
mod rollout;
mod sight;
mod surroundings;
mod survey;
mod trust;
mod verify;
mod warnings;
mod whoami;

pub use adopt::{adopt, live, unowned};
pub use apply::{apply, make_namespace};
pub use capabilities::capabilities;
pub use connect::{Connection, connect};
pub use destroy::{destroy, destroy_namespace, destruction};
pub use error::Error;
pub use everything::{everything, running_image};
pub use kubeconfig::{Contexts, contexts};
pub(crate) use lock::DURATION as LOCK_DURATION;
pub use lock::{Lock, lock};
pub use metrics::metric_state;
pub use observe::{namespace_going, observe, ours, pods, workloads};
pub use releases::{Releases, Skipped, begin, end, forget, releases};
pub use rollout::{autoscaler_trouble, watch_rollout};
pub use surroundings::surroundings;
pub use survey::{Survey, survey};
pub use trust::{Trust, allow_exec};
pub use verify::facts;
pub use whoami::whoami;
