//! What stands in the log: fields, reasons, and nothing that a caller sent.

use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::harness::{Server, agent, answer, tiny};

const SECRET: &str = "geheim-4711";

/// A running server and the lines of its log so far.
struct Logged {
    server: Server,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Logged {
    fn ready(mut command: Command) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = port.local_addr().expect("an address");
        drop(port);
        command.env("UNINLU_LISTEN", address.to_string());
        let mut child = command.spawn().expect("the binary starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, seen) = (child.stdout.take().expect("its output"), lines.clone());
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                seen.lock().expect("no panic").push(line);
            }
        });
        let url = format!("http://{address}");
        let server = Server { child, url };
        let is_ready = || {
            agent()
                .get(format!("{}/ready", server.url))
                .call()
                .is_ok_and(|answer| answer.status() == 200)
        };
        server.wait_for("ready", is_ready);
        Self { server, lines }
    }

    fn find(&self, what: &str) -> String {
        let found = || self.lines().into_iter().find(|line| line.contains(what));
        self.server.wait_for(what, || found().is_some());
        found().expect("it was there")
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }

    fn ask(&self, id: &str, body: &str) -> u16 {
        let request = agent()
            .post(format!("{}/api/predict", self.server.url))
            .header("x-request-id", id)
            .header("x-api-key", SECRET);
        answer(request.send(body)).status
    }
}

fn refusals() -> Vec<(&'static str, String, u16, &'static str, &'static str)> {
    vec![
        (
            "r-syntax",
            format!("{{\"text\": \"{SECRET}\n"),
            400,
            "malformed",
            "JSON syntax, line",
        ),
        (
            "r-field",
            format!("{{\"{SECRET}\": 1}}"),
            400,
            "malformed",
            "a field is unknown",
        ),
        (
            "r-type",
            format!("{{\"text\": [\"{SECRET}\"]}}"),
            400,
            "malformed",
            "has the wrong type",
        ),
        (
            "r-schema",
            format!("{{\"text\": \"x\", \"schema\": {{\"{SECRET}\": 1}}}}"),
            400,
            "malformed",
            "",
        ),
        ("r-large", " ".repeat(2 << 20), 413, "too_large", ""),
    ]
}

#[test]
fn a_refused_request_has_its_reason_and_nothing_of_its_own() {
    let logged = Logged::ready(tiny());
    for (id, body, status, error, reason) in refusals() {
        assert_eq!(logged.ask(id, &body), status, "{id}");
        let line = logged.find(id);
        let line: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["level"], "INFO");
        assert_eq!(
            (&line["code"], &line["error"]),
            (&status.into(), &error.into()),
            "{line}"
        );
        assert!(
            line["reason"].as_str().unwrap_or_default().contains(reason),
            "{line}"
        );
    }
    assert_eq!(
        logged.ask("r-well", r#"{"text": "小明", "schema": {"人物": null}}"#),
        200
    );
    let line: Value = serde_json::from_str(&logged.find("r-well")).expect("JSON");
    assert_eq!(
        (&line["message"], &line["code"]),
        (&"answered".into(), &200.into())
    );
    assert!(
        line.get("reason").is_none() && line.get("error").is_none(),
        "{line}"
    );
    for line in logged.lines() {
        assert!(!line.contains(SECRET), "{line}");
        for mark in ["Some(", "None", "Settings {", "Info {", "\\\""] {
            assert!(!line.contains(mark), "{mark:?}: {line}");
        }
        serde_json::from_str::<Value>(&line).expect("each line is JSON");
    }
}

#[test]
fn the_log_may_be_text() {
    let mut command = tiny();
    command.env("UNINLU_LOG_FORMAT", "text");
    let logged = Logged::ready(command);
    for (id, body, status, ..) in refusals() {
        assert_eq!(logged.ask(id, &body), status, "{id}");
        let line = logged.find(id);
        assert!(
            line.contains(&format!("code={status}")) && line.contains("error="),
            "{line}"
        );
    }
    for line in logged.lines() {
        assert!(
            !line.contains(SECRET) && !line.contains(char::is_control),
            "{line:?}"
        );
        for mark in ["Some(", "Settings {", "Info {"] {
            assert!(!line.contains(mark), "{mark:?}: {line}");
        }
        assert!(line.contains("level="), "{line}");
    }
}

#[test]
fn what_fails_here_is_an_error() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    write!(&file, "{SECRET}").expect("a key");
    let mut command = tiny();
    command.env("UNINLU_API_KEY_FILE", file.path());
    let logged = Logged::ready(command);
    file.close().expect("it goes");
    assert_eq!(logged.ask("r-no-key", "{}"), 503);
    let line: Value = serde_json::from_str(&logged.find("r-no-key")).expect("JSON");
    assert_eq!(
        (&line["level"], &line["error"]),
        (&"ERROR".into(), &"no_key".into())
    );
}

#[test]
fn a_level_is_set_at_the_start_and_changes_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("settings.toml");
    let mut command = tiny();
    command
        .env("UNINLU_LOG_LEVEL", "error")
        .env("UNINLU_SETTINGS", &settings);
    let logged = Logged::ready(command);
    assert_eq!(logged.ask("r-quiet", "{"), 400);
    let write = |text: &str, count: f64| {
        std::fs::write(&settings, text).expect("settings");
        logged.server.wait_for("the settings", || {
            logged
                .server
                .metric(r#"uninlu_config_reloads_total{result="ok"}"#)
                >= count
        });
    };
    write("log-level = \"info\"\n", 1.0);
    // The level follows the settings a moment later.
    logged.server.wait_for("the level", || {
        logged.ask("r-loud", "{");
        logged.lines().iter().any(|line| line.contains("r-loud"))
    });
    assert!(
        !logged.lines().iter().any(|line| line.contains("r-quiet")),
        "{:?}",
        logged.lines()
    );
}

#[test]
fn a_level_that_is_none_is_refused_at_the_start() {
    let output = tiny()
        .env("UNINLU_LOG_LEVEL", "loud")
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("loud") && said.contains("debug"), "{said}");
}
