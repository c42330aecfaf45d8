//! Expressions in CEL: which compile. What they speak of (`object`, `stack`, `change`) is known only when they run.

use cel::{Env, Program};

/// Compiles an expression.
///
/// # Errors
/// Why it is none, with line and column in the expression's own text.
pub fn compile(text: &str) -> Result<Program, String> {
    Env::stdlib().compile(text).map_err(|errors| {
        let reason = |error: &cel::ParseError| {
            let (line, column) = error.pos;
            format!("{} ({line}:{column})", error.msg.trim())
        };
        let reasons: Vec<String> = errors.errors.iter().map(reason).collect();
        reasons.join("; ")
    })
}
