//! Helpers of the tests: objects, stores over them, and short ways to read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use regrow_store::{
    Download, FolderStore, HttpClient, HttpOptions, HttpStore, Meter, ReadStore, Retry, RetryPolicy, Span, StoreError,
};

use crate::server::{Reply, Request, Server};

/// The time for which these tests wait for a silent server.
pub(crate) const STALL: Duration = Duration::from_millis(300);

/// Bytes without repetition, so that a wrong offset shows.
pub(crate) fn sample(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

pub(crate) fn options() -> HttpOptions {
    HttpOptions { stall_timeout: STALL, min_rate_window: STALL, use_proxies: false, ..HttpOptions::default() }
}

pub(crate) fn client() -> HttpClient {
    HttpClient::new(options()).unwrap()
}

/// A store on `server`, and its meter.
pub(crate) fn http_store(server: &Server) -> (HttpStore, Arc<Meter>) {
    let meter = Meter::new();
    (HttpStore::new(&server.url(), client(), Arc::clone(&meter)).unwrap(), meter)
}

/// A policy whose waits are so short that tests over real sockets need not pause time.
pub(crate) fn hasty() -> RetryPolicy {
    RetryPolicy {
        attempts: 5,
        first_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(4),
        deadline: None,
    }
}

/// The same store, with retries.
pub(crate) fn retrying_store(server: &Server) -> (Retry<HttpStore>, Arc<Meter>) {
    let (store, meter) = http_store(server);
    (Retry::new(store, hasty()), meter)
}

/// Reads a span to its end.
pub(crate) async fn read(store: &dyn ReadStore, name: &str, span: Span) -> Result<(Download, Bytes), StoreError> {
    let download = store.get(name, span).await?;
    let (range, object_bytes) = (download.range.clone(), download.object_bytes);
    let bytes = download.bytes().await?;
    let body = Box::pin(futures::stream::empty());
    Ok((Download { range, object_bytes, version: None, body }, bytes))
}

/// Reads a span of the object `x`, and returns only the bytes.
pub(crate) async fn bytes(store: &dyn ReadStore, span: Span) -> Result<Bytes, StoreError> {
    read(store, "x", span).await.map(|(_, bytes)| bytes)
}

/// A static host, which serves objects by path, with ranges as RFC 9110 demands.
pub(crate) async fn static_host(objects: BTreeMap<String, Vec<u8>>) -> Server {
    Server::start(move |request| answer(&objects, request)).await
}

/// The same objects in a folder.
pub(crate) fn folder(objects: &BTreeMap<String, Vec<u8>>) -> (tempfile::TempDir, FolderStore) {
    let root = tempfile::tempdir().unwrap();
    for (name, bytes) in objects {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let store = FolderStore::new(root.path().to_owned());
    (root, store)
}

pub(crate) fn answer(objects: &BTreeMap<String, Vec<u8>>, request: &Request) -> Reply {
    let Some(object) = objects.get(request.target.trim_start_matches('/')) else {
        return Reply::status(404).header("Content-Length", 4).send(b"none");
    };
    let Some(range) = request.header("range") else { return Reply::ok(object) };
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let start = match first {
        "" => object.len().saturating_sub(last.parse().unwrap()),
        first => first.parse().unwrap(),
    };
    let end = match (first, last) {
        ("", _) => object.len(),
        (_, last) => object.len().min(last.parse::<usize>().unwrap() + 1),
    };
    if start >= object.len() {
        return Reply::bare(416).header("Content-Range", format!("bytes */{}", object.len()));
    }
    Reply::part(object, start, end)
}
