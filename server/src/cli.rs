//! The command line: `serve`, `health` and `inspect`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;

use crate::args::{Action, Cli};
use crate::inspect::inspect;
use crate::service;

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.action {
        Some(Action::Health) => health(cli.serve.health_port()),
        Some(Action::Inspect) => print_inspection(),
        None | Some(Action::Serve) => with_library_variables(|| service::serve(&cli.serve)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// All are read before `main`, when the libraries are loaded: threads that spin while they wait starve the others on a
/// busy core, OpenBLAS must not start a pool of its own beside them, and of oneDNN's kernels, one for each number of
/// tokens, the thousand that it and libtorch's binding of it would keep take 200 MB and save no measurable time.
const LIBRARY_VARIABLES: [(&str, &str); 4] = [
    ("OMP_WAIT_POLICY", "PASSIVE"),
    ("OPENBLAS_NUM_THREADS", "1"),
    ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64"),
    ("LRU_CACHE_CAPACITY", "64"),
];

fn with_library_variables(run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let is_set = |(name, _): &(&str, &str)| std::env::var_os(name).is_some();
    if LIBRARY_VARIABLES.iter().all(is_set) {
        return run();
    }
    let itself = std::env::current_exe().unwrap_or_else(|_| "uninlu-server".into());
    let error = Command::new(itself)
        .args(std::env::args_os().skip(1))
        .envs(LIBRARY_VARIABLES)
        .exec();
    let variables = LIBRARY_VARIABLES.map(|(name, value)| format!("{name}={value}"));
    let variables = variables.join(" ");
    Err(format!("cannot restart with {variables}: {error}"))
}

fn health(port: u16) -> Result<(), String> {
    let answer = ask_health(port).map_err(|error| format!("no answer on port {port}: {error}"))?;
    let is_healthy = answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200");
    if is_healthy {
        return Ok(());
    }
    let status = answer.lines().next().unwrap_or_default();
    Err(format!("not healthy: {status}"))
}

fn ask_health(port: u16) -> std::io::Result<String> {
    let timeout = Some(Duration::from_secs(3));
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(timeout)?;
    stream.set_write_timeout(timeout)?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn print_inspection() -> Result<(), String> {
    let text = serde_json::to_string(&inspect()?).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{text}").map_err(|error| error.to_string())
}
