//! BuildKit's status messages → what there is to tell. Pure: a message in, events out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};

/// How many lines of a step's log are kept for the case that it fails.
const KEPT_LINES: usize = 40;
/// A step that runs longer is reported before it ends: a log must show what hangs.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters of a step's name in a line.
const LONGEST_NAME: usize = 60;

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step ended well.
    Finished {
        /// `[build 3/7] RUN …`
        step: String,
        /// Its time; `None` when the result came from the cache.
        elapsed: Option<Duration>,
    },
    /// A step wrote a line.
    Output {
        /// `[build 3/7] RUN …`
        step: String,
        /// Without its line end.
        line: String,
    },
}

/// The step that broke the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `[build 3/7] RUN …`
    pub step: String,
    /// The builder's words.
    pub error: String,
    /// The last lines of its log.
    pub log: Vec<String>,
}

/// Where the steps of one build are.
#[derive(Debug, Default)]
pub struct Progress {
    steps: BTreeMap<String, Step>,
    /// Digest of the step that failed first: what others say after it is only that they were stopped.
    failed: Option<String>,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    started: Option<Duration>,
    reported: bool,
    finished: bool,
    error: String,
    unfinished_line: String,
    log: VecDeque<String>,
}

impl Progress {
    /// Takes one message in, `now` after the build's start. BuildKit repeats what it said; each event comes once.
    pub fn fold(&mut self, status: &StatusResponse, now: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        for vertex in &status.vertexes {
            events.extend(self.fold_vertex(vertex, now));
        }
        for log in &status.logs {
            events.extend(self.fold_log(log));
        }
        events
    }

    /// The step that broke the build, once the build has ended. Its log may come after its error.
    pub fn failure(&self) -> Option<Failure> {
        let step = self.steps.get(self.failed.as_ref()?)?;
        let mut log: Vec<String> = step.log.iter().cloned().collect();
        if !step.unfinished_line.is_empty() {
            log.push(step.unfinished_line.clone());
        }
        Some(Failure {
            step: step.name.clone(),
            error: step.error.clone(),
            log,
        })
    }

    /// Names of the steps that run.
    pub fn running(&self) -> impl Iterator<Item = &str> {
        self.steps
            .values()
            .filter(|step| step.started.is_some() && !step.finished)
            .map(|step| step.name.as_str())
    }

    /// Names of the steps that have run for long, each once.
    pub fn slow(&mut self, now: Duration) -> Vec<String> {
        let is_slow = |step: &&mut Step| {
            let since = step.started.map(|started| now.saturating_sub(started));
            !step.finished && !step.reported && since.is_some_and(|since| since >= PATIENCE)
        };
        let slow = self.steps.values_mut().filter(is_slow);
        slow.map(|step| {
            step.reported = true;
            step.name.clone()
        })
        .collect()
    }

    fn fold_vertex(&mut self, vertex: &Vertex, now: Duration) -> Option<Event> {
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        step.name.clone_from(&vertex.name);
        if vertex.started.is_some() {
            step.started.get_or_insert(now);
        }
        if !vertex.error.is_empty() {
            step.error.clone_from(&vertex.error);
            self.failed.get_or_insert_with(|| vertex.digest.clone());
        }
        if vertex.completed.is_none() || step.finished {
            return None;
        }
        step.finished = true;
        vertex.error.is_empty().then(|| Event::Finished {
            step: step.name.clone(),
            elapsed: (!vertex.cached).then(|| elapsed(vertex)),
        })
    }

    fn fold_log(&mut self, log: &VertexLog) -> Vec<Event> {
        let step = self.steps.entry(log.vertex.clone()).or_default();
        step.unfinished_line
            .push_str(&String::from_utf8_lossy(&log.msg));
        let mut events = Vec::new();
        while let Some((line, rest)) = step.unfinished_line.split_once('\n') {
            let line = last_overwrite(line).to_owned();
            step.unfinished_line = rest.to_owned();
            if step.log.len() == KEPT_LINES {
                step.log.pop_front();
            }
            step.log.push_back(line.clone());
            events.push(Event::Output {
                step: step.name.clone(),
                line,
            });
        }
        events
    }
}

/// `[build 3/7] RUN …` as a line shows it: without mounts, on one line, and no longer than a terminal is wide.
pub fn short(step: &str) -> String {
    let words = step.split_whitespace();
    let words: Vec<&str> = words.filter(|word| !word.starts_with("--mount=")).collect();
    let name = words.join(" ");
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}

/// Of a line that a progress bar overwrote again and again, what a person would see at last.
fn last_overwrite(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit('\r').next().unwrap_or(line)
}

fn elapsed(vertex: &Vertex) -> Duration {
    let (Some(started), Some(completed)) = (&vertex.started, &vertex.completed) else {
        return Duration::ZERO;
    };
    let nanoseconds = i128::from(completed.seconds - started.seconds) * 1_000_000_000
        + i128::from(completed.nanos - started.nanos);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}
