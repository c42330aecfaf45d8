//! What a running stack tells when it is asked: its objects, its processes, its server. Nothing is written.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{join, join3};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, LogParams};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::forward::{Forward, refusal};
use super::metrics::values;
use super::observe::{ours, pods};
use super::retry::retried;
use super::{Connection, Error};
use crate::kinds::{self, AutoscalerMetric, CONTAINER, Kind, prometheus};
use crate::plan::outlook::Asked;
use crate::stack::{CONTAINER_PORT, Golden, Stack};
use crate::verify::{Answer, Facts, Inspection, PodFacts};

/// How many pods are asked at once.
const AT_ONCE: usize = 8;
/// How many lines of a pod's log are read.
const LINES: i64 = 100;
/// How often the predictions are asked again for their time.
const ROUNDS: usize = 5;
/// Until a process in a pod has answered: on a busy node it takes seconds to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// In the image.
const SERVER: &str = "/usr/local/bin/uninlu-server";

/// Asks everything that `verify` looks at; the image's size is the registry's to tell, and not asked here.
///
/// # Errors
/// See [`Error`]: the stack's objects cannot be listed. What a pod does not tell is no error.
pub async fn facts(
    connection: &Connection,
    stack: &Stack,
    api_key: Option<&str>,
) -> Result<Facts, Error> {
    let kinds = [
        Kind::ConfigMap,
        Kind::Deployment,
        Kind::PodDisruptionBudget,
        Kind::HorizontalPodAutoscaler,
    ];
    let kinds = kinds.into();
    let (objects, pods) = join(ours(connection, &kinds), pods(connection)).await;
    let (mut objects, pods) = (objects?, pods?);
    let mut take = |kind, name: &str| objects.remove(&connection.object_id(kind, name));
    let settings = kinds::settings(stack);
    let settings = settings["metadata"]["name"].as_str().unwrap_or_default();
    let mut answers: Vec<PodFacts> = stream::iter(pods.into_iter().filter(is_at_work))
        .map(|pod| ask(connection, stack, api_key, pod))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    answers.sort_by(|one, other| one.name().cmp(other.name()));
    Ok(Facts {
        deployment: take(Kind::Deployment, &stack.name),
        settings: take(Kind::ConfigMap, settings),
        budget: take(Kind::PodDisruptionBudget, &stack.name),
        autoscaler: take(Kind::HorizontalPodAutoscaler, &stack.name),
        image: None,
        requests_metric: match stack.replicas.requests_per_second() {
            Some(_) => Some(requests_metric(connection).await),
            None => None,
        },
        pods: answers,
    })
}

/// Evicted pods stay as objects, and pods on their way out answer no more.
fn is_at_work(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Failed" | "Succeeded"))
}

async fn ask(connection: &Connection, stack: &Stack, api_key: Option<&str>, pod: Pod) -> PodFacts {
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &connection.target.namespace);
    let name = pod.metadata.name.clone().unwrap_or_default();
    let (inspection, log, answers) = join3(
        inspect(&api, &name),
        log(&api, &name),
        ask_server(&api, &name, stack, api_key),
    )
    .await;
    let (pages, predictions, times) = match answers {
        Ok(answers) => answers,
        Err(why) => {
            let none = || Err(why.clone());
            let pages = [none(), none(), none(), none()];
            let predictions = stack.verify.predict.iter().map(|_| none()).collect();
            (pages, predictions, Err(why))
        }
    };
    let [health, ready, metrics, info] = pages;
    PodFacts {
        pod,
        inspection,
        log,
        health,
        ready,
        metrics,
        info,
        predictions,
        times,
    }
}

type Answers = ([Asked<Answer>; 4], Vec<Asked<Answer>>, Asked<Vec<f64>>);

/// Everything over one connection, one after the other: what is timed shall have the server for itself.
async fn ask_server(
    api: &Api<Pod>,
    pod: &str,
    stack: &Stack,
    api_key: Option<&str>,
) -> Asked<Answers> {
    let verify = &stack.verify;
    let mut forward = Forward::open(api, pod, CONTAINER_PORT).await?;
    let info = forward.get("/info", api_key).await;
    let [health, ready, metrics] = match stack.service.management_port {
        None => ask_management(&mut forward).await,
        Some(port) => ask_management(&mut Forward::open(api, pod, port).await?).await,
    };
    let pages = [health, ready, metrics, info];
    let bodies: Vec<Bytes> = verify.predict.iter().map(question).collect();
    let mut predictions = Vec::new();
    for body in &bodies {
        let answer = forward.post("/api/predict", body.clone(), api_key).await;
        predictions.push(answer.map(|(answer, _)| answer));
    }
    let times = match verify.latency {
        Some(_) => time(&mut forward, &bodies, api_key).await,
        None => Ok(Vec::new()),
    };
    Ok((pages, predictions, times))
}

async fn ask_management(forward: &mut Forward) -> [Asked<Answer>; 3] {
    [
        forward.get("/health", None).await,
        forward.get("/ready", None).await,
        forward.get("/metrics", None).await,
    ]
}

fn question(golden: &Golden) -> Bytes {
    let Golden { text, schema, .. } = golden;
    json!({ "text": text, "schema": schema }).to_string().into()
}

async fn time(forward: &mut Forward, bodies: &[Bytes], api_key: Option<&str>) -> Asked<Vec<f64>> {
    let mut times = Vec::new();
    for body in bodies.iter().cycle().take(ROUNDS * bodies.len()) {
        let answer = forward.post("/api/predict", body.clone(), api_key).await?;
        if answer.0.status != 200 {
            return Err(answer.0.summary());
        }
        times.push(answer.1.as_secs_f64());
    }
    Ok(times)
}

async fn log(api: &Api<Pod>, pod: &str) -> Asked<String> {
    let parameters = LogParams {
        container: Some(CONTAINER.into()),
        tail_lines: Some(LINES),
        ..Default::default()
    };
    retried(|| api.logs(pod, &parameters))
        .await
        .map_err(refusal)
}

/// The image has no shell and needs none: its own binary looks around.
async fn inspect(api: &Api<Pod>, pod: &str) -> Asked<Inspection> {
    let parameters = AttachParams::default()
        .container(CONTAINER)
        .stdin(false)
        .stdout(true)
        .stderr(true);
    let answer = async {
        let process = api.exec(pod, [SERVER, "inspect"], &parameters).await;
        let mut process = process.map_err(refusal)?;
        let (stdout, stderr) = join(read(process.stdout()), read(process.stderr())).await;
        let (stdout, stderr) = (stdout?, stderr?);
        if let Ok(told) = serde_json::from_str(&stdout) {
            return Ok(told);
        }
        if let Some(fault) = stderr.lines().next() {
            return Err(format!("{fault}: is the image older than this uninlu?"));
        }
        let status = match process.take_status() {
            Some(status) => status.await,
            None => None,
        };
        Err(status.and_then(|status| status.message).unwrap_or(stdout))
    };
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Asked<String> {
    let mut text = String::new();
    if let Some(mut stream) = stream {
        let read = stream.read_to_string(&mut text).await;
        read.map_err(|error| error.to_string())?;
    }
    Ok(text)
}

/// What the autoscaler's controller asks, too.
async fn requests_metric(connection: &Connection) -> Asked<Value> {
    let metric = AutoscalerMetric::Pods(prometheus::REQUESTS_PER_SECOND.to_owned());
    let version = format!("{}/v1beta1", metric.group());
    retried(|| values(connection, &metric, &version))
        .await
        .map_err(refusal)
}
