//! The tool without a cluster, in one binary, so that it is linked once. What needs a Docker engine is ignored here and
//! run by `make test-image`.

mod figures;
mod gate;
mod generated;
mod habits;
mod hermetic;
mod image;
mod import;
mod languages;
mod packaging;
mod project;
mod reference;
mod rehearse;
mod screens;
mod verify;
mod words;
