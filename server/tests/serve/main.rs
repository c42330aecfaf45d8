//! The binary as it runs in a pod: started on a free port with the tiny golden model, asked over HTTP, asked to stop.

mod api;
mod bounds;
mod harness;
mod log;
mod strangers;
mod wire;

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use harness::{Answer, Server, agent, answer, command, golden, tiny};
use serde_json::{Value, json};

#[test]
fn a_golden_case_comes_back_byte_for_byte() {
    let server = Server::ready(tiny());
    let cases = std::fs::read_to_string(golden("cases.jsonl")).expect("the cases");
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let body = json!({ "text": case["text"], "schema": case["schema"], "output_all_prefix": case.get("output_all_prefix").unwrap_or(&json!(false)) });
        let answer = server.post(&body.to_string());
        assert_eq!(answer.status, 200, "{}: {}", case["id"], answer.text);
        assert_eq!(
            answer.text,
            json!({ "output": case["output"] }).to_string(),
            "{}",
            case["id"]
        );
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    let counted =
        server.metric(r#"http_requests_total{method="POST",route="/api/predict",code="200"}"#);
    assert_eq!(
        counted,
        cases.lines().count() as f64,
        "each request is counted once"
    );
}

#[test]
fn what_cannot_be_answered_says_why_and_where() {
    let server = Server::ready(tiny());
    let long = json!({ "text": "字".repeat(10_001), "schema": { "人物": null } }).to_string();
    let deep = format!(
        r#"{{"text": "x", "schema": {}null{}}}"#,
        r#"{"a":"#.repeat(10_000),
        "}".repeat(10_000)
    );
    // Far more than the socket takes before the answer could be there.
    let huge = "x".repeat(12 << 20);
    let cases = [
        ("", 400, "malformed", "body"),
        ("[]", 400, "malformed", "body"),
        (r#"{"schema": {"人物": null}}"#, 400, "malformed", "text"),
        (
            r#"{"text": 5, "schema": {"人物": null}}"#,
            400,
            "malformed",
            "text",
        ),
        (
            r#"{"text": "\ud800", "schema": {"人物": null}}"#,
            400,
            "malformed",
            "line 1, column 17",
        ),
        (r#"{"text": "x"}"#, 400, "malformed", "schema"),
        (r#"{"text": "x", "schema": {}}"#, 400, "malformed", "schema"),
        (r#"{"text": "x", "schema": []}"#, 400, "malformed", "schema"),
        (
            r#"{"text": "x", "schema": null}"#,
            400,
            "malformed",
            "schema",
        ),
        (
            r#"{"text": "x", "schema": "{"}"#,
            400,
            "malformed",
            "schema",
        ),
        (
            r#"{"text": "x", "schema": {"人物": {"职务": "人"}}}"#,
            400,
            "malformed",
            "schema.人物.职务",
        ),
        (
            r#"{"text": "x", "schema": {"a": null}, "output_all_prefix": 1}"#,
            400,
            "malformed",
            "output_all_prefix",
        ),
        (&deep, 422, "impossible", "schema.a.a.a.a.a.a.a"),
        (&long, 413, "too_long", "text"),
        (&huge, 413, "too_large", ""),
    ];
    for (body, status, code, place) in cases {
        let answer = server.post(body);
        let shown: String = body.chars().take(60).collect();
        let error = &answer.json()["error"];
        assert_eq!(answer.status, status, "{shown}: {}", answer.text);
        assert_eq!(
            (
                error["code"].as_str(),
                error["place"].as_str().unwrap_or("")
            ),
            (Some(code), place),
            "{shown}"
        );
        assert!(
            !error["message"].as_str().expect("a message").is_empty(),
            "{shown}"
        );
    }
    assert_eq!(server.get("/api/predict").status, 405);
    assert_eq!(server.get("/nowhere").json()["error"]["code"], "no_route");
    assert_eq!(server.get("/health").json(), json!({ "status": "ok" }));
}

#[test]
fn an_empty_text_and_an_empty_type_are_questions_too() {
    let server = Server::ready(tiny());
    assert_eq!(server.predict("", &json!({ "人物": null })).status, 200);
    assert_eq!(server.predict(" ", &json!({ "": null })).status, 200);
}

#[test]
fn a_schema_beyond_the_bound_is_refused_not_cut() {
    let server = Server::ready(tiny());
    let types: serde_json::Map<String, Value> = (0..3_000)
        .map(|number| (format!("类{number}"), Value::Null))
        .collect();
    let answer = server.predict("小明在北京工作。", &Value::Object(types));
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (422, &json!("schema_too_large"))
    );
}

#[test]
fn ids_of_a_request_come_back() {
    let server = Server::ready(tiny());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = agent()
        .get(format!("{}/health", server.url))
        .header("x-request-id", "abc")
        .header("traceparent", trace);
    let answered = answer(request.call());
    assert_eq!(
        (
            &answered.headers["x-request-id"],
            &answered.headers["traceparent"]
        ),
        (
            &"abc".parse().expect("a value"),
            &trace.parse().expect("a value")
        )
    );
    assert!(
        !server.get("/health").headers["x-request-id"].is_empty(),
        "without one of the caller's, it gets one of ours"
    );
}

/// Far more work at once than is waited for: the surplus is refused at once, and health does not wait in the queue.
#[test]
fn an_overloaded_server_refuses_and_stays_alive() {
    let server = Server::ready(tiny());
    let bodies: Vec<String> = (0..100)
        .map(|number| {
            // Different texts: equal ones would be computed once.
            let text = format!("{number}{}", "小明在北京的云帆公司工作。".repeat(700));
            json!({ "text": text, "schema": { "人物": null, "公司": null } }).to_string()
        })
        .collect();
    let answers: Vec<Answer> = thread::scope(|scope| {
        let callers: Vec<_> = bodies
            .iter()
            .map(|body| scope.spawn(|| server.post(body)))
            .collect();
        assert_eq!(server.get("/health").status, 200);
        assert_eq!(
            server.get("/ready").status,
            200,
            "load is no reason to be unready"
        );
        callers
            .into_iter()
            .map(|caller| caller.join().expect("an answer"))
            .collect()
    });
    let (answered, refused): (Vec<&Answer>, Vec<&Answer>) =
        answers.iter().partition(|answer| answer.status == 200);
    assert!(!answered.is_empty(), "who comes first is answered");
    assert!(!refused.is_empty(), "the queue is bounded");
    for answer in &refused {
        assert_eq!(answer.status, 429, "{}", answer.text);
        let seconds: u64 = answer.headers["retry-after"]
            .to_str()
            .expect("text")
            .parse()
            .expect("seconds");
        assert!(seconds >= 1);
    }
    let counted =
        server.metric(r#"http_requests_total{method="POST",route="/api/predict",code="429"}"#);
    assert_eq!(
        counted,
        refused.len() as f64,
        "shed requests are counted: else shedding hides the demand"
    );
}

/// What runs when SIGTERM comes is answered, who comes a moment later is answered, and the exit code is 0.
#[test]
fn sigterm_drains() {
    let mut command = tiny();
    command.env("UNINLU_DRAIN", "20s");
    let server = Server::ready(command);
    let body =
        json!({ "text": "小明在北京的云帆公司工作。".repeat(300), "schema": { "人物": null } })
            .to_string();
    thread::scope(|scope| {
        let running = scope.spawn(|| server.post(&body));
        server.wait_for("the request runs", || {
            server.metric("http_requests_in_flight ") >= 2.0
        });
        server.terminate();
        server.wait_for("readiness goes off", || server.get("/ready").status == 503);
        assert_eq!(server.get("/ready").json()["status"], "draining");
        assert_eq!(
            server.predict("小明", &json!({ "人物": null })).status,
            200,
            "whoever still sends is still served"
        );
        assert_eq!(running.join().expect("an answer").status, 200);
    });
    assert_eq!(server.wait().code(), Some(0));
}

/// A request that outlasts the drain is cut off, and the process still ends in order.
#[test]
fn a_drain_is_bounded() {
    let mut command = tiny();
    let server = Server::ready({
        command.env("UNINLU_DRAIN", "200ms");
        command
    });
    let types: serde_json::Map<String, Value> = (0..2_000)
        .map(|number| (format!("类{number}"), Value::Null))
        .collect();
    let body =
        json!({ "text": "小明在北京的云帆公司工作。".repeat(700), "schema": types }).to_string();
    let caller = {
        let url = server.url.clone();
        thread::spawn(move || {
            agent()
                .post(format!("{url}/api/predict"))
                .send(&body)
                .is_ok()
        })
    };
    server.wait_for("the request runs", || {
        server.metric("http_requests_in_flight ") >= 2.0
    });
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    assert!(
        !caller.join().expect("the caller ends"),
        "the answer was cut off"
    );
}

/// The kubelet swaps the link `..data`; the file's own name never changes.
#[test]
fn settings_change_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |version: &str, text: &str| {
        let data = folder.path().join(version);
        std::fs::create_dir(&data).expect("a version");
        std::fs::write(data.join("settings.toml"), text).expect("settings");
        symlink(version, folder.path().join("..data_tmp")).expect("a link");
        std::fs::rename(
            folder.path().join("..data_tmp"),
            folder.path().join("..data"),
        )
        .expect("the swap");
    };
    write("..1", "max-length = 5\n");
    symlink("..data/settings.toml", folder.path().join("settings.toml")).expect("a link");
    let mut command = tiny();
    command.env("UNINLU_SETTINGS", folder.path().join("settings.toml"));
    let server = Server::ready(command);
    let status = || {
        server
            .predict("七个字的一句话", &json!({ "人物": null }))
            .status
    };
    assert_eq!(status(), 413);
    write("..2", "max-length = 7\n");
    server.wait_for("the new settings", || status() == 200);
    write("..3", "max-length = 0\n");
    server.wait_for("the refusal", || {
        server.metric(r#"uninlu_config_reloads_total{result="error"}"#) == 1.0
    });
    assert_eq!(status(), 200, "a bad file keeps the old settings");
    let in_force = json!({
        "max-length": 7, "batch-tokens": 4_096, "max-wait": "1s", "max-work": "5s", "max-time": "30s",
    });
    let info = server.get("/info").json();
    assert_eq!(info["settings"], in_force);
    assert_eq!(info["known_settings"], json!(uninlu_settings::NAMES));
    assert_eq!(
        info["model"]["tasks"],
        Value::Null,
        "its folder has no list"
    );
    assert_eq!(
        server.metric(r#"uninlu_config_reloads_total{result="ok"}"#),
        2.0
    );
    // For a newer server: what this one knows is taken.
    write("..4", "max-length = 1\nmax-shards = { of = 2 }\n");
    server.wait_for("the settings that are known", || status() == 413);
    assert_eq!(
        server.metric(r#"uninlu_config_reloads_total{result="ok"}"#),
        3.0
    );
}

#[test]
fn the_inspect_command_tells_its_own_rights() {
    let mut inspect = Command::new(env!("CARGO_BIN_EXE_uninlu-server"));
    let output = inspect.arg("inspect").output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // Its parent's, since nothing here changes them.
    let own = std::fs::read_to_string("/proc/self/status").expect("readable");
    let own = |key: &str| {
        let mut lines = own.lines();
        let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let line = line.expect("the kernel tells it");
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let process = &told["process"];
    assert_eq!(process["uid"].to_string(), own("Uid")[1], "{told}");
    assert_eq!(process["gid"].to_string(), own("Gid")[1], "{told}");
    assert_eq!(
        process["capabilities"]["bounding"],
        own("CapBnd")[0],
        "{told}"
    );
    assert_eq!(
        told["root"]["created"],
        told["root"]["errno"].is_null(),
        "{told}"
    );
}

#[test]
fn the_health_command_asks_the_running_server() {
    let server = Server::ready(tiny());
    let health = |address: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uninlu-server"));
        command
            .arg("health")
            .env("UNINLU_LISTEN", address)
            .stderr(Stdio::null())
            .status()
            .expect("it runs")
            .code()
    };
    assert_eq!(health(server.url.trim_start_matches("http://")), Some(0));
    assert_eq!(health("127.0.0.1:1"), Some(1));
}

#[test]
fn what_the_model_is_trained_for_is_in_info() {
    let server = Server::ready(command(&golden("../demo-model")));
    let tasks = [
        "named-entity-recognition",
        "relation-extraction",
        "event-extraction",
    ];
    assert_eq!(server.get("/info").json()["model"]["tasks"], json!(tasks));
}

/// What is wrong with the model folder is said on stderr, with the file, and the exit code is 1.
#[test]
fn a_folder_that_is_no_model_ends_with_the_reason() {
    let broken = |change: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["config.json", "vocab.txt", "model.safetensors"] {
            std::fs::copy(golden("tiny").join(file), folder.path().join(file)).expect(file);
        }
        change(folder.path());
        let output = command(folder.path()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let configured = |from: &'static str, to: &'static str| {
        broken(&|folder| {
            let file = folder.join("config.json");
            let text = std::fs::read_to_string(&file).expect("the configuration");
            assert!(text.contains(from), "{text}");
            std::fs::write(file, text.replace(from, to)).expect("the configuration");
        })
    };
    let cut = |file: &Path| {
        let bytes = std::fs::read(file).expect("the weights");
        std::fs::write(file, &bytes[..bytes.len() / 2]).expect("the weights");
    };
    let add_token = |folder: &Path| {
        let mut vocabulary = std::fs::OpenOptions::new()
            .append(true)
            .open(folder.join("vocab.txt"))
            .expect("the vocabulary");
        writeln!(vocabulary, "多余").expect("the vocabulary");
    };
    let cases = [
        (
            broken(&|folder| drop(std::fs::remove_file(folder.join("config.json")))),
            "config.json",
        ),
        (
            broken(&|folder| drop(std::fs::remove_file(folder.join("vocab.txt")))),
            "vocab.txt",
        ),
        (
            broken(&|folder| drop(std::fs::remove_file(folder.join("model.safetensors")))),
            "pytorch_model.bin",
        ),
        (
            broken(&|folder| cut(&folder.join("model.safetensors"))),
            "is the file complete?",
        ),
        (
            broken(&|folder| {
                std::fs::write(folder.join("vocab.txt"), "[PAD]\n[UNK]\n").expect("a vocabulary")
            }),
            "[CLS]",
        ),
        (
            configured("\"hidden_size\": 32", "\"hidden_size\": 64"),
            "plm.embeddings.word_embeddings.weight",
        ),
        (
            configured("\"absolute\"", "\"relative_key\""),
            "position_embedding_type",
        ),
        (
            broken(&add_token),
            "vocab.txt: it has 1827 tokens, but the model has 1826",
        ),
    ];
    for (said, expected) in &cases {
        assert!(
            said.contains(expected),
            "{expected:?} is missing in: {said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
}
