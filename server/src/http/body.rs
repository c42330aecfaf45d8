//! Reading a body that a stranger sends: not for ever, not without end, and not with all others at once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use http_body_util::BodyExt;

use super::body_buffer::{BodyBuffer, BodyMemory};
use super::coding;
use super::error::ApiError;
use super::line::Line;

/// Pieces that a body may come in, and bytes of each that it may come in beyond them: one of single bytes costs the core a
/// second.
const PIECES: usize = 1_024;
const BYTES_OF_A_PIECE: usize = 64;
/// Time for the whole body.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of a request, decoded.
pub(super) async fn read(request: Request, memory: BodyMemory) -> Result<BodyBuffer, ApiError> {
    let (head, body) = request.into_parts();
    coding::check_charset(&head.headers)?;
    let coding = coding::named(&head.headers)?;
    memory.check_announced(body.size_hint().lower())?;
    let received = tokio::time::timeout(PATIENCE, collect(body, memory))
        .await
        .unwrap_or_else(|_| Err(too_slow()))?;
    if let Some(line) = head.extensions.get::<Arc<Line>>() {
        line.body_ended();
    }
    let decoded = coding::decoded(coding, received).await?;
    coding::check_unicode(decoded.bytes())?;
    Ok(decoded)
}

async fn collect(mut body: Body, memory: BodyMemory) -> Result<BodyBuffer, ApiError> {
    let mut received = BodyBuffer::new(memory);
    let mut pieces = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::malformed("body", error.to_string()).logged("the body was cut off")
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

fn too_many_pieces() -> ApiError {
    let message = format!(
        "the body has more than {PIECES} chunks of less than {BYTES_OF_A_PIECE} bytes; send larger chunks"
    );
    ApiError::malformed("body", message).logged("the body has too many small chunks")
}

fn too_slow() -> ApiError {
    let message = format!("the body did not arrive within {} s", PATIENCE.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
}
