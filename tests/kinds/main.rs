//! Stack → objects, offline: rendering as a library and as a command, and what a live state is told as.

#[path = "../difference/mod.rs"]
mod difference;
#[path = "../generated/mod.rs"]
mod generated;
#[path = "../hermetic/mod.rs"]
mod hermetic;
mod progress;
mod render;
mod roles;
mod stacks;
mod variants;
