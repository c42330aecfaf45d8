//! The terminal: the one place that writes to stdout and stderr.
//!
//! stdout is data, stderr is talk. On a terminal a running step has a spinner and its elapsed time, with the reason of a
//! wait on lines of its own; elsewhere each step is one plain line when it ends (and one when it starts, so that a CI log
//! shows what hangs). For programs the talk is JSON, one event a line (docs/plan-format.md describes them).
//!
//! Lines for a terminal are folded between words: what is cut or broken within a command cannot be copied. What is
//! written while steps run stands above them, since an overwritten spinner would be left behind.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anstyle::AnsiColor;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use miette::{Diagnostic, Report};
use serde::Serialize;
use serde_json::{Value, json};

use uninlu_text::escape;
use uninlu_text::fold::{columns, fold, fold_under, seen as without_codes};
pub use uninlu_text::style::{BOLD, DIM, GREEN, RED, Style, YELLOW, paint, plain};
use uninlu_text::style::{END, style_of};
pub use uninlu_text::words::{capitalised, counted, human_bytes, human_elapsed};

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

/// The steps that are shown now.
static RUNNING: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How many of them there are.
static DRAWN: AtomicUsize = AtomicUsize::new(0);

/// Whether a question stands on the terminal without its answer.
static IS_ASKING: AtomicBool = AtomicBool::new(false);

/// Columns that a question leaves to a short answer.
const ANSWER: usize = 12;

/// The terminal has echoed `^C`, and an open question keeps it. Behind drawn steps the cursor stands at the end of a full
/// line, so that the echo is on the line below.
fn after_echo() -> &'static str {
    let is_drawn = DRAWN.load(Ordering::Relaxed) > 0;
    match (IS_ASKING.load(Ordering::Relaxed), is_drawn) {
        (true, _) => "\n",
        (false, true) => "\r\u{1b}[K\u{1b}[A",
        (false, false) => "\r\u{1b}[K",
    }
}

/// Writes while no step is drawn.
fn above_steps<T>(write: impl FnOnce() -> T) -> T {
    RUNNING.suspend(write)
}

/// Columns of a stream that is a terminal.
fn columns_of(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Option<usize> {
    size.map(|(terminal_size::Width(columns), _)| columns.into())
}

/// Columns of stderr, where it is a terminal.
fn columns_of_talk() -> Option<usize> {
    columns_of(terminal_size::terminal_size_of(io::stderr()))
}

/// A text for people: folded where it goes to a terminal.
fn fitted(text: &str, columns: Option<usize>) -> String {
    let text = shown(text);
    columns.map_or_else(|| text.clone(), |columns| fold(&text, columns))
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
        let text = fitted(&text.to_string(), self.width());
        above_steps(|| write_data(anstream::stdout().lock(), text.as_bytes()))
    }

    /// Writes a text for people over the `drawn` lines above, on a terminal that can be redrawn; the lines that it takes.
    ///
    /// # Errors
    /// [`Unwritable`]
    pub(crate) fn redraw(self, text: impl Display, drawn: usize) -> Result<usize, Unwritable> {
        let width = self.width().unwrap_or(usize::MAX);
        let text = fitted(&text.to_string(), Some(width));
        if drawn > 0 {
            // Upwards, and nothing from there on.
            let over = format!("\u{1b}[{drawn}A\u{1b}[J");
            write_data(io::stdout().lock(), over.as_bytes())?;
        }
        write_data(anstream::stdout().lock(), text.as_bytes())?;
        let lines = text
            .lines()
            .map(|line| columns(line).div_ceil(width).max(1));
        Ok(lines.sum())
    }

    /// Writes a document for programs to stdout.
    ///
    /// # Errors
    /// [`Unwritable`]
    pub fn json(self, document: &impl Serialize) -> Result<(), Unwritable> {
        above_steps(|| write_data(io::stdout().lock(), json_text(document).as_bytes()))
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

    fn event(self, event: &str, text: impl Display, facts: Value) {
        above_steps(|| write_event(event, text, facts));
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
            let text = format!("{report:?}");
            let text = match columns_of_talk() {
                Some(columns) => fold_under(&text, columns, below_error),
                None => text,
            };
            return above_steps(|| drop(writeln!(anstream::stderr().lock(), "{text}")));
        }
        let causes: Vec<String> = report.chain().skip(1).map(ToString::to_string).collect();
        let help = report.help().map(|help| help.to_string());
        self.event("error", report, json!({ "causes": causes, "help": help }));
    }

    /// Columns of the terminal that stdout leads to, if it is one.
    pub fn width(self) -> Option<usize> {
        columns_of(terminal_size::terminal_size_of(io::stdout()))
    }

    /// Whether stdout is a terminal that can be redrawn.
    pub(crate) fn can_redraw(self) -> bool {
        io::stdout().is_terminal() && !RUNNING.is_hidden() && !self.is_for_programs()
    }

    /// Whether stderr is a terminal that can be redrawn.
    pub fn is_interactive(self) -> bool {
        // One without a cursor that moves (TERM=dumb) is hidden to the steps.
        !RUNNING.is_hidden() && !self.quiet && !self.is_for_programs()
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
        let columns = columns_of_talk().map(|columns| columns.saturating_sub(ANSWER));
        let question = fitted(question, columns);
        // Before it can be seen, and so be interrupted.
        IS_ASKING.store(true, Ordering::Relaxed);
        above_steps(|| drop(write!(anstream::stderr().lock(), "{question} ")));
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        IS_ASKING.store(false, Ordering::Relaxed);
        match read {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(answer.trim().to_owned()),
        }
    }

    /// Asks for consent; only the exact answer gives it.
    pub fn confirm(self, question: &str, consent: &str) -> bool {
        self.ask(question) == consent
    }

    /// Says what goes on, to one who interrupts the command, also when quiet, and ends the process: what was drawn of
    /// running steps goes and does not come back.
    pub(crate) fn interrupted(self, text: impl Display, code: u8) {
        if !RUNNING.is_hidden() {
            let _ = write!(io::stderr().lock(), "{}", after_echo());
        }
        above_steps(|| {
            match self.talk {
                Talk::Plain => write_talk(&text.to_string()),
                Talk::Json => write_event("interrupted", text, json!({})),
            }
            std::process::exit(code.into())
        })
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

/// What begins the further lines of a line of an error: below its words, within the frame. An excerpt stays as it is.
fn below_error(line: &str) -> Option<String> {
    let line = without_codes(line);
    let frames = [
        ("  × ", "    "),
        ("  x ", "    "),
        ("  help: ", "        "),
        ("  ├─▶ ", "  │   "),
        ("  |-> ", "  |   "),
        ("  ╰─▶ ", "      "),
    ];
    let (_, below) = frames
        .into_iter()
        .find(|(begin, _)| line.starts_with(begin))?;
    Some(below.to_owned())
}

fn say_plainly(text: &str) {
    above_steps(|| write_talk(text));
}

fn write_talk(text: &str) {
    let text = fitted(text, columns_of_talk());
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// An event as a program reads it: without colours, and with its time.
fn write_event(event: &str, text: impl Display, facts: Value) {
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

/// Passes on what a program that was started here asks the person at the terminal.
pub(crate) fn pass_on(words: &[u8]) {
    above_steps(|| drop(std::io::stderr().lock().write_all(words)));
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

/// Where the step is stands below it.
const REASON: &str = "    ";

fn spinner(with_reason: bool) -> ProgressStyle {
    let template = match with_reason {
        true => "{spinner:.cyan} {prefix} {elapsed}\n{msg:.dim}",
        false => "{spinner:.cyan} {prefix} {elapsed}",
    };
    ProgressStyle::with_template(template).expect("the templates are constants")
}

impl Step {
    fn start(ui: Ui, title: String) -> Self {
        let bar = ui.is_interactive().then(|| {
            let bar = ProgressBar::new_spinner()
                .with_style(spinner(false))
                .with_prefix(shown(&title));
            let bar = RUNNING.add(bar);
            DRAWN.fetch_add(1, Ordering::Relaxed);
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
            Some(bar) => {
                let reason = format!("{REASON}{message}");
                bar.set_message(fitted(&reason, columns_of_talk()));
                bar.set_style(spinner(true));
            }
            None => {
                let mut last = self.last.lock().expect("nothing panics while it is held");
                if *last != message {
                    let facts = json!({ "step": self.title });
                    self.ui
                        .tell("progress", format_args!("{REASON}{message}"), facts);
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
        self.ui
            .tell("message", format_args!("{REASON}{line}"), facts);
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
        self.vanish();
        let elapsed = paint(
            DIM,
            format_args!("({})", human_elapsed(self.started.elapsed())),
        );
        let outcome = outcome.to_string();
        let facts = json!({
            "step": self.title,
            "outcome": plain(&outcome),
            "seconds": self.started.elapsed().as_secs_f64(),
        });
        let apart = if outcome.is_empty() { "" } else { ": " };
        self.ui.tell(
            event,
            format_args!("{mark} {}{apart}{outcome} {elapsed}", self.title),
            facts,
        );
    }

    fn vanish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            RUNNING.remove(&bar);
            DRAWN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Step {
    /// A step left by `?` must not leave a spinner behind.
    fn drop(&mut self) {
        self.vanish();
    }
}
