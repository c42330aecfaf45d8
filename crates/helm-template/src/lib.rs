//! Helm's templates, as far as charts of this kind use them: Go's template language with the functions of `functions`.
//!
//! Each line of the output knows where it comes from: the line of the template, and the lines of the values that went
//! into it. What is not understood is noted, with its place, and leaves a gap; nothing is guessed.

mod emit;
mod eval;
mod functions;
mod host;
mod lex;
mod number;
mod parse;
mod place;
mod printf;
mod semver;
mod text;
mod value;
pub mod yaml;

pub use eval::Engine;
pub use parse::{Node, parse, values_read};
pub use place::Place;
pub use semver::matches as semver_matches;
pub use text::Line;
pub use value::{Data, Value};
