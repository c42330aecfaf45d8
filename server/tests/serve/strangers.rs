//! What strangers send: too slowly, too much, too deep. Raw sockets, since a client would not send it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Server, tiny};

/// The first line of what comes back.
fn status(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    while !answer.contains(&b'\n') {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn heads_are_bounded() {
    let server = Server::ready(tiny());
    let many: String = (0..100)
        .map(|number| format!("x-{number}: 1\r\n"))
        .collect();
    let large = format!("x-large: {}\r\n", "x".repeat(1 << 20));
    for headers in [many, large] {
        let mut stream = server.connect();
        // The server may answer and close before all is written.
        let _ = write!(stream, "GET /health HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let status = status(stream);
        assert!(status.contains("431"), "{status}");
    }
    assert!(server.is_well());
}

#[test]
fn what_is_no_http_is_refused() {
    let server = Server::ready(tiny());
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n\0\0",
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(bytes);
        let status = status(stream);
        assert!(status.is_empty() || status.contains("400"), "{status}");
    }
    assert!(server.is_well());
}

/// Connections that send a byte now and then hold nothing that others need.
#[test]
fn slow_senders_do_not_stand_in_the_way() {
    let server = Server::ready(tiny());
    let slow: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = server.connect();
            stream
                .write_all(
                    b"POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
                )
                .expect("a beginning");
            stream
        })
        .collect();
    assert!(server.is_well());
    drop(slow);
    server.wait_for("those who left are forgotten", || {
        // The question itself is in flight.
        server.metric("http_requests_in_flight ") <= 1.0
    });
}

#[test]
fn a_head_that_never_ends_is_not_waited_for() {
    let server = Server::ready(tiny());
    let mut stream = server.connect();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nx: ")
        .expect("a beginning");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it is closed");
    assert!(answer.is_empty(), "{answer:?}");
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let server = Server::ready(tiny());
    let mut stream = server.connect();
    stream
        .write_all(b"POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        .expect("a beginning");
    let status = status(stream);
    assert!(status.contains("408"), "{status}");
}

#[test]
fn a_body_without_end_is_cut_off() {
    let server = Server::ready(tiny());
    let mut stream = server.connect();
    stream
        .set_write_timeout(Some(Duration::from_secs(20)))
        .expect("a time-out");
    stream
        .write_all(b"POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 104857600\r\n\r\n")
        .expect("a head");
    let piece = vec![b' '; 1 << 20];
    let written = (0..100)
        .take_while(|_| stream.write_all(&piece).is_ok())
        .count();
    assert!(written < 60, "{written} MiB were read");
    assert!(server.is_well());
}

/// A body may come in small chunks, and not in a million of them.
#[test]
fn chunks_of_single_bytes_are_refused() {
    let server = Server::ready(tiny());
    let text = "小".repeat(1_000);
    let body = json!({ "text": text, "schema": { "人物": null } }).to_string();
    let head = "POST /api/predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    for (size, code) in [(1, "400"), (64, "200")] {
        let mut request = head.as_bytes().to_vec();
        for chunk in body.as_bytes().chunks(size) {
            request.extend(format!("{:x}\r\n", chunk.len()).bytes());
            request.extend(chunk);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        let mut stream = server.connect();
        stream.write_all(&request).expect("a request");
        let status = status(stream);
        assert!(status.contains(code), "chunks of {size}: {status}");
    }
}

#[test]
fn depth_is_bounded_in_either_form_of_a_schema() {
    let server = Server::ready(tiny());
    let schema = format!("{}null{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let inside = format!(r#"{{"text": "x", "schema": {schema}}}"#);
    assert_eq!(server.post(&inside).status, 422);
    let as_text = json!({ "text": "x", "schema": schema }).to_string();
    assert_eq!(server.post(&as_text).status, 422);
    assert!(server.is_well());
}

/// Callers that send much take no time from those that are being answered.
#[test]
fn the_threads_that_talk_stand_behind_those_that_compute() {
    let server = Server::ready(tiny());
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.child.id()));
    let niceness = threads.expect("its threads").filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once(") ")?;
        let niceness: i32 = rest.split(' ').nth(16)?.parse().ok()?;
        Some((name.split_once('(')?.1.to_owned(), niceness))
    });
    let niceness: Vec<(String, i32)> = niceness.collect();
    let of = |name: &str| -> Vec<i32> {
        let named = niceness.iter().filter(|(known, _)| known.starts_with(name));
        named.map(|(_, niceness)| *niceness).collect()
    };
    let model = of("model")[0];
    assert!(of("model").iter().all(|own| *own == model), "{niceness:?}");
    assert!(of("tokio").iter().all(|own| *own > model), "{niceness:?}");
    assert!(!of("tokio").is_empty(), "{niceness:?}");
}
