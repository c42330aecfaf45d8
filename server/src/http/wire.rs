//! A connection's socket: what hyper does not look at while it reads and writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::framing::Framing;
use super::line::{Line, Phase};
use super::rate::Rate;

/// Bytes of a refused request that are read on, for nothing but that their sender comes to see its answer, and of all of
/// them after a rest.
const LINGER: usize = 16 << 20;
/// Bytes of all of them in a second. A sender beyond it waits, and may in the end see no answer.
const LINGER_RATE: usize = 4 << 20;
/// Bytes that are read at once.
const PIECE: usize = 8 << 10;

/// What all connections may read so.
pub(super) fn drain() -> Rate {
    Rate::new(LINGER_RATE, LINGER, Instant::now())
}

/// How a connection of HTTP/2 without negotiation begins (RFC 9113, 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// Neither hyper's HTTP/1 side nor a client of HTTP/2 could do more with it than show it.
const HTTP1_ONLY: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: application/json\r\n\
    connection: close\r\ncontent-length: 87\r\n\r\n\
    {\"error\":{\"code\":\"http_version\",\"message\":\"only HTTP/1.1 is supported\",\"place\":null}}\r\n";
/// Asks a caller that closed its side whether it still listens: the system of one that left answers with a reset.
const INTERIM: &[u8] = b"HTTP/1.1 102 Processing\r\n\r\n";
/// Between the caller's last byte and that question, and between looks for its outcome.
const PROBE: Duration = Duration::from_millis(100);
/// The socket of one connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
    drain: Arc<Rate>,
    framing: Framing,
    is_first_read: bool,
    is_flushed: bool,
    /// Runs since the caller closed its side with an answer outstanding, or while too much is read for nothing.
    probe: Option<Pin<Box<Sleep>>>,
    was_asked: bool,
    /// Bytes read after the last answer.
    lingered: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, line: Arc<Line>, drain: Arc<Rate>) -> Self {
        Self {
            stream,
            line,
            drain,
            framing: Framing::default(),
            is_first_read: true,
            is_flushed: true,
            probe: None,
            was_asked: false,
            lingered: 0,
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        if self.is_first_read && bytes.starts_with(HTTP2_PREFACE) {
            // hyper ends such a connection without a word. A new socket has room for this.
            let _ = self.stream.try_write(HTTP1_ONLY);
        }
        self.is_first_read = false;
        if self.line.phase() == Phase::Idle {
            self.framing = Framing::default();
        }
        self.line.received();
        if self.framing.is_ambiguous(bytes) {
            self.line.framing_is_ambiguous();
        }
    }

    /// The caller closed its side. While it is owed an answer it may still read: one that left is found by writing.
    fn closed_by_caller(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.line.phase(), Phase::Head | Phase::Body) {
            // All of the request may be here, and not be taken yet: hyper reads a body before it polls what takes it.
            ready!(self.poll_pause(context));
        }
        match self.line.phase() {
            Phase::Work => self.poll_probe(context),
            Phase::Answer => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sleep = || Box::pin(tokio::time::sleep(PROBE));
        ready!(self.probe.get_or_insert_with(sleep).as_mut().poll(context));
        self.probe = None;
        Poll::Ready(())
    }

    fn poll_probe(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_pause(context));
            if let Some(error) = self.stream.take_error()? {
                return Poll::Ready(Err(error));
            }
            if !self.was_asked && self.is_flushed && self.line.knows_interim() {
                self.was_asked = true;
                self.stream.try_write(INTERIM)?;
            }
        }
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.is_flushed = false;
        written
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() && buffer.remaining() > 0 {
            return self.closed_by_caller(context);
        }
        self.received(new);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.is_flushed = true;
        if self.line.phase() == Phase::Answer {
            self.line.flushed();
            // A read that found the caller's side closed meanwhile is still pending.
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    /// A socket that is closed with unread bytes resets the connection, and the caller loses the answer: so they are
    /// read first, within bounds ("lingering close").
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_cut_off =
            self.line.is_body_unread() || matches!(self.line.phase(), Phase::Head | Phase::Closing);
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if !is_cut_off {
            return Poll::Ready(Ok(()));
        }
        while self.lingered < LINGER {
            self.line.enter(Phase::Closing);
            while !self.drain.take(0, Instant::now()).is_zero() {
                ready!(self.poll_pause(context));
            }
            let mut bytes = [0; PIECE];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            self.lingered += buffer.filled().len();
            let _ = self.drain.take(buffer.filled().len(), Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}
