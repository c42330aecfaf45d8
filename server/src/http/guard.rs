//! Who may ask: callers with the API key.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use super::api_key::ApiKey;
use super::error::ApiError;

/// Where a key may stand, besides `Authorization: Bearer`.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Passes a request on only if it has the key.
pub(super) async fn guard(
    State(key): State<ApiKey>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let key = key.read().map_err(unreadable)?;
    let given = given(request.headers()).unwrap_or_default();
    if !bool::from(given.ct_eq(&key)) {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "send the key as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
        ));
    }
    Ok(next.run(request).await)
}

fn unreadable(reason: String) -> ApiError {
    tracing::error!(
        error = reason,
        "cannot check the API key; all requests are refused"
    );
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "no_key",
        "the server cannot read its API key",
    )
}

fn given(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    bearer.or_else(|| Some(headers.get(API_KEY)?.as_bytes()))
}
