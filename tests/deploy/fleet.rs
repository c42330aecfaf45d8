//! Many stacks in one run, and what programs read.

use http::request::Parts;
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use uninlu::kinds::Kind;

use crate::proxy::Proxy;
use crate::sandbox::{Run, Sandbox, StackText, within};

/// A folder of stacks: one that is deployed, one that is not, one that is wrong.
async fn fleet(sandbox: &Sandbox) {
    sandbox.create_namespace().await;
    sandbox.write(StackText {
        creates_namespace: false,
        ..StackText::default()
    });
    sandbox.apply().await;
    let deployed = std::fs::read_to_string(sandbox.path("uninlu.toml")).expect("readable");
    let other = format!(
        "{}\n[env.small]\nreplicas = 1\n",
        deployed.replace("name = \"nlu\"", "name = \"other\"")
    );
    for (name, text) in [("a", deployed.as_str()), ("b", &other), ("c", "name = 1\n")] {
        let folder = sandbox.path(&format!("stacks/{name}"));
        std::fs::create_dir_all(&folder).expect("writable");
        std::fs::write(folder.join("uninlu.toml"), text).expect("writable");
    }
}

fn lines(run: &Run) -> Vec<&str> {
    run.stdout.lines().collect()
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn every_stack_is_a_line_and_one_that_is_wrong_hides_no_other() {
    let sandbox = Sandbox::new("fleet").await;
    fleet(&sandbox).await;
    let mark = sandbox.audit();
    let all = sandbox.run(&["plan", "stacks"]).await.expect(1);
    let told = lines(&all);
    assert_eq!(told.len(), 3, "{}", all.stdout);
    assert!(
        told.iter().any(|line| line.contains("no differences")),
        "{}",
        all.stdout
    );
    assert!(
        told.iter()
            .any(|line| line.contains("other") && line.contains("to create")),
        "{}",
        all.stdout
    );
    assert!(
        told.iter()
            .any(|line| line.contains("stacks/c/uninlu.toml")),
        "{}",
        all.stdout
    );

    std::fs::remove_dir_all(sandbox.path("stacks/c")).expect("removable");
    let every = sandbox
        .run(&[
            "plan",
            "stacks",
            "--every-environment",
            "--json",
            "--detailed-exitcode",
        ])
        .await
        .expect(2);
    let stacks = every.json()["stacks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let told: Vec<(&Value, &Value)> = stacks
        .iter()
        .map(|plan| (&plan["stack"], &plan["environment"]))
        .collect();
    let (nlu, other, small) = ("nlu".into(), "other".into(), "small".into());
    assert_eq!(
        told,
        [
            (&nlu, &Value::Null),
            (&other, &Value::Null),
            (&other, &small)
        ]
    );
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_folder_is_applied_when_every_stack_in_it_can_be() {
    let sandbox = Sandbox::new("armada").await;
    fleet(&sandbox).await;
    let mark = sandbox.audit();
    let wrong = sandbox.run(&["apply", "stacks", "--yes"]).await.expect(1);
    assert!(
        wrong.stderr.contains("1 of 3 stacks cannot be applied"),
        "{}",
        wrong.stderr
    );
    std::fs::remove_dir_all(sandbox.path("stacks/c")).expect("removable");
    let twins = sandbox
        .run(&["apply", "stacks", "--every-environment", "--yes"])
        .await
        .expect(1);
    assert!(
        twins.stderr.contains("is planned twice"),
        "{}",
        twins.stderr
    );
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());

    let all = sandbox.run(&["apply", "stacks", "--yes"]).await.expect(0);
    assert!(all.stdout.contains("nlu"), "{}", all.stdout);
    assert!(all.stderr.contains("✓ other"), "{}", all.stderr);
    assert!(sandbox.get(Kind::Deployment, "other").await.is_some());
    let mark = sandbox.audit();
    sandbox.run(&["apply", "stacks", "--yes"]).await.expect(0);
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
}

/// One that fails is told with its reason, and keeps no other from being applied.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_stack_of_a_folder_that_fails_holds_up_no_other() {
    let sandbox = Sandbox::new("convoy").await;
    fleet(&sandbox).await;
    std::fs::remove_dir_all(sandbox.path("stacks/c")).expect("removable");
    for (name, memory) in [("a", "3Gi"), ("b", "900Ti")] {
        let file = sandbox.path(&format!("stacks/{name}/uninlu.toml"));
        let section = format!(
            "\n[rollout]\nwait-for-nodes = \"0s\"\n[resources]\nmemory = {{ request = \"{memory}\", limit = \"{memory}\" }}\n"
        );
        let text = std::fs::read_to_string(&file).expect("readable") + &section;
        std::fs::write(&file, text).expect("writable");
    }
    let mark = sandbox.audit();
    let refused = sandbox.run(&["apply", "stacks", "--yes"]).await.expect(1);
    for words in [
        "stacks/b/uninlu.toml  the rollout will get stuck",
        "--even-if-stuck",
    ] {
        assert!(
            refused.stdout.contains(words),
            "no `{words}` in {}",
            refused.stdout
        );
    }
    assert!(mark.writes().is_empty(), "{:#?}", mark.writes());
    let run = sandbox
        .run(&["apply", "stacks", "--yes", "--even-if-stuck"])
        .await
        .expect(1);
    assert!(run.stderr.contains("✓ nlu"), "{}", run.stderr);
    for words in [
        "stacks/b/uninlu.toml",
        "Unschedulable",
        "1 of 2 stacks were not applied",
    ] {
        assert!(run.stderr.contains(words), "no `{words}` in {}", run.stderr);
    }
    let memory = &sandbox.deployment().await["spec"]["template"]["spec"]["containers"][0]["resources"]
        ["limits"]["memory"];
    assert_eq!(memory, "3Gi");
}

#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn talk_for_programs_is_one_event_a_line() {
    let sandbox = Sandbox::new("events").await;
    let run = sandbox
        .run(&["apply", "--yes", "--progress", "json"])
        .await
        .expect(0);
    let events: Vec<Value> = run
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let has = |event: &str, step: &str| {
        events.iter().any(|it| {
            it["event"] == event && it["step"].as_str().is_some_and(|it| it.contains(step))
        })
    };
    assert!(
        has("started", "rollout") && has("done", "rollout"),
        "{events:#?}"
    );
    sandbox.write(StackText {
        sections: "[rollout]\nwait-for-nodes = \"0s\"\n[resources]\nmemory = { request = \"900Ti\", limit = \"900Ti\" }",
        ..StackText::default()
    });
    let failed = sandbox
        .run(&["apply", "--yes", "--even-if-stuck", "--progress", "json"])
        .await
        .expect(1);
    let last = failed.stderr.lines().last().unwrap_or_default();
    let error: Value = serde_json::from_str(last).expect("the error is an event too");
    assert_eq!(error["event"], "error");
    assert!(
        error["text"]
            .as_str()
            .is_some_and(|text| text.contains("Unschedulable")),
        "{error:#}"
    );
    assert!(error["help"].is_string(), "{error:#}");
}

/// A look of `status`: it lists each kind.
fn is_look(request: &Parts) -> bool {
    request.uri.path().ends_with("/deployments")
}

/// Takes lines until one has the words.
async fn read_until(from: &mut (impl AsyncBufRead + Unpin), text: &mut String, words: &str) {
    let lines = async {
        while !text.lines().last().is_some_and(|line| line.contains(words)) {
            let read = from.read_line(text).await.expect("its output");
            assert!(read > 0, "it ended without `{words}`: {text}");
        }
    };
    within(words, lines).await;
}

/// It prints again when something changed, and only then.
#[tokio::test]
#[ignore = "needs the embedded cluster: make test-cluster"]
async fn a_watched_status_follows_the_cluster() {
    let sandbox = Sandbox::new("watch").await;
    sandbox.apply().await;
    let proxy = Proxy::start(&sandbox, &[]).await;
    let mut command = sandbox.command(&["status", "--watch"]);
    let command = command.env("KUBECONFIG", proxy.kubeconfig());
    let mut child = command.spawn().expect("the binary starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut text = String::new();
    read_until(&mut stdout, &mut text, "2 of 2 pods ready").await;
    proxy.sees(is_look, 3).await;
    sandbox.run(&["destroy", "--yes"]).await.expect(0);
    read_until(&mut stdout, &mut text, "is not deployed").await;
    proxy.sees(is_look, 3).await;
    child.kill().await.expect("it runs");
    let rest = stdout.read_to_string(&mut text).await;
    rest.expect("its output");
    let frames: Vec<&str> = text.split("\n\n").collect();
    assert!(frames[0].contains("2 of 2 pods ready"), "{text}");
    assert!(
        frames.windows(2).all(|pair| pair[0] != pair[1]),
        "the same twice: {text}"
    );
    assert!(text.contains("is not deployed"), "{text}");
}
