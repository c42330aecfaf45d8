//! A checkout is data: a kubeconfig inside of it may neither run a command nor have credentials read that lie elsewhere,
//! unless the person who runs the tool allows it. Otherwise planning somebody's branch would run that branch's commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use kube::config::{AuthInfo, ExecConfig};

use super::Error;
use super::kubeconfig::Entry;
use crate::stack::is_pipe;

/// `--allow-exec`: one choice of the person for the whole run.
static IS_ALLOWED: AtomicBool = AtomicBool::new(false);

/// Allows what [`Trust`] refuses.
pub fn allow_exec() {
    IS_ALLOWED.store(true, Ordering::Relaxed);
}

/// The folders whose kubeconfigs are only data: canonical where they exist.
#[derive(Debug, Clone)]
pub struct Trust(BTreeSet<PathBuf>);

impl Trust {
    /// Around a stack file, or a saved plan: its folder, or the git checkout that holds it; for a link also those of what
    /// it leads to.
    pub fn beside(file: &Path) -> Self {
        let named = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let real = named.canonicalize().unwrap_or_else(|_| named.clone());
        let mut folders = [&named, &real]
            .map(|file| file.parent().unwrap_or(file))
            .to_vec();
        // The paths of one that comes through a pipe start here.
        if is_pipe(&named) {
            folders.push(Path::new("."));
        }
        Self::around(&folders, std::env::home_dir())
    }

    /// Around the current folder, where there is no file yet.
    pub fn here() -> Self {
        Self::around(&[Path::new(".")], std::env::home_dir())
    }

    fn around(folders: &[&Path], home: Option<PathBuf>) -> Self {
        let home = home.and_then(|home| home.canonicalize().ok());
        let roots = folders.iter().map(|folder| {
            let folder = folder
                .canonicalize()
                .unwrap_or_else(|_| (*folder).to_owned());
            checkout(&folder, home.as_deref()).unwrap_or(folder)
        });
        Self(roots.collect())
    }

    /// Refuses what the entry would have done, where a checkout says so.
    pub(super) fn check(&self, entry: &Entry) -> Result<(), Error> {
        let acts = match IS_ALLOWED.load(Ordering::Relaxed) {
            true => None,
            false => self.acts(entry),
        };
        match acts {
            None => Ok(()),
            Some((file, would)) => Err(Error::Untrusted {
                file: file.display().to_string(),
                would,
            }),
        }
    }

    /// The file inside of the checkout, and what it would have done.
    fn acts<'e>(&self, entry: &'e Entry) -> Option<(&'e Path, String)> {
        if !self.holds(&entry.user_file) {
            let leads = self.holds(&entry.cluster_file) && has_credentials(&entry.user);
            return leads.then(|| (entry.cluster_file.as_path(), words_of_lead(entry)));
        }
        let file = entry.user_file.as_path();
        if let Some(exec) = &entry.user.exec {
            return Some((file, format!("run the command `{}`", words(exec))));
        }
        let outside = files(&entry.user).find(|path| !self.is_inside(path))?;
        Some((file, format!("use the credentials in {outside}")))
    }

    /// Whether a file stands in the checkout, or is reached through it, or through a link from elsewhere.
    fn holds(&self, file: &Path) -> bool {
        let place = file.parent().and_then(|folder| folder.canonicalize().ok());
        let is_reached = place.is_some_and(|place| self.is_below(&place));
        is_reached || self.is_below(&path_clean::clean(file)) || self.is_inside(file)
    }

    fn is_inside(&self, file: impl AsRef<Path>) -> bool {
        let file = file.as_ref();
        let real = file.canonicalize();
        self.is_below(&real.unwrap_or_else(|_| path_clean::clean(file)))
    }

    fn is_below(&self, path: &Path) -> bool {
        self.0.iter().any(|root| path.starts_with(root))
    }
}

/// The outermost git checkout that holds a folder. A home folder under git is its owner's own, and so is all that holds it.
fn checkout(folder: &Path, home: Option<&Path>) -> Option<PathBuf> {
    let is_checkout = |above: &&Path| {
        above.join(".git").exists() && home.is_none_or(|home| !home.starts_with(above))
    };
    let outermost = folder.ancestors().filter(is_checkout).last();
    outermost.map(Path::to_owned)
}

fn words_of_lead(entry: &Entry) -> String {
    let server = entry.cluster.server.as_deref().unwrap_or_default();
    let (user, file) = (&entry.user_name, entry.user_file.display());
    format!("send the credentials of `{user}` ({file}) to {server}")
}

fn has_credentials(user: &AuthInfo) -> bool {
    let is_given = user.token.is_some() || user.password.is_some() || user.exec.is_some();
    is_given
        || user.auth_provider.is_some()
        || files(user).next().is_some()
        || user.client_key_data.is_some()
}

/// What would be proven with, or sent to, the server that the kubeconfig names.
fn files(user: &AuthInfo) -> impl Iterator<Item = &str> {
    [&user.token_file, &user.client_certificate, &user.client_key]
        .into_iter()
        .filter_map(Option::as_deref)
}

/// The command line without what looks like a secret, and not longer than a line.
pub(super) fn words(exec: &ExecConfig) -> String {
    const LONGEST: usize = 200;
    let mut words = vec![exec.command.clone().unwrap_or_default()];
    let mut is_secret = false;
    for argument in exec.args.iter().flatten() {
        let (name, value) = argument.split_once('=').unzip();
        let hides = name.is_some_and(is_secret_name);
        words.push(match (is_secret, name, value) {
            (true, ..) => "…".to_owned(),
            (_, Some(name), Some(_)) if hides => format!("{name}=…"),
            _ => argument.clone(),
        });
        is_secret = value.is_none() && argument.starts_with('-') && is_secret_name(argument);
    }
    let text = words.join(" ");
    text.chars().take(LONGEST).flat_map(printable).collect()
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["secret", "password", "token", "key", "credential"]
        .iter()
        .any(|word| name.contains(word))
}

/// A control character as its escape.
fn printable(letter: char) -> impl Iterator<Item = char> {
    let escaped = letter.is_control().then(|| letter.escape_default());
    let plain = (!letter.is_control()).then_some(letter);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folders(root: &Path, names: &[&str]) {
        for name in names {
            std::fs::create_dir_all(root.join(name)).expect("a folder");
        }
    }

    #[test]
    fn a_checkout_holds_what_stands_in_it_and_what_links_lead_to() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path().canonicalize().expect("it is there");
        folders(&root, &["work/.git", "work/stacks/nlu", "home", "other"]);
        for file in ["work/config", "other/config"] {
            std::fs::write(root.join(file), "").expect("a file");
        }
        symlink(root.join("work/config"), root.join("other/link")).expect("a link");
        symlink(root.join("other/config"), root.join("work/out")).expect("a link");
        symlink(root.join("work"), root.join("other/work")).expect("a link");
        let folder = root.join("other/work/stacks/nlu");
        let trust = Trust::around(&[&folder], Some(root.join("home")));
        let is_held = |file: &str| trust.holds(&root.join(file));
        for file in [
            "work/config",
            "other/link",
            "work/out",
            "other/work/config",
            "work/stacks/../config",
        ] {
            assert!(is_held(file), "{file}");
        }
        for file in [
            "other/config",
            "home/config",
            "work/../other/config",
            "workshop/config",
        ] {
            assert!(!is_held(file), "{file}");
        }
    }

    #[test]
    fn a_home_under_git_is_its_owners() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path().canonicalize().expect("it is there");
        folders(&root, &[".git", ".kube", "nlu"]);
        std::fs::write(root.join(".kube/config"), "").expect("a file");
        let trust = Trust::around(&[&root.join("nlu")], Some(root.clone()));
        assert!(!trust.holds(&root.join(".kube/config")));
        let of_another = Trust::around(&[&root.join("nlu")], None);
        assert!(of_another.holds(&root.join(".kube/config")));
    }

    #[test]
    fn a_command_is_told_without_its_secrets() {
        let exec = |args: &[&str]| ExecConfig {
            command: Some("login".into()),
            args: Some(args.iter().map(|arg| (*arg).to_owned()).collect()),
            ..ExecConfig::default()
        };
        let told = words(&exec(&[
            "get-token",
            "--client-secret",
            "s3cr3t",
            "--token=s3cr3t",
            "--id",
            "prod\x1b[2J",
        ]));
        assert_eq!(
            told,
            r"login get-token --client-secret … --token=… --id prod\u{1b}[2J"
        );
    }
}
