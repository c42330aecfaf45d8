//! A namespace, a stack file and the binary: everything that one test touches.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use uninlu::kinds::Kind;

use crate::audit::Mark;
use crate::proxy::Proxy;

/// Name of the stack in every test, so that tests are told apart by their namespaces alone.
pub(crate) const NAME: &str = "nlu";
/// The embedded cluster's context.
pub(crate) const CONTEXT: &str = "uninlu-test";
/// How long the controllers may take for what they do within a second.
const PATIENCE: Duration = Duration::from_secs(300);

/// Waits for an event of the test, with a bound.
pub(crate) async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, event).await;
    ended.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// What a test's stack file says; the rest is the same in all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StackText<'a> {
    /// Keys above the first section.
    pub(crate) top: &'a str,
    /// Whether the namespace is the stack's.
    pub(crate) creates_namespace: bool,
    /// Further sections.
    pub(crate) sections: &'a str,
}

impl Default for StackText<'_> {
    fn default() -> Self {
        Self {
            top: "replicas = 2",
            creates_namespace: true,
            sections: "",
        }
    }
}

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The run must have ended with that code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// stdout as JSON, which fits the command's schema.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let document: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not JSON ({error}): {}", self.stdout));
        let command = document["command"].as_str().expect("a header");
        let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
        let schema = std::fs::read(schemas.join(format!("{command}.json"))).expect("a schema");
        let schema = serde_json::from_slice(&schema).expect("JSON");
        if let Err(error) = jsonschema::validate(&schema, &document) {
            panic!("{}: {error}: {document:#}", error.instance_path());
        }
        document
    }

    /// The planned change of the kind's object; `NAME` only tells two of one kind apart.
    #[track_caller]
    pub(crate) fn change(&self, kind: &str) -> Value {
        let plan = self.json();
        let changes = plan["changes"].as_array().expect("a plan has changes");
        changes
            .iter()
            .find(|change| change["kind"] == kind)
            .unwrap_or_else(|| panic!("no {kind} in {plan:#}"))
            .clone()
    }
}

/// The paths of a change's fields.
pub(crate) fn field_paths(change: &Value) -> Vec<&str> {
    let fields = change["fields"].as_array().into_iter().flatten();
    fields.filter_map(|field| field["path"].as_str()).collect()
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the tool writes UTF-8");
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// The run must fail with the error in the snapshot; what differs from run to run is left out of it, and so is what
/// was said before it.
macro_rules! assert_error {
    ($run:expr, $sandbox:expr) => {{
        let run: $crate::sandbox::Run = $run.expect(1);
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(&$sandbox.namespace, "NAMESPACE");
        settings.add_filter(r"https://127\.0\.0\.1:\d+/?", "SERVER");
        settings.add_filter(r"localhost:\d+/", "REGISTRY/");
        settings.add_filter(r"sha256:[0-9a-f]{64}", "DIGEST");
        settings.add_filter(r"nlu-[a-z0-9]{8,10}(-[a-z0-9]{5})?", "POD");
        settings.add_filter(r"(not )?restarted (yet|once|\d+ times)", "RESTARTED");
        settings.add_filter("ErrImagePull|ImagePullBackOff", "IMAGEPULL");
        let error = run.stderr.find("  × ").map(|start| &run.stderr[start..]);
        settings.bind(|| insta::assert_snapshot!(error.unwrap_or(&run.stderr)));
        run
    }};
}
pub(crate) use assert_error;

/// See the module. The namespace is deleted when this is dropped, also by a failed test.
pub(crate) struct Sandbox {
    pub(crate) namespace: String,
    pub(crate) client: Client,
    kubeconfig: PathBuf,
    folder: TempDir,
}

fn setting(name: &str) -> PathBuf {
    let value = std::env::var_os(name);
    value
        .unwrap_or_else(|| {
            panic!(
                "{name} is not set: these tests need the embedded cluster, run `make test-cluster`"
            )
        })
        .into()
}

/// A client of the embedded cluster, with every right.
async fn admin(kubeconfig: &PathBuf) -> Client {
    uninlu::image::install_crypto_provider();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the embedded cluster's kubeconfig");
    let options = KubeConfigOptions {
        context: Some(CONTEXT.into()),
        ..Default::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .expect("a valid kubeconfig");
    Client::try_from(config).expect("a client")
}

impl Sandbox {
    /// A clean sandbox; the namespace does not exist.
    pub(crate) async fn new(test: &str) -> Self {
        let kubeconfig = setting("UNINLU_TEST_KUBECONFIG");
        let sandbox = Self {
            namespace: format!("test-{test}"),
            client: admin(&kubeconfig).await,
            kubeconfig,
            folder: TempDir::new().expect("a temporary folder"),
        };
        sandbox.delete_namespace().await;
        sandbox
            .until("the namespace of an earlier run is gone", async || {
                sandbox
                    .get(Kind::Namespace, &sandbox.namespace)
                    .await
                    .is_none()
            })
            .await;
        sandbox.write(StackText::default());
        sandbox
    }

    /// The same, for a name that was made on the spot.
    pub(crate) async fn new_owned(test: String) -> Self {
        Self::new(&test).await
    }

    /// A clean sandbox whose namespace exists, and whose stack does not make it.
    pub(crate) async fn in_namespace(test: &str) -> Self {
        let sandbox = Self::new(test).await;
        sandbox.create_namespace().await;
        sandbox.write(StackText {
            creates_namespace: false,
            ..StackText::default()
        });
        sandbox
    }

    async fn delete_namespace(&self) {
        // Already gone is as good.
        let _ = self
            .api(Kind::Namespace)
            .delete(&self.namespace, &DeleteParams::default())
            .await;
    }

    /// Makes the namespace, as somebody else than the tool would.
    pub(crate) async fn create_namespace(&self) {
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.namespace } });
        self.apply_as("admin", Kind::Namespace, &body).await;
    }

    /// A quota on the number of pods.
    pub(crate) async fn allow_pods(&self, count: u32) {
        let quotas: Api<ResourceQuota> = Api::namespaced(self.client.clone(), &self.namespace);
        let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "pods" },
            "spec": { "hard": { "pods": count.to_string() } } });
        quotas
            .patch(
                "pods",
                &PatchParams::apply("admin").force(),
                &Patch::Apply(quota),
            )
            .await
            .expect("a quota");
    }

    /// Writes the stack file.
    pub(crate) fn write(&self, text: StackText<'_>) {
        let StackText {
            top,
            creates_namespace,
            sections,
        } = text;
        let namespace = &self.namespace;
        let digest = "0".repeat(64);
        let text = format!(
            r#"name = "{NAME}"
namespace = "{namespace}"
{top}
[cluster]
context = "{CONTEXT}"
create-namespace = {creates_namespace}
[image]
reference = "registry.test/siamese-uninlu@sha256:{digest}"
[model]
source = {{ host-path = "/srv/model" }}
{sections}
"#
        );
        self.write_verbatim(&text);
    }

    /// Writes the stack file as given.
    pub(crate) fn write_verbatim(&self, text: &str) {
        std::fs::write(self.file(), text).expect("the stack file can be written");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("uninlu.toml")
    }

    /// The binary, with nothing of the user's environment.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_uninlu"), arguments)
    }

    /// Another program in the same place, and with the same environment.
    pub(crate) fn command_of<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", self.folder.path())
            .env("NO_COLOR", "1")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the binary to its end, with another kubeconfig.
    pub(crate) async fn run_through(&self, proxy: &Proxy, arguments: &[&str]) -> Run {
        let mut command = self.command(arguments);
        let output = command.env("KUBECONFIG", proxy.kubeconfig()).output();
        output.await.expect("the binary starts").into()
    }

    /// Where a file of the test is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        self.command(arguments)
            .output()
            .await
            .expect("the binary starts")
            .into()
    }

    /// Applies the stack and waits until its pods run.
    #[track_caller]
    pub(crate) fn apply(&self) -> impl Future<Output = Run> {
        let caller = std::panic::Location::caller();
        async move {
            let run = self.run(&["apply", "--yes"]).await;
            assert_eq!(
                run.code,
                Some(0),
                "apply at {caller}\n--- stdout\n{}\n--- stderr\n{}",
                run.stdout,
                run.stderr
            );
            run
        }
    }

    /// The plan as JSON.
    pub(crate) async fn plan(&self) -> Run {
        self.run(&["plan", "--json"]).await.expect(0)
    }

    /// From here on, the tool's requests about this namespace are counted.
    pub(crate) fn audit(&self) -> Mark {
        Mark::now(setting("UNINLU_TEST_AUDIT_LOG"), &self.namespace)
    }

    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        let resource = kind.api_resource();
        if kind.is_namespaced() {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        } else {
            Api::all_with(self.client.clone(), &resource)
        }
    }

    /// The live object.
    pub(crate) async fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        let object = self
            .api(kind)
            .get_opt(name)
            .await
            .expect("the API server answers");
        object.map(|object| serde_json::to_value(object).expect("an object is JSON"))
    }

    /// The live Deployment of the stack.
    pub(crate) async fn deployment(&self) -> Value {
        self.get(Kind::Deployment, NAME)
            .await
            .expect("the Deployment exists")
    }

    /// Names of everything of the kind that carries the stack's labels.
    pub(crate) async fn names(&self, kind: Kind) -> Vec<String> {
        let selected = ListParams::default().labels(&uninlu::kinds::instance_selector(NAME));
        let list = self
            .api(kind)
            .list(&selected)
            .await
            .expect("the API server answers");
        list.items
            .into_iter()
            .filter_map(|item| item.metadata.name)
            .collect()
    }

    /// What `kubectl apply --server-side --field-manager=MANAGER` does.
    pub(crate) async fn apply_as(&self, manager: &str, kind: Kind, body: &Value) {
        let name = body["metadata"]["name"]
            .as_str()
            .expect("a body has a name");
        let parameters = PatchParams::apply(manager).force();
        self.api(kind)
            .patch(name, &parameters, &Patch::Apply(body))
            .await
            .expect("the body is valid");
    }

    /// What `kubectl edit` does: an Update, under the manager `kubectl-edit`.
    pub(crate) async fn edit(&self, kind: Kind, name: &str, patch: &Value) {
        let parameters = PatchParams {
            field_manager: Some("kubectl-edit".into()),
            ..Default::default()
        };
        self.api(kind)
            .patch(name, &parameters, &Patch::Strategic(patch))
            .await
            .expect("the patch is valid");
    }

    /// Waits for what the controllers do by themselves.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !is_so().await {
            assert!(
                started.elapsed() < PATIENCE,
                "waited in vain in {}: {what}",
                self.namespace
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A runtime of its own: the test's may be unwinding. The next run waits until the namespace is gone.
        let (kubeconfig, namespace) = (self.kubeconfig.clone(), self.namespace.clone());
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let namespaces = Api::<DynamicObject>::all_with(
                    admin(&kubeconfig).await,
                    &Kind::Namespace.api_resource(),
                );
                let _ = namespaces
                    .delete(&namespace, &DeleteParams::default())
                    .await;
            });
        });
        let _ = cleaner.join();
    }
}

/// The releases, as `history --json` lists them.
pub(crate) async fn history(sandbox: &Sandbox) -> Vec<Value> {
    let history = sandbox.run(&["history", "--json"]).await.expect(0).json();
    history["releases"].as_array().cloned().unwrap_or_default()
}

/// The text has all of the words.
#[track_caller]
pub(crate) fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}
