//! The real binary against a real API server with real controllers (and fake nodes, on which pods are ready at once).
//!
//! `make test-cluster` starts the cluster and runs these. Each test has a namespace of its own, cleaned before and
//! after, and counts only its own requests in the API server's audit log.

mod audit;
mod sandbox;

mod autoscaling;
mod conflicts;
mod crashes;
mod life;
mod objects;
mod ownership;
mod refusals;
