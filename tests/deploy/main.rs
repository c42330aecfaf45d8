//! The real binary against a real API server with real controllers (and fake nodes, on which pods are ready at once).
//!
//! `make test-cluster` starts the cluster and runs these. Each test has a namespace of its own, cleaned before and
//! after, and counts only its own requests in the API server's audit log.
//! What is in `node` needs a real node and images: `make test-node`.

mod audit;
mod proxy;
mod sandbox;
#[path = "../kinds/stacks.rs"]
mod stacks;
mod users;
mod webhook;

mod admission;
mod adopt;
mod autoscaling;
mod conflicts;
mod crashes;
mod faults;
mod fleet;
mod gate;
mod import;
mod init;
mod life;
mod lock;
mod neighbours;
mod node;
mod objects;
mod outlook;
mod ownership;
mod plans;
mod refusals;
mod releases;
mod roles;
mod traps;
mod verify;
mod waits;
