//! Ctrl-C: says what goes on where, and how to look, and ends the process.
//!
//! The signal is awaited beside the command, since a command may stand in a question or in a computation. What is said is
//! what the command set last: it alone knows what goes on without it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::ui::Ui;

/// As a shell reports a process that SIGINT ended.
pub(crate) const EXIT: u8 = 130;

/// What goes on, the outermost first: of a step and of its parts the whole is said.
static GOING_ON: Mutex<Vec<(usize, String)>> = Mutex::new(Vec::new());
static NUMBERS: AtomicUsize = AtomicUsize::new(0);

/// Commands that clean up before they end, and end by themselves.
static CLEANING: AtomicUsize = AtomicUsize::new(0);
static WAS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What is said where nothing goes on without the command.
const NOTHING: &str = "nothing was changed";

/// What goes on without the command, until this is dropped.
pub(crate) struct GoingOn {
    number: usize,
}

impl GoingOn {
    /// `words` follow "interrupted; ".
    pub(crate) fn new(words: impl Into<String>) -> Self {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        going_on(|all| all.push((number, words.into())));
        Self { number }
    }

    /// From now on it is this.
    pub(crate) fn now(&self, words: impl Into<String>) {
        let words = words.into();
        going_on(|all| {
            if let Some((_, said)) = all.iter_mut().find(|(number, _)| *number == self.number) {
                *said = words;
            }
        });
    }
}

impl Drop for GoingOn {
    fn drop(&mut self) {
        going_on(|all| all.retain(|(number, _)| *number != self.number));
    }
}

fn going_on<T>(change: impl FnOnce(&mut Vec<(usize, String)>) -> T) -> T {
    change(&mut GOING_ON.lock().expect("nothing panics while it is held"))
}

fn words() -> String {
    let said = going_on(|all| all.first().map(|(_, words)| words.clone()));
    format!(
        "interrupted; {}",
        said.unwrap_or_else(|| NOTHING.to_owned())
    )
}

/// While this lives, the command sees the signal by itself and cleans up.
pub(crate) struct Cleaning(());

impl Cleaning {
    pub(crate) fn new() -> Self {
        CLEANING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Cleaning {
    fn drop(&mut self) {
        CLEANING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends the process at Ctrl-C, unless the command cleans up. It is caught from the call on.
///
/// # Errors
/// Where signals cannot be caught.
#[cfg(unix)]
pub(crate) fn watch(ui: Ui) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupts = signal(SignalKind::interrupt())?;
    Ok(async move {
        while interrupts.recv().await.is_some() {
            interrupt(ui);
        }
    })
}

/// As on Unix.
///
/// # Errors
/// Where signals cannot be caught.
#[cfg(windows)]
pub(crate) fn watch(ui: Ui) -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupts = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        while interrupts.recv().await.is_some() {
            interrupt(ui);
        }
    })
}

fn interrupt(ui: Ui) {
    WAS_INTERRUPTED.store(true, Ordering::Relaxed);
    if CLEANING.load(Ordering::Relaxed) == 0 {
        ui.interrupted(words(), EXIT);
    }
}

/// Whether Ctrl-C is why the command ended.
pub(crate) fn was_interrupted() -> bool {
    WAS_INTERRUPTED.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_said_and_not_its_parts() {
        assert_eq!(words(), "interrupted; nothing was changed");
        let whole = GoingOn::new("the fleet goes on");
        let part = GoingOn::new("a stack goes on");
        assert_eq!(words(), "interrupted; the fleet goes on");
        whole.now("the fleet is done");
        part.now("a stack is done");
        assert_eq!(words(), "interrupted; the fleet is done");
        drop(whole);
        assert_eq!(words(), "interrupted; a stack is done");
        drop(part);
        assert_eq!(words(), "interrupted; nothing was changed");
    }
}
