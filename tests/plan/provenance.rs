//! Which records of releases are believed: all that rendering could have made, and no other.

use serde_json::{Value, json};
use uninlu::gate;
use uninlu::plan::provenance::{foreign, outside};
use uninlu::plan::{Goal, PlannedImage};
use uninlu::stack::{self, Stack};

#[path = "../kinds/stacks.rs"]
mod stacks;

const STACK: &str = r#"name = "nlu"
namespace = "nlu"
[cluster]
context = "test"
create-namespace = true
[image]
reference = "registry.test/ai/nlu@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
pull-secrets = ["registry"]
[model]
source = { host-path = "/srv/model" }
[access]
api-key = { secret = "nlu-key", key = "key" }
[autoscaling]
replicas = { min = 2, max = 4 }
cpu = 60
[tracing]
endpoint = "http://collector:4318"
"#;

fn goal_of(stack: &Stack) -> Goal {
    let image = PlannedImage {
        reference: stacks::IMAGE.into(),
        to_be_built: None,
    };
    Goal::of_stack(stack, image, None)
}

fn goal() -> Goal {
    goal_of(&stack::parse(STACK, "uninlu.toml".as_ref(), None).expect("valid"))
}

#[test]
fn whatever_is_rendered_is_believed() {
    for stack in stacks::variants() {
        let goal = goal_of(&stack);
        let environment = &stack.environment;
        assert_eq!(foreign(&goal, &stack.target()), None, "{environment:?}");
        assert_eq!(outside(&goal, &goal), None, "{environment:?}");
        let refused = gate::refuse_pods(&goal.objects);
        assert_eq!(refused, [""; 0], "{environment:?}");
    }
}

/// The body of the kind's object.
fn body<'a>(goal: &'a mut Value, kind: &str) -> &'a mut Value {
    let mut objects = goal["objects"].as_array_mut().expect("objects").iter_mut();
    let found = objects.find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}"))
}

/// Sets a field by its JSON pointer; what lies above it is made, `-` appends to a list.
fn set(body: &mut Value, pointer: &str, value: Value) {
    let mut place = body;
    for key in pointer.split('/').skip(1) {
        let key = key.replace("~1", "/");
        place = match (place, key.parse::<usize>()) {
            (Value::Array(items), Ok(index)) => &mut items[index],
            (Value::Array(items), Err(_)) => {
                items.push(Value::Null);
                items.last_mut().expect("just added")
            }
            (place, _) => &mut place[key.as_str()],
        };
    }
    *place = value;
}

/// Why the forged goal is not believed.
fn why(kind: &str, pointer: &str, value: &Value) -> String {
    let mut forged = serde_json::to_value(goal()).expect("a goal is JSON");
    let place = match kind {
        "" => &mut forged,
        kind => body(&mut forged, kind),
    };
    set(place, pointer, value.clone());
    match serde_json::from_value::<Goal>(forged) {
        Ok(forged) => {
            let target = goal().target;
            let reason = foreign(&forged, &target).or_else(|| outside(&forged, &goal()));
            reason.unwrap_or_else(|| "BELIEVED".into())
        }
        Err(error) => format!("cannot be read: {error}"),
    }
}

const POD: &str = "/spec/template/spec";
const SERVER: &str = "/spec/template/spec/containers/0";

/// Forged fields of the Deployment's pods.
fn of_pods() -> Vec<(String, Value)> {
    let pod = [
        ("/hostPID", json!(true)),
        ("/hostNetwork", json!(true)),
        ("/hostIPC", json!(true)),
        ("/hostUsers", json!(true)),
        ("/shareProcessNamespace", json!(true)),
        ("/nodeName", json!("control-plane")),
        ("/nodeSelector", json!({ "role": "control-plane" })),
        ("/tolerations", json!([{ "operator": "Exists" }])),
        ("/runtimeClassName", json!("unconfined")),
        ("/priorityClassName", json!("system-node-critical")),
        ("/serviceAccountName", json!("admin")),
        ("/serviceAccount", json!("admin")),
        ("/automountServiceAccountToken", json!(true)),
        ("/securityContext/runAsUser", json!(0)),
        ("/securityContext/runAsNonRoot", json!(false)),
        ("/securityContext/seccompProfile/type", json!("Unconfined")),
        (
            "/securityContext/sysctls",
            json!([{ "name": "kernel.shm_rmid_forced", "value": "1" }]),
        ),
        (
            "/containers/-",
            json!({ "name": "miner", "image": "registry.test/ai/nlu@sha256:0123" }),
        ),
        (
            "/initContainers",
            json!([{ "name": "init", "image": "registry.test/ai/nlu@sha256:0123" }]),
        ),
        ("/ephemeralContainers", json!([{ "name": "debug" }])),
        (
            "/volumes/-",
            json!({ "name": "root", "hostPath": { "path": "/" } }),
        ),
        (
            "/volumes/-",
            json!({ "name": "other", "secret": { "secretName": "admin" } }),
        ),
        (
            "/volumes/-",
            json!({ "name": "token", "projected": { "sources": [] } }),
        ),
        ("/volumes/0/configMap/name", json!("kube-root-ca.crt")),
        ("/volumes/3/hostPath/path", json!("/etc")),
        ("/volumes/3/hostPath/type", json!("Socket")),
        ("/volumes/2/secret/secretName", json!("admin")),
        ("/imagePullSecrets/0/name", json!("admin")),
        ("/imagePullSecrets", json!([])),
    ];
    let server = [
        ("/name", json!("other")),
        ("/image", json!("registry.test/siamese-uninlu@sha256:4567")),
        ("/imagePullPolicy", json!("Always")),
        ("/command", json!(["sh"])),
        ("/args", json!(["--device", "cpu"])),
        ("/workingDir", json!("/tmp")),
        (
            "/env/-",
            json!({ "name": "LD_PRELOAD", "value": "/tmp/evil.so" }),
        ),
        (
            "/env/0",
            json!({ "name": "UNINLU_MODEL", "valueFrom": { "secretKeyRef": { "name": "admin", "key": "key" } } }),
        ),
        ("/envFrom", json!([{ "secretRef": { "name": "admin" } }])),
        (
            "/lifecycle",
            json!({ "postStart": { "exec": { "command": ["sh"] } } }),
        ),
        ("/ports/0/hostPort", json!(80)),
        ("/ports/0/hostIP", json!("0.0.0.0")),
        ("/securityContext/privileged", json!(true)),
        ("/securityContext/allowPrivilegeEscalation", json!(true)),
        ("/securityContext/capabilities/add", json!(["SYS_ADMIN"])),
        ("/securityContext/capabilities/drop", json!([])),
        ("/securityContext/readOnlyRootFilesystem", json!(false)),
        ("/securityContext/procMount", json!("Unmasked")),
        ("/livenessProbe/exec", json!({ "command": ["sh"] })),
        ("/livenessProbe/httpGet/host", json!("169.254.169.254")),
        (
            "/readinessProbe/httpGet/httpHeaders",
            json!([{ "name": "Host", "value": "x" }]),
        ),
        ("/volumeMounts/0/readOnly", json!(false)),
        ("/volumeMounts/0/subPathExpr", json!("$(UNINLU_MODEL)")),
        ("/volumeMounts/0/mountPropagation", json!("Bidirectional")),
        (
            "/volumeDevices",
            json!([{ "name": "model", "devicePath": "/dev/sda" }]),
        ),
        ("/resources/limits/example.com~1device", json!("1")),
        ("/resources/claims", json!([{ "name": "gpu" }])),
        ("/stdin", json!(true)),
    ];
    let under = |prefix: &str, fields: &[(&str, Value)]| {
        let fields = fields.iter();
        let fields = fields.map(|(pointer, value)| (format!("{prefix}{pointer}"), value.clone()));
        fields.collect::<Vec<_>>()
    };
    [under(POD, &pod), under(SERVER, &server)].concat()
}

/// Forged fields of everything else.
fn of_others() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("", "/target/stack", json!("other")),
        ("", "/target/namespace", json!("kube-system")),
        (
            "",
            "/image/reference",
            json!("registry.evil/nlu@sha256:0123"),
        ),
        ("", "/objects", json!([])),
        (
            "",
            "/objects/-",
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "nlu" } }),
        ),
        (
            "",
            "/objects/-",
            json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "nlu" } }),
        ),
        (
            "",
            "/objects/-",
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "other" } }),
        ),
        (
            "",
            "/objects/-",
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "nlu", "namespace": "other" } }),
        ),
        ("Deployment", "/metadata/namespace", json!("kube-system")),
        ("Deployment", "/metadata/name", json!("other")),
        (
            "Deployment",
            "/metadata/ownerReferences",
            json!([{ "kind": "Node", "name": "node" }]),
        ),
        (
            "Deployment",
            "/metadata/finalizers",
            json!(["example.com/never"]),
        ),
        (
            "Deployment",
            "/metadata/annotations",
            json!({ "example.com/allow": "all" }),
        ),
        ("Deployment", "/metadata/labels", json!({})),
        (
            "Deployment",
            "/metadata/labels/app.kubernetes.io~1instance",
            json!("other"),
        ),
        (
            "Deployment",
            "/metadata/labels/applyset.kubernetes.io~1part-of",
            json!("applyset-other-v1"),
        ),
        (
            "Deployment",
            "/spec/selector/matchLabels",
            json!({ "app.kubernetes.io/name": "siamese-uninlu" }),
        ),
        (
            "Deployment",
            "/spec/selector/matchExpressions",
            json!([{ "key": "a", "operator": "Exists" }]),
        ),
        (
            "Deployment",
            "/spec/template/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1server",
            json!("unconfined"),
        ),
        (
            "Deployment",
            "/spec/template/metadata/labels/app.kubernetes.io~1instance",
            json!("other"),
        ),
        ("Deployment", "/spec/paused", json!(true)),
        ("Service", "/spec/externalIPs", json!(["10.0.0.1"])),
        ("Service", "/spec/type", json!("ExternalName")),
        ("Service", "/spec/externalName", json!("evil.example.com")),
        ("Service", "/spec/selector", json!({ "app": "postgres" })),
        ("Service", "/spec/ports/0/nodePort", json!(30_000)),
        (
            "ServiceAccount",
            "/automountServiceAccountToken",
            json!(true),
        ),
        (
            "ServiceAccount",
            "/metadata/annotations",
            json!({ "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/admin" }),
        ),
        (
            "ServiceAccount",
            "/imagePullSecrets",
            json!([{ "name": "admin" }]),
        ),
        ("ServiceAccount", "/secrets", json!([{ "name": "admin" }])),
        ("ConfigMap", "/metadata/name", json!("nlu-applyset")),
        ("ConfigMap", "/data/other", json!("x")),
        ("NetworkPolicy", "/spec/podSelector", json!({})),
        ("NetworkPolicy", "/spec/podSelector", Value::Null),
        ("NetworkPolicy", "/spec/egress", json!([{}])),
        ("NetworkPolicy", "/spec/ingress", json!([{}])),
        (
            "NetworkPolicy",
            "/spec/egress/0/to",
            json!([{ "ipBlock": { "cidr": "0.0.0.0/0" } }]),
        ),
        ("PodDisruptionBudget", "/spec/selector", json!({})),
        (
            "HorizontalPodAutoscaler",
            "/spec/scaleTargetRef/name",
            json!("postgres"),
        ),
        (
            "HorizontalPodAutoscaler",
            "/spec/scaleTargetRef/kind",
            json!("StatefulSet"),
        ),
        (
            "HorizontalPodAutoscaler",
            "/spec/metrics/-",
            json!({ "type": "External", "external": { "metric": { "name": "x" } } }),
        ),
        ("Namespace", "/metadata/name", json!("kube-system")),
        (
            "Namespace",
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            json!("privileged"),
        ),
        ("Namespace", "/spec/finalizers", json!(["kubernetes"])),
    ]
}

#[test]
fn what_rendering_never_makes_is_not_believed() {
    let target = goal().target;
    assert_eq!(
        (foreign(&goal(), &target), outside(&goal(), &goal())),
        (None, None)
    );
    let pods = of_pods().into_iter();
    let pods = pods.map(|(pointer, value)| ("Deployment", pointer, value));
    let others = of_others().into_iter();
    let others = others.map(|(kind, pointer, value)| (kind, pointer.to_owned(), value));
    let told: Vec<String> = pods
        .chain(others)
        .map(|(kind, pointer, value)| {
            format!(
                "{kind} {pointer} = {value}\n    {}",
                why(kind, &pointer, &value)
            )
        })
        .collect();
    let told = told.join("\n");
    assert!(!told.contains("BELIEVED"), "{told}");
    insta::assert_snapshot!(told);
}

/// What a newer or an older file of the same stack says is believed, as far as it reaches nothing that the file at hand
/// does not name.
#[test]
fn a_release_of_another_text_of_the_file_is_believed() {
    let earlier = STACK
        .replace("min = 2, max = 4", "min = 3, max = 9")
        .replace("cpu = 60", "requests-per-second = 20")
        .replace("http://collector:4318", "http://other:4317")
        .replace(
            "[access]",
            "[resources]\nmemory = { request = \"3Gi\", limit = \"3Gi\" }\n[access]",
        );
    let stack = stack::parse(&earlier, "uninlu.toml".as_ref(), None).expect("valid");
    let earlier = goal_of(&stack);
    assert_eq!(foreign(&earlier, &goal().target), None);
    assert_eq!(outside(&earlier, &goal()), None);
}

#[test]
fn a_release_that_takes_the_namespace_is_not_gone_back_to_where_the_stack_does_not() {
    let text = STACK.replace("create-namespace = true", "");
    let stack = stack::parse(&text, "uninlu.toml".as_ref(), None).expect("valid");
    let reason = outside(&goal(), &goal_of(&stack)).unwrap_or_default();
    assert!(reason.contains("the namespace"), "{reason}");
    assert_eq!(outside(&goal_of(&stack), &goal()), None);
}

/// The gate's rules over pods refuse what is left out.
#[test]
fn a_release_without_its_security_context_is_refused_by_the_gate() {
    let refused = |pointer: &str, value: Value| {
        let mut forged = serde_json::to_value(goal()).expect("a goal is JSON");
        set(body(&mut forged, "Deployment"), pointer, value);
        let forged: Goal = serde_json::from_value(forged).expect("a goal");
        gate::refuse_pods(&forged.objects)
    };
    let of = |key: &str| format!("{SERVER}{key}");
    assert_eq!(
        refused(&of("/securityContext"), json!({})),
        [
            "capabilities: container `server` keeps capabilities, or can gain privileges: no `allowPrivilegeEscalation: false`, no `capabilities.drop: [ALL]`"
        ]
    );
    assert_eq!(
        refused(&format!("{POD}/securityContext"), json!({})),
        [
            "runs-as-root: container `server` may run as root: neither `runAsNonRoot` nor `runAsUser` is set"
        ]
    );
    assert_eq!(
        refused(&of("/securityContext/privileged"), json!(true)),
        [
            "capabilities: container `server` keeps capabilities, or can gain privileges: `privileged: true`"
        ]
    );
    assert_eq!(
        refused(&format!("{POD}/hostPID"), json!(true)),
        ["host-namespaces: the pods have `hostPID: true`"]
    );
}
