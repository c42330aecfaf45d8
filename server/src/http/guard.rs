//! The API key: one secret in a mounted file, which may change while the server runs.

use std::path::PathBuf;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use super::App;
use super::error::ApiError;

/// Where a key may stand, besides `Authorization: Bearer`.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where the key is.
#[derive(Debug, Clone)]
pub struct ApiKey {
    file: PathBuf,
}

impl ApiKey {
    /// Takes the key's file.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no key.
    pub fn in_file(file: PathBuf) -> Result<Self, String> {
        let key = Self { file };
        key.read()?;
        Ok(key)
    }

    /// Read anew each time: a Secret's file changes when the Secret does, and a small file costs microseconds.
    fn read(&self) -> Result<Vec<u8>, String> {
        let file = self.file.display();
        let bytes = std::fs::read(&self.file)
            .map_err(|error| format!("the API key's file {file} cannot be read: {error}"))?;
        let key = bytes.trim_ascii().to_vec();
        if key.is_empty() {
            return Err(format!("the API key's file {file} is empty"));
        }
        Ok(key)
    }
}

/// Lets nobody pass without the key, if there is one.
pub(super) async fn guard(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(key) = &app.api_key {
        let key = key.read().map_err(|fault| {
            tracing::error!(fault, "no request can be let in");
            ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no_key",
                "the server has lost its key",
            )
        })?;
        let given = given(request.headers()).unwrap_or_default();
        if !bool::from(given.ct_eq(&key)) {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "send the key as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
            ));
        }
    }
    Ok(next.run(request).await)
}

fn given(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    bearer.or_else(|| Some(headers.get(API_KEY)?.as_bytes()))
}
