//! Names that an archive gives its image, as engines read them: `app`, `app:2`, `registry:5000/team/app:2`.

use std::str::FromStr;

use crate::SourceError;

/// The registry that goes without saying.
const DEFAULT_HOST: &str = "docker.io";
/// The folder of names of one word there.
const DEFAULT_FOLDER: &str = "library";
const DEFAULT_TAG: &str = "latest";
/// The most characters of a name without its tag, and of a tag.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A name for an image in an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    host: String,
    path: String,
    tag: String,
}

impl FromStr for ImageName {
    type Err = SourceError;

    /// Parses a name by the grammar of the distribution project (`reference.go`). Digests are no names.
    fn from_str(text: &str) -> Result<Self, SourceError> {
        let refused = || SourceError::Name { example: "registry.example/app:2" };
        let slash = text.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match text[slash..].find(':') {
            Some(at) => (&text[..slash + at], &text[slash + at + 1..]),
            None => (text, DEFAULT_TAG),
        };
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
            _ => (DEFAULT_HOST, name),
        };
        let host = if host == "index.docker.io" { DEFAULT_HOST } else { host };
        let is_whole = is_host(host) && path.split('/').all(is_component) && is_tag(tag);
        if !is_whole || host.len() + 1 + path.len() > MAX_NAME {
            return Err(refused());
        }
        let path = match path.contains('/') || host != DEFAULT_HOST {
            true => path.to_owned(),
            false => format!("{DEFAULT_FOLDER}/{path}"),
        };
        Ok(Self { host: host.to_owned(), path, tag: tag.to_owned() })
    }
}

impl ImageName {
    /// The name in full.
    pub(crate) fn full(&self) -> String {
        format!("{}/{}:{}", self.host, self.path, self.tag)
    }

    /// The name as Docker shows it.
    pub(crate) fn familiar(&self) -> String {
        let folder = format!("{DEFAULT_FOLDER}/");
        match self.host == DEFAULT_HOST {
            true => format!("{}:{}", self.path.strip_prefix(&folder).unwrap_or(&self.path), self.tag),
            false => self.full(),
        }
    }

    /// The tag.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "0"));
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    name.split('.').all(is_label) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a part of a path is in small letters and digits, with separators between them only.
fn is_component(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    let separators = bytes.split(|&byte| is_word(byte)).filter(|separator| !separator.is_empty());
    ends.is_some_and(|(&first, &last)| is_word(first) && is_word(last))
        && separators
            .into_iter()
            .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|&byte| byte == b'-'))
}

pub(super) fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_full_and_a_familiar_form() {
        for (text, full, familiar) in [
            ("app", "docker.io/library/app:latest", "app:latest"),
            ("app:2", "docker.io/library/app:2", "app:2"),
            ("team/app:2", "docker.io/team/app:2", "team/app:2"),
            ("docker.io/library/app:2", "docker.io/library/app:2", "app:2"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            ("host:5000/a/b.c__d:V_1", "host:5000/a/b.c__d:V_1", "host:5000/a/b.c__d:V_1"),
        ] {
            let name: ImageName = text.parse().unwrap();
            assert_eq!((name.full().as_str(), name.familiar().as_str()), (full, familiar));
        }
        let long = "a".repeat(250);
        for wrong in ["", ":2", "App", "a//b", "a:", "a:-x", "a@sha256:00", "a_.b", "a b", "\"", "-a", "x.y/", &long] {
            assert!(wrong.parse::<ImageName>().is_err(), "{wrong}");
        }
    }
}
