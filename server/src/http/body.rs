//! Reading a body that a stranger sends: not for ever, and not without end.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt;

use super::error::ApiError;

/// Bytes of a request's body at most.
pub(super) const BODY_LIMIT: usize = 1 << 20;
/// Bytes that are read of a body that is too large.
const READ_LIMIT: usize = 16 << 20;
/// Time for the whole body.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body, if it is not too large. Of one that is, some more is read and thrown away: a caller that is still writing
/// would see a broken connection instead of the answer.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, ApiError> {
    tokio::time::timeout(PATIENCE, collect(body))
        .await
        .unwrap_or_else(|_| {
            let message = format!("the body did not come within {} s", PATIENCE.as_secs());
            Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                message,
            ))
        })
}

async fn collect(mut body: Body) -> Result<Vec<u8>, ApiError> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::malformed("body", error.to_string()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len();
        if length <= BODY_LIMIT {
            bytes.extend_from_slice(&data);
        } else if length > READ_LIMIT {
            break;
        }
    }
    if length > BODY_LIMIT {
        return Err(ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {BODY_LIMIT} bytes"),
        ));
    }
    Ok(bytes)
}
