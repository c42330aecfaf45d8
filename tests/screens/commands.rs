//! Each command's usual output on a terminal of 80 columns: no line is torn, and nothing is cut. `history`, `status` and
//! `init` have files of their own; what `rehearse` shows is in `tests/image/rehearse.rs`, since it needs an engine.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::api::{Answers, Api, list};
use super::releases::{cluster, image, project, run, stack_text};
use super::settings;
use super::terminal::Terminal;

const SETTING: &str = "[server]\nmax-length = 300\n";

fn write(home: &TempDir, sections: &str) {
    let text = stack_text(&image("1"), sections);
    std::fs::write(home.path().join("uninlu.toml"), text).expect("writable");
}

/// The screen of a command that ends with that code.
fn screen(home: &Path, arguments: &[&str], code: i32) -> String {
    let config = home.join("kubeconfig");
    let variables = [("KUBECONFIG", config.to_str().expect("Unicode"))];
    let (ended, screen) = Terminal::start(home, arguments, &variables).end();
    assert_eq!(ended, Some(code), "{screen}");
    let stray = screen.lines().find(|line| line.trim() == "Error:");
    assert_eq!(stray, None, "{screen}");
    screen
}

fn snapshot(name: &str, home: &TempDir, screen: &str) {
    let mut settings = settings(home.path());
    settings.add_filter(r"127\.0\.0\.1:\d+/?", "ADDRESS");
    settings.add_filter("[⠁⠂⠄⡀⢀⠠⠐⠈⠉⠋⠓⠒⠖⠦⠤⠴⠲⠚⠙⠛⠃⠆⠇] ", "* ");
    settings.bind(|| insta::assert_snapshot!(name, screen));
}

/// Nothing of the stack, and a node with that many cores.
fn empty(cores: &str) -> Answers {
    let mut answers = cluster(2);
    for answer in answers.values_mut() {
        if answer["items"].is_array() {
            answer["items"] = json!([]);
        }
    }
    answers.remove("/apis/apps/v1/namespaces/nlu/deployments/nlu");
    add_room(&mut answers, cores);
    answers
}

/// A node with that many cores, a claim with the model, and nothing else that could be in the way.
fn add_room(answers: &mut Answers, cores: &str) {
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "one" },
        "status": { "allocatable": { "cpu": cores, "memory": "64Gi", "pods": "110" } } });
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "models" } });
    for (path, answer) in [
        ("/api/v1/nodes", list("v1", "Node", &[node])),
        ("/api/v1/pods", list("v1", "Pod", &[])),
        (
            "/api/v1/namespaces/nlu/resourcequotas",
            list("v1", "ResourceQuota", &[]),
        ),
        (
            "/api/v1/namespaces/nlu/limitranges",
            list("v1", "LimitRange", &[]),
        ),
        (
            "/apis/apps/v1/namespaces/nlu/statefulsets",
            list("apps/v1", "StatefulSet", &[]),
        ),
        (
            "/apis/apps/v1/namespaces/nlu/daemonsets",
            list("apps/v1", "DaemonSet", &[]),
        ),
        (
            "/api/v1/namespaces/nlu/persistentvolumeclaims/models",
            claim,
        ),
    ] {
        answers.insert(path.to_owned(), answer);
    }
}

/// A stack that runs, as this tool applied it; the file has another setting.
fn running() -> (TempDir, Api) {
    let ours = json!([{ "manager": "uninlu", "operation": "Apply", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": {} }]);
    let mut answers = cluster(2);
    for answer in answers.values_mut() {
        for item in answer["items"].as_array_mut().into_iter().flatten() {
            item["metadata"]["uid"] = json!("1");
            item["metadata"]["managedFields"] = ours.clone();
        }
    }
    add_room(&mut answers, "8");
    let (home, api) = project(answers);
    write(&home, SETTING);
    (home, api)
}

#[test]
fn a_first_plan() {
    let (home, api) = project(empty("8"));
    let screen = screen(home.path(), &["plan"], 0);
    assert_eq!(api.writes(), Vec::<String>::new());
    snapshot("plan-first", &home, &screen);
}

/// The reason and the flag are said before the first write, on a terminal and in CI, for one stack, for a saved plan, and
/// for many.
#[test]
fn what_gets_stuck_is_refused_before_a_write() {
    let (home, api) = project(empty("100m"));
    let refused = screen(home.path(), &["apply", "--yes"], 1);
    snapshot("apply-stuck", &home, &refused);
    let (code, _, stderr) = run(home.path(), &["plan", "--out", "plan.json"]);
    assert_eq!(code, Some(0), "{stderr}");
    for arguments in [
        &["apply", "--yes"][..],
        &["apply"],
        &["apply", "--yes", "--no-wait"],
        &["apply", "plan.json", "--yes"],
    ] {
        let (code, _, stderr) = run(home.path(), arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        for words in [
            "the rollout will get stuck: 0 of 2 new pods find room",
            "nothing was changed. Ask for less in `[resources]`",
            "--even-if-stuck",
        ] {
            assert!(
                stderr.contains(words),
                "{arguments:?}: no `{words}` in {stderr}"
            );
        }
    }
    std::fs::create_dir_all(home.path().join("stacks/a")).expect("writable");
    let text = stack_text(&image("1"), "");
    std::fs::write(home.path().join("stacks/a/uninlu.toml"), text).expect("writable");
    let (code, stdout, stderr) = run(home.path(), &["apply", "stacks", "--yes"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stdout.contains("the rollout will get stuck"), "{stdout}");
    assert_eq!(api.writes(), Vec::<String>::new());
    let (code, stdout, stderr) = run(home.path(), &["gate"]);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stdout.contains("error stuck"), "{stdout}");
    let arguments = ["apply", "--yes", "--no-wait", "--even-if-stuck"];
    let (code, _, stderr) = run(home.path(), &arguments);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("applying all the same"), "{stderr}");
    assert!(!api.writes().is_empty());
}

/// Where nodes come by themselves, a full cluster is waited for.
#[test]
fn a_stack_whose_nodes_come_is_applied() {
    let (home, api) = project(empty("100m"));
    write(&home, "[rollout]\nwait-for-nodes = \"10m\"\n");
    let (code, stdout, stderr) = run(home.path(), &["apply", "--yes", "--no-wait"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.contains("apply waits 10 min 00 s for a node"),
        "{stdout}"
    );
    assert!(!api.writes().is_empty());
}

/// Both questions stand on a terminal; the flag answers the second.
#[test]
fn a_terminal_is_asked_whether_to_apply_what_gets_stuck() {
    for (flag, second) in [(None, true), (Some("--even-if-stuck"), false)] {
        let (home, api) = project(empty("100m"));
        let config = home.path().join("kubeconfig");
        let variables = [("KUBECONFIG", config.to_str().expect("Unicode"))];
        let arguments: Vec<&str> = ["apply", "--no-wait"].into_iter().chain(flag).collect();
        let mut terminal = Terminal::start(home.path(), &arguments, &variables);
        terminal.answer("Only `yes` does", "yes");
        if second {
            terminal.answer("`stuck` does", "no");
        }
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(i32::from(second)), "{screen}");
        assert_eq!(api.writes().is_empty(), second, "{screen}");
        assert_eq!(
            screen.contains("not confirmed; nothing was changed"),
            second,
            "{screen}"
        );
    }
}

#[test]
fn a_plan_of_a_change_and_its_apply() {
    let (home, api) = running();
    let shown = screen(home.path(), &["plan"], 0);
    assert_eq!(api.writes(), Vec::<String>::new());
    snapshot("plan-change", &home, &shown);
    let applied = screen(home.path(), &["apply", "--yes", "--no-wait"], 0);
    snapshot("apply", &home, &applied);
}

/// The reason of a wait stands on lines of its own, whole.
#[test]
fn a_wait_shows_its_reason() {
    let (home, _api) = project(cluster(1));
    write(&home, SETTING);
    let config = home.path().join("kubeconfig");
    let variables = [("KUBECONFIG", config.to_str().expect("Unicode"))];
    let mut terminal = Terminal::start(home.path(), &["apply", "--yes"], &variables);
    let waiting = terminal.see("1 of 2 new pods are available");
    let reason = waiting
        .lines()
        .position(|line| line.contains("1 of 2 new pods"));
    let lines: Vec<&str> = waiting.lines().collect();
    let step = reason.and_then(|at| lines.get(at.checked_sub(1)?));
    assert!(
        step.is_some_and(|line| line.contains("rollout of Deployment nlu")),
        "{waiting}"
    );
    terminal.type_interrupt();
    assert_eq!(terminal.end().0, Some(130));
}

#[test]
fn what_reads_the_cluster() {
    let (home, api) = running();
    for (command, code) in [("gate", 0), ("drift", 2), ("adopt", 0), ("verify", 1)] {
        let screen = screen(home.path(), &[command], code);
        snapshot(command, &home, &screen);
    }
    assert_eq!(api.writes(), Vec::<String>::new());
}

#[test]
fn a_rollback_and_a_destroy() {
    let (home, _api) = running();
    let rolled = screen(home.path(), &["rollback", "--yes", "--no-wait"], 0);
    snapshot("rollback", &home, &rolled);
    let destroyed = screen(home.path(), &["destroy", "--yes", "--timeout", "1"], 1);
    snapshot("destroy-stays", &home, &destroyed);
}

#[test]
fn what_reads_only_files() {
    let (home, api) = project(Answers::new());
    write(&home, "[env.staging]\nreplicas = 3\n");
    for (name, arguments, code) in [
        ("help", &["--help"][..], 0),
        ("validate", &["validate"], 0),
        ("explain", &["explain", "rollout.max-surge"], 0),
        ("diff", &["diff", "-", "staging"], 0),
        ("gate-offline", &["gate", "--offline"], 0),
        ("build", &["build"], 0),
        (
            "render",
            &["render", "--format", "helm", "--out", "chart"],
            0,
        ),
    ] {
        let screen = screen(home.path(), arguments, code);
        snapshot(name, &home, &screen);
    }
    write(&home, "[rollouts]\nmax-surge = \"a\"\n");
    let invalid = screen(home.path(), &["validate"], 1);
    snapshot("validate-invalid", &home, &invalid);
    let invalid = screen(home.path(), &["plan"], 1);
    snapshot("plan-invalid", &home, &invalid);
    assert_eq!(api.writes(), Vec::<String>::new());
}

#[test]
fn an_api_server_that_does_not_answer() {
    let (home, _api) = project(Answers::new());
    super::api::kubeconfig(home.path(), "127.0.0.1:1");
    let screen = screen(home.path(), &["plan"], 1);
    snapshot("unreachable", &home, &screen);
}

/// Each of them is refused with the flag's name, before anything is asked or written.
#[test]
fn a_flag_without_effect_is_an_error() {
    let (home, api) = project(Answers::new());
    std::fs::create_dir_all(home.path().join("stacks/a")).expect("writable");
    std::fs::write(
        home.path().join("stacks/a/uninlu.toml"),
        stack_text(&image("1"), ""),
    )
    .expect("writable");
    std::fs::write(home.path().join("key"), "key").expect("writable");
    for (arguments, flag) in [
        (&["plan", "--every-environment"][..], "--every-environment"),
        (&["gate", "--every-environment"], "--every-environment"),
        (&["apply", "--every-environment"], "--every-environment"),
        (&["plan", "stacks", "--out", "plan.json"], "--out"),
        (&["plan", "stacks", "--full"], "--full"),
        (&["plan", "stacks", "--markdown"], "--markdown"),
        (&["plan", "--json", "--markdown"], "--markdown"),
        (&["plan", "--json", "--full"], "--full"),
        (&["apply", "--yes-delete"], "--yes"),
        (&["rollback", "--yes-delete"], "--yes"),
        (&["apply", "--verify", "--no-wait"], "--no-wait"),
        (&["apply", "--verify", "--json"], "--json"),
        (&["apply", "--api-key-file", "key"], "--api-key-file"),
        (&["apply", "stacks", "--verify"], "--verify"),
        (&["gate", "--json", "--out", "x.json"], "--out"),
        (&["gate", "--json", "--format", "sarif"], "--format"),
        (
            &["gate", "--offline", "--detailed-exitcode"],
            "--detailed-exitcode",
        ),
        (&["build", "--verbose", "--quiet"], "--verbose"),
        (&["render", "--out", "chart"], "--out"),
        (
            &["render", "adapter", "--format", "helm", "--out", "chart"],
            "--format",
        ),
        (&["explain", "--markdown", "--json"], "--json"),
        (&["explain", "replicas", "--markdown"], "--markdown"),
        (&["init", "--path", "x"], "--claim"),
        (&["init", "--claim", "x", "--model", "x"], "--claim"),
        (
            &["simulate", "--load", "1/1m", "--json", "--out", "x"],
            "--out",
        ),
    ] {
        let (code, stdout, stderr) = run(home.path(), arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {stdout}{stderr}");
        let said = stdout + &stderr;
        assert!(said.contains(flag), "{arguments:?}: no `{flag}` in {said}");
        let is_refusal = [
            "cannot be used with",
            "has no effect",
            "required arguments",
            "needs one stack",
        ];
        assert!(
            is_refusal.iter().any(|words| said.contains(words)),
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(api.writes(), Vec::<String>::new());
}

/// A variable may stand for other commands: only what was typed is refused.
#[test]
fn a_variable_without_effect_is_none() {
    let (home, _api) = project(empty("8"));
    let (code, _, stderr) = run(home.path(), &["plan", "--out", "plan.json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let apply = |typed: &[&str]| -> Value {
        let output = crate::hermetic::uninlu(home.path())
            .args(["apply", "plan.json", "--yes", "--no-wait"])
            .args(typed)
            .env("KUBECONFIG", home.path().join("kubeconfig"))
            .env("UNINLU_ENV", "staging")
            .env("UNINLU_API_KEY_FILE", "key")
            .output()
            .expect("the binary was built for this test");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        json!({ "code": output.status.code(), "stderr": stderr })
    };
    let by_variables = apply(&[]);
    assert_eq!(by_variables["code"], 0, "{by_variables:#}");
    for typed in [&["--env", "prod"][..], &["--api-key-file", "other"]] {
        let refused = apply(typed);
        assert_eq!(refused["code"], 1, "{refused:#}");
        assert!(
            refused["stderr"].to_string().contains("has no effect"),
            "{refused:#}"
        );
    }
}

/// The chart that most people begin from, with its findings.
#[test]
fn importing_a_chart() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/usual-chart");
    let chart = chart.to_str().expect("Unicode");
    let screen = screen(
        home.path(),
        &[
            "import",
            "helm",
            chart,
            "--context",
            "prod",
            "--namespace",
            "nlu",
            "--claim",
            "models",
            "--out",
            "uninlu.toml",
        ],
        0,
    );
    snapshot("import", &home, &screen);
}

/// All columns that there may be: a price, both metrics, a better target.
#[test]
fn simulating_a_load() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let file = |path: &str| format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let screen = screen(
        home.path(),
        &[
            "simulate",
            &file("stacks/tutorial/uninlu.toml"),
            "--profile",
            &file("docs/autoscaling/claim/profile.json"),
            "--load",
            "constant:50/5m+ramp:50..120/10m+constant:120/10m",
            "--price",
            "0.12",
        ],
        0,
    );
    snapshot("simulate", &home, &screen);
}
