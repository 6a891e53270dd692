//! Objects in a storage class that cannot be read before somebody restores them. Lists and answers to HEAD tell of
//! them, but `object_store` does not pass that on.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Uri};

use super::{listing, xml};

tokio::task_local! {
    /// The notes in which requests of this task record archived keys.
    static NOTES: Archived;
}

/// The key that stands for the object of a HEAD.
const ASKED_FOR: &str = "";

/// The keys that were found to be archived.
#[derive(Debug, Clone, Default)]
pub(super) struct Archived(Arc<Mutex<BTreeSet<String>>>);

impl Archived {
    /// Makes a request, and notes the archived keys of its answer.
    pub(super) fn noting<F: Future>(&self, request: F) -> impl Future<Output = F::Output> + use<F> {
        NOTES.scope(self.clone(), request)
    }

    /// Whether a list said that this key is archived.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Whether an answer to HEAD said that its object is archived.
    pub(super) fn has_asked_for(&self) -> bool {
        self.has(ASKED_FOR)
    }

    fn note(&self, key: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }
}

/// Notes the archived keys of a page of a list.
pub(super) fn note_list(uri: &Uri, page: &[u8]) {
    let Ok(text) = std::str::from_utf8(page) else { return };
    let _ = NOTES.try_with(|notes| archived_keys(uri, text).for_each(|key| notes.note(key)));
}

/// Notes whether the head of an answer is of an archived object.
pub(super) fn note_head(headers: &HeaderMap) {
    if is_archived(headers) {
        let _ = NOTES.try_with(|notes| notes.note(ASKED_FOR.to_owned()));
    }
}

fn archived_keys<'a>(uri: &Uri, text: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let [(element, key), _] = listing::kinds(uri);
    xml::elements(text, element).filter_map(move |inside| {
        let class = xml::text_of(inside, "StorageClass").or_else(|| xml::text_of(inside, "AccessTier"))?;
        is_cold(&class).then(|| xml::text_of(inside, key))?
    })
}

/// Whether this is a class of S3 or the tier of Azure that is read only after hours. Google's archive is read at
/// once.
fn is_cold(class: &str) -> bool {
    matches!(class, "GLACIER" | "DEEP_ARCHIVE" | "Archive")
}

/// Whether the object is archived, by its class or by itself, since intelligent tiering has tiers of its own. An
/// object that is restored for some days counts as archived: it will not stay readable.
fn is_archived(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let class = says("x-amz-storage-class").or_else(|| says("x-ms-access-tier"));
    class.is_some_and(is_cold) || says("x-amz-archive-status").is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn cold_classes_are_found_in_lists() {
        let entry = |key: &str, class: &str| {
            format!("<Contents><Key>{key}</Key><Size>1</Size><StorageClass>{class}</StorageClass></Contents>")
        };
        let classes = ["STANDARD", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE", "INTELLIGENT_TIERING", "STANDARD_IA"];
        let list: String = classes.iter().map(|class| entry(&format!("a&amp;{class}"), class)).collect();
        let uri: Uri = "http://h/b?list-type=2".parse().unwrap();
        let found: Vec<_> = archived_keys(&uri, &list).collect();
        assert_eq!(found, ["a&GLACIER", "a&DEEP_ARCHIVE"]);
        let azure: Uri = "http://h/c?restype=container&comp=list".parse().unwrap();
        let blob = |tier: &str| format!("<Blob><Name>{tier}</Name><AccessTier>{tier}</AccessTier></Blob>");
        let found: Vec<_> = archived_keys(&azure, &["Hot", "Archive", "Cold"].map(blob).concat()).collect();
        assert_eq!(found, ["Archive"]);
    }

    #[test]
    fn cold_classes_are_found_in_heads() {
        for (name, value, is_cold) in [
            ("x-amz-storage-class", "DEEP_ARCHIVE", true),
            ("x-amz-storage-class", "GLACIER_IR", false),
            ("x-amz-archive-status", "ARCHIVE_ACCESS", true),
            ("x-ms-access-tier", "Archive", true),
            ("x-amz-restore", "ongoing-request=\"false\"", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(is_archived(&headers), is_cold, "{name}: {value}");
        }
    }
}
