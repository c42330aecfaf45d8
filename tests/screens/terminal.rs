//! The tool on a pseudo-terminal: the kernel's own, as tmux has one for each of its panes. It is the tool's controlling
//! terminal, so that a typed Ctrl-C is echoed and becomes SIGINT by the kernel's line discipline, and what is drawn comes
//! through it. Nothing here waits for a time: an answer is typed when its question stands there.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::hermetic;

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
/// Characters of a word, or of a command in backticks, that a line with an indent may not take.
const LONG: usize = 60;
/// A bound for a command that draws on and does nothing else.
const BOUND: Duration = Duration::from_secs(600);
/// A bound for a machine that hangs.
const PATIENCE: Timespec = Timespec {
    tv_sec: 60,
    tv_nsec: 0,
};

/// A running command and what it wrote.
pub(crate) struct Terminal {
    child: Child,
    master: File,
    screen: Screen,
    /// What came since the last answer.
    fresh: Screen,
    raw: Vec<u8>,
    started: Instant,
}

impl Terminal {
    /// Starts the tool in that folder, with these variables.
    pub(crate) fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).expect("ours");
        unlockpt(&master).expect("ours");
        let size = Winsize {
            ws_row: ROWS,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).expect("a terminal");
        let user = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY);
        let user = File::from(user.expect("the other side"));
        let both = || user.try_clone().expect("a descriptor");
        let mut command = with_controlling_terminal(&hermetic::uninlu(folder));
        command
            .args(arguments)
            .envs([("TERM", "xterm-256color"), ("LANG", "C.UTF-8")])
            .envs(variables.iter().copied())
            .stdin(both())
            .stdout(both())
            .stderr(both());
        Self {
            child: command.spawn().expect("the binary was built for this test"),
            master: File::from(master),
            screen: Screen::default(),
            fresh: Screen::default(),
            raw: Vec::new(),
            started: Instant::now(),
        }
    }

    /// Waits for the question, and types a line.
    pub(super) fn answer(&mut self, question: &str, line: &str) {
        self.wait_for(question);
        self.fresh = Screen::default();
        self.raw.clear();
        let typed = format!("{line}\n");
        self.master.write_all(typed.as_bytes()).expect("a terminal");
    }

    /// Waits for the question, and ends the input.
    pub(super) fn end_input(&mut self, question: &str) {
        self.wait_for(question);
        self.master.write_all(&[4]).expect("a terminal");
    }

    /// Waits for the words, and types Ctrl-C. A question's words end with its space, which is written by itself.
    pub(crate) fn interrupt(&mut self, words: &str) {
        self.see(words);
        self.type_interrupt();
    }

    /// Waits for the words: what is on the screen then.
    pub(super) fn see(&mut self, words: &str) -> String {
        while !self.screen.shows(words) {
            assert!(
                self.read(),
                "it ended before `{words}`:\n{}",
                self.screen.text()
            );
        }
        self.screen.text()
    }

    /// Types Ctrl-C.
    pub(super) fn type_interrupt(&mut self) {
        self.master.write_all(&[3]).expect("a terminal");
    }

    fn wait_for(&mut self, question: &str) {
        while !(self.fresh.text().contains(question) && self.raw.ends_with(b": ")) {
            assert!(
                self.read(),
                "it ended before `{question}`:\n{}",
                self.screen.text()
            );
        }
    }

    /// Waits for the end: the exit code, and all that was on the screen.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        while self.read() {}
        let status = self.child.wait().expect("it ends");
        assert!(!self.screen.is_cursor_hidden, "the cursor is not shown");
        self.screen.nothing_is_torn();
        (status.code(), self.screen.text())
    }

    /// `false` at the end.
    fn read(&mut self) -> bool {
        assert!(
            self.started.elapsed() < BOUND,
            "it does not get on:\n{}",
            self.screen.text()
        );
        let mut waiting = [PollFd::new(&self.master, PollFlags::IN)];
        let ready = poll(&mut waiting, Some(&PATIENCE)).expect("a descriptor");
        assert!(ready > 0, "nothing comes any more:\n{}", self.screen.text());
        let mut bytes = [0; 4096];
        // When the last one closes its side, Linux answers with an error.
        match self.master.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.screen.take(&bytes[..count]);
                self.fresh.take(&bytes[..count]);
                self.raw.extend_from_slice(&bytes[..count]);
                true
            }
        }
    }
}

/// The same command, with the terminal on its stdin as its own.
fn with_controlling_terminal(of: &Command) -> Command {
    let mut command = Command::new("/usr/bin/setsid");
    command.arg("--ctty").arg(of.get_program()).env_clear();
    command.envs(
        of.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    if let Some(folder) = of.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[derive(Default, Clone)]
struct Line {
    characters: Vec<char>,
    /// Whether it goes on in the next one, since the terminal broke it.
    goes_on: bool,
}

impl Line {
    fn truncate(&mut self, column: usize) {
        self.characters.truncate(column);
        self.goes_on = false;
    }
}

/// A terminal's screen, as far as this tool uses one: lines that are never scrolled away.
#[derive(Default)]
struct Screen {
    lines: Vec<Line>,
    row: usize,
    column: usize,
    /// Bytes of a character or a code that is not complete.
    rest: Vec<u8>,
    is_cursor_hidden: bool,
}

impl Screen {
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let valid = match std::str::from_utf8(&self.rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8_lossy(&self.rest[..valid]).into_owned();
        let mut left = text.as_str();
        while let Some(first) = left.chars().next() {
            let taken = match (first, left.strip_prefix("\u{1b}[")) {
                ('\u{1b}', Some(code)) => {
                    let Some(end) = code.find(|c: char| c.is_ascii_alphabetic()) else {
                        break;
                    };
                    self.obey(&code[..end], code.as_bytes()[end]);
                    2 + end + 1
                }
                ('\u{1b}', None) if left.len() == 1 => break,
                (first, _) => {
                    self.put(first);
                    first.len_utf8()
                }
            };
            left = &left[taken..];
        }
        let kept = left.len();
        self.rest.drain(..valid - kept);
    }

    fn obey(&mut self, numbers: &str, code: u8) {
        let count = numbers.parse().unwrap_or(1);
        match code {
            b'A' => self.row = self.row.saturating_sub(count),
            b'B' => self.row += count,
            b'K' if numbers == "2" => self.line().truncate(0),
            b'K' => {
                let column = self.column;
                self.line().truncate(column);
            }
            b'J' => {
                let column = self.column;
                self.line().truncate(column);
                self.lines.truncate(self.row + 1);
            }
            b'l' if numbers == "?25" => self.is_cursor_hidden = true,
            b'h' if numbers == "?25" => self.is_cursor_hidden = false,
            // Colours.
            _ => (),
        }
    }

    fn put(&mut self, character: char) {
        match character {
            '\r' => self.column = 0,
            '\n' => (self.row, self.column) = (self.row + 1, 0),
            '\u{8}' => self.column = self.column.saturating_sub(1),
            '\u{7}' => (),
            _ => {
                // As terminals do it: what follows a full line begins the next one.
                if self.column >= usize::from(COLUMNS) {
                    self.line().goes_on = true;
                    (self.row, self.column) = (self.row + 1, 0);
                }
                let column = self.column;
                let line = self.line();
                if line.characters.len() <= column {
                    line.characters.resize(column + 1, ' ');
                }
                line.characters[column] = character;
                self.column += 1;
            }
        }
    }

    fn line(&mut self) -> &mut Line {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, Line::default());
        }
        &mut self.lines[self.row]
    }

    fn written(&self) -> impl Iterator<Item = String> {
        self.lines
            .iter()
            .map(|line| line.characters.iter().collect())
    }

    /// Whether a line has the words, with the spaces at its end.
    fn shows(&self, words: &str) -> bool {
        self.written().any(|line| line.contains(words))
    }

    fn text(&self) -> String {
        let lines = self.written().map(|line| line.trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The terminal breaks a line only within a word that no line takes, such as an image by its digest.
    fn nothing_is_torn(&self) {
        let mut whole = String::new();
        for line in &self.lines {
            whole.extend(&line.characters);
            if line.goes_on {
                continue;
            }
            let is_long = |word: &str| word.chars().count() > LONG;
            let is_torn = whole.chars().count() > usize::from(COLUMNS);
            let mut words = whole.split(['`', ' ']).chain(whole.split('`'));
            assert!(
                !is_torn || words.any(is_long),
                "torn: {whole}\n{}",
                self.text()
            );
            whole.clear();
        }
    }
}
