//! Pages for people, embedded: nothing is fetched from elsewhere.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Only what this server itself serves may run, be fetched or be shown.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Tells browsers what a page here may not do.
pub(super) async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in headers {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn text(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

pub(super) async fn index() -> Response {
    text(
        "text/html; charset=utf-8",
        include_str!("../../web/index.html"),
    )
}

pub(super) async fn style() -> Response {
    text(
        "text/css; charset=utf-8",
        include_str!("../../web/page.css"),
    )
}

pub(super) async fn script() -> Response {
    text(
        "text/javascript; charset=utf-8",
        include_str!("../../web/page.js"),
    )
}

pub(super) async fn docs() -> Response {
    text(
        "text/html; charset=utf-8",
        include_str!("../../web/docs.html"),
    )
}

pub(super) async fn docs_script() -> Response {
    text(
        "text/javascript; charset=utf-8",
        include_str!("../../web/docs.js"),
    )
}

pub(super) async fn shared_script() -> Response {
    text(
        "text/javascript; charset=utf-8",
        include_str!("../../web/shared.js"),
    )
}
