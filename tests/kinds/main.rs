//! Stack → objects, offline: rendering as a library and as a command, and what a live state is told as.

mod progress;
mod render;
mod stacks;
mod variants;
