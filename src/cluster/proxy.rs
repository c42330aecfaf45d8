//! Which proxy leads to an API server: Go's rules, since kubectl's users wrote their environment for them
//! (golang.org/x/net/http/httpproxy). The Kubernetes client's own reading compares `NO_PROXY` with the proxy itself.

use std::net::IpAddr;

use http::Uri;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

/// A proxy on the way to the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// Without its credentials.
    pub(super) uri: Uri,
    /// User and password.
    pub(super) credentials: Option<(String, String)>,
    /// `through the proxy http://proxy:3128 of HTTPS_PROXY`, without its credentials.
    pub(super) words: String,
}

/// Why a proxy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable {
    /// Without credentials.
    pub(super) proxy: String,
    /// Where it is written.
    pub(super) source: String,
}

/// The proxy to `server`: the kubeconfig's own in any case, else the environment's, which never leads to loopback.
pub(super) fn choose(
    server: &Uri,
    named: Option<&str>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, Unusable> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return read(named, "the kubeconfig's `proxy-url`").map(Some);
    }
    let names = match server.scheme_str() {
        Some("http") => ["HTTP_PROXY", "http_proxy"],
        _ => ["HTTPS_PROXY", "https_proxy"],
    };
    match first(names, &environment) {
        Some((name, proxy)) if !is_excepted(server, &environment) => read(&proxy, name).map(Some),
        _ => Ok(None),
    }
}

/// The first of these variables that has a value.
fn first(names: [&str; 2], environment: impl Fn(&str) -> Option<String>) -> Option<(&str, String)> {
    names
        .into_iter()
        .find_map(|name| Some((name, environment(name).filter(|value| !value.is_empty())?)))
}

fn read(text: &str, source: &str) -> Result<Proxy, Unusable> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let (bare, credentials) = split_credentials(&with_scheme);
    // The client resolves names at the proxy for both.
    let address = bare.replacen("socks5h://", "socks5://", 1);
    let uri = address.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https" | "socks5")) && uri.host().is_some()
    });
    match uri {
        Some(uri) => Ok(Proxy {
            uri,
            credentials,
            words: format!("through the proxy {bare} of {source}"),
        }),
        None => Err(Unusable {
            proxy: bare,
            source: source.to_owned(),
        }),
    }
}

/// The address without user and password, and both of them. The last `@` ends them, so that no part of a password stays
/// in the address.
fn split_credentials(proxy: &str) -> (String, Option<(String, String)>) {
    let (scheme, rest) = proxy.split_once("://").unwrap_or(("http", proxy));
    let Some((credentials, host)) = rest.rsplit_once('@') else {
        return (proxy.to_owned(), None);
    };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = (decoded(user), decoded(password));
    (format!("{scheme}://{host}"), Some(pair))
}

/// Whether the environment's proxy must not be asked for this server.
fn is_excepted(server: &Uri, environment: impl Fn(&str) -> Option<String>) -> bool {
    let host = server.host().unwrap_or_default().to_ascii_lowercase();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host
        .parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical());
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let default = if server.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    let port = server.port_u16().unwrap_or(default);
    let list = first(["NO_PROXY", "no_proxy"], environment).map_or(String::new(), |(_, list)| list);
    list.split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .any(|entry| matches(&entry, host, address, port))
}

/// One entry of `NO_PROXY`: `*`, a network, an address or a domain, the last two also with a port.
fn matches(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(network) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| network.contains(&address));
    }
    let (name, wanted) = split_port(entry);
    if name.is_empty() || wanted.is_some_and(|wanted| wanted != port.to_string()) {
        return false;
    }
    match name.parse::<IpAddr>() {
        Ok(named) => address == Some(named.to_canonical()),
        Err(_) => matches_domain(name, host),
    }
}

/// `example.com` is itself and what is below it; `.example.com` and `*.example.com` only what is below.
fn matches_domain(name: &str, host: &str) -> bool {
    let below = name.strip_prefix('*').filter(|rest| rest.starts_with('.'));
    match below.unwrap_or(name) {
        below if below.starts_with('.') => host.ends_with(below),
        name => {
            host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        }
    }
}

/// `host:port` and `[address]:port` in two; a bare IPv6 address has no port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = entry
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        return (
            address,
            rest.strip_prefix(':').filter(|port| !port.is_empty()),
        );
    }
    match entry.split_once(':') {
        Some((name, port)) if !port.contains(':') => {
            (name, Some(port).filter(|port| !port.is_empty()))
        }
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy's words, or `direct`.
    fn way(server: &str, environment: &[(&str, &str)]) -> String {
        way_by(server, None, environment)
    }

    fn way_by(server: &str, named: Option<&str>, environment: &[(&str, &str)]) -> String {
        let look = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let server = server.parse().expect("an address");
        match choose(&server, named, look) {
            Ok(Some(proxy)) => proxy.words,
            Ok(None) => "direct".to_owned(),
            Err(Unusable { proxy, source }) => format!("cannot use {proxy} of {source}"),
        }
    }

    const PROXY: (&str, &str) = ("HTTPS_PROXY", "http://proxy:3128");

    #[test]
    fn loopback_is_never_asked_through_the_environments_proxy() {
        for server in [
            "https://127.0.0.1:6443",
            "https://127.8.9.10:6443",
            "https://localhost:6443",
            "https://LOCALHOST:6443",
            "https://[::1]:6443",
            "https://[::ffff:127.0.0.1]:6443",
        ] {
            assert_eq!(way(server, &[PROXY]), "direct", "{server}");
        }
        assert_ne!(way("https://localhost.example.com", &[PROXY]), "direct");
    }

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        let cases = [
            ("10.0.0.7:6443", "https://10.0.0.7:6443", true),
            ("10.0.0.7:443", "https://10.0.0.7:6443", false),
            ("10.0.0.7", "https://10.0.0.7:6443", true),
            ("10.0.0.0/8", "https://10.0.0.7:6443", true),
            ("10.0.0.0/8", "https://11.0.0.7:6443", false),
            ("fd00::/8", "https://[fd00::1]:6443", true),
            ("fd00::1", "https://[fd00::1]:6443", true),
            ("[fd00::1]:6443", "https://[fd00::1]:6443", true),
            ("[fd00::1]:443", "https://[fd00::1]:6443", false),
            ("[fd00::1]", "https://[fd00::1]:6443", true),
            ("example.com", "https://api.example.com:6443", true),
            ("example.com", "https://example.com", true),
            ("example.com", "https://notexample.com", false),
            (".example.com", "https://api.example.com", true),
            (".example.com", "https://example.com", false),
            ("*.example.com", "https://api.example.com", true),
            ("*.example.com", "https://example.com", false),
            ("EXAMPLE.com:6443", "https://api.Example.com:6443", true),
            ("example.com:443", "https://api.example.com", true),
            ("*", "https://api.example.com", true),
            ("other.org, example.com ,", "https://example.com", true),
            (",,:443,[", "https://example.com", false),
            ("", "https://example.com", false),
        ];
        for (exceptions, server, is_direct) in cases {
            let way = way(server, &[PROXY, ("NO_PROXY", exceptions)]);
            assert_eq!(
                way == "direct",
                is_direct,
                "{exceptions} and {server}: {way}"
            );
        }
    }

    #[test]
    fn the_first_variable_with_a_value_counts() {
        let lower = ("https_proxy", "http://lower:1");
        let server = "https://api.example.com";
        let words = |host: &str| format!("through the proxy http://{host}");
        assert!(way(server, &[lower, PROXY]).starts_with(&words("proxy:3128 of HTTPS_PROXY")));
        assert!(way(server, &[("HTTPS_PROXY", ""), lower]).starts_with(&words("lower:1")));
        assert_eq!(way(server, &[("HTTP_PROXY", "http://plain:1")]), "direct");
        assert!(
            way("http://api.example.com", &[("HTTP_PROXY", "plain:1")])
                .starts_with(&words("plain:1 of HTTP_PROXY"))
        );
        let lists = [PROXY, ("NO_PROXY", ""), ("no_proxy", "example.com")];
        assert_eq!(way(server, &lists), "direct");
    }

    #[test]
    fn the_kubeconfigs_proxy_is_always_used() {
        let named = Some("socks5h://127.0.0.1:1080");
        let way = way_by("https://127.0.0.1:6443", named, &[("NO_PROXY", "*")]);
        assert_eq!(
            way,
            "through the proxy socks5h://127.0.0.1:1080 of the kubeconfig's `proxy-url`"
        );
    }

    #[test]
    fn credentials_are_decoded() {
        let proxy = read("http://ann:s3%40cr3t@proxy:1", "HTTPS_PROXY").expect("a proxy");
        let pair = Some(("ann".to_owned(), "s3@cr3t".to_owned()));
        assert_eq!(
            (proxy.uri.to_string(), proxy.credentials),
            ("http://proxy:1/".to_owned(), pair)
        );
    }

    #[test]
    fn no_word_has_the_password() {
        let server = "https://api.example.com";
        for proxy in [
            "http://ann:s3cr3t@proxy:1",
            "ann:s3cr3t@proxy:1",
            "http://ann:s3@cr3t@proxy:1",
            "ftp://ann:s3cr3t@proxy",
        ] {
            let way = way(server, &[("HTTPS_PROXY", proxy)]);
            assert!(way.contains("proxy"), "{way}");
            assert!(!way.contains("s3") && !way.contains("cr3t"), "{way}");
        }
    }
}
