//! Flags that would have no effect: an error, since whoever typed them expects one. What clap can see by itself stands at
//! the arguments (`conflicts_with`, `requires`).

use miette::Diagnostic;

/// A flag that changes nothing here.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{flag} has no effect {place}")]
#[diagnostic(help("nothing was changed. Run it again without {flag}"))]
pub(super) struct NoEffect {
    flag: &'static str,
    place: String,
}

/// Refuses the first flag that is given; `place` follows "has no effect".
pub(super) fn refuse(
    flags: &[(&'static str, bool)],
    place: impl Into<String>,
) -> Result<(), NoEffect> {
    let mut given = flags.iter().filter(|(_, is_given)| *is_given);
    match given.next() {
        Some((flag, _)) => Err(NoEffect {
            flag,
            place: place.into(),
        }),
        None => Ok(()),
    }
}

/// Of many flags of one kind of STACK: those of a folder of stacks, where there is one stack.
pub(super) fn of_one_stack(every_environment: bool) -> Result<(), NoEffect> {
    let flags = [("--every-environment", every_environment)];
    refuse(&flags, "on one stack: it is for a folder of stacks")
}

/// Whether an argument was typed and does not come from its variable: that may stand for other commands.
pub(super) fn is_typed(value: Option<&str>, variable: &str) -> bool {
    value.is_some_and(|value| std::env::var(variable).as_deref() != Ok(value))
}
