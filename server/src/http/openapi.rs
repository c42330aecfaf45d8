//! The API's description, from the types themselves.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use super::{error, health, predict, request, scrape};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "uninlu-server",
        description = "Inference server of SiameseUniNLU: entities, relations, events, sentiment, classification, matching, inference and reading comprehension, with one model and one route."
    ),
    paths(
        predict::predict,
        health::health,
        health::ready,
        scrape::metrics,
        health::info
    ),
    components(schemas(error::ErrorBody, request::PredictRequest))
)]
struct Api;

/// `GET /openapi.json`, OpenAPI 3.1
pub(super) async fn document() -> Json<Document> {
    Json(Api::openapi())
}
