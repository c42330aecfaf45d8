//! The terminal: the one place that writes to stdout and stderr.
//!
//! stdout is data, stderr is talk. On a terminal a running step has a spinner and its elapsed time; elsewhere each
//! step is one plain line when it ends (and one when it starts, so that a CI log shows what hangs). For programs the
//! talk is JSON, one event a line (docs/plan-format.md describes them).

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::AnsiColor;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use miette::{Diagnostic, Report};
use serde_json::{Value, json};

use crate::escape;

/// A style of ours: a character that Unicode keeps for a program's own use stands for it until the text is written. So
/// a terminal's codes come from here alone, and those in the text of others are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style(char);

/// Additions, and what went well.
pub const GREEN: Style = Style('\u{fdd0}');
/// Changes and warnings.
pub const YELLOW: Style = Style('\u{fdd1}');
/// Removals and failures.
pub const RED: Style = Style('\u{fdd2}');
/// What a reader may skip.
pub const DIM: Style = Style('\u{fdd3}');
/// What a reader must not skip.
pub const BOLD: Style = Style('\u{fdd4}');
const END: char = '\u{fdd5}';

/// What a terminal understands.
fn codes(mark: char) -> anstyle::Style {
    match Style(mark) {
        GREEN => AnsiColor::Green.on_default(),
        YELLOW => AnsiColor::Yellow.on_default(),
        RED => AnsiColor::Red.on_default(),
        DIM => anstyle::Style::new().dimmed(),
        _ => anstyle::Style::new().bold(),
    }
}

/// `text` in `style`, for [`Ui`] to show.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{}{text}{END}", style.0)
}

/// Whether the character stands for a style's beginning or end.
pub(crate) fn is_mark(c: char) -> bool {
    (GREEN.0..=END).contains(&c)
}

/// The text without its styles.
pub fn plain(text: &str) -> String {
    text.replace(is_mark, "")
}

/// The text as a terminal, or a log, is to show it; the streams drop the codes where they are not wanted (`NO_COLOR`, no
/// terminal).
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in escape::log(text).chars() {
        match c {
            END => shown.push_str("\u{1b}[0m"),
            mark if is_mark(mark) => shown += &codes(mark).to_string(),
            c => shown.push(c),
        }
    }
    shown
}

/// stdout takes nothing more.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("cannot write to stdout: {0}")]
#[diagnostic(help(
    "the result is not complete. Make room where stdout leads to, or send it elsewhere, and run again"
))]
pub struct Unwritable(io::Error);

/// Writes all of it. A reader that went away (`| head`) is no error.
///
/// # Errors
/// [`Unwritable`]: a full disk, say.
pub(crate) fn write_data(mut stdout: impl Write, text: &[u8]) -> Result<(), Unwritable> {
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Unwritable(error)),
        _ => Ok(()),
    }
}

/// In which form this run talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Talk {
    /// Lines, and a spinner on a terminal
    #[default]
    Plain,
    /// One JSON event a line
    Json,
}

/// How this run talks.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    quiet: bool,
    talk: Talk,
}

impl Ui {
    /// `quiet` leaves out all talk but errors.
    pub const fn new(quiet: bool, talk: Talk) -> Self {
        Self { quiet, talk }
    }

    /// The same talk, also when quiet: for what belongs to an error.
    pub(crate) fn loud(self) -> Self {
        Self {
            quiet: false,
            ..self
        }
    }

    /// Writes a text for people to stdout.
    ///
    /// # Errors
    /// [`Unwritable`]
    pub fn data(self, text: impl Display) -> Result<(), Unwritable> {
        let text = shown(&text.to_string());
        write_data(anstream::stdout().lock(), text.as_bytes())
    }

    /// Writes a document for programs to stdout.
    ///
    /// # Errors
    /// [`Unwritable`]
    pub fn json(self, document: &Value) -> Result<(), Unwritable> {
        let text = escape::json(&format!("{document:#}\n"));
        write_data(io::stdout().lock(), text.as_bytes())
    }

    /// Writes a file's text to stdout, byte for byte, unless that is a terminal.
    ///
    /// # Errors
    /// [`Unwritable`]
    pub fn file(self, text: &str) -> Result<(), Unwritable> {
        let stdout = io::stdout().lock();
        if stdout.is_terminal() {
            return write_data(stdout, escape::visible(text).as_bytes());
        }
        write_data(stdout, text.as_bytes())
    }

    /// Writes one line of talk to stderr.
    pub fn say(self, text: impl Display) {
        self.tell("message", text, json!({}));
    }

    /// One line of talk, or one event.
    fn tell(self, event: &str, text: impl Display, facts: Value) {
        if self.quiet {
            return;
        }
        match self.talk {
            Talk::Plain => say_plainly(&text.to_string()),
            Talk::Json => self.event(event, text, facts),
        }
    }

    /// An event as a program reads it: without colours, and with its time.
    fn event(self, event: &str, text: impl Display, facts: Value) {
        let text = text.to_string();
        let mut line = json!({
            "at": Timestamp::now().strftime("%FT%T%.3fZ").to_string(),
            "event": event,
            "text": plain(&text).trim(),
        });
        if let (Value::Object(line), Value::Object(facts)) = (&mut line, facts) {
            line.extend(facts);
        }
        let line = escape::json(&line.to_string());
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Whether programs read the talk.
    pub fn is_for_programs(self) -> bool {
        self.talk == Talk::Json
    }

    /// Writes a warning to stderr, also when quiet.
    pub fn warn(self, text: impl Display) {
        if self.is_for_programs() {
            return self.event("warning", text, json!({}));
        }
        say_plainly(&format!("{} {text}", paint(YELLOW, "warning:")));
    }

    /// Writes an error to stderr, with its causes and its mend, also when quiet.
    pub fn error(self, report: &Report) {
        if !self.is_for_programs() {
            // Its text is escaped already: what is left are the codes of its own frame.
            let _ = writeln!(anstream::stderr().lock(), "{report:?}");
            return;
        }
        let causes: Vec<String> = report.chain().skip(1).map(ToString::to_string).collect();
        let help = report.help().map(|help| help.to_string());
        self.event("error", report, json!({ "causes": causes, "help": help }));
    }

    /// Whether stderr is a terminal that can be redrawn.
    pub fn is_interactive(self) -> bool {
        std::io::stderr().is_terminal() && !self.quiet && !self.is_for_programs()
    }

    /// Whether a person can be asked.
    pub fn can_ask(self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !self.is_for_programs()
    }

    /// Asks on the terminal; an end of input answers nothing.
    pub fn ask(self, question: &str) -> String {
        let _ = write!(anstream::stderr().lock(), "{} ", shown(question));
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(_) => answer.trim().to_owned(),
            Err(_) => String::new(),
        }
    }

    /// Asks for consent; only the exact answer gives it.
    pub fn confirm(self, question: &str, consent: &str) -> bool {
        self.ask(question) == consent
    }

    /// Starts a step that takes a while.
    pub fn step(self, title: impl Into<String>) -> Step {
        Step::start(self, title.into())
    }
}

fn say_plainly(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", shown(text));
}

/// Passes on what a program that was started here asks the person at the terminal.
pub(crate) fn pass_on(words: &[u8]) {
    let _ = std::io::stderr().lock().write_all(words);
}

/// A running step; say how it ended with [`Step::done`] or [`Step::failed`].
#[derive(Debug)]
pub struct Step {
    ui: Ui,
    title: String,
    started: Instant,
    bar: Option<ProgressBar>,
    /// What was said last: a log must not repeat it.
    last: std::sync::Mutex<String>,
}

impl Step {
    fn start(ui: Ui, title: String) -> Self {
        let bar = ui.is_interactive().then(|| {
            let template = "{spinner:.cyan} {prefix} {wide_msg:.dim} {elapsed:>4}";
            let style = ProgressStyle::with_template(template).expect("the template is a constant");
            let bar = ProgressBar::new_spinner()
                .with_style(style)
                .with_prefix(shown(&title));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            ui.tell(
                "started",
                format_args!("… {title}"),
                json!({ "step": title }),
            );
        }
        Self {
            ui,
            title,
            started: Instant::now(),
            bar,
            last: std::sync::Mutex::default(),
        }
    }

    /// Says where the step is: redrawn on a terminal, a line elsewhere, when it is news.
    pub fn update(&self, message: impl Display) {
        let message = message.to_string();
        match &self.bar {
            Some(bar) => bar.set_message(shown(&message)),
            None => {
                let mut last = self.last.lock().expect("nothing panics while it is held");
                if *last != message {
                    let facts = json!({ "step": self.title });
                    self.ui
                        .tell("progress", format_args!("    {message}"), facts);
                    *last = message;
                }
            }
        }
    }

    /// Prints a line above the running step, for logs that must stay visible.
    pub fn log(&self, line: impl Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.ui.say(format_args!("    {line}"))),
            None => self.ui.say(format_args!("    {line}")),
        }
    }

    /// The step succeeded.
    pub fn done(self, outcome: impl Display) {
        self.end("done", paint(GREEN, "✓"), outcome);
    }

    /// The step failed; the error itself is told by whoever returns it.
    pub fn failed(self, outcome: impl Display) {
        self.end("failed", paint(RED, "✗"), outcome);
    }

    fn end(mut self, event: &str, mark: String, outcome: impl Display) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let elapsed = paint(
            DIM,
            format_args!("({})", human_elapsed(self.started.elapsed())),
        );
        let facts = json!({
            "step": self.title,
            "outcome": plain(&outcome.to_string()),
            "seconds": self.started.elapsed().as_secs_f64(),
        });
        self.ui.tell(
            event,
            format_args!("{mark} {} {outcome} {elapsed}", self.title),
            facts,
        );
    }
}

impl Drop for Step {
    /// A step left by `?` must not leave a spinner behind.
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// `0.8 s`, `12 s`, `3 min 05 s`.
pub fn human_elapsed(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", elapsed.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// With its first letter as a sentence begins.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// `288.6 MB`: decimal units, as registries and `docker image ls` count.
pub fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_time_reads_as_people_say_it() {
        assert_eq!(human_elapsed(Duration::from_millis(840)), "0.8 s");
        assert_eq!(human_elapsed(Duration::from_secs(12)), "12 s");
        assert_eq!(human_elapsed(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn sizes_are_decimal() {
        assert_eq!(human_bytes(999), "999 B");
        assert_eq!(human_bytes(288_566_024), "288.6 MB");
        assert_eq!(human_bytes(1_200_000_000), "1.20 GB");
    }
}
