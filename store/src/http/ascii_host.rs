//! Host names beyond ASCII. The URL parser that is linked in has no tables of Unicode (see `Cargo.lock`: 260 KB of the
//! device's command), so what is not ASCII becomes Punycode (RFC 3492) here, in lower case. Names are not normalized:
//! what keyboards and pages give is in the composed form that registries use.

use reqwest::Url;

/// Parses a URL, of which the host's name may have letters beyond ASCII.
///
/// # Errors
/// The parser's reason, if it is no URL.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let renamed = with_ascii_host(text);
    Url::parse(renamed.as_deref().unwrap_or(text)).map_err(|error| error.to_string())
}

/// The URL with the Punycode form of its host's name; `None` if there is no host, or its name is ASCII.
fn with_ascii_host(text: &str) -> Option<String> {
    let start = text.find("://")? + 3;
    let end = text[start..].find(['/', '?', '#', '\\']).map_or(text.len(), |length| start + length);
    let start = text[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let host = &text[start..end];
    if host.is_ascii() {
        return None;
    }
    let labels: Option<Vec<String>> = host.split('.').map(ascii_label).collect();
    Some(format!("{}{}{}", &text[..start], labels?.join("."), &text[end..]))
}

/// A label of a host's name, with the port behind the last one.
fn ascii_label(label: &str) -> Option<String> {
    let (label, port) = label.split_at(label.find(':').unwrap_or(label.len()));
    if label.is_ascii() {
        return Some(format!("{label}{port}"));
    }
    let label = label.to_lowercase();
    Some(format!("xn--{}{port}", idna::punycode::encode_str(&label)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_ascii_become_punycode() {
        let cases = [
            ("https://b\u{fc}cher.example/x?y#z", "https://xn--bcher-kva.example/x?y#z"),
            ("http://u:p@B\u{dc}CHER.example:8080/", "http://u:p@xn--bcher-kva.example:8080/"),
            ("https://\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}", "https://xn--r8jz45g.xn--zckzah/"),
            ("https://host.example/\u{fc}", "https://host.example/%C3%BC"),
        ];
        for (text, url) in cases {
            assert_eq!(parse(text).unwrap().as_str(), url);
        }
        assert!(parse("https://\u{fc} .example/").is_err());
    }
}
