//! A folder to build, the tool's command line, and a real registry.

use std::cell::RefCell;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with a stack file, a Dockerfile and what else a test writes.
pub(crate) struct Project {
    folder: TempDir,
    /// What is built under it is removed from the engine again.
    repositories: RefCell<Vec<String>>,
}

impl Project {
    /// `image` is what `[image]` has besides repository and context.
    pub(crate) fn new(repository: &str, image: &str, dockerfile: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let repositories = RefCell::default();
        let project = Self {
            folder,
            repositories,
        };
        project.write("Dockerfile", dockerfile);
        project.write_stack(repository, image, "{ pvc = \"models\" }");
        project
    }

    /// A folder with a stack file alone: what is built is in the tool.
    pub(crate) fn carried(repository: &str, image: &str) -> Self {
        let project = Self::new(repository, image, "");
        let file = project.path().join("Dockerfile");
        std::fs::remove_file(file).expect("it was there");
        let stack = project.path().join("uninlu.toml");
        let text = std::fs::read_to_string(&stack).expect("a file");
        project.write("uninlu.toml", &text.replace("context = \".\"\n", ""));
        project
    }

    pub(crate) fn write_stack(&self, repository: &str, image: &str, model: &str) {
        let text = format!(
            "name = \"tiny\"\nnamespace = \"tiny\"\n[cluster]\ncontext = \"none\"\n[image]\nrepository = \"{repository}\"\ncontext = \".\"\n{image}\n[model]\nsource = {model}\n"
        );
        self.write("uninlu.toml", &text);
        self.repositories.borrow_mut().push(repository.to_owned());
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it lies in the project")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn stack(&self) -> uninlu::stack::Stack {
        uninlu::stack::load(self.path(), None).expect("a valid stack")
    }

    pub(crate) fn inputs(&self) -> uninlu::image::Inputs {
        uninlu::image::inputs(&self.stack()).expect("a readable context")
    }

    /// `uninlu build`, with nothing of the user's environment that would change its output.
    pub(crate) fn build(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uninlu"));
        command
            .arg("build")
            .arg(self.path())
            .args(arguments)
            .env("NO_COLOR", "1")
            .env_remove("UNINLU_ENV");
        command
    }

    /// `uninlu build --json` that must succeed.
    pub(crate) fn built(&self, arguments: &[&str]) -> (serde_json::Value, String) {
        let output = self
            .build(arguments)
            .arg("--json")
            .output()
            .expect("the tool runs");
        let stderr = text(&output.stderr);
        assert!(output.status.success(), "uninlu build failed:\n{stderr}");
        let json = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
        (json, stderr)
    }

    /// `uninlu build` that must fail; gives what it says.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.build(arguments).output().expect("the tool runs");
        failure(&output)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        for repository in self.repositories.borrow().iter() {
            let format = "--format={{.Repository}}:{{.Tag}}";
            let Ok(listed) = Command::new("docker")
                .args(["images", format, repository])
                .output()
            else {
                continue;
            };
            for reference in text(&listed.stdout).lines() {
                let _ = Command::new("docker")
                    .args(["image", "rm", "--force", reference])
                    .output();
            }
        }
    }
}

/// stderr of a run that had to fail with exit code 1 and nothing on stdout.
pub(crate) fn failure(output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "it had to fail:\n{stderr}");
    assert_eq!(text(&output.stdout), "", "a failed build has no result");
    stderr
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Debian's docker-registry on a free port, gone with the value.
pub(crate) struct Registry {
    process: Child,
    pub(crate) host: String,
    _folder: TempDir,
}

/// The only user of [`Registry::with_password`]; its password is `correct horse`.
const PASSWORD_FILE: &str = "tester:$2b$04$mRi7Lgdoi/3YTO.bOPnFsupvlGY5sd5yA5W/hkiM4.QsInKl3do3a\n";

impl Registry {
    pub(crate) fn open() -> Self {
        Self::start(false)
    }

    pub(crate) fn with_password() -> Self {
        Self::start(true)
    }

    fn start(password: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().display();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let mut config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {root}/data }} }}\nhttp: {{ addr: 127.0.0.1:{port} }}\n"
        );
        if password {
            std::fs::write(folder.path().join("users"), PASSWORD_FILE).expect("a file");
            config += &format!("auth: {{ htpasswd: {{ realm: test, path: {root}/users }} }}\n");
        }
        let file = folder.path().join("registry.yml");
        std::fs::write(&file, config).expect("a file");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry runs; `make test-image` installs it");
        let registry = Self {
            process,
            host: format!("localhost:{port}"),
            _folder: folder,
        };
        registry.wait();
        registry
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "between two looks; the wait has a bound"
    )]
    fn wait(&self) {
        for _ in 0..300 {
            if let Ok(mut stream) = std::net::TcpStream::connect(&self.host) {
                let _ = stream.write_all(b"");
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("docker-registry does not listen at {}", self.host);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The `docker` command line, for what the tool itself does not do.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("the docker command is installed");
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).trim().to_owned()
}
