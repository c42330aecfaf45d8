//! The sockets that the server listens on, and how many connections it may have.

use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};

/// Files that are open besides connections: the model's, the log, the collector's, the reserve for probes.
const OTHER_FILES: u64 = 256;
/// Bytes of a connection that the system keeps, each way. By itself it takes up to 10 MB, which are the pod's memory, for
/// any caller who sends what is not read or does not read what is sent.
const SOCKET_BUFFER: u32 = 128 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// # Errors
/// An address that cannot be listened on.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let bound = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        // Those of each connection are its listener's.
        socket.set_recv_buffer_size(SOCKET_BUFFER)?;
        socket.set_send_buffer_size(SOCKET_BUFFER)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|error: std::io::Error| format!("cannot listen on {address}: {error}"))
}

/// How many connections there may be. The files that may be open bound them: without a descriptor for it, not even a
/// probe is answered.
pub(crate) fn connections(asked: u32) -> usize {
    let files = raised_limit_of_files();
    let most = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    if most < asked {
        tracing::warn!(
            asked,
            connections = most,
            files,
            "max-connections is lowered: the limit of open files (ulimit -n) is too low"
        );
    }
    asked.min(most).max(1)
}

fn raised_limit_of_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        limit = getrlimit(Resource::Nofile);
    }
    limit.current.unwrap_or(u64::MAX)
}
