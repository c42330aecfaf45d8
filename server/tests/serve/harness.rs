//! A server as a child process, and a client.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Far above what anything here takes; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Settings under which a slow machine refuses no honest question; the bounds have tests of their own.
const PATIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve/patient.toml");

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

pub(crate) fn command(model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uninlu-server"));
    command
        .env("UNINLU_MODEL", model)
        .env("UNINLU_LISTEN", "127.0.0.1:0")
        .env("UNINLU_SETTINGS", PATIENT);
    command
        .env("UNINLU_DRAIN", "2s")
        .env("UNINLU_WARMUP", "测试预热文本")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A file of hot settings.
pub(crate) fn settings(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("settings");
    file
}

/// The tiny model's server with such settings, in an address space of so many bytes: what grows beyond them ends it, and
/// not the machine.
pub(crate) fn bounded(settings: &Path, bytes: u64) -> Command {
    let server = tiny();
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--as={bytes}"))
        .arg(server.get_program());
    for (name, value) in server.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
        .env("UNINLU_SETTINGS", settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn connect_to(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// A running server; killed when a test ends early.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub(crate) fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let mut response = response.expect("an answer");
    let text = response.body_mut().read_to_string().expect("a body");
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text,
    }
}

pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

impl Server {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let line: Value = serde_json::from_str(&line).expect("a log line is JSON");
            (line["message"] == "listening")
                .then(|| line["address"].as_str().map(str::to_owned))
                .flatten()
        });
        // The log must be read on, else the server waits for room in the pipe.
        thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url: format!("http://{}", address.expect("the log names the address")),
        }
    }

    pub(crate) fn ready(command: Command) -> Self {
        let server = Self::start(command);
        server.wait_for("ready", || server.get("/ready").status == 200);
        server
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        answer(agent().get(format!("{}{path}", self.url)).call())
    }

    pub(crate) fn post(&self, body: &str) -> Answer {
        answer(agent().post(format!("{}/api/predict", self.url)).send(body))
    }

    pub(crate) fn predict(&self, text: &str, schema: &Value) -> Answer {
        self.post(&json!({ "text": text, "schema": schema }).to_string())
    }

    pub(crate) fn metric(&self, series: &str) -> f64 {
        let page = self.get("/metrics").text;
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{series} is missing in\n{page}"))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "between two looks; the wait has a bound"
    )]
    pub(crate) fn wait_for(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "waited too long for: {what}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect_to(self.url.trim_start_matches("http://"))
    }

    /// Whether a usual question is answered.
    pub(crate) fn is_well(&self) -> bool {
        self.predict("小明", &json!({ "人物": null })).status == 200
    }

    /// A question on a connection of its own, whose answer is not waited for.
    pub(crate) fn begin(&self, body: &str) -> TcpStream {
        let mut stream = self.connect();
        let head = format!(
            "POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("a head");
        stream.write_all(body.as_bytes()).expect("a body");
        stream
    }

    pub(crate) fn terminate(&self) {
        let status = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

pub(crate) fn tiny() -> Command {
    command(&golden("tiny"))
}
