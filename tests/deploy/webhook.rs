//! A mutating webhook on this machine: it answers each review of a Deployment with a JSON patch of its own.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::sandbox::Sandbox;

/// Of this test alone: made with openssl for 127.0.0.1, trusted by nobody else.
const CERTIFICATE: &[u8] = include_bytes!("webhook/cert.pem");
const KEY: &[u8] = include_bytes!("webhook/key.pem");

/// From the object under review and the number of the review to a JSON patch.
pub(crate) type Mutation = fn(&Value, u64) -> Value;

/// See the module. It goes when this is dropped; [`Webhook::leave`] removes its registration.
pub(crate) struct Webhook {
    name: String,
    webhooks: Api<MutatingWebhookConfiguration>,
    server: tokio::task::JoinHandle<()>,
}

impl Webhook {
    /// Registers it for those operations on the sandbox's Deployments, and waits until the API server asks it.
    pub(crate) async fn start(sandbox: &Sandbox, operations: &[&str], mutation: Mutation) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, mut is_asked) = tokio::sync::watch::channel(0);
        let webhook = Self {
            name: sandbox.namespace.clone(),
            webhooks: Api::all(sandbox.client.clone()),
            server: tokio::spawn(serve(listener, mutation, asked)),
        };
        let body = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": { "name": webhook.name },
            "webhooks": [{
                "name": "stamp.uninlu.test", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "failurePolicy": "Ignore", "timeoutSeconds": 10,
                "clientConfig": { "url": format!("https://{address}/"), "caBundle": BASE64_STANDARD.encode(CERTIFICATE) },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": sandbox.namespace } },
                "rules": [{ "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": operations, "resources": ["deployments"] }],
            }],
        });
        let (patch, body) = (PatchParams::apply("admin").force(), Patch::Apply(body));
        let made = webhook.webhooks.patch(&webhook.name, &patch, &body).await;
        made.expect("a webhook");
        sandbox
            .until("the API server asks the webhook", async || {
                sandbox.run(&["plan"]).await.expect(0);
                *is_asked.borrow_and_update() > 0
            })
            .await;
        webhook
    }

    /// The API server asks it no more.
    pub(crate) async fn leave(self) {
        let deleted = self
            .webhooks
            .delete(&self.name, &DeleteParams::default())
            .await;
        deleted.expect("it was made here");
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, mutation: Mutation, asked: tokio::sync::watch::Sender<u64>) {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("PEM");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let asked = Arc::new(asked);
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(
            acceptor.clone(),
            stream,
            mutation,
            Arc::clone(&asked),
        ));
    }
}

async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    mutation: Mutation,
    asked: Arc<tokio::sync::watch::Sender<u64>>,
) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(|request: Request<Incoming>| {
        let asked = Arc::clone(&asked);
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            asked.send_modify(|count| *count += 1);
            let number = *asked.borrow();
            Ok::<_, hyper::Error>(Response::new(Full::new(answer(&body, mutation, number))))
        }
    });
    // A caller that goes away ends its connection, and no more.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn answer(body: &[u8], mutation: Mutation, number: u64) -> Bytes {
    let review: Value = serde_json::from_slice(body).expect("a review");
    let request = &review["request"];
    let patch = mutation(&request["object"], number).to_string();
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": { "uid": request["uid"], "allowed": true, "patchType": "JSONPatch", "patch": BASE64_STANDARD.encode(patch) },
    });
    answer.to_string().into()
}
