//! The Dockerfile beside a chart.

use super::fields::Fields;
use super::{Check, Files, Rule, Spot};

pub(super) const RULES: [Rule; 6] = [
    Rule {
        id: "dockerfile-stage-order",
        title: "each stage copies from one before it",
        why: "a stage can only copy from one that stands before it: the build fails",
        fix: "put the stage that builds first, the one that runs last; the stack builds `uninlu`'s own Dockerfile",
        checks: &[Check::Files(stage_order)],
        ..Rule::ERROR
    },
    Rule {
        id: "dockerfile-stage-unused",
        title: "every stage of the Dockerfile is used",
        why: "nothing of it is in the image: only the last stage is, with what it is made from or copies",
        fix: "begin the last stage from it (`FROM name`), or move its instructions there",
        checks: &[Check::Files(unused)],
        ..Rule::ERROR
    },
    Rule {
        id: "dockerfile-tool-missing",
        title: "the image has the tools that it calls",
        why: "the health check fails for ever: the image that runs does not have what it calls",
        fix: "install it in the last stage, or check without it; `uninlu-server health` asks itself",
        checks: &[Check::Files(tool_missing)],
        ..Rule::ERROR
    },
    Rule {
        id: "dockerfile-outside-context",
        title: "the Dockerfile copies from its context alone",
        why: "the engine sees nothing outside of the context: such a path is looked for inside of it, and the build fails",
        fix: "put the folder into the context; a stack puts the model in by itself (`[model] source = { image = \"DIR\" }`)",
        checks: &[Check::Files(outside)],
        ..Rule::ERROR
    },
    Rule {
        id: "dockerfile-runs-as-root",
        title: "the image does not run as root",
        why: "the server runs as root wherever the Deployment does not say otherwise, and with `runAsNonRoot` alone the kubelet refuses it",
        fix: "end the last stage with `USER 1001:1001`",
        checks: &[Check::Files(runs_as_root)],
        ..Rule::ERROR
    },
    Rule {
        id: "several-workers",
        title: "a pod runs one process of the server",
        why: "each worker is a process that loads the model once more and counts for itself: memory multiplies, and /metrics answers with one worker's numbers at a time",
        fix: "one process a pod, and more pods; `uninlu`'s server batches requests over all cores",
        checks: &[Check::Files(workers)],
        ..Rule::WARNING
    },
];

/// One instruction: its line, its word, the rest.
struct Instruction {
    line: usize,
    word: String,
    rest: String,
}

struct Stage {
    line: usize,
    base: String,
    name: Option<String>,
    instructions: Vec<Instruction>,
}

impl Stage {
    /// What people call it.
    fn called(&self) -> String {
        match &self.name {
            Some(name) => format!("`{name}`"),
            None => format!("of line {}", self.line),
        }
    }
}

fn stages(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in instructions(text) {
        if instruction.word == "FROM" {
            let words: Vec<&str> = instruction
                .rest
                .split_whitespace()
                .filter(|word| !word.starts_with("--"))
                .collect();
            let name = match words.as_slice() {
                [_, keyword, name, ..] if keyword.eq_ignore_ascii_case("as") => {
                    Some((*name).to_owned())
                }
                _ => None,
            };
            stages.push(Stage {
                line: instruction.line,
                base: words.first().copied().unwrap_or_default().to_owned(),
                name,
                instructions: Vec::new(),
            });
        } else if let Some(stage) = stages.last_mut() {
            stage.instructions.push(instruction);
        }
    }
    stages
}

/// Lines that end with a backslash go on; comments between do not count.
fn instructions(text: &str) -> Vec<Instruction> {
    let mut instructions: Vec<Instruction> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let content = line.trim_end_matches('\\').trim();
        match instructions.last_mut() {
            Some(last) if goes_on => {
                last.rest.push(' ');
                last.rest.push_str(content);
            }
            _ => {
                let (word, rest) = content
                    .split_once(char::is_whitespace)
                    .unwrap_or((content, ""));
                instructions.push(Instruction {
                    line: index + 1,
                    word: word.to_uppercase(),
                    rest: rest.trim().to_owned(),
                });
            }
        }
        goes_on = line.ends_with('\\');
    }
    instructions
}

/// The stage of that name or number.
fn index_of(stages: &[Stage], name: &str) -> Option<usize> {
    let by_name = stages.iter().position(|stage| {
        stage
            .name
            .as_deref()
            .is_some_and(|known| known.eq_ignore_ascii_case(name))
    });
    by_name.or_else(|| name.parse().ok().filter(|index| *index < stages.len()))
}

/// Stages that an instruction reads (`COPY --from=`, `RUN --mount=…,from=`).
fn read_by(instruction: &Instruction) -> Vec<String> {
    let flags = instruction
        .rest
        .split_whitespace()
        .take_while(|word| word.starts_with("--"));
    flags
        .flat_map(|flag| {
            flag.trim_start_matches("--")
                .split([',', '='])
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .windows(2)
                .filter(|pair| pair[0] == "from")
                .map(|pair| pair[1].clone())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The stage and those that it is made from, itself first.
fn lineage(stages: &[Stage], last: usize) -> Vec<usize> {
    let mut lineage = vec![last];
    let mut at = last;
    while let Some(base) = index_of(&stages[..at], &stages[at].base) {
        lineage.push(base);
        at = base;
    }
    lineage
}

fn of_each<'a>(files: &Files<'a>, look: impl Fn(&str, &[Stage]) -> Vec<Spot<'a>>) -> Vec<Spot<'a>> {
    let files = files.dockerfiles.iter();
    files
        .flat_map(|(file, text)| {
            let stages = stages(text);
            if stages.is_empty() {
                Vec::new()
            } else {
                look(file, &stages)
            }
        })
        .collect()
}

fn stage_order<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    of_each(files, |file, stages| {
        let mut spots = Vec::new();
        for (at, stage) in stages.iter().enumerate() {
            for instruction in &stage.instructions {
                for name in read_by(instruction) {
                    let Some(read) = index_of(stages, &name).filter(|read| *read >= at) else {
                        continue;
                    };
                    let which = if read == at {
                        "is this very stage"
                    } else {
                        "comes later"
                    };
                    let what = format!("it copies from the stage `{name}`, which {which}");
                    spots.push(Spot::in_file(file, instruction.line, what));
                }
            }
        }
        spots
    })
}

fn unused<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    of_each(files, |file, stages| {
        let mut is_used = vec![false; stages.len()];
        // `target` may choose any named stage but by its name; one without a name is reachable from the others alone.
        for (at, stage) in stages.iter().enumerate() {
            is_used[at] |= at + 1 == stages.len() || stage.name.is_some();
            if let Some(base) = index_of(&stages[..at], &stage.base) {
                is_used[base] = true;
            }
            for name in stage.instructions.iter().flat_map(read_by) {
                if let Some(read) = index_of(&stages[..at], &name) {
                    is_used[read] = true;
                }
            }
        }
        let unused = stages.iter().zip(is_used).filter(|(_, is_used)| !is_used);
        unused
            .map(|(stage, _)| {
                let words: Vec<&str> = stage
                    .instructions
                    .iter()
                    .map(|instruction| instruction.word.as_str())
                    .collect();
                let what = format!(
                    "no other stage uses the stage {} ({})",
                    stage.called(),
                    words.join(", ")
                );
                Spot::in_file(file, stage.line, what)
            })
            .collect()
    })
}

fn tool_missing<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    of_each(files, |file, stages| {
        let mut spots = Vec::new();
        let lineage = lineage(stages, stages.len() - 1);
        let calls = stages[stages.len() - 1].instructions.iter();
        for instruction in
            calls.filter(|it| matches!(it.word.as_str(), "HEALTHCHECK" | "CMD" | "ENTRYPOINT"))
        {
            for tool in ["curl", "wget", "nc"]
                .into_iter()
                .filter(|tool| calls_tool(&instruction.rest, tool))
            {
                let installing: Vec<usize> = (0..stages.len())
                    .filter(|at| installs(&stages[*at], tool))
                    .collect();
                let has_it = installing.iter().any(|at| lineage.contains(at));
                let base = &stages[lineage[lineage.len() - 1]].base;
                let is_small = ["slim", "alpine", "scratch", "distroless"]
                    .iter()
                    .any(|word| base.contains(word));
                if has_it || !is_small {
                    continue;
                }
                let elsewhere = match installing.first() {
                    Some(at) => format!("; only the stage {} installs it", stages[*at].called()),
                    None => String::new(),
                };
                let what = format!(
                    "{} calls `{tool}`, which the last stage does not have{elsewhere}",
                    instruction.word
                );
                spots.push(Spot::in_file(file, instruction.line, what));
            }
        }
        spots
    })
}

fn calls_tool(text: &str, tool: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.split(|c| !is_part(c)).any(|word| word == tool)
}

fn installs(stage: &Stage, tool: &str) -> bool {
    let runs = stage
        .instructions
        .iter()
        .filter(|instruction| instruction.word == "RUN");
    runs.filter(|run| {
        ["install", "apk add", "apk --no-cache"]
            .iter()
            .any(|word| run.rest.contains(word))
    })
    .any(|run| calls_tool(&run.rest, tool))
}

fn outside<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    of_each(files, |file, stages| {
        let mut spots = Vec::new();
        for instruction in stages.iter().flat_map(|stage| &stage.instructions) {
            let copies = matches!(instruction.word.as_str(), "COPY" | "ADD");
            if !copies || !read_by(instruction).is_empty() {
                continue;
            }
            let words: Vec<&str> = instruction
                .rest
                .split([' ', '\t', '[', ']', '"', ','])
                .filter(|word| !word.is_empty() && !word.starts_with("--"))
                .collect();
            let sources = words
                .split_last()
                .map(|(_, sources)| sources)
                .unwrap_or_default();
            for source in sources {
                let leaves = source.starts_with('/') || source.split('/').any(|part| part == "..");
                if leaves {
                    spots.push(Spot::in_file(
                        file,
                        instruction.line,
                        format!("it copies `{source}`, outside of the context"),
                    ));
                }
            }
        }
        spots
    })
}

fn runs_as_root<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    of_each(files, |file, stages| {
        let last = stages.len() - 1;
        let users = lineage(stages, last).into_iter().find_map(|at| {
            stages[at]
                .instructions
                .iter()
                .rfind(|instruction| instruction.word == "USER")
        });
        match users {
            Some(user) => {
                let name = user.rest.split(':').next().unwrap_or_default();
                let what = format!("the last stage runs as `{name}`");
                match name {
                    "root" | "0" => vec![Spot::in_file(file, user.line, what)],
                    _ => Vec::new(),
                }
            }
            // A base image's own user is not to be seen from here; those of languages have none.
            None => {
                let elsewhere = stages
                    .iter()
                    .any(|stage| stage.instructions.iter().any(|it| it.word == "USER"));
                let note = if elsewhere {
                    "; only another stage has"
                } else {
                    ""
                };
                vec![Spot::in_file(
                    file,
                    stages[last].line,
                    format!("the last stage sets no `USER`{note}"),
                )]
            }
        }
    })
}

fn workers<'a>(files: &Files<'a>) -> Vec<Spot<'a>> {
    let mut spots = of_each(files, |file, stages| {
        let starts = stages.iter().flat_map(|stage| &stage.instructions);
        starts
            .filter(|instruction| matches!(instruction.word.as_str(), "CMD" | "ENTRYPOINT"))
            .filter_map(|instruction| {
                let count = worker_count(&instruction.rest)?;
                Some(Spot::in_file(
                    file,
                    instruction.line,
                    format!("it starts {count} workers"),
                ))
            })
            .collect()
    });
    let pod = &files.objects.pod;
    for field in ["/command", "/args"] {
        let pointer = pod.in_container(field);
        let words: Vec<&str> = pod
            .object
            .items(&pointer)
            .into_iter()
            .filter_map(|(_, word)| word.as_str())
            .collect();
        if let Some(count) = worker_count(&words.join(" ")) {
            spots.push(Spot::at(
                pod.object,
                &pointer,
                format!("it starts {count} workers"),
            ));
        }
    }
    for (name, (value, pointer)) in pod.environment() {
        if matches!(
            name.as_str(),
            "WEB_CONCURRENCY" | "WORKERS" | "UVICORN_WORKERS" | "GUNICORN_WORKERS"
        ) && value.parse::<u32>().is_ok_and(|count| count > 1)
        {
            spots.push(Spot::at(
                pod.object,
                &pointer,
                format!("`{name}` starts {value} workers"),
            ));
        }
    }
    spots
}

/// Workers of uvicorn or gunicorn, when they are several.
fn worker_count(command: &str) -> Option<u32> {
    let is_server = ["uvicorn", "gunicorn", "hypercorn"]
        .iter()
        .any(|server| command.contains(server));
    let separators = [' ', '\t', '[', ']', '"', ',', '='];
    let words: Vec<&str> = command
        .split(separators)
        .filter(|word| !word.is_empty())
        .collect();
    let pairs = words.windows(2);
    let count = pairs
        .filter(|pair| matches!(pair[0], "--workers" | "-w"))
        .find_map(|pair| pair[1].parse().ok());
    count.filter(|count| is_server && *count > 1)
}
