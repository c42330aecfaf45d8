//! The way to the API server, up to where one has to be there: kubeconfigs, credential plugins, proxies, and what a
//! checkout may not do.

use std::path::Path;
use std::process::Command;

use super::hermetic;

const STACK: &str = r#"
name = "nlu"
namespace = "t1"
replicas = 2
[cluster]
context = "uninlu-test"
[image]
reference = "registry.example.com/nlu@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
[model]
source = { host-path = "/models" }
"#;

/// A kubeconfig of that user; port 1 of this machine refuses at once.
fn kubeconfig(user: &str) -> String {
    let server = "https://127.0.0.1:1";
    kubeconfig_of(server, user)
}

fn kubeconfig_of(server: &str, user: &str) -> String {
    format!(
        "clusters: [{{ name: c, cluster: {{ server: '{server}' }} }}]\n\
         contexts: [{{ name: uninlu-test, context: {{ cluster: c, user: admin }} }}]\n\
         users: [{{ name: admin, user: {user} }}]\n"
    )
}

/// A checkout with a stack, and a folder outside of it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        for folder in ["work/.git", "work/nlu", "outside"] {
            std::fs::create_dir_all(place.0.path().join(folder)).expect("writable");
        }
        place.write("work/nlu/uninlu.toml", STACK);
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("writable");
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn command(&self, kubeconfig: &str) -> Command {
        let mut command = hermetic::uninlu(&self.0.path().join("work/nlu"));
        command
            .arg("plan")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("outside"))
            .env("KUBECONFIG", kubeconfig);
        command
    }

    /// What a plan with that kubeconfig fails with.
    fn error(&self, kubeconfig: &str) -> String {
        error(&mut self.command(kubeconfig))
    }
}

fn error(command: &mut Command) -> String {
    let output = command
        .output()
        .expect("the binary was built for this test");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}

#[test]
fn missing_files_of_the_list_are_skipped() {
    let place = Place::new();
    place.write("outside/config", &kubeconfig("{ token: t }"));
    let (here, nowhere) = (place.path("outside/config"), place.path("nowhere"));
    for list in [format!("{here}:{nowhere}"), format!("{nowhere}::{here}:")] {
        says(
            &place.error(&list),
            &["does not answer", "Connection refused"],
        );
    }
    says(&place.error(&nowhere), &["no kubeconfig", "nowhere"]);
    says(&place.error(""), &["no kubeconfig", "outside/.kube/config"]);
}

#[test]
fn a_plugin_that_is_missing_is_named_with_its_hint() {
    let place = Place::new();
    let exec = "{ exec: { apiVersion: client.authentication.k8s.io/v1beta1, interactiveMode: Never, \
        command: no-such-iam-authenticator, installHint: 'brew install it' } }";
    place.write("outside/config", &kubeconfig(exec));
    let text = place.error(&place.path("outside/config"));
    says(
        &text,
        &[
            "no-such-iam-authenticator",
            "`admin`",
            "cannot be run",
            "brew install it",
        ],
    );
    assert!(!text.contains("does not answer"), "{text}");
}

#[test]
fn a_plugin_runs_once_whether_it_fails_or_not() {
    let place = Place::new();
    let log = place.path("outside/log");
    for end in [
        "echo denied >&2; exit 3",
        "echo '{\"status\": {\"token\": \"t\"}}'",
    ] {
        place.write("outside/plugin", &format!("echo run >> {log}\n{end}\n"));
        let exec = format!(
            "{{ exec: {{ apiVersion: client.authentication.k8s.io/v1, command: sh, args: ['{}'] }} }}",
            place.path("outside/plugin")
        );
        place.write("outside/config", &kubeconfig(&exec));
        place.error(&place.path("outside/config"));
        assert_eq!(
            std::fs::read_to_string(&log)
                .expect("it ran")
                .lines()
                .count(),
            1,
            "{end}"
        );
        std::fs::remove_file(&log).expect("it is there");
    }
}

#[test]
fn loopback_is_not_asked_through_a_proxy_and_others_name_it() {
    let place = Place::new();
    place.write("outside/config", &kubeconfig("{ token: t }"));
    let proxy = "http://ann:s3cr3t@127.0.0.1:9";
    let through = |kubeconfig: &str, exceptions: &str| {
        let mut command = place.command(kubeconfig);
        error(
            command
                .env("HTTPS_PROXY", proxy)
                .env("NO_PROXY", exceptions),
        )
    };
    let text = through(&place.path("outside/config"), "");
    assert!(
        text.contains("does not answer") && !text.contains("proxy"),
        "{text}"
    );
    place.write(
        "outside/far",
        &kubeconfig_of("https://192.0.2.1:6443", "{ token: t }"),
    );
    let text = through(&place.path("outside/far"), "192.0.2.1:443, ,");
    says(
        &text,
        &[
            "192.0.2.1:6443",
            "through the proxy http://127.0.0.1:9 of HTTPS_PROXY",
        ],
    );
    assert!(!text.contains("s3cr3t"), "{text}");
}

#[test]
fn a_kubeconfig_of_the_checkout_runs_no_command_unless_allowed() {
    let place = Place::new();
    let ran = place.path("outside/ran");
    let exec = format!(
        "{{ exec: {{ apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['{ran}'] }} }}"
    );
    place.write("work/config", &kubeconfig(&exec));
    let link = place.path("outside/link");
    std::os::unix::fs::symlink(place.path("work/config"), &link).expect("a link");
    for file in ["../config", &place.path("work/config"), &link] {
        let text = place.error(file);
        says(
            &text,
            &[
                "part of the stack's checkout",
                "would run the command `touch",
                "--allow-exec",
                "UNINLU_ALLOW_EXEC=1",
            ],
        );
        assert!(!Path::new(&ran).exists(), "it ran: {file}");
    }
    place.write(
        "work/nlu/uninlu.toml",
        &STACK.replace("[cluster]", "[cluster]\nkubeconfig = \"../config\""),
    );
    says(&place.error(""), &["would run the command"]);
    error(place.command("").env("UNINLU_ALLOW_EXEC", "0"));
    assert!(!Path::new(&ran).exists(), "it ran");
    error(place.command("").arg("--allow-exec"));
    assert!(Path::new(&ran).exists(), "it was allowed");
    std::fs::remove_file(&ran).expect("it is there");
    error(place.command("").env("UNINLU_ALLOW_EXEC", "1"));
    assert!(Path::new(&ran).exists(), "it was allowed");
}

/// Its relative paths start at the current folder, so that is the checkout.
#[test]
fn a_stack_that_comes_through_a_pipe_is_not_trusted_more() {
    let place = Place::new();
    let ran = place.path("outside/ran");
    let exec = format!(
        "{{ exec: {{ apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['{ran}'] }} }}"
    );
    place.write("work/config", &kubeconfig(&exec));
    place.write(
        "outside/piped.toml",
        &STACK.replace("[cluster]", "[cluster]\nkubeconfig = \"../config\""),
    );
    for stack in ["/dev/stdin", "/dev/fd/0", "-"] {
        let text = std::fs::File::open(place.path("outside/piped.toml")).expect("it is there");
        let mut command = place.command("");
        let text = error(command.arg(stack).stdin(text));
        says(&text, &["would run the command"]);
        assert!(!Path::new(&ran).exists(), "it ran: {stack}");
    }
}

#[test]
fn a_kubeconfig_of_the_checkout_takes_no_credentials_from_elsewhere() {
    let place = Place::new();
    place.write("outside/token", "s3cr3t");
    let user = format!("{{ tokenFile: '{}' }}", place.path("outside/token"));
    place.write("work/config", &kubeconfig(&user));
    says(
        &place.error("../config"),
        &["would use the credentials in", "outside/token"],
    );
    place.write("work/config", &kubeconfig("{ tokenFile: token }"));
    place.write("work/token", "t");
    says(&place.error("../config"), &["does not answer"]);
    // Its server may not be sent the user's own token either.
    place.write(
        "work/config",
        "contexts: [{ name: uninlu-test, context: { cluster: c, user: own } }]\n\
        clusters: [{ name: c, cluster: { server: 'https://127.0.0.1:1' } }]",
    );
    place.write(
        "outside/config",
        "users: [{ name: own, user: { token: s3cr3t } }]",
    );
    let text = place.error(&format!("../config:{}", place.path("outside/config")));
    says(&text, &["would send the credentials of `own`"]);
    assert!(!text.contains("s3cr3t"), "{text}");
}

/// Nothing was asked yet, so that the API server is not what fails; and none of it ends the program by itself.
#[test]
fn credentials_that_cannot_be_used_are_named_and_not_the_api_server() {
    let place = Place::new();
    let pem = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFRSUQKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";
    let unpaired = format!("{{ client-certificate-data: {pem}, client-key-data: {pem} }}");
    place.write("outside/lines", "s3cr3t\ns3cr3t");
    for (user, words) in [
        (
            "{ client-certificate-data: 's3cr3t!', client-key-data: x }",
            "`client-certificate-data` of user `admin` is not base64",
        ),
        (
            "{ client-certificate-data: AQID }",
            "`client-certificate-data` of user `admin` is not PEM",
        ),
        (&*unpaired, "the credentials of user `admin` cannot be used"),
        (
            r#"{ token: "s3cr3t\ns3cr3t" }"#,
            "`token` of user `admin` holds a control character",
        ),
        (
            r#"{ token: t, as: "a\r\nb" }"#,
            "`as` of user `admin` holds a control character",
        ),
        (
            r#"{ token: t, as: a, as-groups: [a, "b\n"] }"#,
            "`as-groups` of user `admin` holds a control character",
        ),
        (
            "{ tokenFile: lines }",
            "`tokenFile` of user `admin` holds a control character",
        ),
    ] {
        place.write("outside/config", &kubeconfig(user));
        let text = place.error(&place.path("outside/config"));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        says(&text, &["cannot use the kubeconfig", words]);
        assert!(
            !text.contains("does not answer") && !text.contains("s3cr3t"),
            "{text}"
        );
    }
}

#[test]
fn an_address_is_taken_as_kubectl_takes_it() {
    let place = Place::new();
    let error = |server: &str| {
        place.write("outside/config", &kubeconfig_of(server, "{ token: t }"));
        let text = place.error(&place.path("outside/config"));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (server, address) in [
        ("127.0.0.1:1", "(http://127.0.0.1:1/) does not answer"),
        ("localhost:1", "(http://localhost:1/) does not answer"),
        (
            "https://127.0.0.1:1/k8s/clusters/c-1",
            "(https://127.0.0.1:1/k8s/clusters/c-1) does not answer",
        ),
    ] {
        says(&error(server), &[address]);
    }
    for server in [
        "",
        "https://",
        "ftp://127.0.0.1",
        "https://127.0.0.1:99999",
        "unix:///run/k",
    ] {
        says(
            &error(server),
            &["the cluster's `server` is not an address"],
        );
    }
    let tls = "https://127.0.0.1:1', certificate-authority-data: 'AQID";
    says(
        &error(tls),
        &["the certificate authority is not PEM: it holds no certificate"],
    );
}

#[test]
fn what_a_kubeconfig_lacks_is_named() {
    let place = Place::new();
    for (user, words) in [
        ("{ tokenFile: gone }", ["outside/gone", "tokenFile"]),
        (
            "{ client-certificate: gone.pem, client-key: k }",
            ["outside/gone.pem", "client-certificate"],
        ),
        (
            "{ auth-provider: { name: gcp, config: { cmd-path: /bin/false } } }",
            ["auth-provider `gcp`", "gke-gcloud-auth-plugin"],
        ),
    ] {
        place.write("outside/config", &kubeconfig(user));
        says(&place.error(&place.path("outside/config")), &words);
    }
}
