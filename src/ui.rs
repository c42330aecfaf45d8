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
use serde::Serialize;
use serde_json::{Value, json};

use uninlu_text::escape;
pub use uninlu_text::style::{BOLD, DIM, GREEN, RED, Style, YELLOW, paint, plain};
use uninlu_text::style::{END, style_of};
pub use uninlu_text::words::{capitalised, human_bytes, human_elapsed};

/// What a terminal understands.
fn codes(style: Style) -> anstyle::Style {
    match style {
        GREEN => AnsiColor::Green.on_default(),
        YELLOW => AnsiColor::Yellow.on_default(),
        RED => AnsiColor::Red.on_default(),
        DIM => anstyle::Style::new().dimmed(),
        _ => anstyle::Style::new().bold(),
    }
}

/// The text as a terminal, or a log, is to show it; the streams drop the codes where they are not wanted (`NO_COLOR`, no
/// terminal).
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in escape::log(text).chars() {
        match (c, style_of(c)) {
            (END, _) => shown.push_str("\u{1b}[0m"),
            (_, Some(style)) => shown += &codes(style).to_string(),
            (c, None) => shown.push(c),
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
    pub fn json(self, document: &impl Serialize) -> Result<(), Unwritable> {
        write_data(io::stdout().lock(), json_text(document).as_bytes())
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

    /// Columns of the terminal that stdout leads to, if it is one.
    pub fn width(self) -> Option<usize> {
        let size = terminal_size::terminal_size_of(io::stdout());
        size.map(|(terminal_size::Width(columns), _)| columns.into())
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
        self.answer(question).unwrap_or_default()
    }

    /// Asks on the terminal; `None` at the end of the input.
    pub fn answer(self, question: &str) -> Option<String> {
        let _ = write!(anstream::stderr().lock(), "{} ", shown(question));
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(answer.trim().to_owned()),
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

/// A document for programs, with a line's end.
pub(crate) fn json_text(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("every key is a string");
    escape::json(&text) + "\n"
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
        self.log_facts(line, json!({}));
    }

    /// As [`Step::log`], with what a program reads of it.
    pub(crate) fn log_facts(&self, line: impl Display, facts: Value) {
        let tell = || self.ui.tell("message", format_args!("    {line}"), facts);
        match &self.bar {
            Some(bar) => bar.suspend(tell),
            None => tell(),
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
