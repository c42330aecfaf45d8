//! The autoscaler's arithmetic against Kubernetes' own, and whole simulations as the command prints them.

mod browser;
mod command;
#[path = "../hermetic/mod.rs"]
mod hermetic;
mod invariants;
mod load;
mod scenes;
mod vectors;
