//! The API's options, each over HTTP, and the document that describes them.

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
    assert_eq!(server.get("/ready").status, 200, "only the API needs it");
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
