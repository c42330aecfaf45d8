//! What is defined of connections and of the bytes on them: raw sockets, since no client would send most of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use crate::harness::{Server, agent, answer, connect_to, tiny};

const QUESTION: &str = r#"{"text": "小明", "schema": {"人物": null}}"#;
const MEBIBYTE: usize = 1 << 20;

/// Sends it all, and gives what comes back until the server closes. The head is in lower case.
fn exchange(server: &Server, request: impl AsRef<[u8]>) -> String {
    let mut stream = server.connect();
    // The server may refuse and close before all is written.
    let _ = stream.write_all(request.as_ref());
    rest(stream)
}

fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match text.split_once("\r\n\r\n") {
        Some((head, body)) => format!("{}\r\n\r\n{body}", head.to_lowercase()),
        None => text,
    }
}

fn asking(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST /api/predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn error_of(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
    body["error"].clone()
}

fn few(connections: u32) -> Command {
    let mut command = tiny();
    command.env("UNINLU_MAX_CONNECTIONS", connections.to_string());
    command
}

/// As many as a whole listener's backlog, and far more than there are places: whoever comes next is answered.
#[test]
fn idle_connections_give_their_places_to_others() {
    let server = Server::ready(few(20));
    for beginning in [
        "",
        "GET /hea",
        "POST /api/predict HTTP/1.1\r\nhost: x\r\nx-slow: ",
    ] {
        let mut held = Vec::new();
        for _ in 0..500 {
            let mut stream = server.connect();
            let _ = stream.write_all(beginning.as_bytes());
            held.push(stream);
        }
        assert!(server.is_well(), "{beginning:?}");
        assert_eq!(server.get("/health").status, 200, "{beginning:?}");
        let fds = server.metric("process_open_fds ");
        assert!(fds < 300.0, "{fds} files are open");
    }
}

/// Bodies on their way hold their places for a while: others get 503 at once, and probes their answer.
#[test]
fn beyond_the_bound_only_probes_are_answered() {
    let server = Server::ready(few(4));
    let held: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = server.connect();
            let head = "POST /api/predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1000\r\n\r\n";
            stream.write_all(head.as_bytes()).expect("a head");
            // Its body is awaited from here on.
            let mut go_on = [0; 25];
            stream.read_exact(&mut go_on).expect("100 Continue");
            assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
            stream
        })
        .collect();
    let refused = exchange(&server, asking("", QUESTION.as_bytes()));
    assert!(refused.starts_with("http/1.1 503"), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("\r\nconnection: close\r\n"), "{refused}");
    assert_eq!(error_of(&refused)["code"], "busy");
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    // Those that wait in the reserve give way to each other.
    let crowd: Vec<TcpStream> = (0..300).map(|_| server.connect()).collect();
    for _ in 0..5 {
        assert_eq!(server.get("/health").status, 200);
    }
    drop((held, crowd));
    server.wait_for("places are free again", || server.is_well());
}

#[test]
fn large_bodies_share_a_bound() {
    let server = Server::ready(tiny());
    let part = vec![b' '; MEBIBYTE - 1];
    // They have 32 MiB beyond the first 64 KiB of each.
    let mut held: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = server.connect();
            let head = format!(
                "POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: {MEBIBYTE}\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&part);
            stream
        })
        .collect();
    let has_answer = |stream: &TcpStream| {
        stream.set_nonblocking(true).expect("a mode");
        let has_answer = stream.peek(&mut [0; 12]).is_ok_and(|length| length > 0);
        stream.set_nonblocking(false).expect("a mode");
        has_answer
    };
    let mut refused = None;
    server.wait_for("there is a bound", || {
        refused = held.iter().position(has_answer);
        refused.is_some()
    });
    let refused = rest(held.swap_remove(refused.unwrap_or_default()));
    assert!(refused.starts_with("http/1.1 503"), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    assert!(server.is_well(), "usual requests need no share");
    assert_eq!(server.get("/health").status, 200);
    drop(held);
    let large = [vec![b' '; MEBIBYTE - 1_000], QUESTION.into()].concat();
    server.wait_for("the room is free again", || {
        exchange(&server, asking("", &large)).starts_with("http/1.1 200")
    });
}

#[test]
fn a_length_over_the_bound_is_refused_before_the_body() {
    let server = Server::ready(tiny());
    for length in ["1048577", "9999999999", "18446744073709551000"] {
        let head = format!(
            "POST /api/predict HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut stream = server.connect();
        stream.write_all(head.as_bytes()).expect("a head");
        stream.shutdown(Shutdown::Write).expect("an end");
        let answer = rest(stream);
        assert!(answer.starts_with("http/1.1 413"), "{length}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert_eq!(error_of(&answer)["code"], "too_large");
    }
    let chunk = format!("{:x}\r\n{}\r\n", 256 << 10, " ".repeat(256 << 10));
    let chunked = format!(
        "POST /api/predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{}",
        chunk.repeat(5)
    );
    let answer = exchange(&server, chunked);
    assert!(answer.starts_with("http/1.1 413"), "{answer}");
    assert!(server.is_well());
}

#[test]
fn a_request_has_one_end() {
    let server = Server::ready(tiny());
    let body = "3\r\nabc\r\n0\r\n\r\n";
    for headers in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nX: 1\r\nContent-Length: 3\r\n",
        "content-length: 3\r\ncontent-length: 4\r\n",
        "content-length: 3, 4\r\n",
        "content-length: -3\r\n",
        "content-length: +3\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding : chunked\r\n",
    ] {
        let request = format!("POST /api/predict HTTP/1.1\r\nhost: x\r\n{headers}\r\n{body}");
        let answer = exchange(&server, request);
        assert!(answer.starts_with("http/1.1 400"), "{headers:?}: {answer}");
        assert_eq!(
            answer.matches("http/1.1").count() + answer.matches("HTTP/1.1").count(),
            1,
            "{answer}"
        );
    }
    assert!(server.is_well());
}

#[test]
fn methods_and_targets_of_all_kinds_have_an_answer() {
    let server = Server::ready(tiny());
    let cases = [
        ("HEAD /health", "200", "content-length: 15"),
        ("HEAD /metrics", "200", "openmetrics"),
        ("HEAD /api/predict", "405", "allow: post"),
        ("GET /api/predict", "405", "allow: post"),
        ("OPTIONS /api/predict", "204", "allow: post"),
        ("OPTIONS /health", "204", "allow: get,head"),
        ("OPTIONS *", "204", ""),
        ("PROPFIND /health", "405", "allow: get,head"),
        ("BREW /coffee", "404", ""),
        ("TRACE /", "405", ""),
        ("DELETE /api/predict", "405", ""),
        ("CONNECT example.com:443", "40", ""),
        ("GET http://example.com/health", "200", ""),
        ("GET /health?x=%00%ff", "200", ""),
        ("GET /%68ealth", "404", ""),
        ("GET /../../etc/passwd", "404", ""),
        ("GET //health", "404", ""),
        ("GET /%00", "404", ""),
        ("GET health", "40", ""),
        ("G\0T /health", "400", ""),
        ("GET /hea\0lth", "400", ""),
    ];
    for (line, status, held) in cases {
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = exchange(&server, request);
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{line:?}: {answer}"
        );
        assert!(answer.contains(held), "{line:?}: {answer}");
        if line.starts_with("HEAD") {
            assert!(answer.ends_with("\r\n\r\n"), "a HEAD has no body: {answer}");
        }
    }
    let page = server.get("/metrics").text;
    assert!(
        page.contains(r#"http_requests_total{method="other",route="/health",code="405"} 1"#),
        "{page}"
    );
    assert!(
        page.contains(r#"http_requests_total{method="other",route="other",code="404"} 1"#),
        "{page}"
    );
    assert!(
        !page.contains("PROPFIND") && !page.contains("coffee"),
        "{page}"
    );
}

/// A caller that closes its side reads on; interim answers may come before the final one.
#[test]
fn a_half_closed_connection_is_answered() {
    let server = Server::ready(tiny());
    for (version, text) in [
        ("1.1", "小明".into()),
        ("1.0", "小明".into()),
        ("1.1", "小明在北京的云帆公司工作。".repeat(300)),
    ] {
        let body = json!({ "text": text, "schema": { "人物": null } }).to_string();
        let mut stream = server.connect();
        let length = body.len();
        write!(
            stream,
            "POST /api/predict HTTP/{version}\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .expect("a question");
        stream.shutdown(Shutdown::Write).expect("an end");
        let answer = rest(stream);
        let answer = answer
            .trim_start_matches("http/1.1 102 processing\r\n\r\n")
            .to_lowercase();
        assert!(
            answer.starts_with(&format!("http/{version} 200")),
            "{version}, {length} bytes: {answer}"
        );
        assert!(answer.contains("output"), "{answer}");
    }
    // Request and close in one: the close may be read before anything takes the request.
    for _ in 0..100 {
        let mut stream = server.connect();
        let request = asking("", QUESTION.as_bytes());
        stream.write_all(&request).expect("a question");
        stream.shutdown(Shutdown::Write).expect("an end");
        let answer = rest(stream);
        assert!(answer.contains("\"output\""), "{answer}");
    }
    let mut stream = server.connect();
    stream
        .write_all(b"POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        .expect("a part");
    stream.shutdown(Shutdown::Write).expect("an end");
    let answer = rest(stream);
    assert!(
        answer.is_empty() || answer.starts_with("http/1.1 400"),
        "a part is no question: {answer}"
    );
}

#[test]
fn other_protocols_are_told_what_is_spoken_here() {
    let server = Server::ready(tiny());
    let preface = exchange(
        &server,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    );
    assert!(preface.starts_with("http/1.1 505"), "{preface}");
    assert_eq!(error_of(&preface)["code"], "http_version");
    let length = preface
        .split_once("\r\n\r\n")
        .map_or(0, |(_, body)| body.len());
    assert!(
        preface.contains(&format!("content-length: {length}\r\n")),
        "{preface}"
    );
    let hello = exchange(&server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    assert!(hello.starts_with("http/1.1 400"), "{hello}");
    let upgrade = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n";
    let upgrade = exchange(&server, upgrade);
    assert!(
        upgrade.starts_with("http/1.1 200"),
        "an upgrade may be passed over: {upgrade}"
    );
    assert!(server.is_well());
}

#[test]
fn requests_may_follow_each_other_without_waiting() {
    let server = Server::ready(tiny());
    let one = format!(
        "POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{QUESTION}",
        QUESTION.len()
    );
    let mut requests = one.repeat(20);
    requests += "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = exchange(&server, requests).to_lowercase();
    assert_eq!(answers.matches("http/1.1 200").count(), 21, "{answers}");
}

/// It asks on and on and never reads: no more is kept for it than what fits, and then it is closed.
#[test]
fn a_caller_that_never_reads_is_stopped() {
    let server = Server::ready(tiny());
    let address = server.url.trim_start_matches("http://").to_owned();
    std::thread::scope(|scope| {
        for line in ["GET /metrics", "HEAD /health", "GET /page.js"] {
            let stream = connect_to(&address);
            let server = &server;
            scope.spawn(move || never_read(server, stream, line));
        }
        assert!(server.is_well());
    });
    assert!(server.is_well());
}

fn never_read(server: &Server, mut stream: TcpStream, line: &str) {
    stream.set_nonblocking(true).expect("a mode");
    let requests = format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(1_000);
    let mut written = 0;
    server.wait_for(line, || {
        loop {
            match stream.write(requests.as_bytes()) {
                Ok(length) => written += length,
                Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
            }
            assert!(written < 64 * MEBIBYTE, "all of it is taken");
        }
    });
}

#[test]
fn compressed_bodies_are_decoded_within_bounds() {
    let server = Server::ready(tiny());
    let gzip = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    };
    let zlib = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(QUESTION.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let bare = {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(QUESTION.as_bytes()).expect("memory");
        encoder.finish().expect("memory")
    };
    let plain = QUESTION.as_bytes().to_vec();
    let bomb = gzip(&vec![b' '; 100 * MEBIBYTE]);
    let cases = [
        ("gzip", gzip(&plain), 200, ""),
        ("GZIP", gzip(&plain), 200, ""),
        ("deflate", zlib, 200, ""),
        ("deflate", bare, 200, ""),
        ("identity", plain.clone(), 200, ""),
        ("gzip", bomb, 413, "too_large"),
        ("gzip", plain.clone(), 400, "malformed"),
        ("deflate", plain.clone(), 400, "malformed"),
        ("gzip", gzip(&gzip(&plain)), 400, "malformed"),
        ("gzip, gzip", gzip(&gzip(&plain)), 415, "encoding"),
        ("br", plain.clone(), 415, "encoding"),
        ("zstd", plain, 415, "encoding"),
    ];
    for (coding, body, status, code) in cases {
        let answer = exchange(
            &server,
            asking(&format!("content-encoding: {coding}\r\n"), &body),
        );
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{coding}: {answer}"
        );
        if status != 200 {
            assert_eq!(error_of(&answer)["code"], code, "{coding}");
        }
        assert_eq!(
            status == 415,
            answer.contains("\r\naccept-encoding: gzip, deflate\r\n"),
            "{answer}"
        );
    }
}

#[test]
fn charsets_and_marks_are_understood_or_named() {
    let server = Server::ready(tiny());
    let wide: Vec<u8> = QUESTION.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xef\xbb\xbf", QUESTION.as_bytes()].concat();
    let cases = [
        ("application/json", marked, "200"),
        ("application/json; charset=UTF-8", QUESTION.into(), "200"),
        ("application/json", [b"\xff\xfe", &wide[..]].concat(), "415"),
        ("application/json", wide.clone(), "415"),
        ("application/json; charset=utf-16le", wide, "415"),
        ("text/plain; charset=gb18030", QUESTION.into(), "415"),
        (
            "application/json",
            b"{\"text\": \"\xc4\xe3\", \"schema\": {\"a\": null}}".to_vec(),
            "400",
        ),
    ];
    for (kind, body, status) in cases {
        let answer = exchange(&server, asking(&format!("content-type: {kind}\r\n"), &body));
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{kind}: {answer}"
        );
    }
}

#[test]
fn the_place_of_a_syntax_error_is_its_line_and_column() {
    let server = Server::ready(tiny());
    for (body, place) in [
        (
            "{\"text\": \"小明\",\n \"schema\": {\"人物\": nul}}",
            "line 2, column 22",
        ),
        ("{\"text\": \"小明\" \"schema\": {}}", "line 1, column 15"),
        (
            "{\"text\": \"小明\", \"schema\": {\"人物\": null}} x",
            "line 1, column 40",
        ),
        ("{\"text\": \"小", "line 1, column 11"),
        ("\u{feff}{\"text\" 1}", "line 1, column 9"),
    ] {
        let answer = server.post(body);
        assert_eq!(answer.status, 400, "{body}");
        let error = &answer.json()["error"];
        assert_eq!(error["place"], place, "{body}: {error}");
        assert!(
            !error["message"].as_str().expect("text").contains(" line "),
            "{error}"
        );
    }
}

#[test]
fn a_trace_is_parsed_and_never_copied() {
    let server = Server::ready(tiny());
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let back = |value: &str| {
        let request = agent()
            .get(format!("{}/health", server.url))
            .header("traceparent", value);
        answer(request.call())
            .headers
            .get("traceparent")
            .map(|value| value.to_str().expect("text").to_owned())
    };
    let written = format!("00-{trace}-b7ad6b7169203331-01");
    assert_eq!(back(&written).as_ref(), Some(&written));
    assert_eq!(
        back(&format!("cc-{trace}-b7ad6b7169203331-01-later")).as_ref(),
        Some(&written)
    );
    for value in [
        "<script>",
        "00-0-0-0",
        &format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
        &"x".repeat(2_000),
    ] {
        assert_eq!(back(value), None, "{value}");
    }
    let request = agent()
        .get(format!("{}/health", server.url))
        .header("x-request-id", "a b\"c");
    let id = answer(request.call()).headers["x-request-id"].clone();
    assert!(
        !id.to_str().expect("text").contains('b') || id.len() > 8,
        "{id:?}"
    );
    assert_ne!(id, "a b\"c");
}

/// With a port of their own, probes and metrics are there and only there.
#[test]
fn probes_and_metrics_may_have_a_port_of_their_own() {
    let mut command = tiny();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    command.env("UNINLU_MANAGEMENT_LISTEN", &address);
    let server = Server::start(command);
    let status = |path: &str| answer(agent().get(format!("http://{address}{path}")).call()).status;
    server.wait_for("ready", || status("/ready") == 200);
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(status(path), 200, "{path}");
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    for path in ["/", "/info", "/docs", "/api/predict"] {
        assert_eq!(status(path), 404, "{path}");
    }
    assert!(server.is_well());
    let health = |management: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uninlu-server"));
        command
            .arg("health")
            .env("UNINLU_LISTEN", server.url.trim_start_matches("http://"));
        management.map(|address| command.env("UNINLU_MANAGEMENT_LISTEN", address));
        command.output().expect("it runs").status.code()
    };
    assert_eq!((health(Some(&address)), health(None)), (Some(0), Some(1)));
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
}
