//! What to do about what the engine says. It tells its causes as text only, so the text is what is looked at.

use std::io;

/// No engine: by the kind of the error at the bottom of the chain.
pub(super) fn engine(kind: Option<io::ErrorKind>) -> &'static str {
    match kind {
        Some(io::ErrorKind::NotFound) => {
            "Docker is not installed or not running. Debian and Ubuntu: `sudo apt-get install docker.io`; macOS and Windows: start Docker Desktop; installed but stopped: `sudo systemctl start docker`. An engine elsewhere is named by DOCKER_HOST"
        }
        Some(io::ErrorKind::PermissionDenied) => {
            "this user may not use the engine's socket: `sudo usermod -aG docker $USER`, then log in again"
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            "the engine is not running: `sudo systemctl start docker`, or start Docker Desktop"
        }
        _ => {
            "DOCKER_HOST names the engine as `unix:///path` or `tcp://host:port`; `docker version` shows whether it answers"
        }
    }
}

/// A failed build.
pub(super) fn build(cause: &str) -> String {
    if let Some(help) = space(cause) {
        return help;
    }
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    let help = if says(&["resolve source metadata", "pull access denied"])
        || (says(&["failed to do request"]) && says(&["/manifests/"]))
    {
        "the base image could not be fetched: without a way to its registry, make it known to the engine (`docker pull`, `docker load` or `docker import`) and build again"
    } else if says(&["target stage"]) {
        "`[image] target` names a stage of the Dockerfile (`FROM … AS NAME`); without it, that is `server`, or `server-with-model` when the model goes into the image"
    } else if says(&["dockerfile parse error"]) {
        "fix that line of the Dockerfile"
    } else if says(&["certificate signed by unknown authority"]) {
        "a proxy decrypts the traffic: name its certificate in `[image] ca-certificates`"
    } else if says(&["not found"]) && !says(&["exit code"]) {
        "paths in COPY and ADD start at `[image] context`, and .dockerignore may leave them out"
    } else {
        "the step's log says why; `uninlu build --verbose` shows every line of every step. Behind a proxy that opens TLS, `[image] ca-certificates` names its certificate"
    };
    help.to_owned()
}

/// A full disk, whatever was being done.
pub(super) fn space(cause: &str) -> Option<String> {
    cause
        .contains("no space left on device")
        .then(|| "the engine's disk is full: `docker system df` says with what, `docker builder prune` and `docker image prune` free it".to_owned())
}

/// A refused push.
pub(super) fn push(reference: &str, cause: &str) -> String {
    let registry = reference.split('/').next().unwrap_or(reference);
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["unauthorized", "denied", "no basic auth credentials", "401"]) {
        format!(
            "`docker login {registry}` with a user who may push there; some registries want the repository to be made first"
        )
    } else if says(&[
        "connection refused",
        "no such host",
        "i/o timeout",
        "network is unreachable",
    ]) {
        format!(
            "is {registry} right (`[image] repository`), running, and reachable from the Docker engine?"
        )
    } else if says(&["server gave HTTP response to HTTPS client"]) {
        format!(
            "{registry} speaks plain HTTP, which the engine allows on localhost only: give the registry TLS, or list it under `insecure-registries` in the engine's daemon.json"
        )
    } else if says(&["certificate signed by unknown authority"]) {
        format!(
            "the engine does not know the registry's certificate authority: put it into /etc/docker/certs.d/{registry}/ca.crt on the engine's machine"
        )
    } else {
        "the finished layers are there already: the same command goes on from there".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_push_tells_its_mend() {
        let cases = [
            (
                "unauthorized: authentication required",
                "docker login registry.example.com",
            ),
            (
                "Get \"https://registry.example.com/v2/\": dial tcp 10.0.0.1:443: connect: connection refused",
                "reachable",
            ),
            (
                "http: server gave HTTP response to HTTPS client",
                "insecure-registries",
            ),
            ("x509: certificate signed by unknown authority", "certs.d"),
        ];
        for (cause, mend) in cases {
            let help = push("registry.example.com/ai/server:1", cause);
            assert!(help.contains(mend), "{cause}: the help is `{help}`");
        }
    }

    #[test]
    fn a_failed_build_tells_its_mend() {
        let cases = [
            ("target stage sever could not be found", "`FROM … AS NAME`"),
            (
                "dockerfile parse error line 2: unknown instruction: RUNN",
                "that line",
            ),
            (
                "failed to do request: Head \"https://registry.example.com/v2/base/manifests/1\": dial tcp",
                "docker pull",
            ),
            ("\"/nothing\" not found: not found", ".dockerignore"),
            (
                "executor failed running [/bin/sh -c nonsense]: exit code: 127",
                "--verbose",
            ),
        ];
        for (cause, mend) in cases {
            let help = build(cause);
            assert!(help.contains(mend), "{cause}: the help is `{help}`");
        }
    }

    #[test]
    fn a_full_disk_tells_how_to_free_it() {
        let help = build("failed to copy files: write /var/lib/x: no space left on device");
        assert!(
            help.contains("docker builder prune"),
            "the help is `{help}`"
        );
    }
}
