//! An API server that answers from a list, takes every write, and has nothing else. It is a registry without images and a
//! Docker engine without images, too.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Answers by method and path (`POST /…`), or by the path of what is read, without what follows a `?`; null is never
/// answered.
pub(super) type Answers = BTreeMap<String, Value>;

/// A server that lives as long as the test's process.
pub(super) struct Api {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Api {
    pub(super) fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("a port").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            let answers = Arc::new(answers);
            for stream in listener.incoming().flatten() {
                let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream, &answers, &seen));
            }
        });
        Self { address, asked }
    }

    /// A kubeconfig with the contexts `prod`, which is this server and the current one, and `staging`, which is nowhere.
    pub(super) fn kubeconfig(&self, folder: &Path) -> PathBuf {
        kubeconfig(folder, &self.address)
    }

    /// `127.0.0.1:PORT`
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// All requests that were no reads and no dry runs.
    pub(super) fn writes(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no test panics while it is held");
        let is_read = |line: &String| ["GET ", "HEAD "].iter().any(|it| line.starts_with(it));
        let writes = asked
            .iter()
            .filter(|line| !is_read(line) && !line.contains("dryRun=All"));
        writes.cloned().collect()
    }
}

/// Takes connections, answers nothing, and says when one comes.
pub(super) fn silent() -> (String, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port").to_string();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

/// A kubeconfig whose `prod` is a server at that address.
pub(super) fn kubeconfig(folder: &Path, address: &str) -> PathBuf {
    let file = folder.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "prod",
        "clusters": [
            { "name": "prod", "cluster": { "server": format!("http://{address}") } },
            { "name": "staging", "cluster": { "server": "http://127.0.0.1:1" } },
        ],
        "contexts": [
            { "name": "prod", "context": { "cluster": "prod", "user": "me" } },
            { "name": "staging", "context": { "cluster": "staging", "user": "me" } },
        ],
        "users": [{ "name": "me", "user": {} }],
    });
    std::fs::write(&file, config.to_string()).expect("writable");
    file
}

/// Answers requests of a connection until it is closed.
fn serve(stream: TcpStream, answers: &Answers, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        reader
            .read_line(&mut request)
            .ok()
            .filter(|read| *read > 0)?;
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader
                .read_line(&mut header)
                .ok()
                .filter(|read| *read > 0)?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        asked.lock().ok()?.push(request.trim().to_owned());
        let (method, target) = request.trim().split_once(' ')?;
        let target = target.split(' ').next()?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = without_version(path);
        let of_path = || {
            answers
                .get(path)
                .filter(|_| ["GET", "HEAD"].contains(&method))
        };
        let answer = answers.get(&format!("{method} {path}"));
        let (status, answer) = match answer.or_else(of_path) {
            // A watch sees nothing after what was listed.
            _ if query.contains("watch=") => {
                write!(
                    writer,
                    "HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                .ok()?;
                return hold(reader);
            }
            Some(Value::Null) => return hold(reader),
            // An error is its own answer.
            Some(answer) if answer["kind"] == "Status" => (answer["code"].clone(), answer.clone()),
            Some(answer) => (json!(200), answer.clone()),
            None => taken(method, query, &body),
        };
        let answer = answer.to_string();
        write!(
            writer,
            "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )
        .ok()?;
    }
}

/// The engine's paths begin with a version.
fn without_version(path: &str) -> &str {
    let engine = path
        .strip_prefix("/v1.")
        .and_then(|rest| rest.split_once('/'));
    engine.map_or(path, |(version, _)| &path["/v1.".len() + version.len()..])
}

/// Reads until the other side leaves.
fn hold(mut reader: BufReader<TcpStream>) -> Option<()> {
    std::io::copy(&mut reader, &mut std::io::sink()).ok()?;
    None
}

/// What is written is as it was sent; what is read and not in the list is not there.
fn taken(method: &str, query: &str, body: &[u8]) -> (Value, Value) {
    match (method, serde_json::from_slice::<Value>(body)) {
        ("PATCH", Ok(object)) if query.contains("dryRun=All") => (json!(200), object),
        ("PATCH" | "POST" | "PUT", Ok(mut object)) => {
            object["metadata"]["uid"] = json!("1");
            object["metadata"]["resourceVersion"] = json!("2");
            (json!(200), object)
        }
        ("DELETE", _) => (
            json!(200),
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
        ),
        _ => (json!(404), refusal(404, "NotFound", "not found")),
    }
}

/// As an API server says no.
pub(super) fn refusal(code: u16, reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code })
}

/// As an API server lists objects.
pub(super) fn list(version: &str, kind: &str, items: &[Value]) -> Value {
    json!({ "kind": format!("{kind}List"), "apiVersion": version, "metadata": { "resourceVersion": "1" },
        "items": items })
}
