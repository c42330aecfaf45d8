//! The image: what is sent to the engine, its digest, and (ignored without Docker) real builds and pushes.

mod archive;
mod carried;
mod context;
mod digest;
mod engine;
mod ignore;
mod no_engine;
mod progress;
mod registry;
mod rehearse;
mod support;
