//! The kubeconfig as kubectl reads it: a list of files, of which some may be missing, and the first that says something
//! counts. Each entry's file is kept, since a file inside a checkout is trusted less.

use std::io::ErrorKind;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use kube::config::{
    AuthInfo, Cluster, Context, Kubeconfig, KubeconfigError, NamedAuthInfo, NamedCluster,
    NamedContext,
};
use serde_json::{Value, json};
use uninlu_helm_template::yaml;

use super::Error;
use crate::bounded;
use crate::stack::Target;

/// The files of one run, in their order, without those that do not exist.
pub(super) struct Files(Vec<(PathBuf, Kubeconfig)>);

/// What a context stands for.
pub(super) struct Entry {
    pub(super) cluster: Cluster,
    /// The file that the cluster is in.
    pub(super) cluster_file: PathBuf,
    /// Empty values are left out, and relative paths start at their file.
    pub(super) user: AuthInfo,
    /// As the kubeconfig names the user.
    pub(super) user_name: String,
    /// The file that the user is in.
    pub(super) user_file: PathBuf,
}

/// Reads the target's file, or those of `KUBECONFIG`, or `~/.kube/config`.
pub(super) fn read(target: &Target) -> Result<Files, Error> {
    match &target.kubeconfig {
        Some(file) => read_all(std::slice::from_ref(file)),
        None => read_default(),
    }
}

fn read_default() -> Result<Files, Error> {
    let list = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let named: Vec<PathBuf> = std::env::split_paths(&list)
        .filter(|file| !file.as_os_str().is_empty())
        .collect();
    if !named.is_empty() {
        return read_all(&named);
    }
    let home = std::env::home_dir().unwrap_or_default();
    read_all(&[home.join(".kube").join("config")])
}

/// The contexts that there are to choose from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contexts {
    /// Their names, in the order of the files.
    pub names: Vec<String>,
    /// The current one.
    pub current: Option<String>,
}

/// Reads the contexts of `KUBECONFIG`, or of `~/.kube/config`; none where there is no file.
///
/// # Errors
/// [`Error::Kubeconfig`]
pub fn contexts() -> Result<Contexts, Error> {
    match read_default() {
        Ok(files) => Ok(files.contexts()),
        Err(Error::NoKubeconfig { .. }) => Ok(Contexts::default()),
        Err(error) => Err(error),
    }
}

/// Missing files are skipped, as clientcmd does; when all are, there is nothing to choose from.
fn read_all(paths: &[PathBuf]) -> Result<Files, Error> {
    let mut files = Vec::new();
    for path in paths {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        match bounded::read(&path) {
            Ok(bytes) => {
                let config = text(&bytes).and_then(|text| parse(&text, &path));
                let config = config.map_err(|reason| Error::kubeconfig(&path, reason))?;
                files.push((path, config));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => (),
            Err(error) => return Err(Error::kubeconfig(&path, error.to_string())),
        }
    }
    if files.is_empty() {
        let paths: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(Error::NoKubeconfig {
            files: paths.join(", "),
        });
    }
    Ok(Files(files))
}

/// PowerShell writes UTF-16.
fn text(bytes: &[u8]) -> Result<String, String> {
    let units = |unit: fn([u8; 2]) -> u16| {
        let pairs = bytes[2..].chunks_exact(2);
        let units: Vec<u16> = pairs.map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok()
    };
    let text = match bytes {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    };
    text.ok_or_else(|| "it is not a text".to_owned())
}

/// Reads the YAML as kubectl does: `yes` is true, the last of two equal keys holds, and base64 may be broken into lines.
///
/// Never says a line of the file: that is where a secret would stand.
fn parse(text: &str, file: &Path) -> Result<Kubeconfig, String> {
    let documents = yaml::documents(text);
    let Some((first, document)) = documents.first() else {
        return Ok(Kubeconfig::default());
    };
    let mut config = yaml::parse(document, *first)
        .map_err(|fault| format!("line {} is not YAML", fault.line))?
        .value;
    let folder = file.parent().unwrap_or(Path::new(""));
    each(&mut config, "clusters", "cluster", |cluster| {
        absolute(&mut cluster["certificate-authority"], folder);
        unbroken(&mut cluster["certificate-authority-data"]);
    });
    each(&mut config, "users", "user", |user| {
        for key in ["client-certificate", "client-key", "tokenFile"] {
            absolute(&mut user[key], folder);
        }
        for key in ["client-certificate-data", "client-key-data"] {
            unbroken(&mut user[key]);
        }
        // A bare name is looked for on the PATH.
        if let Some(exec) = user["exec"].as_object_mut()
            && let Some(command) = exec.get_mut("command")
            && command
                .as_str()
                .is_some_and(|it| it.contains(MAIN_SEPARATOR))
        {
            absolute(command, folder);
        }
    });
    serde_json::from_value(config).map_err(|_| reason(document, *first))
}

/// The line of what has another type than a kubeconfig has there.
fn reason(document: &str, first: usize) -> String {
    match Kubeconfig::from_yaml(document) {
        Err(KubeconfigError::Parse(error)) => match error.location() {
            Some(place) => {
                let line = place.line() + first as u64 - 1;
                format!("line {line} is not what a kubeconfig has there")
            }
            None => "it is not the YAML of a kubeconfig".to_owned(),
        },
        _ => "it is not the YAML of a kubeconfig".to_owned(),
    }
}

/// Changes what each entry of a list holds under `inner`.
fn each(config: &mut Value, list: &str, inner: &str, change: impl Fn(&mut Value)) {
    let entries = config.get_mut(list).and_then(Value::as_array_mut);
    let inner = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get_mut(inner));
    inner.filter(|entry| entry.is_object()).for_each(change);
}

/// Relative paths start at the kubeconfig's folder.
fn absolute(path: &mut Value, folder: &Path) {
    if let Some(written) = path.as_str().filter(|written| !written.is_empty()) {
        *path = folder.join(written).display().to_string().into();
    }
}

/// Go's decoder skips line ends.
fn unbroken(data: &mut Value) {
    if let Some(written) = data.as_str() {
        *data = written.replace(['\r', '\n'], "").trim().into();
    }
}

impl Files {
    /// What the context of that name stands for.
    ///
    /// # Errors
    /// [`Error::UnknownContext`], and [`Error::Kubeconfig`] for a context whose cluster no file has.
    pub(super) fn entry(&self, context: &str) -> Result<Entry, Error> {
        let Some((context_file, found)) = self.context(context) else {
            return Err(Error::UnknownContext {
                context: context.to_owned(),
                known: self.context_names().join(", "),
            });
        };
        let Some((cluster_file, cluster)) = self.cluster(&found.cluster) else {
            let reason = format!(
                "context `{context}` names the cluster `{}`, which no file has",
                found.cluster
            );
            return Err(Error::kubeconfig(context_file, reason));
        };
        let user_name = found.user.clone().unwrap_or_default();
        let (user_file, user) = match self.user(&user_name) {
            Some((file, user)) => (file.clone(), user.clone()),
            None => (context_file.clone(), AuthInfo::default()),
        };
        Ok(Entry {
            cluster: cluster.clone(),
            cluster_file: cluster_file.clone(),
            user: without_empty(user),
            user_name,
            user_file,
        })
    }

    fn context(&self, name: &str) -> Option<(&PathBuf, &Context)> {
        self.0.iter().find_map(|(file, config)| {
            let is_it = |known: &&NamedContext| known.name == name;
            Some((file, config.contexts.iter().find(is_it)?.context.as_ref()?))
        })
    }

    fn cluster(&self, name: &str) -> Option<(&PathBuf, &Cluster)> {
        self.0.iter().find_map(|(file, config)| {
            let is_it = |known: &&NamedCluster| known.name == name;
            Some((file, config.clusters.iter().find(is_it)?.cluster.as_ref()?))
        })
    }

    fn user(&self, name: &str) -> Option<(&PathBuf, &AuthInfo)> {
        self.0.iter().find_map(|(file, config)| {
            let is_it = |known: &&NamedAuthInfo| known.name == name;
            Some((
                file,
                config.auth_infos.iter().find(is_it)?.auth_info.as_ref()?,
            ))
        })
    }

    fn contexts(&self) -> Contexts {
        let current = self.0.iter().find_map(|(_, config)| {
            let current = config.current_context.clone();
            current.filter(|name| !name.is_empty())
        });
        Contexts {
            names: self
                .context_names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            current: current.filter(|name| self.context(name).is_some()),
        }
    }

    fn context_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for context in self.0.iter().flat_map(|(_, config)| &config.contexts) {
            if !names.contains(&context.name.as_str()) {
                names.push(&context.name);
            }
        }
        names
    }
}

/// To kubectl an empty value is none; the client would send an empty token.
fn without_empty(user: AuthInfo) -> AuthInfo {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(&user) else {
        return user;
    };
    fields.retain(|_, value| *value != json!(""));
    serde_json::from_value(Value::Object(fields)).unwrap_or(user)
}

impl Error {
    /// A file that is no kubeconfig, or that cannot be read.
    pub(super) fn kubeconfig(file: &Path, reason: String) -> Self {
        Self::Kubeconfig {
            file: file.display().to_string(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, server: &str, user: &str) -> PathBuf {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        let text = format!(
            "clusters: [{{ name: c, cluster: {{ server: '{server}', certificate-authority: ca.pem }} }}]\n\
             contexts: [{{ name: prod, context: {{ cluster: c, user: admin }} }}]\n\
             users: [{{ name: admin, user: {user} }}]\n"
        );
        std::fs::write(&file, text).expect("a kubeconfig");
        file
    }

    fn error(result: Result<Files, Error>) -> String {
        result.err().expect("an error").to_string()
    }

    #[test]
    fn missing_files_are_skipped_and_the_first_that_says_something_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = write(
            folder.path(),
            "one/config",
            "https://one",
            "{ tokenFile: t }",
        );
        let two = write(folder.path(), "two/config", "https://two", "{ token: '' }");
        let nowhere = folder.path().join("nowhere");
        for (list, server, wanted) in [
            (
                vec![nowhere.clone(), one.clone(), two.clone()],
                "https://one",
                "one",
            ),
            (vec![two, nowhere.clone(), one], "https://two", "two"),
        ] {
            let entry = read_all(&list)
                .and_then(|files| files.entry("prod"))
                .expect("an entry");
            assert_eq!(entry.cluster.server.as_deref(), Some(server));
            let beside = folder.path().join(wanted).join("ca.pem");
            assert_eq!(
                entry.cluster.certificate_authority.as_deref(),
                beside.to_str()
            );
            assert!(entry.user.token.is_none());
        }
        assert!(error(read_all(&[nowhere])).contains("nowhere"));
    }

    #[test]
    fn a_file_that_is_no_kubeconfig_is_named_without_its_text() {
        let folder = tempfile::tempdir().expect("a folder");
        let broken = write(folder.path(), "broken", "https://one", "[s3cr3t");
        let text = error(read_all(&[broken]));
        assert!(text.contains("broken") && text.contains("line"), "{text}");
        assert!(!text.contains("s3cr3t"), "{text}");
        assert!(error(read_all(&[folder.path().to_owned()])).contains("directory"));
        let of_another_type = write(folder.path(), "typed", "https://one", "{ token: [s3cr3t] }");
        let text = error(read_all(&[of_another_type]));
        assert!(
            text.contains("line 3") && !text.contains("s3cr3t"),
            "{text}"
        );
        assert!(error(read_all(&["/dev/zero".into()])).contains("more than 16 MiB"));
    }

    fn entry(text: &str) -> Result<Entry, Error> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        std::fs::write(&file, text).expect("a kubeconfig");
        read_all(&[file])?.entry("prod")
    }

    /// kubectl reads each of these.
    #[test]
    fn yaml_of_odd_forms_is_read_as_kubectl_reads_it() {
        let usual = "contexts: [{ name: prod, context: { cluster: c, user: admin } }]\n";
        let cluster = "clusters:\n- name: c\n  cluster:\n    server: https://one\n";
        let user = "users: [{ name: admin, user: { client-certificate-data: AQID } }]\n";
        for text in [
            format!("---\n{usual}{cluster}    insecure-skip-tls-verify: yes\n{user}"),
            format!(
                "\u{feff}# ours\r\n---\r\n{usual}{cluster}    insecure-skip-tls-verify: On\n{user}"
            ),
            format!(
                "{usual}{cluster}    server: https://one\n    insecure-skip-tls-verify: true\n{user}"
            ),
            format!("{usual}{usual}{cluster}    insecure-skip-tls-verify: true\n{user}"),
            format!(
                "x: &c {{ server: https://one, insecure-skip-tls-verify: true }}\n{usual}clusters: [{{ name: c, cluster: {{ <<: *c }} }}]\n{user}"
            ),
            format!("{usual}{cluster}    insecure-skip-tls-verify: true\n{user}---\n: : :\n"),
            format!(
                "{usual}{cluster}    insecure-skip-tls-verify: true\nusers:\n- name: admin\n  user:\n    client-certificate-data: |\n      AQ\n      ID\n"
            ),
        ] {
            let entry = entry(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                entry.cluster.server.as_deref(),
                Some("https://one"),
                "{text}"
            );
            assert_eq!(entry.cluster.insecure_skip_tls_verify, Some(true), "{text}");
            let data = entry.user.client_certificate_data.as_deref();
            assert_eq!(data, Some("AQID"), "{text}");
        }
        let nothing = "clusters: null\ncontexts: null\nusers: null\n";
        assert!(matches!(entry(nothing), Err(Error::UnknownContext { .. })));
    }

    #[test]
    fn a_context_without_its_cluster_is_told_from_one_that_no_file_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        std::fs::write(
            &file,
            "contexts: [{ name: prod, context: { cluster: gone, user: admin } }]",
        )
        .expect("a kubeconfig");
        let files = read_all(&[file]).expect("a kubeconfig");
        let told = |context: &str| files.entry(context).err().map(|error| error.to_string());
        assert!(told("prod").is_some_and(|text| text.contains("cluster `gone`")));
        assert!(told("other").is_some_and(|text| text.contains("it has: prod")));
    }
}
