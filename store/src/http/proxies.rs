//! Decides which requests go to a proxy, by the same variables that curl reads.
//!
//! `http_proxy`, `https_proxy` and `all_proxy` name proxies, in small or capital letters: `http://`, `https://`,
//! `socks5://` (names are resolved here), `socks5h://` (names are resolved there), `socks4://` and `socks4a://`.
//! `no_proxy` lists hosts that are reached directly.
//!
//! The library reads most of that. This module adds the parts of `no_proxy` that it leaves out: `*` for addresses
//! too, ports, and entries that are separated by blanks.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{Proxy, Url};

use crate::StoreError;

/// The kinds of proxies that can be used.
const KINDS: &str = "http://, https://, socks5://, socks5h://, socks4:// and socks4a://";

/// The proxies of the environment. Clones share them.
#[derive(Clone)]
pub(super) struct Proxies(Arc<ProxyRules>);

struct ProxyRules {
    matcher: Matcher,
    /// The hosts that are reached directly, as `no_proxy` says.
    exempt: Exempt,
    /// The unusable values in the place of a proxy for `http` and for `https`.
    http: Option<Unusable>,
    https: Option<Unusable>,
}

/// The value of a variable that does not name a usable proxy.
struct Unusable {
    variable: &'static str,
    shown: String,
}

/// The entries of `no_proxy`.
struct Exempt {
    /// Whether everything is exempt.
    all: bool,
    /// Hosts with a certain port, which stand for the hosts below them too.
    ports: Vec<(String, u16)>,
    /// All other entries, as a matcher that sends everything that is not exempt to some proxy.
    rest: Matcher,
}

impl Proxies {
    /// The proxies that the environment names, or the settings of some systems.
    pub(super) fn of_system() -> Self {
        Self::new(|name| std::env::var(name).unwrap_or_default())
    }

    fn new(variable: impl Fn(&str) -> String) -> Self {
        let listed = ["no_proxy", "NO_PROXY"].map(&variable).join(",");
        // A web server that runs a script sets HTTP_PROXY from the header `Proxy` of the request.
        let of_http: &[&'static str] =
            if variable("REQUEST_METHOD").is_empty() { &["HTTP_PROXY", "http_proxy"] } else { &["http_proxy"] };
        let first = |names: &[&'static str]| {
            names.iter().map(|name| (*name, variable(name))).find(|(_, value)| !value.is_empty())
        };
        let of_all = first(&["ALL_PROXY", "all_proxy"]);
        let [http, https] = [of_http, &["HTTPS_PROXY", "https_proxy"]].map(|names| first(names).or(of_all.clone()));
        let value = |found: &Option<(&'static str, String)>| found.clone().map(|(_, value)| value).unwrap_or_default();
        let matcher = Matcher::builder().http(value(&http)).https(value(&https)).build();
        let [http, https] = [http, https].map(|found| {
            let (variable, value) = found.filter(|(_, value)| is_unusable(value))?;
            Some(Unusable { variable, shown: crate::shown::shown_malformed(&value) })
        });
        Self(Arc::new(ProxyRules { matcher, exempt: Exempt::parse(&listed), http, https }))
    }

    /// The proxy to which a request to this URL goes, if it does not go to the host.
    fn intercept(&self, url: &Url) -> Option<Intercept> {
        let uri = url.as_str().parse::<http::Uri>().ok()?;
        if self.0.exempt.has(url, &uri) { None } else { self.0.matcher.intercept(&uri) }
    }

    /// The proxy of a URL, in a form without secrets.
    pub(super) fn shown(&self, url: &Url) -> Option<String> {
        let intercept = self.intercept(url)?;
        // A password with an unescaped `@` is taken for a part of the host.
        Some(crate::shown::shown_malformed(&intercept.uri().to_string()).trim_end_matches('/').to_owned())
    }

    /// Refuses a URL whose variable does not name a usable proxy. Going there directly would be against the user's
    /// wish.
    pub(super) fn check(&self, url: &Url) -> Result<(), StoreError> {
        let unusable = if url.scheme() == "http" { &self.0.http } else { &self.0.https };
        let (Some(Unusable { variable, shown }), Ok(uri)) = (unusable, url.as_str().parse()) else { return Ok(()) };
        if self.0.exempt.has(url, &uri) {
            return Ok(());
        }
        let reason = format!("{shown} is no proxy that can be used; known are {KINDS}");
        Err(StoreError::InvalidOption { option: (*variable).to_owned(), reason })
    }

    /// The rule by which the client chooses a proxy.
    pub(super) fn rule(&self) -> Proxy {
        let proxies = self.clone();
        Proxy::custom(move |url| proxies.intercept(url).and_then(|intercept| with_credentials(&intercept)))
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("matcher", &self.0.matcher).finish_non_exhaustive()
    }
}

impl Exempt {
    fn parse(list: &str) -> Self {
        let (mut all, mut ports, mut rest) = (false, Vec::new(), Vec::new());
        for entry in list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()) {
            let entry = entry.to_ascii_lowercase();
            match (entry.as_str(), with_port(&entry)) {
                ("*", _) => all = true,
                (_, Some((host, port))) => ports.push((bare(host).to_owned(), port)),
                (entry, None) => rest.push(bare(entry).to_owned()),
            }
        }
        // Any proxy will do, since the only question is whether there is one.
        let rest = Matcher::builder().all("http://proxy.invalid").no(rest.join(",")).build();
        Self { all, ports, rest }
    }

    fn has(&self, url: &Url, uri: &http::Uri) -> bool {
        let (host, port) = (bare(url.host_str().unwrap_or_default()), url.port_or_known_default());
        let is_below =
            |above: &str| host.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        self.all
            || self.ports.iter().any(|(above, wanted)| Some(*wanted) == port && is_below(above))
            || self.rest.intercept(uri).is_none()
    }
}

/// Splits `host:8080` or `[::1]:8080`. An IPv6 address without brackets has no port.
fn with_port(entry: &str) -> Option<(&str, u16)> {
    let (host, port) = entry.rsplit_once(':')?;
    let is_whole = host.ends_with(']') || !host.contains(':');
    Some((host, port.parse().ok()?)).filter(|_| is_whole)
}

/// A host without brackets, and without the dots that some write around it.
fn bare(host: &str) -> &str {
    host.trim_matches(['[', ']', '.'])
}

/// Whether a variable's value does not name a usable proxy.
fn is_unusable(value: &str) -> bool {
    let matcher = Matcher::builder().all(value).build();
    let intercept = matcher.intercept(&http::Uri::from_static("http://host.invalid/"));
    intercept.is_none_or(|intercept| with_credentials(&intercept).is_none())
}

/// The URL of a proxy, with the credentials from its variable.
fn with_credentials(intercept: &Intercept) -> Option<Url> {
    let mut url = Url::parse(&intercept.uri().to_string()).ok()?;
    let basic = intercept.basic_auth().and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let decoded = basic.and_then(|encoded| String::from_utf8(STANDARD.decode(encoded).ok()?).ok());
    let pair = match (&decoded, intercept.raw_auth()) {
        (Some(decoded), _) => decoded.split_once(':'),
        (None, raw) => raw,
    };
    if let Some((user, password)) = pair {
        url.set_username(user).ok()?;
        url.set_password(Some(password).filter(|password| !password.is_empty())).ok()?;
    }
    Some(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn exempt(list: &str, url: &str) -> bool {
        let url: Url = url.parse().unwrap();
        Exempt::parse(list).has(&url, &url.as_str().parse().unwrap())
    }

    #[test]
    fn what_no_proxy_exempts() {
        for (list, url) in [
            ("*", "http://192.0.2.1/"),
            ("*", "http://[2001:db8::1]/"),
            ("a.example, *", "http://host.example/"),
            ("192.0.2.0/24", "http://192.0.2.77:8080/"),
            ("2001:db8::/32", "http://[2001:db8::1]/"),
            ("192.0.2.1", "http://192.0.2.1/"),
            ("::1", "http://[::1]/"),
            ("[::1]", "http://[::1]:80/"),
            ("[::1]:8080", "http://[::1]:8080/"),
            ("example.com", "http://a.b.example.com/"),
            (".example.com", "http://example.com/"),
            (".Example.COM", "http://a.example.com/"),
            ("example.com.", "http://example.com/"),
            ("a.example b.example\tc.example", "http://c.example/"),
            ("example.com:8080", "http://a.example.com:8080/"),
            ("example.com:443", "https://example.com/"),
        ] {
            assert!(exempt(list, url), "{list}: {url}");
        }
        for (list, url) in [
            ("", "http://host.example/"),
            (",", "http://host.example/"),
            ("example.com", "http://notexample.com/"),
            ("example.com:8080", "http://example.com/"),
            ("example.com:8080", "http://notexample.com:8080/"),
            ("192.0.2.0/24", "http://192.0.3.1/"),
            ("*.example.com", "http://example.org/"),
            ("192.0.2.1:81", "http://192.0.2.1/"),
        ] {
            assert!(!exempt(list, url), "{list}: {url}");
        }
    }

    fn proxies(variables: &'static [(&'static str, &'static str)]) -> Proxies {
        Proxies::new(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned()).unwrap_or_default()
        })
    }

    #[test]
    fn credentials_are_kept_and_not_shown() {
        let known = proxies(&[("http_proxy", "http://us%40er:p%3Aw@proxy:3128"), ("all_proxy", "socks5h://u:p@socks")]);
        let (http, https) = ("http://host/".parse().unwrap(), "https://host/".parse().unwrap());
        assert_eq!(known.shown(&http).unwrap(), "http://proxy:3128");
        let url = with_credentials(&known.intercept(&http).unwrap()).unwrap();
        assert_eq!(url.as_str(), "http://us%40er:p%3Aw@proxy:3128/");
        assert_eq!(known.shown(&https).unwrap(), "socks5h://socks");
        let url = with_credentials(&known.intercept(&https).unwrap()).unwrap();
        assert_eq!(url.as_str(), "socks5h://u:p@socks/");
        assert!(known.check(&http).is_ok() && known.check(&https).is_ok());
    }

    #[test]
    fn what_is_no_proxy_is_refused_where_it_would_be_used() {
        let known = proxies(&[("https_proxy", "socks://user:PW@proxy:1080"), ("no_proxy", "near.example")]);
        let check = |url: &str| known.check(&url.parse().unwrap());
        assert!(check("http://host/").is_ok() && check("https://near.example/").is_ok());
        let error = check("https://host/").unwrap_err().to_string();
        assert!(error.starts_with("https_proxy: socks://proxy:1080 is no proxy"), "{error}");
        assert!(error.contains("socks5h://") && !error.contains("PW"), "{error}");
    }

    /// A connection without the proxy would be against the user's wish.
    #[test]
    fn values_that_cannot_be_used_are_refused() {
        for value in [
            "http://u:SEC/RET@proxy:9",
            "http://u:SEC#RET@proxy:9",
            "http://u:SEC?RET@proxy:9",
            "http://proxy:99999",
            "proxy:99999",
            "http://proxy:x",
            "http://256.1.1.1:9",
            "socks5h://u:SEC/RET@proxy:9",
        ] {
            let known = Proxies::new(|name| if name == "http_proxy" { value.to_owned() } else { String::new() });
            let error = known.check(&"http://host/".parse().unwrap()).unwrap_err().to_string();
            assert!(error.starts_with("http_proxy: ") && !error.contains("SEC") && !error.contains("RET"), "{error}");
        }
    }

    #[test]
    fn passwords_with_an_at_sign_are_not_shown() {
        let known = proxies(&[("http_proxy", "http://u:p@ss@proxy:9")]);
        assert!(!known.shown(&"http://host/".parse().unwrap()).unwrap_or_default().contains("ss"));
    }

    /// A web server gives the header `Proxy` to its scripts as HTTP_PROXY.
    #[test]
    fn scripts_of_web_servers_use_http_proxy_in_small_letters_alone() {
        let shown = |known: Proxies| known.shown(&"http://host/".parse().unwrap());
        let from_header = proxies(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil:9")]);
        assert_eq!(shown(from_header), None);
        let configured = proxies(&[("REQUEST_METHOD", "GET"), ("http_proxy", "http://good:9")]);
        assert_eq!(shown(configured).unwrap(), "http://good:9");
    }
}
