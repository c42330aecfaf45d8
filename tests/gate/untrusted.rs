//! What a checkout holds is data: stacks at any depth, texts that a terminal would obey, pipes, links, secrets.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::hermetic;

fn uninlu(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = hermetic::uninlu(folder);
    command
        .args(arguments)
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    command
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    told(uninlu(folder, arguments).output().expect("it runs"), code)
}

#[track_caller]
fn told(output: Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    (stdout, stderr)
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
    fs::write(path, text).expect("writable");
}

/// A valid stack, and that in it.
fn stack(sections: &str) -> String {
    format!(
        "name = \"nlu\"\nnamespace = \"nlu\"\n[cluster]\ncontext = \"prod\"\n[image]\n\
         reference = \"registry.test/nlu@sha256:{}\"\n[model]\nsource = {{ pvc = \"models\" }}\n{sections}\n",
        "0".repeat(64)
    )
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// `gate --format json` of a folder: its stacks' files, in their order.
fn judged(folder: &Path, place: &str, code: i32) -> Vec<String> {
    let arguments = ["gate", "--offline", "--format", "json", place];
    let (stdout, _) = run(folder, &arguments, code);
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    let stacks = report["stacks"].as_array().expect("a folder's report");
    let file = |stack: &Value| stack["file"].as_str().expect("a file").to_owned();
    stacks.iter().map(file).collect()
}

/// The case `gate-depth`.
#[test]
fn a_stack_at_any_depth_is_judged() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gate/depth");
    let both = [
        "stacks/eu/nlu/uninlu.toml",
        "stacks/eu/team/a/bad/uninlu.toml",
    ];
    assert_eq!(judged(&cases, "stacks", 1), both);
    assert_eq!(judged(&cases, "stacks/eu/team", 1), both[1..]);
    let (stdout, _) = run(&cases, &["plan", "stacks/eu/team"], 1);
    assert!(stdout.contains("bad/uninlu.toml"), "{stdout}");
    let (_, stderr) = run(&cases, &["validate", "stacks"], 1);
    assert!(stderr.contains("unknown key `bogus`"), "{stderr}");
    assert!(stderr.contains("nlu/uninlu.toml is valid"), "{stderr}");
    let (_, stderr) = run(&cases, &["apply", "--yes", "stacks"], 1);
    assert!(stderr.contains("of 2 stacks cannot be applied"), "{stderr}");
}

#[test]
fn links_are_followed_and_each_file_is_judged_once() {
    let folder = folder();
    let root = folder.path();
    for name in [
        "stacks/a",
        "stacks/.hidden/b",
        "stacks/1/2/3/4/5/6/c",
        "elsewhere/x/d",
    ] {
        write(&root.join(name).join("uninlu.toml"), &stack(""));
    }
    let link = |target: &str, path: &str| symlink(target, root.join(path)).expect("a link");
    link("../elsewhere", "stacks/z-outside");
    link("a", "stacks/again");
    link("..", "stacks/a/up");
    link("itself", "stacks/itself");
    link("gone", "stacks/nowhere");
    link("../../stacks/1", "elsewhere/x/back");
    fs::create_dir(root.join("stacks/file")).expect("a folder");
    link("../a/uninlu.toml", "stacks/file/uninlu.toml");
    assert_eq!(
        judged(root, "stacks", 0),
        [
            "stacks/.hidden/b/uninlu.toml",
            "stacks/1/2/3/4/5/6/c/uninlu.toml",
            "stacks/a/uninlu.toml",
            "stacks/z-outside/x/d/uninlu.toml",
        ]
    );
    // One that leads nowhere is a stack that cannot be read.
    fs::create_dir(root.join("stacks/lost")).expect("a folder");
    link("gone", "stacks/lost/uninlu.toml");
    assert_eq!(judged(root, "stacks", 1).len(), 5);
    assert!(
        run(root, &["gate", "--offline", "stacks/lost"], 1)
            .1
            .contains("cannot read")
    );
}

/// As a user who may not: root may read everything.
#[test]
fn what_cannot_be_looked_into_fails() {
    let folder = folder();
    let root = folder.path();
    write(&root.join("stacks/a/uninlu.toml"), &stack(""));
    write(&root.join("stacks/closed/b/uninlu.toml"), &stack(""));
    let allow = |path: &str, mode| {
        fs::set_permissions(root.join(path), Permissions::from_mode(mode)).expect("ours");
    };
    allow("", 0o755);
    allow("stacks/closed", 0o000);
    symlink("closed/b", root.join("stacks/link")).expect("a link");
    let program = root.join("uninlu");
    // Not by this process: a test beside this one that starts a program hands it the file that is open for writing, and
    // what is open for writing cannot be run.
    let copy = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_uninlu"))
        .arg(&program)
        .status();
    assert!(copy.expect("cp").success());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command
            .current_dir(root)
            .env_clear()
            .env("NO_COLOR", "1")
            .args(arguments);
        if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
            command.uid(65_534).gid(65_534);
        }
        told(command.output().expect("it runs"), 1)
    };
    for format in ["text", "json", "junit", "sarif", "markdown", "github"] {
        let (stdout, _) = run(&["gate", "--offline", "--format", format, "stacks"]);
        assert!(stdout.contains("stacks/closed"), "{format}: {stdout}");
        assert!(
            stdout.contains("cannot look for stacks"),
            "{format}: {stdout}"
        );
    }
    let (stdout, stderr) = run(&["validate", "--json", "stacks"]);
    assert!(stderr.contains("stacks/a/uninlu.toml is valid"), "{stderr}");
    assert!(
        stdout.contains("cannot look for stacks in stacks/closed"),
        "{stdout}"
    );
    assert!(
        run(&["plan", "stacks"])
            .0
            .contains("cannot look for stacks in stacks/closed")
    );
    let (_, stderr) = run(&["apply", "--yes", "stacks"]);
    assert!(stderr.contains("cannot be applied"), "{stderr}");
    assert!(
        run(&["gate", "--offline", "stacks/closed"])
            .0
            .contains("cannot look for stacks")
    );
    allow("stacks/closed", 0o755);
}

/// Nothing that a terminal or a CI system would obey.
#[track_caller]
fn is_harmless(what: &str, text: &str) {
    for c in text.chars().filter(|c| *c != '\n' && *c != '\t') {
        let is_hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!c.is_control() && !is_hidden, "{what}: {c:?} in {text}");
    }
    for line in text.lines().map(str::trim_start) {
        let is_ours = what == "github"
            && ["::error ", "::warning ", "::notice ", "::debug::"]
                .iter()
                .any(|ours| line.starts_with(ours));
        assert!(is_ours || !line.starts_with("::"), "{what}: {line}");
        assert!(!line.contains("##["), "{what}: {line}");
    }
}

/// What others may write: a title, a link, a screen's end, a direction, workflow commands, Markdown, HTML.
const EVIL: &str = "\\u001b]0;pwned\\u0007\\u001b]8;;http://evil.test\\u001b\\\\x\\u009b2J\\u202Eabc\\u2066\\n::error::x\\n  ##[error]y [link](http://evil.test) ![i](x) <b>&amp; @octocat #12 | z\\u0000";

#[test]
fn a_report_shows_what_others_wrote_as_text() {
    let folder = folder();
    let rule =
        format!("[[gate.rule]]\nid = \"own\"\nexpression = \"false\"\nmessage = \"{EVIL}\"\n");
    write(&folder.path().join("s/uninlu.toml"), &stack(&rule));
    write(
        &folder.path().join("s/::error::x\u{1b}[31m/uninlu.toml"),
        "name = 1",
    );
    for format in ["text", "json", "junit", "sarif", "markdown", "github"] {
        let arguments = ["gate", "--offline", "--format", format, "s/../s"];
        let all = run(
            folder.path(),
            &[&arguments[..], &["--out", "report"]].concat(),
            1,
        )
        .0;
        is_harmless("text", &all);
        let report = fs::read_to_string(folder.path().join("report")).expect("written");
        is_harmless(format, &report);
        let (stdout, stderr) = run(folder.path(), &arguments, 1);
        assert_eq!(stdout, report, "{format}");
        is_harmless("talk", &stderr);
        let shown = match format {
            "json" => "\\u001b]0;pwned",
            "sarif" => "\\\\u{1b}]0;pwned",
            _ => "\\u{1b}]0;pwned",
        };
        let text = report
            .replace("\\\\[", "[")
            .replace("\\[", "[")
            .replace("\\]", "]");
        assert!(text.contains(shown), "{format}: {report}");
        if format == "markdown" {
            for active in ["](", "<b>", "@octocat", "#12", " http://"] {
                let unescaped = report.replace("\\]", "");
                assert!(!unescaped.contains(active), "{active} in {report}");
            }
        }
        if format == "json" {
            let read: Value = serde_json::from_str(&report).expect("JSON");
            let all = read.to_string();
            assert!(all.contains("##[error]"), "values stay as they are: {all}");
        }
    }
}

#[test]
fn an_error_shows_what_others_wrote_as_text() {
    let folder = folder();
    let file = "a\u{1b}]0;x\u{7}.toml";
    let text =
        stack("[resources]\n\"k\u{202e}ey\" = 1\n# \u{1b}[2J\u{9b}2J\nbogus = \"##[error]\"\n");
    write(&folder.path().join(file), &text);
    for arguments in [
        &["validate", file][..],
        &["gate", "--offline", file],
        &["validate", "--json", "--progress", "json", file],
        &["plan", file],
        &["apply", file],
        &["explain", "k\u{1b}[31m"],
    ] {
        let (stdout, stderr) = run(folder.path(), arguments, 1);
        is_harmless("stdout", &stdout);
        is_harmless("stderr", &stderr);
        assert!(stderr.contains("1b"), "{stderr}");
    }
    // A label still points at its key, behind what grew.
    let text = stack("[resources]\ncpu = { \"k\u{202e}\u{2066}ey\" = \"1\", bogus = 2 }");
    write(&folder.path().join("b.toml"), &text);
    let (_, stderr) = run(folder.path(), &["validate", "b.toml"], 1);
    let (_, excerpt) = stderr
        .split_once("unknown key `bogus`")
        .expect("it is told");
    let lines: Vec<&str> = excerpt.lines().collect();
    let at = lines
        .iter()
        .position(|line| line.contains("bogus = 2"))
        .expect("an excerpt");
    let column = |line: &str, first: &[char]| {
        let at = line.find(first)?;
        Some(line[..at].chars().count())
    };
    let key = lines[at].split("bogus").next();
    let key = key.map(|before| before.chars().count());
    let label = column(lines[at + 1], &['─', '┬', '▲']);
    assert_eq!(key, label, "{stderr}");
}

/// A pipe, a redirection and a named pipe are judged as the file is, in all its forms.
#[test]
fn a_pipe_is_judged_as_a_file_is() {
    let folder = folder();
    let root = folder.path();
    let rule = "[rollout]\nmax-unavailable = \"100%\"\n[[gate.rule]]\nid = \"own\"\nexpression = \"stack.rollout['max-unavailable'] == '1%'\"\nmessage = \"own\"\n";
    let local = "[env.local.image]\nrepository = \"registry.test/nlu\"\n";
    write(&root.join("uninlu.toml"), &stack(&format!("{rule}{local}")));
    write(&root.join("Dockerfile"), "FROM scratch\n");
    write(&root.join("bad.toml"), &stack("[resources]\nbogus = 1\n"));
    let fifo = root.join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("coreutils")
            .success()
    );
    let open = |name: &str| fs::File::open(root.join(name)).expect("a file");
    for (name, code, rest) in [
        (
            "uninlu.toml",
            3,
            &["gate", "--offline", "--format", "json"][..],
        ),
        ("uninlu.toml", 3, &["gate", "--offline", "--env", "local"]),
        ("bad.toml", 1, &["gate", "--offline", "--format", "github"]),
        ("bad.toml", 1, &["validate", "--json"]),
        ("uninlu.toml", 0, &["validate"]),
        ("uninlu.toml", 0, &["render", "objects"]),
        ("uninlu.toml", 1, &["plan"]),
        ("uninlu.toml", 1, &["apply", "--yes"]),
    ] {
        let as_file = run(root, &[rest, &[name]].concat(), code);
        let text = fs::read_to_string(root.join(name)).expect("readable");
        for (place, stdin) in [
            ("/dev/stdin", Stdio::from(open(name))),
            ("/dev/stdin", piped(&text)),
            ("/dev/fd/0", piped(&text)),
            ("-", piped(&text)),
            ("pipe", Stdio::null()),
        ] {
            let mut command = uninlu(root, &[rest, &[place]].concat());
            let child = command
                .stdin(stdin)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it runs");
            if place == "pipe" {
                fs::write(&fifo, &text).expect("somebody reads");
            }
            let found = told(child.wait_with_output().expect("it ends"), code);
            let like = |text: &str| {
                let here = format!("{}/", root.display());
                let shown = if place == "-" { "/dev/stdin" } else { place };
                text.replace(&here, "").replace(shown, name)
            };
            assert_eq!(like(&found.0), like(&as_file.0), "{rest:?} of {place}");
            assert_eq!(
                without_times(&like(&found.1)),
                without_times(&like(&as_file.1)),
                "{rest:?} of {place}"
            );
        }
    }
    let written = "[rollout]\nmax-surge = 2\n";
    let mut command = uninlu(
        root,
        &["explain", "rollout.max-surge", "--stack", "/dev/stdin"],
    );
    let (stdout, _) = told(
        command
            .stdin(piped(&stack(written)))
            .output()
            .expect("it runs"),
        0,
    );
    assert!(stdout.contains("here: 2 (/dev/stdin:10)"), "{stdout}");
    let mut command = uninlu(root, &["diff", "-", "a", "--stack", "/dev/stdin"]);
    let (stdout, _) = told(
        command
            .stdin(piped(&stack("[env.a]\nreplicas = 5\n")))
            .output()
            .expect("it runs"),
        0,
    );
    assert!(stdout.contains(".spec.replicas"), "{stdout}");
}

fn without_times(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.rsplit_once(" (").map_or(line, |(line, _)| line));
    lines.collect::<Vec<_>>().join("\n")
}

/// The text through a pipe: what fits into one needs no thread.
fn piped(text: &str) -> Stdio {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut writer, text.as_bytes()).expect("it fits");
    reader.into()
}

/// A device that never ends is no stack, whatever a checkout calls it.
#[test]
fn what_never_ends_is_read_up_to_a_bound() {
    let folder = folder();
    symlink("/dev/zero", folder.path().join("uninlu.toml")).expect("a link");
    let (_, stderr) = run(folder.path(), &["validate"], 1);
    assert!(stderr.contains("more than 16 MiB"), "{stderr}");
    fs::remove_file(folder.path().join("uninlu.toml")).expect("ours");
    write(&folder.path().join("uninlu.toml"), &stack(""));
    symlink("/dev/zero", folder.path().join("uninlu.profile.json")).expect("a link");
    let (_, stderr) = run(folder.path(), &["gate", "--offline"], 1);
    assert!(stderr.contains("cannot read the profile"), "{stderr}");
}

/// In the context, among the certificates, in the model folder, in the stack file; and never the value.
#[test]
fn secrets_in_what_is_built_are_found() {
    let folder = folder();
    let root = folder.path();
    let random = "a1B2c3D4e5F6g7H8i9J0".repeat(4);
    let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{random}\n-----END RSA PRIVATE KEY-----\n");
    let token = format!("hf_{}", &random[..34]);
    let file = stack(&format!(
        "[labels]\nteam = \"nlu\"\n[image.args]\nHF = \"{token}\"\nDB_PASSWORD = \"correct-horse\"\nPORT = \"8080\"\n"
    ));
    let reference = file.find("reference").expect("an image");
    let end = file[reference..].find('\n').expect("a line") + reference;
    let file = file.replace(
        &file[reference..end],
        "repository = \"registry.test/nlu\"\ncontext = \".\"\nca-certificates = [\"ca.pem\"]",
    );
    write(
        &root.join("uninlu.toml"),
        &file.replace("pvc = \"models\"", "image = \"model\""),
    );
    write(
        &root.join(".dockerignore"),
        "uninlu.toml\nca.pem\nmodel\nignored\n",
    );
    write(&root.join("Dockerfile"), "FROM scratch\n");
    write(
        &root.join("ca.pem"),
        &format!("-----BEGIN CERTIFICATE-----\n{key}"),
    );
    for (path, text) in [
        ("app/.env", "A=1"),
        ("app/main.py", "print('ghp_')"),
        ("app/settings.py", &format!("KEY = '{token}'")),
        ("ssh/id_rsa", &key),
        ("ignored/id_rsa", &key),
        ("model/config.json", "{}"),
        ("model/vocab.txt", "a"),
        ("model/model.safetensors", "a"),
        ("model/notes.txt", &token),
    ] {
        write(&root.join(path), text);
    }
    let (stdout, stderr) = run(root, &["gate", "--offline"], 3);
    let found: Vec<&str> = stdout
        .lines()
        .filter(|line| line.starts_with("error secret-exposed"))
        .collect();
    insta::assert_snapshot!("secrets", found.join("\n"));
    for secret in [&random[..20], "correct-horse"] {
        assert!(
            !stdout.contains(secret) && !stderr.contains(secret),
            "{stdout}"
        );
    }
}
