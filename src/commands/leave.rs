//! The stack's objects as the files of another tool: who wants to leave can.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, IntoDiagnostic, Result};
use serde_json::{Value, json};

use crate::kinds::{Desired, ObjectId};
use crate::stack::Stack;
use crate::ui::Ui;

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Stop {
    #[error("{} is not empty", .0.display())]
    #[diagnostic(help("nothing was written. Name a folder that does not exist yet"))]
    NotEmpty(PathBuf),
    #[error("cannot write {}: {reason}", file.display())]
    #[diagnostic(help("is there room, and may you write there?"))]
    Write {
        file: PathBuf,
        reason: std::io::Error,
    },
}

/// Files by their path in the folder.
pub(super) type Files = Vec<(String, String)>;

/// A chart whose templates are the objects: everything that differs between installations is left to Helm's users.
pub(super) fn helm(stack: &Stack, objects: &Desired) -> Result<Files> {
    let chart = json!({
        "apiVersion": "v2",
        "name": stack.name,
        "description": "SiameseUniNLU inference service, rendered by uninlu",
        "type": "application",
        "version": env!("CARGO_PKG_VERSION"),
        "appVersion": env!("CARGO_PKG_VERSION"),
    });
    let mut files = vec![
        ("Chart.yaml".to_owned(), yaml(&chart)?),
        (
            "values.yaml".to_owned(),
            "# The templates hold the objects as they are: there is nothing to set.\n{}\n"
                .to_owned(),
        ),
    ];
    for (id, body) in objects {
        files.push((
            format!("templates/{}", file_name(id)),
            literally(&yaml(body)?),
        ));
    }
    Ok(files)
}

/// A kustomization of the objects in the order of apply.
pub(super) fn kustomize(objects: &Desired) -> Result<Files> {
    let names: Vec<String> = objects.keys().map(file_name).collect();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": names,
    });
    let mut files = vec![("kustomization.yaml".to_owned(), yaml(&kustomization)?)];
    for (id, body) in objects {
        files.push((file_name(id), yaml(body)?));
    }
    Ok(files)
}

fn file_name(id: &ObjectId) -> String {
    format!("{}-{}.yaml", id.kind.name().to_lowercase(), id.name)
}

/// A warm-up text may hold braces, and a template must not run them.
fn literally(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// Writes the files into a folder of their own.
///
/// # Errors
/// A folder that holds something, and what the file system refuses.
pub(super) fn write(folder: &Path, files: &Files, ui: Ui) -> Result<()> {
    let is_used = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        return Err(Stop::NotEmpty(folder.to_owned()).into());
    }
    for (path, text) in files {
        let file = folder.join(path);
        let written = file
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&file, text));
        written.map_err(|reason| Stop::Write {
            file: file.clone(),
            reason,
        })?;
    }
    ui.say(format_args!(
        "{} files in {}",
        files.len(),
        folder.display()
    ));
    Ok(())
}

/// Long text stays on one line: folded, an image reference could not be found by its key.
pub(super) fn yaml(value: &Value) -> Result<String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(value, options).into_diagnostic()
}
