//! An API server that answers from a list, and has nothing else.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// Answers by path, without what follows a `?`.
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

    /// Methods of all requests that were not only read.
    pub(super) fn writes(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no test panics while it is held");
        let writes = asked.iter().filter(|line| !line.starts_with("GET "));
        writes.cloned().collect()
    }
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
        let target = request.split_whitespace().nth(1)?;
        let path = target.split('?').next()?;
        let (status, answer) = match answers.get(path) {
            // An error is its own answer.
            Some(answer) if answer["kind"] == "Status" => (answer["code"].clone(), answer.clone()),
            Some(answer) => (json!(200), answer.clone()),
            None => (json!(404), refusal(404, "NotFound", "not found")),
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

/// As an API server says no.
pub(super) fn refusal(code: u16, reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code })
}

/// As an API server lists objects.
pub(super) fn list(version: &str, kind: &str, items: &[Value]) -> Value {
    json!({ "kind": format!("{kind}List"), "apiVersion": version, "metadata": {}, "items": items })
}
