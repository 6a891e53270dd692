//! The location of an index or a store: a path, a URL, or a place in a bucket.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use regrow_store::{BucketUrl, Reference, RegistryStore, RegistryUrl, shown_malformed, shown_url};

use crate::SyncError;

/// A path, an `http(s)` URL, a place in a bucket, or one in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A path on this machine.
    Path(PathBuf),
    /// A URL on a host, which can only be read.
    Url(String),
    /// A place in a bucket.
    Bucket(BucketUrl),
    /// A repository in a registry, or an image in it: a store, or an index.
    Registry(RegistryUrl),
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(&shown_url(url)),
            Self::Bucket(url) => url.fmt(f),
            Self::Registry(url) => url.fmt(f),
        }
    }
}

impl Location {
    /// Parses a location as users write it.
    ///
    /// # Errors
    /// [`SyncError::Usage`] for a URL of another scheme.
    pub fn parse(text: &str) -> Result<Self, SyncError> {
        let lower = text.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            return Ok(Self::Url(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("file://") {
            return path_of_file_url(path).map(Self::Path).ok_or_else(|| {
                SyncError::Usage(format!("{}: write it like file:///folder/file", shown_malformed(text)))
            });
        }
        if let Some(url) = BucketUrl::parse(text)? {
            return Ok(Self::Bucket(url));
        }
        if let Some(url) = RegistryUrl::parse(text)? {
            return Ok(Self::Registry(url));
        }
        match text.split_once("://") {
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') => {
                Err(SyncError::Usage(format!(
                    "{}: {scheme}:// is not supported; use a path, http(s)://, s3://, gs://, az:// or oci://",
                    shown_malformed(text)
                )))
            }
            _ => Ok(Self::Path(text.into())),
        }
    }

    /// The place at `relative`, seen from the index at this place. `relative` has `/` between its parts, as in an
    /// index. The result is `None` if it is not relative.
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
            Self::Bucket(url) => {
                let (folder, _) = url.split_name()?;
                Some(Self::Bucket(url.with_path(join_path(&folder.path, relative)?)))
            }
            // A repository has no folders: all of it is the store.
            Self::Registry(url) => Some(Self::Registry(url.without_reference())),
        }
    }

    /// The place in which this one lies, and its name there. The result is `None` for a root, and for a URL, whose
    /// name would need decoding.
    #[must_use]
    pub fn split_name(&self) -> Option<(Self, String)> {
        match self {
            Self::Path(path) => {
                let name = path.file_name()?.to_str()?.to_owned();
                Some((Self::Path(folder_of(path).to_owned()), name))
            }
            Self::Url(_) => None,
            Self::Bucket(url) => url.split_name().map(|(folder, name)| (Self::Bucket(folder), name.to_owned())),
            Self::Registry(url) => {
                let name = RegistryStore::index_name(url.reference.as_ref()?);
                Some((Self::Registry(url.without_reference()), name))
            }
        }
    }

    /// The place in which a store at this place lies, where its indexes are by default. For a bucket's root, this
    /// is the root itself, and so it is for a registry's repository.
    #[must_use]
    pub(crate) fn surroundings(&self) -> Self {
        match self {
            Self::Path(path) if path.file_name().is_some() => Self::Path(folder_of(path).to_owned()),
            // The paths `.` and `..` have no name of their own.
            Self::Path(path) => {
                let folder = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
                Self::Path(folder.unwrap_or_else(|| path.clone()))
            }
            other => other.split_name().map_or_else(|| other.clone(), |(folder, _)| folder),
        }
    }

    /// The place named `name`, a plain relative path, in this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.join(name)),
            Self::Url(url) => {
                let (before, query) =
                    url.split_once('?').map_or((url.as_str(), None), |(url, query)| (url, Some(query)));
                let name: Vec<String> = name.split('/').map(escape).collect();
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                Self::Url(format!("{}/{}{query}", before.trim_end_matches('/'), name.join("/")))
            }
            Self::Bucket(url) if url.path.is_empty() => Self::Bucket(url.with_path(name)),
            Self::Bucket(url) => Self::Bucket(url.with_path(format!("{}/{name}", url.path))),
            Self::Registry(url) => Self::Registry(match name.strip_suffix(".rgx").and_then(Reference::parse) {
                Some(reference) => url.at(reference),
                None => RegistryUrl { repository: format!("{}/{name}", url.repository), ..url.clone() },
            }),
        }
    }
}

/// The path that a `file://` URL names. The result is `None` if it names another machine. A `%` without two
/// hexadecimal digits stays as it is.
fn path_of_file_url(rest: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let path = rest.strip_prefix("localhost").filter(|rest| rest.starts_with('/')).unwrap_or(rest);
    if !path.starts_with('/') {
        return None;
    }
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    Some(std::ffi::OsString::from_vec(bytes).into())
}

/// Whether two paths lead to the same existing file.
pub(crate) fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    id(a).is_some_and(|found| id(b) == Some(found))
}

/// Follows `relative` from a URL's folder. The query is kept, and the way never leaves the host.
fn join_url(url: &str, relative: &str) -> Option<String> {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let (scheme, rest) = before.split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let escaped: Vec<String> = relative.split('/').map(escape).collect();
    let path = join_path(folder, &escaped.join("/"))?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}://{host}/{path}{query}"))
}

/// Follows `relative` from `folder`, with `/` between the parts of both. The result is `None` if the way leads
/// above the root.
fn join_path(folder: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|_| !folder.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Percent-encodes the bytes that a URL's path does not allow (RFC 3986, section 3.3).
fn escape(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=@".contains(&byte);
    part.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The way from the folder of `index` to `store`, with `/` between its parts, or an empty text if there is no such
/// way. Paths must exist, except for the index itself.
pub(crate) fn relative_store(index: &Location, store: &Location) -> String {
    let way = match (index, store) {
        (Location::Path(index), Location::Path(store)) => {
            let folder = folder_of(index);
            match (folder.canonicalize(), store.canonicalize()) {
                (Ok(from), Ok(to)) => {
                    let plain = |path: &Path| -> Option<Vec<String>> {
                        path.components()
                            .map(|part| match part {
                                Component::Normal(name) => name.to_str().map(str::to_owned),
                                _ => Some("/".to_owned()),
                            })
                            .collect()
                    };
                    plain(&from).zip(plain(&to)).map(|(from, to)| way_between(&from, &to))
                }
                _ => None,
            }
        }
        (Location::Bucket(index), Location::Bucket(store))
            if (index.provider, &index.bucket) == (store.provider, &store.bucket) =>
        {
            let parts =
                |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            index.split_name().map(|(folder, _)| way_between(&parts(&folder.path), &parts(&store.path)))
        }
        (Location::Registry(index), Location::Registry(store))
            if index.without_reference() == store.without_reference() =>
        {
            Some(".".to_owned())
        }
        _ => None,
    };
    way.filter(|way| !way.contains(['\\', '?', '#', ':'])).unwrap_or_default()
}

fn way_between(from: &[String], to: &[String]) -> String {
    let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| "..");
    let parts: Vec<&str> = up.chain(to[common..].iter().map(String::as_str)).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// The folder in which a file lies.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
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
                other => other.to_string(),
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
        assert_eq!(beside("s3://b/a/app.rgx", "store").as_deref(), Some("s3://b/a/store"));
        assert_eq!(beside("s3://b/app.rgx", "."), Some("s3://b".into()));
        assert_eq!(beside("s3://b/a/app.rgx", "../../x"), None);
        assert!(Location::parse("ftp://host/x?secret").is_err_and(|error| !error.to_string().contains("secret")));
    }

    #[test]
    fn file_urls_are_paths() {
        let path = |text: &str| Location::parse(text).map(|location| location.to_string());
        assert_eq!(path("file:///a/b%20c%zz").unwrap(), "/a/b c%zz");
        assert_eq!(path("file://localhost/a").unwrap(), "/a");
        assert!(path("file://host/a").is_err());
    }

    #[test]
    fn children_and_parents() {
        let location = |text: &str| Location::parse(text).unwrap();
        for (parent, child) in [("/a", "/a/x.rgx"), ("s3://b/a", "s3://b/a/x.rgx"), ("s3://b", "s3://b/x.rgx")] {
            assert_eq!(location(parent).child("x.rgx"), location(child));
            assert_eq!(location(child).split_name(), Some((location(parent), "x.rgx".into())));
        }
        let image = location("oci://host/team/app:v2");
        assert_eq!(image.split_name(), Some((location("oci://host/team/app"), "v2.rgx".into())));
        assert_eq!(location("oci://host/team/app").child("v2.rgx"), image);
        assert_eq!(location("oci://host/team/app").split_name(), None);
        assert_eq!(image.beside("."), Some(location("oci://host/team/app")));
        let Location::Url(url) = location("https://h/s/?sig=1").child("x y.rgx") else { panic!() };
        assert_eq!(url, "https://h/s/x%20y.rgx?sig=1");
    }

    #[test]
    fn ways_to_the_store() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["a/b", "store", "a/store"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let way =
            |index: &str, store: &str| relative_store(&root.path().join(index).into(), &root.path().join(store).into());
        assert_eq!(way("a/x.rgx", "a/store"), "store");
        assert_eq!(way("a/b/x.rgx", "store"), "../../store");
        assert_eq!(way("store/x.rgx", "store"), ".");
        assert_eq!(way("nowhere/x.rgx", "store"), "");
        let way = |index: &str, store: &str| {
            relative_store(&Location::parse(index).unwrap(), &Location::parse(store).unwrap())
        };
        assert_eq!(way("s3://b/a/x.rgx", "s3://b/a/store"), "store");
        assert_eq!(way("s3://b/a/x.rgx", "s3://b"), "..");
        assert_eq!(way("s3://b/x.rgx", "s3://b"), ".");
        assert_eq!(way("s3://b/x.rgx", "s3://c/store"), "");
        assert_eq!(way("x.rgx", "s3://b/store"), "");
        assert_eq!(way("oci://h/app:v2", "oci://h/app"), ".");
        assert_eq!(way("oci://h/app:v2", "oci://h/other"), "");
    }
}
