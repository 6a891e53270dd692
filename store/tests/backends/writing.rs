//! One suite for every backend that can be written to: puts, lists, deletions, copies.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt;
use regrow_store::{
    Condition, Content, Depth, FolderStore, ListStore, MemoryStore, ObjectKind, PruneStore, PutOutcome, ReadStore,
    Span, Store, StoreError, WriteStore,
};

use crate::buckets::Bucket;
use crate::support::{read, sample};

/// The abilities that only some hosts have.
#[derive(Debug, Clone, Copy)]
struct Abilities {
    /// Whether the host states the version of the object that it sends, and recognises it again.
    knows_versions: bool,
}

pub(crate) async fn put(store: &dyn WriteStore, name: &str, bytes: &[u8], condition: Condition) -> PutOutcome {
    try_put(store, name, bytes, condition).await.unwrap()
}

pub(crate) async fn try_put(
    store: &dyn WriteStore,
    name: &str,
    bytes: &[u8],
    condition: Condition,
) -> Result<PutOutcome, StoreError> {
    let content = Content::Bytes(Bytes::copy_from_slice(bytes));
    store.put(name, content, ObjectKind::Description, condition).await
}

pub(crate) async fn whole(store: &dyn ReadStore, name: &str) -> Bytes {
    read(store, name, Span::Whole).await.unwrap().1
}

pub(crate) async fn names(store: &dyn ListStore, folder: &str, depth: Depth) -> Vec<String> {
    let mut names: Vec<_> = store.list(folder, depth).map_ok(|info| info.name).try_collect().await.unwrap();
    names.sort();
    names
}

pub(crate) fn file(store: &dyn WriteStore, bytes: &[u8]) -> Content {
    std::fs::create_dir_all(store.staging()).unwrap();
    let mut file = tempfile::NamedTempFile::new_in(store.staging()).unwrap();
    file.write_all(bytes).unwrap();
    Content::File(file)
}

async fn conforms(store: &dyn Store, abilities: Abilities) {
    replaces_and_keeps(store).await;
    puts_under_conditions(store, abilities).await;
    tells_what_has_not_changed(store, abilities).await;
    puts_files(store).await;
    lists(store).await;
    deletes(store).await;
    refuses_names(store).await;
}

async fn replaces_and_keeps(store: &dyn Store) {
    for bytes in [&b"one"[..], b"two!", b""] {
        assert_eq!(put(store, "w/always", bytes, Condition::Always).await, PutOutcome::Stored);
        assert_eq!(whole(store, "w/always").await, bytes);
    }
    assert_eq!(put(store, "w/new", b"first", Condition::IfAbsent).await, PutOutcome::Stored);
    assert_eq!(put(store, "w/new", b"second", Condition::IfAbsent).await, PutOutcome::Refused);
    assert_eq!(whole(store, "w/new").await, "first");
}

async fn puts_under_conditions(store: &dyn Store, abilities: Abilities) {
    put(store, "w/index", b"state 1", Condition::Always).await;
    let version = store.get("w/index", Span::Whole).await.unwrap().version;
    assert_eq!(version.is_some(), abilities.knows_versions);
    let Some(version) = version else { return };
    let condition = || Condition::IfVersion(version.clone());
    assert_eq!(put(store, "w/index", b"state two", condition()).await, PutOutcome::Stored);
    assert_eq!(put(store, "w/index", b"state three", condition()).await, PutOutcome::Refused);
    assert_eq!(whole(store, "w/index").await, "state two");
    store.delete(&["w/index".to_owned()]).await.unwrap();
    assert_eq!(put(store, "w/index", b"state 4", condition()).await, PutOutcome::Refused);
    assert_eq!(store.stat("w/index").await.unwrap(), None);
}

async fn tells_what_has_not_changed(store: &dyn Store, abilities: Abilities) {
    put(store, "w/same", b"same", Condition::Always).await;
    let Some(version) = store.get("w/same", Span::Whole).await.unwrap().version else {
        assert!(!abilities.knows_versions);
        return;
    };
    assert!(store.get_unless("w/same", Span::Whole, &version).await.unwrap().is_none());
    assert!(store.get_unless("w/same", Span::Front(2), &version).await.unwrap().is_none());
    put(store, "w/same", b"other", Condition::Always).await;
    let changed = store.get_unless("w/same", Span::Whole, &version).await.unwrap().unwrap();
    assert_eq!(changed.bytes().await.unwrap(), "other");
    let changed = store.get_unless("w/same", Span::Front(2), &version).await.unwrap().unwrap();
    assert_eq!(changed.bytes().await.unwrap(), "ot");
    assert!(store.get_unless("w/absent", Span::Whole, &version).await.unwrap_err().is_not_found());
}

async fn puts_files(store: &dyn Store) {
    // The largest size takes more than one request, and is not a multiple of a part.
    for bytes in [0, 100_000, (40 << 20) + 12_345] {
        let content = sample(bytes);
        let kind = ObjectKind::Immutable;
        let put = store.put("w/file", file(store, &content), kind, Condition::Always).await.unwrap();
        assert_eq!(put, PutOutcome::Stored);
        assert!(whole(store, "w/file").await == content, "{bytes} bytes: others came back");
        let again = store.put("w/file", file(store, b"x"), kind, Condition::IfAbsent).await.unwrap();
        assert_eq!(again, PutOutcome::Refused);
    }
    let large = file(store, &sample(33 << 20));
    let again = store.put("w/file", large, ObjectKind::Immutable, Condition::IfAbsent).await.unwrap();
    assert_eq!(again, PutOutcome::Refused);
    assert_eq!(store.stat("w/file").await.unwrap().unwrap().bytes, (40 << 20) + 12_345);
}

async fn lists(store: &dyn Store) {
    assert!(names(store, "nowhere", Depth::Tree).await.is_empty());
    for name in ["l/a", "l/b", "l/sub/c", "l/sub/deeper/d", "lx/e"] {
        put(store, name, name.as_bytes(), Condition::Always).await;
    }
    assert_eq!(names(store, "l", Depth::Folder).await, ["l/a", "l/b"]);
    assert_eq!(names(store, "l", Depth::Tree).await, ["l/a", "l/b", "l/sub/c", "l/sub/deeper/d"]);
    assert_eq!(names(store, "l/sub", Depth::Folder).await, ["l/sub/c"]);
    let all = names(store, "", Depth::Tree).await;
    assert!(all.contains(&"lx/e".to_owned()) && all.contains(&"w/new".to_owned()), "{all:?}");
    let info = store.stat("l/sub/c").await.unwrap().unwrap();
    assert_eq!((info.name.as_str(), info.bytes), ("l/sub/c", 7));
    let age = SystemTime::now().duration_since(info.modified).unwrap_or_default();
    assert!(age < Duration::from_secs(600), "{age:?}");
    for name in ["l", "l/sub", "l/none", "l/a/x"] {
        assert_eq!(store.stat(name).await.unwrap(), None, "{name}");
    }
}

async fn deletes(store: &dyn Store) {
    let gone = ["l/a", "l/absent", "l/sub/c"].map(str::to_owned);
    store.delete(&gone).await.unwrap();
    assert_eq!(names(store, "l", Depth::Tree).await, ["l/b", "l/sub/deeper/d"]);
    store.delete(&gone).await.unwrap();
    store.delete(&[]).await.unwrap();
}

async fn refuses_names(store: &dyn Store) {
    for name in ["", "/etc/x", "../x", "a//b", "a/", "./a", "a\\b", "a\nb"] {
        let invalid = |error: StoreError| assert!(matches!(error, StoreError::InvalidRequest { .. }), "{error:?}");
        invalid(try_put(store, name, b"x", Condition::Always).await.unwrap_err());
        invalid(store.stat(name).await.unwrap_err());
        invalid(store.delete(&[name.to_owned()]).await.unwrap_err());
    }
}

#[tokio::test]
async fn folder_conforms() {
    let root = tempfile::tempdir().unwrap();
    let store = FolderStore::create(root.path().join("store")).unwrap();
    conforms(&store, Abilities { knows_versions: true }).await;
}

#[tokio::test]
async fn memory_conforms() {
    conforms(&MemoryStore::new("memory"), Abilities { knows_versions: true }).await;
}

#[tokio::test]
async fn s3_conforms() {
    let bucket = Bucket::new().await;
    for path in ["", "below/a/path"] {
        // `s3s-fs` supports conditions of puts, but not of reads. An unchanged object is recognised by its `ETag`.
        conforms(&bucket.store(path).await, Abilities { knows_versions: true }).await;
    }
}

#[tokio::test]
async fn headers_tell_caches_what_objects_are() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    store
        .put("index", file(&store, b"x"), ObjectKind::Index { max_age: Duration::from_secs(60) }, Condition::Always)
        .await
        .unwrap();
    store.put("large", file(&store, &sample(33 << 20)), ObjectKind::Immutable, Condition::Always).await.unwrap();
    let requests = bucket.server.requests();
    let sent = |path: &str, name: &str| {
        let seen = requests.iter().find(|seen| seen.uri.path() == path && seen.headers.contains_key(name)).unwrap();
        seen.headers[name].to_str().unwrap().to_owned()
    };
    assert_eq!(sent("/bucket/index", "cache-control"), "public, max-age=60");
    assert_eq!(sent("/bucket/large", "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(sent("/bucket/large", "content-type"), "application/octet-stream");
    // The small object takes one request. The large one takes its beginning, three parts, its end, and a look at
    // its size.
    let counts = bucket.server.counts();
    assert_eq!((counts.put, counts.post, counts.head), (4, 2, 1));
    assert_eq!((bucket.meter.requests(), bucket.meter.writes()), (7, 6));
    assert!((33 << 20..(33 << 20) + 1000).contains(&bucket.meter.sent_bytes()), "{}", bucket.meter.sent_bytes());
}

#[tokio::test]
async fn long_lists_are_read_page_by_page_and_deleted_in_bulk() {
    let bucket = Bucket::new().await;
    let store = bucket.store("many").await;
    let folder = bucket.root.path().join("bucket/many");
    let objects: BTreeMap<_, _> = (0..1100).map(|n| (format!("packs/{n:04}"), n)).collect();
    std::fs::create_dir_all(folder.join("packs")).unwrap();
    for name in objects.keys() {
        std::fs::write(folder.join(name), b"x").unwrap();
    }
    std::fs::write(bucket.root.path().join("bucket/many-more"), b"x").unwrap();
    assert_eq!(names(&store, "packs", Depth::Folder).await, objects.keys().cloned().collect::<Vec<_>>());
    assert_eq!(bucket.server.counts().list, 2);
    assert_eq!(names(&store, "", Depth::Tree).await.len(), 1100);
    let all: Vec<_> = objects.into_keys().collect();
    store.delete(&all).await.unwrap();
    assert_eq!(bucket.server.counts().post, 2);
    assert!(names(&store, "", Depth::Tree).await.is_empty());
}

#[tokio::test]
async fn objects_are_copied_within_a_bucket_only() {
    let (bucket, other) = (Bucket::new().await, Bucket::new().await);
    let (from, to, far) = (bucket.store("from").await, bucket.store("to").await, other.store("to").await);
    put(&from, "packs/x", b"bytes", Condition::Always).await;
    let kind = ObjectKind::Immutable;
    assert!(to.copy_from(&from, "packs/x", kind).await.unwrap());
    assert_eq!(whole(&to, "packs/x").await, "bytes");
    assert!(from.copy_from(&from, "packs/x", kind).await.unwrap());
    let sent = bucket.meter.sent_bytes();
    assert_eq!(sent, 5, "the bytes of a copy came here");
    assert!(!far.copy_from(&from, "packs/x", kind).await.unwrap());
    assert!(!to.copy_from(&MemoryStore::new("memory"), "packs/x", kind).await.unwrap());
    let shared: std::sync::Arc<dyn ReadStore> =
        std::sync::Arc::new(regrow_store::Retry::new(from, crate::support::hasty()));
    assert!(to.copy_from(&shared, "packs/x", kind).await.unwrap());
    assert!(to.copy_from(&shared, "packs/absent", kind).await.unwrap_err().is_not_found());
}
