//! Who this user is to the API server.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Api;
use kube::api::PostParams;

use super::Connection;

/// An apply does not wait longer for its author's name.
const PATIENCE: Duration = Duration::from_secs(2);

/// The user's name, as the API server authenticated it; `None` where it does not say. It is asked by a POST that creates
/// nothing.
pub async fn whoami(connection: &Connection) -> Option<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(connection.client.clone());
    let (how, empty) = (PostParams::default(), SelfSubjectReview::default());
    let answer = tokio::time::timeout(PATIENCE, reviews.create(&how, &empty)).await;
    let status = answer.ok()?.ok()?.status?;
    let name = status.user_info?.username?;
    (!name.is_empty()).then_some(name)
}
