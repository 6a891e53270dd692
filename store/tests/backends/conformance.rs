//! One suite for every backend, with and without retries.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use regrow_store::{
    BucketCredentials, BucketOptions, BucketStore, BucketUrl, Condition, Content, HttpStore, MemoryStore, Meter,
    ObjectKind, ReadStore, Retry, Span, StoreError, WriteStore,
};

use crate::buckets::Bucket;
use crate::server::Server;
use crate::support::{answer, client, folder, hasty, http_store, read, sample, static_host};

/// A size of more than one piece of a file, and not a multiple of one.
const BIG: usize = 3 * 256 * 1024 + 17;
const NAME: &str = "packs/ab/object.pack";

pub(crate) fn objects() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([(NAME.to_owned(), sample(BIG)), ("empty".to_owned(), Vec::new()), ("one".to_owned(), vec![7])])
}

pub(crate) async fn conforms(store: &dyn ReadStore) {
    reads_every_span(store).await;
    reads_empty_and_tiny_objects(store).await;
    refuses_what_is_absent_or_over_the_end(store).await;
    refuses_bad_requests(store).await;
    reads_at_the_same_time(store).await;
    assert!(!store.location().is_empty());
}

async fn reads_every_span(store: &dyn ReadStore) {
    let all = sample(BIG);
    let size = BIG as u64;
    let cases = [
        (Span::Whole, 0..size),
        (Span::Range(0..1), 0..1),
        (Span::Range(0..size), 0..size),
        (Span::Range(size - 1..size), size - 1..size),
        (Span::Range(262_143..262_145), 262_143..262_145),
        (Span::Range(1000..600_000), 1000..600_000),
        (Span::Front(1), 0..1),
        (Span::Front(300_000), 0..300_000),
        (Span::Front(size), 0..size),
        (Span::Front(size + 1), 0..size),
        (Span::Suffix(1), size - 1..size),
        (Span::Suffix(96), size - 96..size),
        (Span::Suffix(size), 0..size),
        (Span::Suffix(size + 1), 0..size),
        (Span::Suffix(u64::MAX), 0..size),
    ];
    for (span, range) in cases {
        let (download, bytes) = read(store, NAME, span.clone()).await.unwrap();
        assert_eq!(download.range, range, "{span:?}");
        assert_eq!(download.object_bytes, Some(size), "{span:?}");
        let expected = &all[range.start as usize..range.end as usize];
        assert!(bytes == expected, "{span:?}: other bytes");
    }
}

async fn reads_empty_and_tiny_objects(store: &dyn ReadStore) {
    for span in [Span::Whole, Span::Front(10), Span::Suffix(10)] {
        let (download, bytes) = read(store, "empty", span).await.unwrap();
        assert_eq!((download.range, download.object_bytes), (0..0, Some(0)));
        assert!(bytes.is_empty());
    }
    for span in [Span::Whole, Span::Front(10), Span::Suffix(10), Span::Range(0..1)] {
        let (download, bytes) = read(store, "one", span).await.unwrap();
        assert_eq!((download.range, download.object_bytes), (0..1, Some(1)));
        assert_eq!(bytes[..], [7]);
    }
}

async fn refuses_what_is_absent_or_over_the_end(store: &dyn ReadStore) {
    for span in [Span::Whole, Span::Range(0..1), Span::Suffix(1)] {
        // A name that would lie below a file is absent too.
        for name in ["packs/ab/absent.pack", "packs/ab", "one/more"] {
            let error = read(store, name, span.clone()).await.unwrap_err();
            assert!(error.is_not_found(), "{name}: {error}");
            assert!(error.to_string().contains(name), "{error}");
            assert!(!error.is_transient());
        }
    }
    let size = BIG as u64;
    let over = [(NAME, 0..size + 1), (NAME, size..size + 1), (NAME, size + 5..size + 9)];
    for (name, range) in over.into_iter().chain([("empty", 0..1)]) {
        let error = read(store, name, Span::Range(range.clone())).await.unwrap_err();
        let fits = matches!(error, StoreError::Damaged { .. } | StoreError::Protocol { .. } | StoreError::Short { .. });
        assert!(fits, "{name} {range:?}: {error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

async fn refuses_bad_requests(store: &dyn ReadStore) {
    for name in ["", "/etc/hostname", "../one", "packs/../one", "packs//ab", "./one", "packs/"] {
        let error = read(store, name, Span::Whole).await.unwrap_err();
        assert!(matches!(error, StoreError::InvalidRequest { .. }), "{name}: {error:?}");
    }
    for span in [Span::Range(3..3), Span::Front(0), Span::Suffix(0)] {
        let error = read(store, "one", span).await.unwrap_err();
        assert!(matches!(error, StoreError::InvalidRequest { .. }), "{error:?}");
        assert!(!error.is_transient());
    }
}

async fn reads_at_the_same_time(store: &dyn ReadStore) {
    let all = sample(BIG);
    let reads = (0..16_usize).map(|n| {
        let range = n as u64 * 40_000..n as u64 * 40_000 + 50_000;
        async move { (n, read(store, NAME, Span::Range(range)).await.unwrap().1) }
    });
    for (n, bytes) in futures::future::join_all(reads).await {
        assert!(bytes == all[n * 40_000..n * 40_000 + 50_000], "read {n}: other bytes");
    }
}

#[tokio::test]
async fn folder_conforms() {
    let (_root, store) = folder(&objects());
    conforms(&store).await;
    conforms(&Retry::new(store.clone(), hasty())).await;
    // The decorator can wrap a store of which only the trait is known.
    let shared: Arc<dyn ReadStore> = Arc::new(store);
    conforms(&Retry::new(shared, hasty())).await;
}

/// Puts the objects that the suite reads.
async fn filled(store: impl WriteStore) {
    for (name, bytes) in objects() {
        let content = Content::Bytes(Bytes::from(bytes));
        store.put(&name, content, ObjectKind::Immutable, Condition::Always).await.unwrap();
    }
}

#[tokio::test]
async fn memory_conforms() {
    let store = MemoryStore::new("memory");
    filled(store.clone()).await;
    conforms(&store).await;
}

#[tokio::test]
async fn s3_conforms() {
    let bucket = Bucket::new().await;
    for path in ["", "a/store"] {
        filled(bucket.store(path).await).await;
        conforms(&bucket.store(path).await).await;
        conforms(&Retry::new(bucket.store(path).await, hasty())).await;
    }
}

/// Reads in Google's way, from a server that answers as theirs does.
#[tokio::test]
async fn gcs_conforms_in_reading() {
    let below: BTreeMap<_, _> =
        objects().into_iter().map(|(name, bytes)| (format!("bucket/s/{name}"), bytes)).collect();
    let server = Server::start(move |request| {
        let mut request = request.clone();
        request.target = request.target.replace("%2F", "/").replace("%2E", ".");
        let reply = answer(&below, &request);
        reply.header("ETag", "\"1\"").header("Last-Modified", "Sat, 21 Nov 2026 04:00:00 GMT")
    })
    .await;
    let url = BucketUrl::parse("gs://bucket/s").unwrap().unwrap();
    let options = BucketOptions {
        endpoint: Some(server.url()),
        credentials: BucketCredentials::Anonymous,
        ..BucketOptions::default()
    };
    let store = BucketStore::open(&url, &options, client(), Meter::new(), hasty()).await.unwrap();
    conforms(&store).await;
}

#[tokio::test]
async fn http_conforms() {
    let server = static_host(objects()).await;
    let (store, _) = http_store(&server);
    conforms(&store).await;
    conforms(&Retry::new(store, hasty())).await;
}

#[tokio::test]
async fn http_below_a_path_conforms() {
    let below = objects().into_iter().map(|(name, bytes)| (format!("a/store/{name}"), bytes));
    let server = static_host(below.collect()).await;
    for base in [format!("{}/a/store", server.url()), format!("{}/a/store/", server.url())] {
        let store = HttpStore::new(&base, client(), Meter::new()).unwrap();
        conforms(&store).await;
        assert_eq!(store.location(), base.trim_end_matches('/'));
    }
}

#[tokio::test]
async fn a_folder_is_read_in_small_pieces() {
    use futures::StreamExt;
    let (_root, store) = folder(&objects());
    let sizes: Vec<_> = store.get(NAME, Span::Whole).await.unwrap().body.collect().await;
    let sizes: Vec<_> = sizes.into_iter().map(|piece| piece.unwrap().len()).collect();
    assert!(sizes.iter().all(|size| (1..=256 * 1024).contains(size)), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), BIG);
}

#[tokio::test]
async fn a_file_that_is_cut_while_it_is_read_is_an_error() {
    let (root, store) = folder(&objects());
    let download = store.get(NAME, Span::Whole).await.unwrap();
    std::fs::File::options().write(true).open(root.path().join(NAME)).unwrap().set_len(1000).unwrap();
    let error = download.bytes().await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}
