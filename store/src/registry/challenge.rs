//! Challenges: how a registry wants its clients to log in (RFC 9110, section 11, and RFC 6750).

use reqwest::Url;

/// A challenge that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User name and password go with each request.
    Basic,
    /// A token goes with each request. A server gives it for user name and password, or to anybody.
    Bearer {
        /// The server that gives tokens.
        realm: Url,
        service: Option<String>,
        /// What the token must allow.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The best of the challenges in `WWW-Authenticate` headers.
    pub(super) fn best<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut best = None;
        for (scheme, parameters) in headers.flat_map(parse) {
            let get = |name: &str| {
                let found = parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                let Some(realm) = get("realm").and_then(|realm| Url::parse(&realm).ok()) else { continue };
                if matches!(realm.scheme(), "http" | "https") && realm.has_host() {
                    return Some(Self::Bearer { realm, service: get("service"), scope: get("scope") });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                best = Some(Self::Basic);
            }
        }
        best
    }
}

impl Challenge {
    /// The challenge as it is remembered. The scope is left out, since it depends on the repository.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Basic => "basic".to_owned(),
            Self::Bearer { realm, service, .. } => {
                format!("bearer\n{realm}{}", service.as_ref().map(|service| format!("\n{service}")).unwrap_or_default())
            }
        }
    }

    /// Reads what was remembered of the registry at `base`. A login goes to another host only with TLS.
    pub(super) fn of_text(text: &str, base: &Url) -> Option<Self> {
        let mut lines = text.lines();
        match (lines.next()?, lines.next()) {
            ("basic", _) => Some(Self::Basic),
            ("bearer", Some(realm)) => {
                let realm = Url::parse(realm).ok()?;
                let is_safe = realm.scheme() == "https" || (base.scheme() == "http" && realm.host() == base.host());
                is_safe.then(|| Self::Bearer { realm, service: lines.next().map(str::to_owned), scope: None })
            }
            _ => None,
        }
    }
}

type Parameters = Vec<(String, String)>;

/// Takes a header apart into schemes and their parameters. What is malformed ends the list.
fn parse(header: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let word_end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        if word_end == 0 {
            return found;
        }
        let (word, after) = rest.split_at(word_end);
        let Some(value) = after.trim_start().strip_prefix('=').filter(|_| !found.is_empty()) else {
            found.push((word.to_owned(), Vec::new()));
            rest = after;
            continue;
        };
        let Some((value, after)) = take_value(value.trim_start()) else { return found };
        if let Some((_, parameters)) = found.last_mut() {
            parameters.push((word.to_owned(), value));
        }
        rest = after;
    }
}

/// A token or a quoted string, and what follows it.
fn take_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !is_token(c)).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let (mut value, mut chars) = (String::new(), quoted.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(c)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn best(headers: &[&str]) -> Option<Challenge> {
        Challenge::best(headers.iter().copied())
    }

    #[test]
    fn challenges_of_registries_are_understood() {
        let hub = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:library/alpine:pull,push""#;
        let bearer = Challenge::Bearer {
            realm: Url::parse("https://auth.example/token").unwrap(),
            service: Some("registry.example".to_owned()),
            scope: Some("repository:library/alpine:pull,push".to_owned()),
        };
        assert_eq!(best(&[hub]), Some(bearer.clone()));
        assert_eq!(best(&["Basic realm=\"a, b\"", hub]), Some(bearer.clone()));
        assert_eq!(best(&[&format!("Basic realm=\"a\", {hub}")]), Some(bearer));
        assert_eq!(best(&["basic realm=x"]), Some(Challenge::Basic));
        let bare = best(&[r#"BEARER Realm = "http://h/\"t" , error=invalid_token"#]).unwrap();
        assert!(matches!(bare, Challenge::Bearer { service: None, scope: None, .. }), "{bare:?}");
    }

    #[test]
    fn challenges_are_remembered_without_their_scope() {
        let base = Url::parse("http://registry.example/v2/app").unwrap();
        for header in [
            "Basic realm=x",
            "Bearer realm=\"https://auth.example/token\",service=\"a b\"",
            "Bearer realm=\"https://auth.example/token?x=1\"",
            "Bearer realm=\"http://registry.example/token\"",
        ] {
            let challenge = best(&[header]).unwrap();
            assert_eq!(Challenge::of_text(&challenge.to_text(), &base), Some(challenge), "{header}");
        }
        for text in ["", "bearer", "bearer\nx", "bearer\nhttp://auth.example/token", "other\nhttps://h/"] {
            assert_eq!(Challenge::of_text(text, &base), None, "{text}");
        }
    }

    #[test]
    fn malformed_challenges_give_nothing() {
        for header in [
            "",
            ",,",
            "Bearer",
            "Bearer realm",
            "Bearer realm=\"https://h",
            "Bearer realm=\"ftp://h/\"",
            "\u{e9}",
            "=a",
            "Digest a=b",
        ] {
            assert_eq!(best(&[header]), None, "{header}");
        }
    }
}
