//! What a function asks of the engine that runs the template.

use super::text::Text;
use super::value::Value;

/// Templates and bounds.
pub(super) trait Host {
    /// Takes work from what is left.
    fn spend(&self, bytes: usize) -> Result<(), String>;

    /// A count that is no more than a template needs.
    fn within(&self, name: &str, count: usize) -> Result<usize, String>;

    /// Refuses more bytes than one value may have.
    fn fits(&self, name: &str, bytes: usize) -> Result<(), String>;

    /// A named template's output.
    fn include(&self, name: &str, dot: Value, depth: usize) -> Result<Text, String>;

    /// `tpl`: text that is a template itself.
    fn expand(&self, text: &str, dot: Value, depth: usize) -> Result<Text, String>;
}
