//! No request costs more than it may: work, names, depth, entities, bytes of an answer, time, and what a caller leaves
//! behind. Each beside others that are served meanwhile, in an address space that nothing here should need.

use std::path::Path;
use std::thread;

use serde_json::{Map, Value, json};

use crate::harness::{Answer, PATIENCE, Server, agent, answer, bounded, settings, tiny};

/// Far below what one request took before it was bounded, and above libtorch's own mappings.
const ADDRESS_SPACE: u64 = 5_000_000_000;
/// Resident memory that a server which answered whatever comes here may have taken.
const RESIDENT: f64 = 1.2e9;

/// Where the work is to go on.
const PATIENT: &str = include_str!("patient.toml");

fn case(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/server-cases");
    std::fs::read_to_string(folder.join(name)).expect(name)
}

fn server(text: &str) -> Server {
    let settings = settings(text);
    let server = Server::ready(bounded(settings.path(), ADDRESS_SPACE));
    // It was read before the server became ready.
    drop(settings);
    server
}

fn is_well(server: &Server) {
    assert_eq!(server.get("/health").json(), json!({ "status": "ok" }));
    let answer = server.predict("小明在北京工作。", &json!({ "人物": null }));
    assert_eq!(answer.status, 200, "{}", answer.text);
    let resident = server.metric("process_resident_memory_bytes ");
    assert!(resident < RESIDENT, "{resident} bytes are resident");
}

/// What a question comes to while usual ones are asked; each of these must be answered.
fn beside_others(server: &Server, body: &str) -> Answer {
    thread::scope(|scope| {
        let hostile = scope.spawn(|| server.post(body));
        while !hostile.is_finished() {
            is_well(server);
        }
        hostile.join().expect("an answer")
    })
}

fn types(count: usize, value: &Value) -> Value {
    let types: Map<String, Value> = (0..count)
        .map(|number| (format!("类{number}"), value.clone()))
        .collect();
    Value::Object(types)
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| json!({ "产品": inner }))
}

/// A text in which the tiny model finds hundreds of entities, most of them as long as the rest of the text.
fn dense(characters: usize) -> String {
    let body: Value = serde_json::from_str(&case("oom-27kB/body.json")).expect("JSON");
    let text = body["text"].as_str().expect("a text");
    let skipped = text.chars().count() - characters;
    text.chars().skip(skipped).collect()
}

#[test]
fn the_recorded_cases_are_refused_or_answered_and_others_served() {
    let server = server("");
    for name in [
        "oom-27kB/body.json",
        "long-key-nested/slow-14kB.json",
        "long-key-nested/stuck-304kB.json",
    ] {
        let answer = beside_others(&server, &case(name));
        let error = &answer.json()["error"];
        assert_eq!(answer.status, 422, "{name}: {}", answer.text);
        assert!(answer.text.len() < 2_000, "{name}: {}", answer.text);
        if name.starts_with("long-key") {
            let place = error["place"].as_str().expect("a place");
            assert!(place.starts_with("schema.人物"), "{name}: {place}");
        }
    }
    is_well(&server);
}

#[test]
fn hostile_questions_end_within_their_bounds() {
    let server = server("max-work = \"1s\"\n");
    let long = "小明在北京的云帆公司工作。".repeat(700);
    let text = dense(9_000);
    let questions = [
        json!({ "texts": vec!["字"; 100_000], "schema": { "人物": null } }),
        json!({ "texts": vec!["字"; 64], "schema": types(2_048, &Value::Null) }),
        json!({ "texts": vec![long.as_str(); 20], "schema": types(2_000, &Value::Null) }),
        json!({ "text": long, "schema": types(2_000, &Value::Null) }),
        json!({ "text": "字".repeat(300_000), "schema": { "人物": null } }),
        json!({ "text": text, "schema": nested(8) }),
        json!({ "text": text, "schema": nested(8), "view": "grouped", "output_all_prefix": true }),
        json!({ "text": text, "schema": types(40, &Value::Null), "view": "grouped" }),
        json!({ "text": text, "schema": nested(33) }),
        json!({ "text": text, "schema": { "长".repeat(1_001): null } }),
        json!({ "text": "字", "schema": { "\u{300}".repeat(300_000): { "a": null } } }),
        json!({ "text": "😀👨‍👩‍👧‍👦".repeat(1_000), "schema": types(100, &Value::Null) }),
        json!({ "text": "e\u{301}\u{302}\u{303}".repeat(2_000), "schema": types(100, &json!({ "a": null })) }),
        json!({ "text": "각".repeat(9_999), "schema": types(50, &Value::Null) }),
        json!({ "text": format!("{}|好", "正向,".repeat(3_000)), "schema": types(300, &Value::Null), "classification": "strict" }),
        json!({ "text": "字", "schema": types(20_000, &json!({ "a": null })).to_string() }),
    ];
    for question in questions {
        let body = question.to_string();
        let answer = beside_others(&server, &body);
        let shown: String = body.chars().take(60).collect();
        assert!(answer.text.len() <= 8 << 20, "{shown}");
        if answer.status != 200 {
            assert!(answer.text.len() < 2_000, "{shown}: {}", answer.text);
            let code = answer.json()["error"]["code"].clone();
            let is_bound = [400, 413, 422].contains(&answer.status) || code == "max_time";
            assert!(is_bound, "{shown}: {}", answer.text);
        }
    }
}

/// Of a megabyte that is no question nothing is kept: before, a list in the schema's place took fifty.
#[test]
fn what_is_no_question_is_refused_where_it_ends_to_be_one() {
    let server = server("");
    let many = |item: &str| vec![item; 900_000 / (item.len() + 1)].join(",");
    let schema = |schema: &str| format!(r#"{{"text": "字", "schema": {schema}}}"#);
    let numbered: Vec<String> = (0..60_000)
        .map(|number| format!(r#""{number}":null"#))
        .collect();
    for (body, status, place) in [
        (
            format!(
                r#"{{"texts": [{}], "schema": {{"a": null}}}}"#,
                many(r#""""#)
            ),
            400,
            "texts",
        ),
        (schema(&format!("[{}]", many("1"))), 400, "schema"),
        (schema(&format!("[{}]", many("[]"))), 400, "schema"),
        (
            schema(&format!("{{{}}}", many(r#""a":1"#))),
            400,
            "schema.a",
        ),
        (
            schema(&format!("{{{}}}", numbered.join(","))),
            422,
            "schema.16384",
        ),
        (
            schema(&json!(format!("{{{}}}", numbered.join(","))).to_string()),
            422,
            "schema.16384",
        ),
        (
            schema(&format!(r#"{{"a":{{{}}}}}"#, numbered.join(","))),
            422,
            "schema.a.16383",
        ),
    ] {
        let answer = server.post(&body);
        let shown: String = body.chars().take(60).collect();
        assert_eq!(answer.status, status, "{shown}: {}", answer.text);
        assert_eq!(answer.json()["error"]["place"], json!(place), "{shown}");
    }
    is_well(&server);
}

#[test]
fn work_beyond_the_setting_is_refused_with_its_count() {
    let server = server("max-work = \"1ms\"\n");
    let flat = json!({ "texts": ["小明在北京工作。".repeat(200), "字"], "schema": types(200, &Value::Null) });
    let answer = server.post(&flat.to_string());
    let error = &answer.json()["error"];
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert_eq!(error["code"], "max_work");
    let message = error["message"].as_str().expect("a message");
    for part in [
        "max-work is 1ms",
        "2 texts",
        "200 types",
        "tokens at",
        "raise max-work",
    ] {
        assert!(message.contains(part), "{part} is missing in: {message}");
    }
    assert_eq!(
        server.metric(r#"uninlu_refusals_total{reason="max_work"}"#),
        1.0
    );
    assert_eq!(
        server.metric("uninlu_queue_tokens "),
        0.0,
        "nothing of it was taken"
    );
}

/// The first level is within the bounds; what it finds is not.
#[test]
fn a_nested_level_beyond_a_bound_ends_the_request_with_its_place() {
    let file = settings(PATIENT);
    let server = Server::ready(bounded(file.path(), ADDRESS_SPACE));
    let text = dense(2_000);
    let first = server.predict(&text, &json!({ "产品": null })).json();
    let found = first["output"].as_array().expect("paths").len();
    assert!(found > 20, "the model finds {found} in it");
    let most = 2_048 / found;
    let refused = |types_below: usize, code: &str| {
        let nested = json!({ "产品": types(types_below, &Value::Null) });
        let answer = server.predict(&text, &nested);
        let error = &answer.json()["error"];
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert_eq!(
            (&error["code"], &error["place"]),
            (&json!(code), &json!("schema.产品"))
        );
    };
    // A few times what the first level is predicted to take on this machine; the second asks hundreds of times as much.
    let millis = (server.metric("uninlu_request_work_seconds_sum ") * 20_000.0).ceil();
    refused(most + 1, "schema_too_large");
    std::fs::write(
        file.path(),
        format!("max-work = \"{millis}ms\"\nmax-time = \"1000h\"\n"),
    )
    .expect("settings");
    server.wait_for("the settings", || {
        server.metric(r#"uninlu_config_reloads_total{result="ok"}"#) == 2.0
    });
    refused(most - 1, "max_work");
}

#[test]
fn what_takes_longer_than_the_setting_ends_with_503() {
    let server = server("max-time = \"50ms\"\nmax-work = \"1000h\"\n");
    let long = json!({ "text": "小明在北京的云帆公司工作。".repeat(700), "schema": types(500, &Value::Null) });
    let ended = server.post(&long.to_string());
    let error = &ended.json()["error"];
    assert_eq!((ended.status, &error["code"]), (503, &json!("max_time")));
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("max-time (50ms)"), "{message}");
    let request = agent()
        .post(format!("{}/api/predict", server.url))
        .header("x-request-timeout", "0.01");
    let earlier = answer(request.send(long.to_string()));
    assert_eq!(
        (earlier.status, &earlier.json()["error"]["code"]),
        (504, &json!("too_late")),
        "the caller's own deadline comes first"
    );
    server.wait_for("nothing waits", || {
        server.metric("uninlu_queue_tokens ") == 0.0
    });
    assert_eq!(server.get("/health").status, 200);
}

/// Small ones pass it, whatever it asks, and it is answered beside them.
#[test]
fn a_large_request_makes_no_small_one_wait() {
    let server = server(PATIENT);
    let large = json!({ "text": "小明在北京的云帆公司工作。".repeat(700), "schema": types(40, &Value::Null) });
    let answer = beside_others(&server, &large.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        server.metric(r#"uninlu_refusals_total{reason="overloaded"}"#),
        0.0
    );
}

/// In every phase: what waits is forgotten, and the model's threads come to rest.
#[test]
fn a_caller_that_left_costs_nothing_more() {
    let server = server(PATIENT);
    let long = "小明在北京的云帆公司工作。".repeat(700);
    let questions = [
        json!({ "text": long, "schema": types(2_000, &Value::Null) }),
        json!({ "texts": vec![long; 20], "schema": types(1_000, &Value::Null) }),
        json!({ "text": dense(1_000), "schema": nested(8) }),
        json!({ "text": dense(9_000), "schema": types(60, &Value::Null), "view": "grouped" }),
    ];
    for (index, question) in questions.iter().enumerate() {
        let caller = server.begin(&question.to_string());
        if index < 2 {
            server.wait_for("it runs", || server.metric("uninlu_queue_tokens ") > 0.0);
        }
        drop(caller);
        server.wait_for("it is forgotten", || {
            // The question itself is in flight.
            server.metric("http_requests_in_flight ") <= 1.0
                && server.metric("uninlu_queue_tokens ") == 0.0
        });
        is_well(&server);
    }
}

#[test]
fn a_timeout_may_be_any_number_above_nothing() {
    let server = Server::ready(tiny());
    let ask = |timeout: &str| {
        let request = agent()
            .post(format!("{}/api/predict", server.url))
            .header("x-request-timeout", timeout);
        let body = json!({ "text": "小明", "schema": { "人物": null } });
        answer(request.send(body.to_string())).status
    };
    let longer_than_patience = (PATIENCE.as_secs() * 2).to_string();
    for timeout in [
        "1e300",
        "inf",
        "99999999999999999999",
        &longer_than_patience,
    ] {
        assert_eq!(ask(timeout), 200, "{timeout}");
    }
    for timeout in ["0", "-1", "-inf", "nan", "1e-400", "1s", "x"] {
        assert_eq!(ask(timeout), 400, "{timeout}");
    }
}
