//! Places in registries: `oci://host[:port]/repository[:tag][@digest]`.

use std::fmt;
use std::net::Ipv4Addr;

use reqwest::Url;

use super::digest::BlobDigest;
use crate::StoreError;
use crate::shown::shown_malformed;

/// The longest tag, and the longest repository name with its host, by the distribution specification.
const MAX_TAG_CHARS: usize = 128;
const MAX_NAME_CHARS: usize = 255;

/// Whether a registry is reached with TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `oci://`: with TLS, except at a registry on this machine.
    #[default]
    Usual,
    /// `oci+http://`: without TLS.
    Plain,
    /// `oci+https://`: with TLS, at a registry on this machine too.
    Tls,
}

/// The version of an image or artifact in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// A name that may move on to another manifest.
    Tag(String),
    /// The digest of a manifest.
    Digest(BlobDigest),
}

impl Reference {
    /// The tag that is meant where none is given.
    pub const DEFAULT_TAG: &str = "latest";

    /// Parses a tag or a digest. The result is `None` if the text is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match BlobDigest::parse(text) {
            Some(digest) => Some(Self::Digest(digest)),
            None => is_tag(text).then(|| Self::Tag(text.to_owned())),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A repository in a registry, or a manifest in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryUrl {
    /// Whether the registry is reached with TLS.
    pub transport: Transport,
    /// The registry's host, with its port if it has one.
    pub host: String,
    /// The name of the repository, with `/` between its parts.
    pub repository: String,
    /// The manifest, or `None` for the repository itself.
    pub reference: Option<Reference>,
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Usual => "oci",
            Transport::Plain => "oci+http",
            Transport::Tls => "oci+https",
        };
        write!(f, "{scheme}://{}/{}", self.host, self.repository)?;
        match &self.reference {
            None => Ok(()),
            Some(Reference::Tag(tag)) => write!(f, ":{tag}"),
            Some(Reference::Digest(digest)) => write!(f, "@{digest}"),
        }
    }
}

impl RegistryUrl {
    /// Parses a URL. The result is `None` if `text` has another scheme or none. Of a tag and a digest together, the
    /// digest counts.
    ///
    /// # Errors
    /// [`StoreError::Location`] for a URL that names no repository.
    pub fn parse(text: &str) -> Result<Option<Self>, StoreError> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
        let transport = match scheme.to_ascii_lowercase().as_str() {
            "oci" => Transport::Usual,
            "oci+http" => Transport::Plain,
            "oci+https" => Transport::Tls,
            _ => return Ok(None),
        };
        let refused =
            |reason: &str| StoreError::Location { location: shown_malformed(text), reason: reason.to_owned() };
        let form = "write it like oci://host/repository:tag";
        let (host, path) = rest.split_once('/').ok_or_else(|| refused(form))?;
        let (path, digest) = path.split_once('@').map_or((path, None), |(path, digest)| (path, Some(digest)));
        // Only the last part of a path can have a tag.
        let colon = path.rfind(':').filter(|colon| !path[*colon..].contains('/'));
        let (repository, tag) = colon.map_or((path, None), |colon| (&path[..colon], Some(&path[colon + 1..])));
        if !is_host(host) {
            return Err(refused(form));
        }
        if !repository.split('/').all(is_part) || repository.len() + host.len() > MAX_NAME_CHARS {
            return Err(refused("a repository has lower case letters, digits, and single . _ - between them"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refused("the tag has characters that no tag can have, or more than 128"));
        }
        let reference = match (digest, tag) {
            (Some(digest), _) => {
                let digest = BlobDigest::parse(digest).ok_or_else(|| refused("a digest is sha256: and 64 digits"))?;
                Some(Reference::Digest(digest))
            }
            (None, tag) => tag.map(|tag| Reference::Tag(tag.to_owned())),
        };
        let (host, repository) = (host.to_ascii_lowercase(), repository.to_owned());
        Ok(Some(Self { transport, host, repository, reference }.named_as_usual()))
    }

    /// Docker Hub goes by several names, and its own images have a repository without a part before the `/`.
    fn named_as_usual(mut self) -> Self {
        if matches!(self.host.as_str(), "docker.io" | "index.docker.io" | "registry-1.docker.io") {
            self.host = "docker.io".to_owned();
            if !self.repository.contains('/') {
                self.repository = format!("library/{}", self.repository);
            }
        }
        self
    }

    /// The same repository, without a tag or digest.
    #[must_use]
    pub fn without_reference(&self) -> Self {
        Self { reference: None, ..self.clone() }
    }

    /// This manifest of the repository.
    #[must_use]
    pub fn at(&self, reference: Reference) -> Self {
        Self { reference: Some(reference), ..self.clone() }
    }

    /// The manifest that is named, or the one with the default tag.
    #[must_use]
    pub fn reference_or_default(&self) -> Reference {
        self.reference.clone().unwrap_or_else(|| Reference::Tag(Reference::DEFAULT_TAG.to_owned()))
    }

    /// The origin of the registry, such as `https://host:5000`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.base().map(|base| base.origin().ascii_serialization()).unwrap_or_default()
    }

    /// The URL below which the repository's manifests and blobs are: `https://host/v2/repository`.
    pub(super) fn base(&self) -> Result<Url, StoreError> {
        let is_plain = match self.transport {
            Transport::Usual => is_this_machine(&self.host),
            Transport::Plain => true,
            Transport::Tls => false,
        };
        let scheme = if is_plain { "http" } else { "https" };
        let host = if self.host == "docker.io" { "registry-1.docker.io" } else { &self.host };
        Url::parse(&format!("{scheme}://{host}/v2/{}", self.repository))
            .map_err(|error| StoreError::Location { location: self.to_string(), reason: error.to_string() })
    }
}

/// Whether a host is a name or an address, with a port or without.
fn is_host(host: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    !host.is_empty() && host.chars().all(good) && Url::parse(&format!("https://{host}/")).is_ok()
}

fn is_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(is_word) && part.ends_with(is_word) && part.chars().all(|c| is_word(c) || "._-".contains(c))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.starts_with(is_word) && tag.len() <= MAX_TAG_CHARS && tag.chars().all(|c| is_word(c) || ".-".contains(c))
}

/// Whether a registry is on this machine, so that no TLS is expected of it.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    name == "localhost" || name == "[::1]" || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn places_are_parsed_and_shown_again() {
        for text in [
            "oci://host.example/app",
            "oci://host.example:5000/team/app:v1.2-rc_3",
            "oci+http://10.0.0.1:5000/a/b/c:latest",
            "oci+https://localhost/app",
            "oci://[::1]:5000/app:1",
            &format!("oci://host.example/app@{DIGEST}"),
        ] {
            assert_eq!(RegistryUrl::parse(text).unwrap().unwrap().to_string(), text);
        }
        let both = format!("OCI://Host.Example/app:v1@{DIGEST}");
        assert_eq!(RegistryUrl::parse(&both).unwrap().unwrap().to_string(), format!("oci://host.example/app@{DIGEST}"));
        let reference = |text: &str| RegistryUrl::parse(text).unwrap().unwrap().reference_or_default().to_string();
        assert_eq!(reference("oci://h/app"), "latest");
        assert_eq!(reference("oci://h/app:v2"), "v2");
    }

    #[test]
    fn other_texts_are_no_places() {
        for text in ["oci:dir", "s3://bucket/x", "/oci/app", "https://host/app"] {
            assert_eq!(RegistryUrl::parse(text).unwrap(), None, "{text}");
        }
        for text in [
            "oci://host",
            "oci://host/",
            "oci:///app",
            "oci://host/App",
            "oci://host/a//b",
            "oci://host/a/",
            "oci://host/app:",
            "oci://host/app:.x",
            "oci://host/app@sha256:12",
            "oci://user:password@host/app",
            "oci://host:port/app",
            "oci://ho st/app",
            "oci://host/../x",
        ] {
            let error = RegistryUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("password"), "{error}");
        }
    }

    #[test]
    fn docker_hub_has_one_name_and_tls_is_usual() {
        let base = |text: &str| RegistryUrl::parse(text).unwrap().unwrap().base().unwrap().to_string();
        for host in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(base(&format!("oci://{host}/alpine")), "https://registry-1.docker.io/v2/library/alpine");
        }
        let origin = |text: &str| RegistryUrl::parse(text).unwrap().unwrap().origin();
        assert_eq!(origin("oci://host.example:5000/app:1"), "https://host.example:5000");
        assert_eq!(origin("oci+http://host.example/app"), "http://host.example");
        assert_eq!(base("oci://docker.io/me/app:1"), "https://registry-1.docker.io/v2/me/app");
        for host in ["localhost", "localhost:5000", "127.3.0.1:5000", "[::1]:5000"] {
            assert_eq!(base(&format!("oci://{host}/app")), format!("http://{host}/v2/app"));
            assert_eq!(base(&format!("oci+https://{host}/app")), format!("https://{host}/v2/app"));
        }
        for host in ["localhost.example", "127.0.0.1.example", "10.0.0.1:5000", "[::2]:5000"] {
            assert_eq!(base(&format!("oci://{host}/app")), format!("https://{host}/v2/app"));
            assert_eq!(base(&format!("oci+http://{host}/app")), format!("http://{host}/v2/app"));
        }
    }
}
