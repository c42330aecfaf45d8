//! What looks like a secret: by a file's name, by a setting's name, by how a text looks. It says what it looks like, and
//! never the text.
//!
//! The forms are those that their issuers document (and gitleaks' default rules look for): each with a mark, so that a
//! text without one costs no regular expression.

use std::sync::{LazyLock, OnceLock};

use regex::bytes::Regex;

/// The forms of secrets: what each is, marks of which every such secret holds one, and its pattern.
const FORMS: [(&str, &[&str], &str); 25] = [
    // A header alone, as programs that look for one have it, is no key.
    (
        "a private key",
        &["PRIVATE KEY"],
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=:,\\\s-]{40}",
    ),
    (
        "an AWS access key",
        &["AKIA", "ASIA"],
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    ),
    (
        "an AWS secret key",
        &["aws_secret", "AWS_SECRET"],
        r"(?i)aws_secret_(?:access_)?key\W{1,5}[A-Za-z0-9/+]{40}",
    ),
    (
        "a GitHub token",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})",
    ),
    (
        "a GitLab token",
        &[
            "glpat-", "glrt-", "gldt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-",
        ],
        r"\bgl(?:pat|rt|dt|cbt|ptt|ft|soat|agent)-[A-Za-z0-9_-]{20}",
    ),
    (
        "a Slack token",
        &["xox", "xapp-"],
        r"\b(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10}",
    ),
    (
        "a Slack webhook",
        &["hooks.slack.com/"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/]{20}",
    ),
    (
        "an API key",
        &["sk-", "sk_live_", "rk_live_", "sk_test_"],
        r"\b(?:sk-(?:[a-z0-9]+-)*[A-Za-z0-9_]{20,}|(?:[sr]k_live|sk_test)_[A-Za-z0-9]{16,})",
    ),
    ("a Hugging Face token", &["hf_"], r"\bhf_[A-Za-z0-9]{30,}"),
    ("a Google API key", &["AIza"], r"\bAIza[A-Za-z0-9_-]{35}"),
    (
        "an npm token",
        &["npm_", "_authToken", "_password", "_auth"],
        r"\bnpm_[A-Za-z0-9]{36}|\b_(?:authToken|password|auth)\s*=\s*[A-Za-z0-9+/=_.-]{8,}",
    ),
    (
        "a Docker Hub token",
        &["dckr_pat_", "dckr_oat_"],
        r"\bdckr_[po]at_[A-Za-z0-9_-]{20}",
    ),
    (
        "a Vault token",
        &["hvs.", "hvb.", "hvr."],
        r"\bhv[sbr]\.[A-Za-z0-9_-]{24}",
    ),
    (
        "an Alibaba Cloud access key",
        &["LTAI"],
        r"\bLTAI[A-Za-z0-9]{12,20}\b",
    ),
    (
        "a Tencent Cloud access key",
        &["AKID"],
        r"\bAKID[A-Za-z0-9]{32}\b",
    ),
    ("a Databricks token", &["dapi"], r"\bdapi[0-9a-f]{32}\b"),
    (
        "a DigitalOcean token",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        r"\bdo[por]_v1_[0-9a-f]{64}\b",
    ),
    (
        "a Google OAuth secret",
        &["GOCSPX-", "ya29."],
        r"\b(?:GOCSPX-[A-Za-z0-9_-]{20}|ya29\.[A-Za-z0-9_-]{30})",
    ),
    (
        "an Azure storage key",
        &["AccountKey=", "SharedAccessKey=", "sig="],
        r"\b(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}={0,2}|[?&]sig=[A-Za-z0-9%]{40,}",
    ),
    (
        "a Grafana token",
        &["glsa_", "glc_"],
        r"\b(?:glsa_[A-Za-z0-9]{32}|glc_[A-Za-z0-9+/=]{32})",
    ),
    ("a PyPI token", &["pypi-"], r"\bpypi-[A-Za-z0-9_-]{40}"),
    (
        "a JSON web token",
        &["eyJ"],
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
    (
        "a registry's password",
        &["\"auth\"", "\"identitytoken\""],
        r#""(?:auth|identitytoken)"\s*:\s*"[A-Za-z0-9+/=_.-]{12,}""#,
    ),
    (
        "a kubeconfig's key",
        &["client-key-data"],
        r"client-key-data\W{1,5}[A-Za-z0-9+/=]{40}",
    ),
    (
        "a request's credential",
        &["uthorization:", "UTHORIZATION:"],
        r"(?i)authorization:\s*(?:basic|bearer)\s+[A-Za-z0-9+/=_.-]{16,}",
    ),
];

/// The forms' patterns, each made once, and only where a mark asks for it.
static PATTERNS: [OnceLock<Option<Regex>>; FORMS.len()] = [const { OnceLock::new() }; FORMS.len()];

/// In examples, and not in secrets.
const PLACEHOLDERS: [&str; 4] = ["example", "xxxx", "placeholder", "redacted"];

/// What the text holds that looks like a secret.
pub fn in_text(text: &str) -> Option<&'static str> {
    let mut forms = FORMS.iter().zip(&PATTERNS);
    let found = forms.find(|((_, marks, pattern), made)| {
        let is_marked = marks.iter().any(|mark| text.contains(mark));
        is_marked
            && made
                .get_or_init(|| of_bytes(pattern))
                .as_ref()
                .is_some_and(|form| {
                    let mut found = form.find_iter(text.as_bytes());
                    found.any(|found| is_real(found.as_bytes()))
                })
    });
    found.map(|((what, ..), _)| *what)
}

/// Of bytes and not characters: a tenth of the tables.
fn of_bytes(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("(?-u){pattern}")).ok()
}

fn is_real(found: &[u8]) -> bool {
    let lower = String::from_utf8_lossy(found).to_lowercase();
    let is_placeholder = PLACEHOLDERS.iter().any(|word| lower.contains(word));
    let is_random = lower.contains(|c: char| c.is_ascii_digit()) || lower.contains("private key");
    is_random && !is_placeholder
}

/// What a setting looks like: by its value, or by its name where the value may be one.
pub fn in_setting(name: &str, value: &str) -> Option<&'static str> {
    let by_name = || (is_secret_name(name) && is_literal(value)).then_some("a secret, by its name");
    let by_address = || has_password(value).then_some("an address with a password");
    in_text(value).or_else(by_address).or_else(by_name)
}

const SECRET_WORDS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "credentials",
    "apikey",
];
const SECRET_PAIRS: [(&str, &str); 4] = [
    ("api", "key"),
    ("private", "key"),
    ("access", "key"),
    ("signing", "key"),
];
/// What a name ends with that says where the secret is, and not what it is.
const REFERENCES: [&str; 10] = [
    "file", "path", "name", "dir", "url", "id", "ref", "type", "ttl", "lifetime",
];

/// Words that end in another one's: `PGPASSWORD`, `MYSQL_PWD`.
const SECRET_ENDS: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];

fn is_secret_name(name: &str) -> bool {
    let words = words_of(name);
    let is_reference = words
        .last()
        .is_some_and(|last| REFERENCES.contains(&last.as_str()));
    let is_secret = |word: &String| {
        SECRET_WORDS.contains(&word.as_str()) || SECRET_ENDS.iter().any(|end| word.ends_with(end))
    };
    let is_pair = |pair: &[String]| SECRET_PAIRS.contains(&(pair[0].as_str(), pair[1].as_str()));
    !is_reference && (words.iter().any(is_secret) || words.windows(2).any(is_pair))
}

/// `DB_PASSWORD`, `db-password` and `dbPassword` are two words each.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let begins = letter.is_ascii_uppercase() && before.is_ascii_lowercase();
        if begins || !letter.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_ascii_alphanumeric()) {
            word.push(letter.to_ascii_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a name has a word of secrets anywhere in it, and the value is neither a path nor a number. Wider than
/// [`in_setting`], which must not refuse a deployment for nothing: a report on another tool's objects refuses nothing, and
/// passwords in charts are short and plain.
pub fn may_be_secret(name: &str, value: &str) -> bool {
    let upper = name.to_uppercase();
    let is_reference =
        upper.ends_with("_FILE") || upper.ends_with("_PATH") || value.starts_with('/');
    // MAX_TOKENS and the like count tokens of text.
    let is_number = value.parse::<f64>().is_ok() || value.is_empty();
    let has_word = WORDS_IN_NAMES.iter().any(|word| upper.contains(word));
    has_word && !is_reference && !is_number
}

const WORDS_IN_NAMES: [&str; 6] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY"];

/// A value that is there, and no variable, marker of a tokenizer, or switch.
fn is_literal(value: &str) -> bool {
    let is_other =
        value.starts_with(['$', '/', '<', '[', '{']) || value.contains(char::is_whitespace);
    value.len() >= 6 && !is_other
}

/// `https://user:password@host`
fn has_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''));
        let authority = &rest[..end.unwrap_or(rest.len())];
        let user = authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'));
        user.is_some_and(|(_, password)| {
            password.len() >= 3 && !password.starts_with(['$', '<', '{', '*'])
        })
    })
}

/// Files that are secrets whatever is in them, by their names' ends.
const FILES: [(&str, &str); 14] = [
    ("id_rsa", "an SSH key"),
    ("id_dsa", "an SSH key"),
    ("id_ecdsa", "an SSH key"),
    ("id_ed25519", "an SSH key"),
    (".git-credentials", "passwords"),
    (".pgpass", "passwords"),
    (".aws/credentials", "AWS keys"),
    (".kube/config", "a kubeconfig"),
    ("kubeconfig", "a kubeconfig"),
    (".vault-token", "a Vault token"),
    (".env", "environment variables"),
    (".envrc", "environment variables"),
    (".dockercfg", "a registry's password"),
    (".my.cnf", "passwords"),
];
const STORES: [&str; 7] = ["p12", "pfx", "jks", "keystore", "ppk", "kubeconfig", "kdbx"];
/// `.env.example` and the like say which variables there are.
const SAMPLES: [&str; 6] = [
    "example", "sample", "template", "dist", "defaults", "schema",
];
/// Files that may hold a password, and the words before it.
const SETTINGS: [(&str, &[&str]); 6] = [
    (".netrc", &["password"]),
    ("_netrc", &["password"]),
    (".pypirc", &["password"]),
    (".htpasswd", &[":$", ":{"]),
    (".yarnrc.yml", &["npmAuthToken:", "npmAuthIdent:"]),
    (".s3cfg", &["secret_key"]),
];
/// Files in which an address may hold one.
const ADDRESSES: [&str; 5] = [
    ".git/config",
    "pip.conf",
    ".condarc",
    ".npmrc",
    ".yarnrc.yml",
];

/// What a file looks like by its path (with `/`) alone.
pub fn in_name(path: &str) -> Option<&'static str> {
    // Windows and macOS open `ID_RSA` as `id_rsa`.
    let path = &path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or(path);
    let known = FILES.iter().find(|(known, _)| is_called(path, known));
    let by_name = known.map(|(_, what)| *what);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let is_store = extension.is_some_and(|extension| STORES.contains(&extension));
    // `.env.prod` and `prod.env`
    let variables = name.strip_prefix(".env.").or(name.strip_suffix(".env"));
    let is_variables = variables.is_some_and(|kind| !SAMPLES.contains(&kind));
    by_name
        .or(is_store.then_some("a store of keys"))
        .or(is_variables.then_some("environment variables"))
}

/// What a file looks like by its path and its text.
pub fn in_file(path: &str, bytes: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes);
    let path = &path.to_lowercase();
    let is_one_of = |known: &str| is_called(path, known);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let mut settings = SETTINGS.iter().filter(|(known, _)| is_one_of(known));
    let has_setting = settings.any(|(_, words)| has(words));
    let has_address = ADDRESSES.into_iter().any(is_one_of) && has_password(&text);
    in_text(&text)
        .or(has_setting.then_some("a password"))
        .or(has_address.then_some("an address with a password"))
        .or(is_kubeconfig(&text).then_some("a kubeconfig"))
}

fn is_called(path: &str, name: &str) -> bool {
    let before = path.strip_suffix(name);
    before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// One whose user logs in by what stands in it, as YAML of any form or JSON.
fn is_kubeconfig(text: &str) -> bool {
    static KEYS: [LazyLock<Option<Regex>>; 3] = [
        LazyLock::new(|| of_bytes(r#"["']?kind["']?\s*:\s*["']?Config\b"#)),
        LazyLock::new(|| of_bytes(r#"["']?users["']?\s*:"#)),
        LazyLock::new(|| of_bytes(r#"[\s{,"'](?:token|password)["']?\s*:\s*["']?[^\s,}"']"#)),
    ];
    let has = |key: &LazyLock<Option<Regex>>| {
        let key = key.as_ref();
        key.is_some_and(|key| key.is_match(text.as_bytes()))
    };
    text.contains("Config") && KEYS.iter().all(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Put together here, so that this file is no finding of anybody's scanner.
    fn token(start: &str, length: usize) -> String {
        let random = "a1B2c3D4e5F6g7H8i9J0".chars().cycle();
        start.chars().chain(random.take(length)).collect()
    }

    #[test]
    fn tokens_are_known_by_their_form() {
        for (text, what) in [
            (token("ghp_", 36), Some("a GitHub token")),
            (token("github_pat_", 40), Some("a GitHub token")),
            (token("x=xoxb-", 30), Some("a Slack token")),
            (token("sk-proj-", 40), Some("an API key")),
            (token("sk-", 48), Some("an API key")),
            (token("hf_", 34), Some("a Hugging Face token")),
            (token("AIza", 35), Some("a Google API key")),
            (token("glpat-", 20), Some("a GitLab token")),
            (token("glcbt-", 20), Some("a GitLab token")),
            (token("dckr_pat_", 27), Some("a Docker Hub token")),
            (token("hvs.", 90), Some("a Vault token")),
            (token("LTAI5t", 18), Some("an Alibaba Cloud access key")),
            (token("AKID", 32), Some("a Tencent Cloud access key")),
            (
                format!("dapi{}", "0123abcd".repeat(4)),
                Some("a Databricks token"),
            ),
            (
                format!("dop_v1_{}", "0123abcd".repeat(8)),
                Some("a DigitalOcean token"),
            ),
            (token("GOCSPX-", 28), Some("a Google OAuth secret")),
            (
                token("AccountName=a;AccountKey=", 86),
                Some("an Azure storage key"),
            ),
            (
                token("https://a.blob.test/m?sv=1&sig=", 44),
                Some("an Azure storage key"),
            ),
            (token("glsa_", 32), Some("a Grafana token")),
            (token("sk_test_", 24), Some("an API key")),
            ("the word dapi, LTAI and AccountKey=... alone".into(), None),
            (
                format!("AKIA{}", "Q3EGZ7KD".repeat(2)),
                Some("an AWS access key"),
            ),
            (format!("AKIA{}", "IOSFODNN7EXAMPLE"), None),
            (
                token("aws_secret_access_key = ", 40),
                Some("an AWS secret key"),
            ),
            (token("//r/:_authToken=", 36), Some("an npm token")),
            ("//r/:_authToken=${NPM_TOKEN}".into(), None),
            (
                token("-----BEGIN OPENSSH PRIVATE KEY-----\n", 70),
                Some("a private key"),
            ),
            (
                token("-----BEGIN PRIVATE KEY-----\\n", 70),
                Some("a private key"),
            ),
            ("\"-----BEGIN PRIVATE KEY-----\" is looked for".into(), None),
            ("-----BEGIN CERTIFICATE-----\nMIIB".into(), None),
            ("class=sk-estimator-doc-link".into(), None),
            ("sha256:0123456789abcdef0123456789abcdef".into(), None),
            (token("ghp_xxxx", 36), None),
        ] {
            assert_eq!(in_text(&text), what, "{}", &text[..8]);
        }
    }

    #[test]
    fn settings_are_known_by_their_names_and_values() {
        for (name, value, is_secret) in [
            ("NPM_TOKEN", "abcdef12", true),
            ("db-password", "hunter22", true),
            ("API_KEY", "abcdef12", true),
            ("PIP_INDEX_URL", "https://me:s3cret@pypi.test/simple", true),
            ("PIP_INDEX_URL", "https://me@pypi.test/simple", false),
            (
                "PIP_INDEX_URL",
                "https://me:${TOKEN}@pypi.test/simple",
                false,
            ),
            ("MAX_TOKENS", "51200000", false),
            ("PAD_TOKEN", "[PAD_TOKEN]", false),
            ("TOKEN_FILE", "run/secrets/token", false),
            ("PASSWORD", "", false),
            ("PASSWORD", "$PASSWORD", false),
            ("SECRET_NAME", "nlu-keys", false),
            ("TOKENIZERS_PARALLELISM", "false-or-true", false),
            ("PGPASSWORD", "hunter22", true),
            ("MYSQL_PWD", "hunter22", true),
            ("dbPassword", "hunter22", true),
            ("apiKey", "abcdef12", true),
            ("OLDPWD", "/home/nlu", false),
            ("passwordFile", "run/secrets/token", false),
            ("accessTokenTtl", "3600seconds", false),
        ] {
            assert_eq!(
                in_setting(name, value).is_some(),
                is_secret,
                "{name}={value}"
            );
        }
    }

    #[test]
    fn files_are_known_by_their_names_and_texts() {
        let kubeconfig = "kind: Config\nusers:\n- name: a\n  user:\n    token: abc\n";
        for (path, text, is_secret) in [
            (".env", "A=1", true),
            ("web/.env.production", "A=1", true),
            (".env.example", "A=", false),
            (".ssh/id_ed25519", "", true),
            ("id_rsa.pub", "ssh-rsa", false),
            ("kubeconfig", "", true),
            ("deploy/prod.yaml", kubeconfig, true),
            (
                "deploy/exec.yaml",
                "kind: Config\nusers:\n- user:\n    exec: {}\n",
                false,
            ),
            (".netrc", "machine a login b password c", true),
            (".netrc", "machine a login b", false),
            (".npmrc", "registry=https://r.test", false),
            (".git/config", "url = https://x:tok-en@git.test/r", true),
            ("README.md", "see https://user:password@host", false),
            ("store.jks", "", true),
            ("src/env.rs", "fn main() {}", false),
            ("deploy/prod.env", "A=1", true),
            ("deploy/example.env", "A=", false),
            (".envrc", "export A=1", true),
            ("keys/ID_RSA", "", true),
            ("Store.P12", "", true),
            (".yarnrc.yml", "npmAuthToken: 0a1b2c3d", true),
            (
                "flow.yaml",
                "{ kind: Config, users: [{ user: { token: abc } }] }",
                true,
            ),
            (
                "config.json",
                r#"{"kind": "Config", "users": [{"user": {"password": "abc"}}]}"#,
                true,
            ),
            (
                "empty.yaml",
                "kind: Config\nusers:\n- user: { token: '' }\n",
                false,
            ),
            (
                "tokenFile.yaml",
                "kind: Config\nusers:\n- user:\n    tokenFile: t\n",
                false,
            ),
        ] {
            let found = in_name(path).or_else(|| in_file(path, text.as_bytes()));
            assert_eq!(found.is_some(), is_secret, "{path}: {found:?}");
        }
    }
}
