//! The API's options, each over HTTP, and the document that describes them.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::harness::{Answer, Server, agent, answer, command, golden, tiny};

fn demo() -> Server {
    Server::ready(command(&golden("../demo-model")))
}

const TEXT: &str = "雷军是小米公司的董事长，他出生于湖北仙桃。";

fn schema() -> Value {
    json!({ "人物": { "职务": null, "出生地": null } })
}

fn ask(server: &Server, question: &Value) -> Answer {
    server.post(&question.to_string())
}

#[test]
fn several_texts_are_answered_in_their_order() {
    let server = demo();
    let alone = server.predict(TEXT, &schema()).json();
    let texts = ["", TEXT, TEXT];
    let together = ask(&server, &json!({ "texts": texts, "schema": schema() })).json();
    let wanted = [json!([]), alone["output"].clone(), alone["output"].clone()];
    assert_eq!(together["outputs"], json!(wanted));
    let long = "字".repeat(10_001);
    let refused = ask(
        &server,
        &json!({ "texts": ["x", long], "schema": schema() }),
    );
    assert_eq!(
        (refused.status, &refused.json()["error"]["place"]),
        (413, &json!("texts[1]"))
    );
}

#[test]
fn entities_may_be_grouped() {
    let question = json!({ "text": TEXT, "schema": schema(), "view": "grouped" });
    let output = &ask(&demo(), &question).json()["output"];
    assert_eq!(output["人物"][0]["span"], "雷军");
    let relations = &output["人物"][0]["relations"];
    assert_eq!(relations["职务"][0]["span"], "董事长");
    assert_eq!(relations["出生地"][0]["offset"], json!([16, 20]));
}

#[test]
fn offsets_may_count_as_browsers_do() {
    let server = demo();
    let text = format!("😀{TEXT}");
    let offset = |offsets: &str| -> [u64; 2] {
        let question = json!({ "text": text, "schema": schema(), "offsets": offsets });
        let answer = ask(&server, &question).json();
        let offset = answer["output"][0][1]["offset"].clone();
        serde_json::from_value(offset).expect("an offset")
    };
    // Everything behind the first character is one unit further on.
    assert_eq!(
        offset("utf-16"),
        offset("code-points").map(|point| point + 1)
    );
}

#[test]
fn a_strict_classification_answers_with_one_label() {
    let server = demo();
    let question = json!({
        "texts": ["正向,负向|这家店的味道很好。", "体育,财经,科技|他投进了三分球。"],
        "schema": { "情感分类": null, "分类": null },
        "classification": "strict",
    });
    let answer = ask(&server, &question).json();
    for (output, labels) in answer["outputs"]
        .as_array()
        .expect("outputs")
        .iter()
        .zip([vec!["正向", "负向"], vec!["体育", "财经", "科技"]])
    {
        let paths = output.as_array().expect("paths");
        assert_eq!(paths.len(), 2, "one label for each type: {output}");
        for path in paths {
            let label = path[0]["span"].as_str().expect("a label");
            assert!(labels.contains(&label), "{label} is none of {labels:?}");
            let score = path[0]["score"].as_f64().expect("a score");
            assert!(score > 1.0 / 3.0 && score <= 1.0, "{score}");
        }
    }
    let without =
        json!({ "text": "没有标签", "schema": { "分类": null }, "classification": "strict" });
    let refused = ask(&server, &without);
    assert_eq!(
        (refused.status, &refused.json()["error"]["place"]),
        (422, &json!("text"))
    );
}

#[test]
fn a_timeout_that_cannot_be_kept_is_told() {
    let server = Server::ready(tiny());
    let ask = |timeout: &str| {
        let body = json!({ "text": "小明在北京工作。".repeat(900), "schema": schema() });
        let request = agent()
            .post(format!("{}/api/predict", server.url))
            .header("x-request-timeout", timeout);
        answer(request.send(body.to_string()))
    };
    let late = ask("0.001");
    assert_eq!(
        (late.status, &late.json()["error"]["code"]),
        (504, &json!("too_late"))
    );
    assert_eq!(ask("soon").status, 400);
    assert_eq!(ask("60").status, 200);
}

#[test]
fn a_key_is_asked_for_and_may_change() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "first\n").expect("a key");
    let mut command = tiny();
    command.env("UNINLU_API_KEY_FILE", file.path());
    let server = Server::ready(command);
    let status = |name: &str, value: &str| {
        let body = json!({ "text": "小明", "schema": { "人物": null } });
        let request = agent()
            .post(format!("{}/api/predict", server.url))
            .header(name, value);
        answer(request.send(body.to_string())).status
    };
    assert_eq!(status("accept", "*/*"), 401);
    assert_eq!(status("x-api-key", "firs"), 401);
    assert_eq!(status("x-api-key", "first"), 200);
    assert_eq!(status("authorization", "Bearer first"), 200);
    std::fs::write(file.path(), "second").expect("a key");
    assert_eq!(status("x-api-key", "first"), 401);
    assert_eq!(status("x-api-key", "second"), 200);
    for path in ["/info", "/docs", "/openapi.json"] {
        assert_eq!(server.get(path).status, 401, "{path}");
        let request = agent().get(format!("{}{path}", server.url));
        let answered = answer(request.header("x-api-key", "second").call());
        assert_eq!(answered.status, 200, "{path}");
    }
    for path in ["/", "/page.js", "/health", "/ready", "/metrics"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn a_server_without_its_key_does_not_start() {
    let mut command = tiny();
    command.env("UNINLU_API_KEY_FILE", "/nowhere/key");
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("/nowhere/key"), "{told}");
}

#[test]
fn other_origins_may_ask_only_when_they_are_named() {
    let asked_by = |server: &Server| {
        let request = agent()
            .post(format!("{}/api/predict", server.url))
            .header("origin", "https://example.com");
        let body = json!({ "text": "小明", "schema": { "人物": null } });
        let answer = answer(request.send(body.to_string()));
        answer.headers.get("access-control-allow-origin").cloned()
    };
    assert_eq!(asked_by(&Server::ready(tiny())), None);
    let mut command = tiny();
    command.env(
        "UNINLU_CORS_ORIGINS",
        "https://example.com,https://example.org",
    );
    let allowed = asked_by(&Server::ready(command)).expect("it is named");
    assert_eq!(allowed, "https://example.com");
}

/// A collector of traces that takes one batch; the batch is protobuf, in which strings stand as they are.
#[test]
fn requests_are_traced_where_a_collector_is_named() {
    let collector = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = collector.local_addr().expect("an address");
    let batch = std::thread::spawn(move || {
        let (mut stream, _) = collector.accept().expect("a batch comes");
        let mut seen = Vec::new();
        let mut piece = [0; 4_096];
        let has =
            |seen: &[u8], wanted: &[u8]| seen.windows(wanted.len()).any(|part| part == wanted);
        while !has(&seen, b"http.response.status_code") {
            let length = stream.read(&mut piece).expect("the batch");
            assert!(
                length > 0,
                "the batch ended: {}",
                String::from_utf8_lossy(&seen)
            );
            seen.extend_from_slice(&piece[..length]);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        seen
    });
    let mut command = tiny();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    let server = Server::ready(command);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = agent()
        .post(format!("{}/api/predict", server.url))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .header("x-request-id", "asked-by-a-test");
    let body = json!({ "text": "小明", "schema": { "人物": null } });
    assert_eq!(answer(request.send(body.to_string())).status, 200);
    server.terminate();
    let seen = batch.join().expect("the collector");
    assert!(seen.starts_with(b"POST /v1/traces"));
    let id: Vec<u8> = (0..16)
        .map(|index| u8::from_str_radix(&trace[2 * index..2 * index + 2], 16).expect("hex"))
        .collect();
    for wanted in [
        &b"uninlu-server"[..],
        b"POST /api/predict",
        b"asked-by-a-test",
        &id,
    ] {
        assert!(
            seen.windows(wanted.len()).any(|part| part == wanted),
            "{} is not in the batch",
            String::from_utf8_lossy(wanted)
        );
    }
    assert_eq!(server.wait().code(), Some(0));
}

/// A caller that leaves is neither in flight for ever nor uncounted.
#[test]
fn who_left_is_counted() {
    let server = Server::ready(tiny());
    let address = server.url.trim_start_matches("http://").to_owned();
    let body = json!({ "text": "小明在北京工作。".repeat(1_000), "schema": { "人物": null, "地点": null } }).to_string();
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    write!(
        stream,
        "POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a question");
    server.wait_for("the request runs", || {
        server.metric("http_requests_in_flight ") >= 2.0
    });
    drop(stream);
    server.wait_for("it is forgotten", || {
        server.metric("http_requests_in_flight ") <= 1.0
    });
    let left =
        server.metric(r#"http_requests_total{method="POST",route="/api/predict",code="499"}"#);
    assert!((left - 1.0).abs() < f64::EPSILON, "{left}");
}

/// The document's schema of an answer, with its references in place.
fn documented(document: &Value, route: &str, method: &str, status: u16) -> Value {
    let pointer = format!(
        "/paths/{}/{method}/responses/{status}/content/application~1json/schema",
        route.replace('/', "~1")
    );
    let schema = document
        .pointer(&pointer)
        .unwrap_or_else(|| panic!("{method} {route} {status} is not documented"));
    json!({ "allOf": [schema], "components": document["components"] })
}

#[test]
fn the_document_tells_what_the_server_does() {
    let server = demo();
    let document = server.get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let valid = [
        ("/health", "get", server.get("/health")),
        ("/ready", "get", server.get("/ready")),
        ("/api/predict", "post", server.predict(TEXT, &schema())),
        ("/api/predict", "post", server.post("{")),
        (
            "/api/predict",
            "post",
            server.predict(&"字".repeat(10_001), &schema()),
        ),
        (
            "/api/predict",
            "post",
            ask(
                &server,
                &json!({ "text": "x", "schema": { "a": null }, "classification": "strict" }),
            ),
        ),
    ];
    let mut statuses = Vec::new();
    for (route, method, answer) in valid {
        statuses.push(answer.status);
        let schema = documented(&document, route, method, answer.status);
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let body = answer.json();
        let faults: Vec<String> = validator
            .iter_errors(&body)
            .map(|error| error.to_string())
            .collect();
        assert!(faults.is_empty(), "{route} {}: {faults:?}", answer.status);
    }
    assert_eq!(statuses, [200, 200, 200, 400, 413, 422]);
    let request = document
        .pointer("/components/schemas/PredictRequest")
        .expect("the request is documented");
    for key in [
        "text",
        "texts",
        "schema",
        "view",
        "offsets",
        "classification",
    ] {
        assert!(request["properties"].get(key).is_some(), "{key}");
    }
}
