//! The memory of bodies: one buffer each, and a bound and a rate that all share.

use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
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

/// Memory for the bodies of all requests together.
#[derive(Debug, Clone)]
pub struct BodyMemory {
    bytes: Arc<Semaphore>,
    rate: Arc<Rate>,
}

impl Default for BodyMemory {
    fn default() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(IN_FLIGHT)),
            rate: Arc::new(Rate::new(RATE, RATE, Instant::now())),
        }
    }
}

impl BodyMemory {
    /// What is refused by its length alone is refused before it is sent: without a `100 Continue` too, which hyper writes
    /// at the first read.
    pub(super) fn check_announced(&self, length: u64) -> Result<(), ApiError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > BODY_LIMIT {
            return Err(too_large());
        }
        if length.saturating_sub(UNCOUNTED) > self.bytes.available_permits() {
            return Err(no_room());
        }
        Ok(())
    }
}

/// A body, in UTF-8 if its sender kept to what was agreed, and its memory, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct BodyBuffer {
    bytes: Vec<u8>,
    memory: BodyMemory,
    held: Option<OwnedSemaphorePermit>,
}

impl BodyBuffer {
    pub(super) fn new(memory: BodyMemory) -> Self {
        Self {
            bytes: Vec::new(),
            memory,
            held: None,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// An empty one that shares the memory.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.memory.clone())
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
    pub(super) async fn pause(&self, more: usize) {
        let counted = more.min(self.bytes.len().saturating_sub(UNCOUNTED));
        if counted == 0 {
            return;
        }
        let wait = self.memory.rate.take(counted, Instant::now());
        // A timer counts whole milliseconds, of none too.
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), ApiError> {
        let count = u32::try_from(bytes).map_err(|_| too_large())?;
        let memory = self.memory.bytes.clone();
        let more = memory
            .try_acquire_many_owned(count)
            .map_err(|_| no_room())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body is larger than {BODY_LIMIT} bytes"),
    )
}

fn no_room() -> ApiError {
    ApiError::busy("too many large requests are being received")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_their_memory_and_small_ones_need_none() {
        let memory = BodyMemory::default();
        let large = vec![b' '; BODY_LIMIT];
        let mut held = Vec::new();
        let refused = loop {
            let mut received = BodyBuffer::new(memory.clone());
            match received.extend(&large) {
                Ok(()) => held.push(received),
                Err(error) => break error,
            }
        };
        assert_eq!(held.len(), IN_FLIGHT / (BODY_LIMIT - UNCOUNTED));
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        let small = vec![b' '; UNCOUNTED];
        assert!(BodyBuffer::new(memory.clone()).extend(&small).is_ok());
        held.clear();
        assert_eq!(
            memory.bytes.available_permits(),
            IN_FLIGHT,
            "all of it is free again"
        );
    }

    #[test]
    fn a_body_may_come_in_pieces() {
        let mut received = BodyBuffer::new(BodyMemory::default());
        for _ in 0..BODY_LIMIT / 1_024 {
            received.extend(&[b' '; 1_024]).expect("within the bound");
        }
        let refused = received.extend(b" ").expect_err("one byte more");
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(
            received.memory.bytes.available_permits(),
            IN_FLIGHT - (BODY_LIMIT - UNCOUNTED)
        );
    }
}
