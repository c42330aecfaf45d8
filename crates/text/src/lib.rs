//! Text: escaped, styled, in words, and its digest.

pub mod digest;
pub mod escape;
pub mod fold;
pub mod style;
pub mod table;
pub mod words;
