//! `uninlu-server inspect`: what the kernel grants the server, as JSON. The image has no shell to ask with.

use std::fs::OpenOptions;
use std::path::Path;

use serde::Serialize;

/// What is seen from inside of the container.
#[derive(Debug, Serialize)]
pub(crate) struct Inspection {
    /// The process that looks. In a pod it is started with the container's security context, as the server is.
    process: Process,
    /// The server itself, the container's first process; `None` where that is something else.
    server: Option<Process>,
    /// What became of a file in `/`.
    root: Trial,
}

/// What `/proc/PID/status` tells of a process. Capabilities are masks in hexadecimal, as the kernel writes them.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Process {
    pid: u32,
    name: String,
    /// Effective user.
    uid: u32,
    /// Effective group.
    gid: u32,
    capabilities: Capabilities,
    /// Whether no program that it starts can gain rights (set-uid bits, file capabilities).
    no_new_privs: bool,
    /// 0 is off, 1 strict, 2 a filter.
    seccomp: u32,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Capabilities {
    effective: String,
    permitted: String,
    bounding: String,
}

/// An attempt to make a file.
#[derive(Debug, Serialize)]
struct Trial {
    path: String,
    created: bool,
    /// The kernel's words.
    error: Option<String>,
    /// 30 (EROFS) is a read-only file system; 13 (EACCES) only says that this user may not.
    errno: Option<i32>,
}

/// Looks around.
///
/// # Errors
/// A `/proc` that cannot be read.
pub(crate) fn inspect() -> Result<Inspection, String> {
    let read = |file: &str| {
        let text = std::fs::read_to_string(file);
        text.map_err(|error| format!("cannot read {file}: {error}"))
    };
    let own = read("/proc/self/status")?;
    let process = Process::parse(&own).ok_or("/proc/self/status has an unknown format")?;
    let first = read("/proc/1/status")
        .ok()
        .and_then(|text| Process::parse(&text));
    Ok(Inspection {
        server: first.filter(|first| first.name == process.name),
        process,
        root: try_to_create(Path::new("/.uninlu-inspect")),
    })
}

impl Process {
    fn parse(status: &str) -> Option<Self> {
        let words = |key: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
        };
        // Real, effective, saved, file system.
        let effective = |key| words(key)?.split_whitespace().nth(1)?.parse().ok();
        Some(Self {
            pid: words("Pid")?.parse().ok()?,
            name: words("Name")?.to_owned(),
            uid: effective("Uid")?,
            gid: effective("Gid")?,
            capabilities: Capabilities {
                effective: words("CapEff")?.to_owned(),
                permitted: words("CapPrm")?.to_owned(),
                bounding: words("CapBnd")?.to_owned(),
            },
            // A kernel without seccomp has neither line.
            no_new_privs: words("NoNewPrivs") == Some("1"),
            seccomp: words("Seccomp")
                .and_then(|mode| mode.parse().ok())
                .unwrap_or(0),
        })
    }
}

fn try_to_create(path: &Path) -> Trial {
    let error = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .err();
    let created = error.is_none();
    if created {
        let _ = std::fs::remove_file(path);
    }
    Trial {
        path: path.display().to_string(),
        created,
        errno: error.as_ref().and_then(std::io::Error::raw_os_error),
        error: error.map(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let status = "Name:\tuninlu-server\nUmask:\t0022\nPid:\t1\nPPid:\t0\nUid:\t1001\t1001\t1001\t1001\n\
            Gid:\t1001\t1002\t1001\t1001\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000001\n\
            CapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n\
            Seccomp_filters:\t1\n";
        let expected = Process {
            pid: 1,
            name: "uninlu-server".into(),
            uid: 1_001,
            gid: 1_002,
            capabilities: Capabilities {
                effective: "0000000000000000".into(),
                permitted: "0000000000000001".into(),
                bounding: "00000000a80425fb".into(),
            },
            no_new_privs: true,
            seccomp: 2,
        };
        assert_eq!(Process::parse(status), Some(expected));
        assert_eq!(Process::parse("Name:\tx\n"), None);
    }

    #[test]
    fn a_trial_tells_what_became_of_it_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("new");
        let trial = try_to_create(&path);
        assert!(trial.created && trial.error.is_none(), "{trial:?}");
        assert!(!path.exists());
        let trial = try_to_create(&folder.path().join("no/such/folder"));
        assert_eq!((trial.created, trial.errno), (false, Some(2)), "{trial:?}");
        assert!(trial.error.is_some(), "{trial:?}");
    }
}
