//! Where an index or a store is: a path or a URL.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::SyncError;

/// A path or an `http(s)` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// On this machine.
    Path(PathBuf),
    /// On a host.
    Url(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            // A query may hold a signature.
            Self::Url(url) => url.split('?').next().unwrap_or_default().fmt(f),
        }
    }
}

impl Location {
    /// What a user means by `text`.
    ///
    /// # Errors
    /// [`SyncError::Usage`] for a URL of another scheme.
    pub fn parse(text: &str) -> Result<Self, SyncError> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            return Ok(Self::Url(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Self::Path(path.into()));
        }
        match text.split_once("://") {
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') => {
                Err(SyncError::Usage(format!("{text}: {scheme}:// is not supported; use a path, http:// or https://")))
            }
            _ => Ok(Self::Path(text.into())),
        }
    }

    /// Where `relative` (`/` between its parts, as an index holds it) is, seen from the index at this place. `None` if it is not
    /// relative.
    #[must_use]
    pub fn beside(&self, relative: &str) -> Option<Self> {
        if relative.is_empty() || relative.starts_with('/') || relative.contains(['\\', '?', '#', ':', '\0']) {
            return None;
        }
        match self {
            Self::Path(index) => {
                let folder = index.parent().unwrap_or(Path::new(""));
                Some(Self::Path(folder.join(relative)))
            }
            Self::Url(url) => join_url(url, relative).map(Self::Url),
        }
    }
}

/// Whether two paths lead to one file that exists.
pub(crate) fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    id(a).is_some_and(|found| id(b) == Some(found))
}

/// Goes from a URL's folder along `relative`; keeps the query; never leaves the host.
fn join_url(url: &str, relative: &str) -> Option<String> {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let (scheme, rest) = before.split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(escape(part)),
        }
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}://{host}/{}{query}", parts.join("/")))
}

/// Percent-encoding of what a URL's path does not take as it is (RFC 3986, section 3.3).
fn escape(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=@".contains(&byte);
    part.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// How to get from the folder of `index` to `store`, `/` between the parts; empty where there is no such way. Both must
/// exist, but for the index itself.
pub(crate) fn relative_store(index: &Path, store: &Path) -> String {
    let folder = match index.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let (Ok(from), Ok(to)) = (folder.canonicalize(), store.canonicalize()) else { return String::new() };
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| Some(".."));
    let down = to[common..].iter().map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let parts: Option<Vec<&str>> = up.chain(down).collect();
    match parts {
        Some(parts) if parts.is_empty() => ".".into(),
        Some(parts) if parts.iter().all(|part| !part.contains(['\\', '?', '#', ':'])) => parts.join("/"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_beside_indexes() {
        let url = |text: &str| Location::parse(text).unwrap();
        let beside = |from: &str, to: &str| {
            url(from).beside(to).map(|found| match found {
                Location::Url(url) => url,
                Location::Path(path) => path.display().to_string(),
            })
        };
        assert_eq!(beside("https://h/a/app.rgx?sig=1", "store").as_deref(), Some("https://h/a/store?sig=1"));
        assert_eq!(beside("https://h/a/app.rgx", "../s t").as_deref(), Some("https://h/s%20t"));
        assert_eq!(beside("https://h/app.rgx", "."), Some("https://h/".into()));
        assert_eq!(beside("https://h/app.rgx", "../../x"), None);
        assert_eq!(beside("https://h/app.rgx", "//evil/x"), None);
        assert_eq!(beside("https://h/app.rgx", "http://evil"), None);
        assert_eq!(beside("/x/app.rgx", "../store").as_deref(), Some("/x/../store"));
        assert_eq!(beside("app.rgx", "store").as_deref(), Some("store"));
        assert!(Location::parse("s3://bucket").is_err());
    }

    #[test]
    fn ways_to_the_store() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["a/b", "store", "a/store"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let way = |index: &str, store: &str| relative_store(&root.path().join(index), &root.path().join(store));
        assert_eq!(way("a/x.rgx", "a/store"), "store");
        assert_eq!(way("a/b/x.rgx", "store"), "../../store");
        assert_eq!(way("store/x.rgx", "store"), ".");
        assert_eq!(way("nowhere/x.rgx", "store"), "");
    }
}
