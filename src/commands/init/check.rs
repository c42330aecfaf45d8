//! What an answer means, and why it is refused.

use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::stack::{self, MODEL_FILES};

/// Why an answer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) message: String,
    #[help]
    pub(super) help: String,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// Keys of the stack file that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Name,
    Namespace,
    Repository,
    Claim,
    Path,
}

/// The value, if a stack file takes it.
///
/// # Errors
/// What the stack file's own check says.
pub(super) fn value(key: Key, answer: &str) -> Result<String, Refusal> {
    let given = |it: Key, valid: &str| {
        let text = if it == key { answer } else { valid };
        toml::Value::from(text)
    };
    let file = format!(
        "name = {}\nnamespace = {}\n[cluster]\ncontext = \"context\"\n[image]\nrepository = {}\n[model]\nsource = {{ pvc = {}, path = {} }}\n",
        given(Key::Name, "name"),
        given(Key::Namespace, "namespace"),
        given(Key::Repository, "registry.example.com/name"),
        given(Key::Claim, "claim"),
        given(Key::Path, "path"),
    );
    match stack::parse(&file, Path::new("uninlu.toml"), None) {
        Ok(_) => Ok(answer.to_owned()),
        Err(invalid) => Err(invalid.faults.first().map_or_else(
            || Refusal::new(format!("`{answer}` is refused"), "write another one"),
            |first| Refusal::new(&first.message, &first.help),
        )),
    }
}

/// The name of a claim, and not a path.
///
/// # Errors
/// Also for what looks like a path.
pub(super) fn claim(answer: &str) -> Result<String, Refusal> {
    if looks_like_path(answer) {
        return Err(Refusal::new(
            format!("`{answer}` is a path, not the name of a PersistentVolumeClaim"),
            "`--model DIR` takes a model folder on this machine",
        ));
    }
    value(Key::Claim, answer)
}

/// Whether it is written as a path: names of claims have no `/`, and begin with a letter or a digit.
pub(super) fn looks_like_path(answer: &str) -> bool {
    answer.contains('/') || answer.starts_with(['~', '.'])
}

/// The path with `~` as a shell expands it: after `--model=`, and in an answer, no shell does.
///
/// # Errors
/// `~user`, and `~` where there is no home folder.
pub(super) fn expand(path: &Path, home: Option<&Path>) -> Result<PathBuf, Refusal> {
    let written = path.display();
    let first = path.components().next();
    let first = first.map(|part| part.as_os_str().to_string_lossy().into_owned());
    match (first.as_deref(), home) {
        (Some("~"), Some(home)) => {
            let below = path.components().skip(1);
            Ok(below.fold(home.to_owned(), |path, part| path.join(part)))
        }
        (Some("~"), None) => Err(Refusal::new(
            format!("`{written}`: this user has no home folder"),
            "write the whole path, from `/` on",
        )),
        (Some(user), _) if user.starts_with('~') && !path.exists() => Err(Refusal::new(
            format!("`{written}`: only `~/`, your own home folder, is expanded"),
            "write the whole path, from `/` on",
        )),
        _ => Ok(path.to_owned()),
    }
}

/// A model folder, absolute since the stack file may lie elsewhere.
///
/// # Errors
/// What it lacks, and where a model folder lies instead.
pub(super) fn model_folder(path: &Path, home: Option<&Path>) -> Result<PathBuf, Refusal> {
    let folder = expand(path, home)?;
    let shown = folder.display();
    if !folder.is_dir() {
        let what = match folder.exists() {
            true => "is a file, not a folder",
            false => "does not exist",
        };
        return Err(Refusal::new(
            format!("`{shown}` is not a model folder: it {what}"),
            "name the folder with config.json, vocab.txt and the weights, as it is downloaded",
        ));
    }
    let Some(missing) = missing(&folder) else {
        return Ok(std::path::absolute(&folder).unwrap_or(folder));
    };
    let below = below(&folder).map_or_else(
        || {
            "name the folder with config.json, vocab.txt and the weights, as it is downloaded"
                .into()
        },
        |found| format!("did you mean `{}`?", found.display()),
    );
    Err(Refusal::new(
        format!("`{shown}` is not a model folder: it has no {missing}"),
        below,
    ))
}

/// The first of the model's files that the folder lacks.
fn missing(folder: &Path) -> Option<String> {
    let lacks = |files: &&&[&str]| !files.iter().any(|file| folder.join(file).is_file());
    let files = MODEL_FILES.iter().find(lacks)?;
    Some(files.join(" and no "))
}

/// A model folder right below.
fn below(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && missing(path).is_none())
        .collect();
    folders.sort();
    folders.into_iter().next()
}

/// Whether it is a model folder.
pub(super) fn is_model(folder: &Path) -> bool {
    missing(folder).is_none()
}
