//! Sends the context to the engine while it is read, a few pieces at a time.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::archive::{self, Broken};
use super::context::Entry;
use super::error::Error;

/// How much of the archive is sent at a time, and how many such pieces may wait for the engine.
const CHUNK: usize = 256 * 1024;
const WAITING_CHUNKS: usize = 4;

/// The archive on its way to the engine, written by a thread of its own.
pub(super) struct Upload {
    /// How far it is.
    pub(super) sent: Sent,
    writer: JoinHandle<Result<(), Broken>>,
}

impl Upload {
    /// What was wrong on this side, if the archive was given up because of it.
    pub(super) async fn fault(self) -> Option<Error> {
        if !self.writer.is_finished() {
            return None;
        }
        match self.writer.await {
            Ok(Err(Broken::Source(error))) => Some(error),
            _ => None,
        }
    }
}

/// How many bytes the engine took.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent(Arc<AtomicU64>);

impl Sent {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Starts to write the archive; the stream is the body of the request.
pub(super) fn upload(entries: Vec<Entry>) -> (impl Stream<Item = io::Result<Bytes>>, Upload) {
    let (sender, mut receiver) = mpsc::channel(WAITING_CHUNKS);
    let sent = Sent::default();
    let mut sink = Sink {
        sender,
        sent: sent.clone(),
    };
    let writer = tokio::task::spawn_blocking(move || {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let buffered = io::BufWriter::with_capacity(CHUNK, &mut sink);
        let written = archive::write(&entries, now.as_secs(), buffered);
        if written.is_err() {
            // An archive that merely ends would be built as it is, under a tag that promises more.
            let _ = sink
                .sender
                .blocking_send(Err(io::Error::other("the build context is not complete")));
        }
        written
    });
    let stream = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    (stream, Upload { sent, writer })
}

struct Sink {
    sender: mpsc::Sender<io::Result<Bytes>>,
    sent: Sent,
}

impl Write for &mut Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.sender
            .blocking_send(Ok(Bytes::copy_from_slice(buffer)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.sent.add(buffer.len());
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
