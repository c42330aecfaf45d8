//! Reading a body that a stranger sends: not for ever, not without end, and not with all others at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::coding;
use super::error::ApiError;
use super::line::Line;
use super::rate::Rate;

/// Bytes of a request's body at most, before and after decoding.
pub(super) const BODY_LIMIT: usize = 1 << 20;
/// Bytes of each body that are not counted: the bound on connections bounds them, and usual requests have no more.
const UNCOUNTED: usize = 64 << 10;
/// Bytes beyond those of all bodies at once.
const IN_FLIGHT: usize = 32 << 20;
/// Bytes a second of those beyond: texts in them would keep the model busy for longer, and what is none of that still costs
/// the core some milliseconds for each megabyte.
const RATE: usize = 16 << 20;
/// Pieces that a body may come in, and bytes of each that it may come in beyond them: one of single bytes costs the core a
/// second.
const PIECES: usize = 1_024;
const BYTES_OF_A_PIECE: usize = 64;
/// Time for the whole body.
const PATIENCE: Duration = Duration::from_secs(30);

/// Room for the bodies of all requests together.
#[derive(Debug, Clone)]
pub struct Room {
    bytes: Arc<Semaphore>,
    rate: Arc<Rate>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(IN_FLIGHT)),
            rate: Arc::new(Rate::new(RATE, RATE, Instant::now())),
        }
    }
}

/// A body, in UTF-8 if its sender kept to what was agreed, and its room, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Vec<u8>,
    room: Room,
    held: Option<OwnedSemaphorePermit>,
}

impl Received {
    pub(super) fn new(room: Room) -> Self {
        Self {
            bytes: Vec::new(),
            room,
            held: None,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// An empty one that shares the room.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.room.clone())
    }

    /// Takes more of the body.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        let before = self.bytes.len();
        let after = before + bytes.len();
        if after > BODY_LIMIT {
            return Err(too_large());
        }
        self.hold(after.max(UNCOUNTED) - before.max(UNCOUNTED))?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Keeps all bodies together to their rate, once so many bytes more were taken.
    async fn pause(&self, more: usize) {
        let counted = more.min(self.bytes.len().saturating_sub(UNCOUNTED));
        if counted == 0 {
            return;
        }
        let wait = self.room.rate.take(counted, Instant::now());
        // A timer counts whole milliseconds, of none too.
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), ApiError> {
        let count = u32::try_from(bytes).map_err(|_| too_large())?;
        let room = self.room.bytes.clone();
        let more = room.try_acquire_many_owned(count).map_err(|_| no_room())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

/// The body of a request, decoded.
pub(super) async fn read(request: Request, room: Room) -> Result<Received, ApiError> {
    let (head, body) = request.into_parts();
    coding::check_charset(&head.headers)?;
    let coding = coding::named(&head.headers)?;
    check_announced(&body, &room)?;
    let received = tokio::time::timeout(PATIENCE, collect(body, room))
        .await
        .unwrap_or_else(|_| Err(too_slow()))?;
    if let Some(line) = head.extensions.get::<Arc<Line>>() {
        line.body_ended();
    }
    let decoded = coding::decoded(coding, received).await?;
    coding::check_unicode(decoded.bytes())?;
    Ok(decoded)
}

/// What is refused by its length alone is refused before it is sent: without a `100 Continue` too, which hyper writes at
/// the first read.
fn check_announced(body: &Body, room: &Room) -> Result<(), ApiError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > BODY_LIMIT {
        return Err(too_large());
    }
    if announced.saturating_sub(UNCOUNTED) > room.bytes.available_permits() {
        return Err(no_room());
    }
    Ok(())
}

async fn collect(mut body: Body, room: Room) -> Result<Received, ApiError> {
    let mut received = Received::new(room);
    let mut pieces = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::malformed("body", error.to_string()).logged("the body broke off")
        })?;
        if let Ok(data) = frame.into_data() {
            received.extend(&data)?;
            received.pause(data.len()).await;
        }
        pieces += 1;
        if pieces > PIECES + received.bytes().len() / BYTES_OF_A_PIECE {
            return Err(too_many_pieces());
        }
    }
    Ok(received)
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body is larger than {BODY_LIMIT} bytes"),
    )
}

fn too_many_pieces() -> ApiError {
    let message = format!(
        "the body comes in {PIECES} chunks of less than {BYTES_OF_A_PIECE} bytes; send larger ones"
    );
    ApiError::malformed("body", message).logged("the body comes in too many chunks")
}

fn too_slow() -> ApiError {
    let message = format!("the body did not come within {} s", PATIENCE.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
}

fn no_room() -> ApiError {
    ApiError::busy("too many large requests are being received")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_their_room_and_small_ones_need_none() {
        let room = Room::default();
        let large = vec![b' '; BODY_LIMIT];
        let mut held = Vec::new();
        let refused = loop {
            let mut received = Received::new(room.clone());
            match received.extend(&large) {
                Ok(()) => held.push(received),
                Err(error) => break error,
            }
        };
        assert_eq!(held.len(), IN_FLIGHT / (BODY_LIMIT - UNCOUNTED));
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        let small = vec![b' '; UNCOUNTED];
        assert!(Received::new(room.clone()).extend(&small).is_ok());
        held.clear();
        assert_eq!(
            room.bytes.available_permits(),
            IN_FLIGHT,
            "all of it is free again"
        );
    }

    #[test]
    fn a_body_may_come_in_pieces() {
        let mut received = Received::new(Room::default());
        for _ in 0..BODY_LIMIT / 1_024 {
            received.extend(&[b' '; 1_024]).expect("within the bound");
        }
        let refused = received.extend(b" ").expect_err("one byte more");
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(
            received.room.bytes.available_permits(),
            IN_FLIGHT - (BODY_LIMIT - UNCOUNTED)
        );
    }
}
