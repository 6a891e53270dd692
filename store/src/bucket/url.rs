//! URLs of buckets: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

use std::fmt;

use crate::StoreError;
use crate::name::check_name;
use crate::shown::shown_malformed;

/// The provider of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Amazon S3 and compatible servers.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

impl Provider {
    fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }
}

/// A place in a bucket: a prefix, or an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketUrl {
    /// The provider of the bucket.
    pub provider: Provider,
    /// The name of the bucket.
    pub bucket: String,
    /// The path in the bucket, with `/` between its parts and none at the ends. It is empty for the bucket itself.
    pub path: String,
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, bucket, path } = self;
        let slash = if path.is_empty() { "" } else { "/" };
        write!(f, "{}://{bucket}{slash}{path}", provider.scheme())
    }
}

impl BucketUrl {
    /// Parses a URL. The result is `None` if `text` has another scheme or none.
    ///
    /// # Errors
    /// [`StoreError::Location`] for a URL without a bucket, and for a path that not every backend could hold.
    pub fn parse(text: &str) -> Result<Option<Self>, StoreError> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
        let provider = match scheme.to_ascii_lowercase().as_str() {
            "s3" => Provider::S3,
            "gs" => Provider::Gcs,
            "az" => Provider::Azure,
            _ => return Ok(None),
        };
        let refused =
            |reason: &str| StoreError::Location { location: shown_malformed(text), reason: reason.to_owned() };
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if bucket.is_empty() || !bucket.chars().all(good) {
            return Err(refused("write it like s3://bucket/prefix"));
        }
        let path = path.trim_end_matches('/');
        if !path.is_empty() && check_name("", path).is_err() {
            return Err(refused("the path has empty parts, dots alone, or characters that no path can have"));
        }
        Ok(Some(Self { provider, bucket: bucket.to_owned(), path: path.to_owned() }))
    }

    /// The place one level up, and the last part of the path. The result is `None` for the bucket itself.
    #[must_use]
    pub fn split_name(&self) -> Option<(Self, &str)> {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        (!name.is_empty()).then(|| (self.with_path(folder), name))
    }

    /// The URL of another path in the same bucket.
    #[must_use]
    pub fn with_path(&self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self.clone() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_put_together() {
        for (text, bucket, path) in
            [("s3://b/a/x.rgx", "b", "a/x.rgx"), ("gs://b.c", "b.c", ""), ("AZ://b/p/", "b", "p")]
        {
            let url = BucketUrl::parse(text).unwrap().unwrap();
            assert_eq!((url.bucket.as_str(), url.path.as_str()), (bucket, path), "{text}");
            assert_eq!(url.to_string(), text.to_ascii_lowercase().trim_end_matches('/'));
        }
        let url = BucketUrl::parse("s3://b/a/x.rgx").unwrap().unwrap();
        let (folder, name) = url.split_name().unwrap();
        assert_eq!((folder.to_string().as_str(), name), ("s3://b/a", "x.rgx"));
        assert_eq!(folder.split_name().unwrap().0.split_name(), None);
    }

    #[test]
    fn others_are_left_or_refused() {
        for text in ["store", "/s3/x", "http://b/x", "file:///x"] {
            assert_eq!(BucketUrl::parse(text).unwrap(), None, "{text}");
        }
        for text in ["s3://", "s3:///x", "s3://b//x", "s3://b/../x", "s3://b/a\\b", "s3://b@c/x"] {
            assert!(BucketUrl::parse(text).is_err(), "{text}");
        }
    }
}
