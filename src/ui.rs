//! The terminal: the one place that writes to stdout and stderr.
//!
//! stdout is data, stderr is talk. On a terminal a running step has a spinner and its elapsed time; elsewhere each
//! step is one plain line when it ends (and one when it starts, so that a CI log shows what hangs). For programs the
//! talk is JSON, one event a line (docs/plan-format.md describes them).

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use miette::Report;
use serde_json::{Value, json};

/// Additions, and what went well.
pub const GREEN: Style = AnsiColor::Green.on_default();
/// Changes and warnings.
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Removals and failures.
pub const RED: Style = AnsiColor::Red.on_default();
/// What a reader may skip.
pub const DIM: Style = Style::new().dimmed();
/// What a reader must not skip.
pub const BOLD: Style = Style::new().bold();

/// `text` in `style`; the streams below drop the codes where they are not wanted (`NO_COLOR`, no terminal).
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
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

    /// Writes data to stdout. A reader that went away (`| head`) is no error.
    pub fn data(self, text: impl Display) {
        let _ = write!(anstream::stdout().lock(), "{text}");
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
            Talk::Plain => drop(writeln!(anstream::stderr().lock(), "{text}")),
            Talk::Json => self.event(event, text, facts),
        }
    }

    /// An event as a program reads it: without colours, and with its time.
    fn event(self, event: &str, text: impl Display, facts: Value) {
        let text = text.to_string();
        let mut line = json!({
            "at": Timestamp::now().strftime("%FT%T%.3fZ").to_string(),
            "event": event,
            "text": anstream::adapter::strip_str(&text).to_string().trim(),
        });
        if let (Value::Object(line), Value::Object(facts)) = (&mut line, facts) {
            line.extend(facts);
        }
        let _ = writeln!(std::io::stderr().lock(), "{line}");
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
        let _ = writeln!(
            anstream::stderr().lock(),
            "{} {text}",
            paint(YELLOW, "warning:")
        );
    }

    /// Writes an error to stderr, with its causes and its mend, also when quiet.
    pub fn error(self, report: &Report) {
        if !self.is_for_programs() {
            return self.loud().say(format_args!("{report:?}"));
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
        let _ = write!(anstream::stderr().lock(), "{question} ");
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
                .with_prefix(title.clone());
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
            Some(bar) => bar.set_message(message),
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
            "outcome": outcome.to_string(),
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
