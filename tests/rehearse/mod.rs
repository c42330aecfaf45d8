//! `rehearse` without an engine: what is run, what is sent, what is tried next, and what is told when nothing can be.
//! That it measures a real container is a step of `tests/demo/run`, which has the image.

mod command;
mod load;
mod pod;
mod profile;
mod search;
