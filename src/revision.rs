//! The git commit that a build or a stack file comes from, where there is one.
//!
//! A checkout is data: its `.git/config` may name programs (monitors, hooks, filters, transports), and a folder of the
//! checkout may be a repository itself. git is run so that it starts none of them.

use std::path::Path;
use std::process::{Command, Stdio};

/// What git says about a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Revision {
    /// `git rev-parse HEAD`
    pub(crate) commit: Option<String>,
    /// As [`version`].
    pub(crate) version: Option<String>,
}

/// Asks git. No git, or no repository, is no error: the image, or the release, then goes without.
pub(crate) fn of(folder: &Path) -> Revision {
    Revision {
        commit: word(folder, &["rev-parse", "--verify", "HEAD"]),
        version: version(folder),
    }
}

/// What `git describe --tags --always --dirty` says; that itself would run the programs of submodules.
pub(crate) fn version(folder: &Path) -> Option<String> {
    let version = word(folder, &["describe", "--tags", "--always"])?;
    Some(if is_dirty(folder) {
        format!("{version}-dirty")
    } else {
        version
    })
}

/// Whether a tracked file differs from the commit. Unknown counts as different.
fn is_dirty(folder: &Path) -> bool {
    let status = [
        "status",
        "--porcelain=v1",
        "--untracked-files=no",
        "--ignore-submodules=all",
        "--no-renames",
    ];
    let changes = filters(folder).and_then(|filters| output(folder, &filters, &status));
    changes.is_none_or(|changes| !changes.is_empty())
}

/// Settings that turn every filter off which the configuration knows: to compare a file, git runs those that the
/// checkout's `.gitattributes` names. A filtered file (git LFS) that git must read again then counts as changed.
fn filters(folder: &Path) -> Option<Vec<(String, &'static str)>> {
    // git ends with 1 where there is none; with this one of ours there always is.
    let one = ("filter.none.required".to_owned(), "false");
    let list = [
        "config",
        "--null",
        "--name-only",
        "--get-regexp",
        r"^filter\.",
    ];
    let keys = output(folder, &[one], &list)?;
    let off = |key: &str| match key.rsplit('.').next() {
        Some("required") => (key.to_owned(), "false"),
        _ => (key.to_owned(), ""),
    };
    let keys = keys.split('\0').filter(|key| !key.is_empty());
    Some(keys.map(off).collect())
}

fn word(folder: &Path, arguments: &[&str]) -> Option<String> {
    let text = output(folder, &[], arguments)?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Settings that come before the repository's own, so that git starts no program of its choice.
const SETTINGS: [(&str, &str); 5] = [
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("protocol.allow", "never"),
    ("status.submoduleSummary", "false"),
    // A folder of the checkout that looks like a repository is none.
    ("safe.bareRepository", "explicit"),
];

/// What git prints, if it succeeds.
fn output(folder: &Path, settings: &[(String, &str)], arguments: &[&str]) -> Option<String> {
    let own = SETTINGS.map(|(key, value)| (key.to_owned(), value));
    let settings: Vec<_> = own.iter().chain(settings).enumerate().collect();
    let key =
        |&(at, (key, _)): &(usize, &(String, &str))| (format!("GIT_CONFIG_KEY_{at}"), key.clone());
    let value = |&(at, (_, value)): &(usize, &(String, &str))| {
        (format!("GIT_CONFIG_VALUE_{at}"), (*value).to_owned())
    };
    let output = Command::new("git")
        .args(["--no-pager", "--no-optional-locks", "-C"])
        .arg(folder)
        .args(arguments)
        // By the environment and not by `-c`: a filter's name may hold `=`.
        .env("GIT_CONFIG_COUNT", settings.len().to_string())
        .envs(settings.iter().map(key))
        .envs(settings.iter().map(value))
        // What is missing is not fetched: a repository names the program that would.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The git of whoever works there: no setting of ours.
    fn git(folder: &Path, arguments: &[&str]) -> bool {
        let identity = [
            "user.name=a",
            "user.email=a@b",
            "protocol.file.allow=always",
        ];
        Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(identity.into_iter().flat_map(|setting| ["-c", setting]))
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null())
            .output()
            .expect("git is installed")
            .status
            .success()
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// A repository with a commit; its file is changed afterwards, so that git has to read it.
    fn repository(folder: &Path) {
        assert!(git(folder, &["init", "--quiet"]));
        write(&folder.join("file.txt"), "one\n");
        write(
            &folder.join(".gitattributes"),
            "* filter=trap diff=trap merge=trap\nequal filter=a=b\ndots filter=c.d\n",
        );
        write(&folder.join("equal"), "one\n");
        write(&folder.join("dots"), "one\n");
        assert!(git(folder, &["add", "."]) && git(folder, &["commit", "--quiet", "-m", "one"]));
        assert!(git(folder, &["tag", "v1"]));
        for changed in ["file.txt", "equal", "dots"] {
            write(&folder.join(changed), "two\n");
        }
    }

    /// A program that leaves a mark beside the repository.
    fn trap(folder: &Path) -> (String, std::path::PathBuf) {
        let (program, mark) = (folder.join("trap.sh"), folder.join("mark"));
        write(&program, &format!("#!/bin/sh\ntouch {}\n", mark.display()));
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("a mode");
        (program.display().to_string(), mark)
    }

    /// Each of these names a program, or what starts one.
    const KEYS: [&str; 24] = [
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "core.askPass",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "pager.describe",
        "pager.status",
        "pager.rev-parse",
        "alias.describe",
        "alias.status",
        "alias.rev-parse",
        "diff.external",
        "diff.trap.command",
        "diff.trap.textconv",
        "filter.trap.clean",
        "filter.trap.smudge",
        "filter.trap.process",
        "filter.a=b.clean",
        "filter.c.d.process",
        "merge.trap.driver",
        "credential.helper",
        "gpg.program",
    ];

    /// Those that plain git obeys here: what the test must be able to see.
    const LIVE: [&str; 5] = [
        "core.fsmonitor",
        "filter.trap.clean",
        "filter.trap.process",
        "filter.a=b.clean",
        "filter.c.d.process",
    ];

    #[test]
    fn no_setting_of_a_repository_runs_a_program() {
        for key in KEYS {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let root = folder.path().join("repository");
            std::fs::create_dir(&root).expect("a folder");
            repository(&root);
            let (program, mark) = trap(folder.path());
            let program = match key.starts_with("alias.") {
                true => format!("!{program}"),
                false => program,
            };
            assert!(git(&root, &["config", key, &program]));
            let found = of(&root);
            assert!(!mark.exists(), "{key} ran a program");
            assert!(found.commit.is_some_and(|commit| commit.len() == 40));
            assert_eq!(found.version.as_deref(), Some("v1-dirty"), "{key}");
            git(&root, &["describe", "--tags", "--always", "--dirty"]);
            assert_eq!(mark.exists(), LIVE.contains(&key), "plain git, {key}");
        }
    }

    #[test]
    fn no_hook_no_submodule_and_no_remote_runs_a_program() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (root, inner) = (folder.path().join("outer"), folder.path().join("inner"));
        for path in [&root, &inner] {
            std::fs::create_dir(path).expect("a folder");
            repository(path);
        }
        let (program, mark) = trap(folder.path());
        let inner = inner.display().to_string();
        assert!(git(&root, &["submodule", "--quiet", "add", &inner, "sub"]));
        assert!(git(&root, &["commit", "--quiet", "-am", "two"]));
        assert!(git(
            &root.join("sub"),
            &["config", "core.fsmonitor", &program]
        ));
        write(&root.join("sub/file.txt"), "three\n");
        // An old time makes git write the index anew, which is what this hook waits for.
        let hook = root.join(".git/hooks/post-index-change");
        std::fs::copy(&program, &hook).expect("a hook");
        for (key, value) in [
            ("remote.origin.url", format!("ext::{program}")),
            ("remote.origin.promisor", "true".to_owned()),
            ("extensions.partialClone", "origin".to_owned()),
            ("core.repositoryFormatVersion", "1".to_owned()),
            ("protocol.ext.allow", "always".to_owned()),
            ("submodule.sub.update", format!("!{program}")),
            ("submodule.sub.ignore", "none".to_owned()),
            ("status.submoduleSummary", "true".to_owned()),
        ] {
            assert!(git(&root, &["config", key, &value]));
        }
        write(&root.join("file.txt"), "one\n");
        let found = of(&root);
        assert!(!mark.exists(), "a program ran");
        assert!(
            found
                .version
                .is_some_and(|version| version.starts_with("v1-1-g"))
        );
        git(&root, &["status"]);
        assert!(mark.exists(), "plain git runs it");
    }

    #[test]
    fn a_folder_that_looks_like_a_repository_is_none() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (origin, bare) = (folder.path().join("origin"), folder.path().join("bare"));
        std::fs::create_dir(&origin).expect("a folder");
        repository(&origin);
        assert!(git(
            &origin,
            &["clone", "--quiet", "--bare", ".", "../bare"]
        ));
        assert!(git(&bare, &["rev-parse", "HEAD"]));
        let (program, mark) = trap(folder.path());
        assert!(git(&bare, &["config", "core.fsmonitor", &program]));
        assert_eq!(of(&bare), Revision::default());
        assert!(!mark.exists());
    }

    #[test]
    fn a_clean_repository_is_not_dirty_and_no_repository_is_no_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(of(folder.path()), Revision::default());
        repository(folder.path());
        assert_eq!(version(folder.path()).as_deref(), Some("v1-dirty"));
        assert!(git(folder.path(), &["checkout", "--quiet", "."]));
        assert_eq!(version(folder.path()).as_deref(), Some("v1"));
    }
}
