//! Objects that are read again. A host's word about a change is believed only if it proves it.

use std::sync::{Arc, Mutex};

use regrow_store::{Fetched, KnownObject, Meter, Route, StoreError};

use crate::server::{Reply, Request, Server};
use crate::support::client;

/// The number of bytes at the end of an object that depend on all of it.
const PROOF_BYTES: u64 = 4;

/// A host of one object, which may be exchanged. Like many hosts, it makes the tag from the object's size and time.
fn host(object: &Arc<Mutex<Vec<u8>>>, tag: &'static str) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    let object = Arc::clone(object);
    move |request| {
        let object = object.lock().unwrap().clone();
        let tag = format!("{tag}{:x}\"", object.len());
        if request.header("if-none-match") == Some(&tag) {
            return Reply::bare(304);
        }
        let has_range = request.header("if-range").is_none_or(|known| known == tag);
        let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let reply = match range.filter(|_| has_range) {
            Some((start, end)) => {
                let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
                match end < object.len() {
                    true => Reply::part(&object, start, end + 1),
                    false => Reply::bare(416).header("Content-Range", format!("bytes */{}", object.len())),
                }
            }
            None => Reply::ok(&object),
        };
        if tag.len() > 4 { reply.header("ETag", tag) } else { reply }
    }
}

fn known<'a>(bytes: &'a [u8], version: &'a str) -> Option<KnownObject<'a>> {
    let end = bytes.len() as u64;
    Some(KnownObject { version, bytes, proof: end - PROOF_BYTES..end })
}

async fn fetch(server: &Server, known: Option<KnownObject<'_>>) -> Result<(Fetched, Arc<Meter>), StoreError> {
    let meter = Meter::new();
    let fetched: (_, Option<Route>) = client().fetch_url(&server.url(), known, 1000, &meter).await?;
    assert!(fetched.1.is_none());
    Ok((fetched.0, meter))
}

#[tokio::test]
async fn an_object_of_the_same_size_and_time_is_seen_to_be_another() {
    for tag in ["\"5f3c2a10-", "W/\"5f3c2a10-", "\""] {
        let object = Arc::new(Mutex::new(b"the first object 0001".to_vec()));
        let server = Server::start(host(&object, tag)).await;
        let (first, _) = fetch(&server, None).await.unwrap();
        let Fetched::Body { bytes, version, .. } = first else { panic!("{first:?}") };
        let version = version.unwrap_or_default();
        // An unchanged object only costs its end.
        let (same, meter) = fetch(&server, known(&bytes, &version)).await.unwrap();
        assert_eq!((same, meter.requests(), meter.body_bytes()), (Fetched::Same, 1, PROOF_BYTES), "{tag}");
        for next in [&b"the other object 0002"[..], b"a longer object 000003", b"short 0004", b"4"] {
            *object.lock().unwrap() = next.to_vec();
            let (fetched, meter) = fetch(&server, known(&bytes, &version)).await.unwrap();
            let Fetched::Body { bytes: found, .. } = fetched else { panic!("{tag}: {next:?} is not seen") };
            assert_eq!(found, next, "{tag}");
            // A host that sees the change sends the whole object at once.
            let is_seen = tag.starts_with("\"5") && next.len() != bytes.len();
            assert_eq!(meter.requests(), if is_seen { 1 } else { 2 }, "{tag}: {next:?}");
        }
    }
}

#[tokio::test]
async fn a_tag_that_is_a_hash_is_believed() {
    let object = b"the object 0001";
    let tag = format!("\"{}\"", blake3::hash(object).to_hex());
    let sent = tag.clone();
    let server = Server::start(move |request| match request.header("if-none-match") == Some(&sent) {
        true => Reply::bare(304),
        false => Reply::ok(object).header("ETag", &sent),
    })
    .await;
    let (same, meter) = fetch(&server, known(object, &tag)).await.unwrap();
    assert_eq!((same, meter.requests(), meter.body_bytes()), (Fetched::Same, 1, 0));
    // The tag is not that of other bytes, whatever was remembered.
    let (other, _) = fetch(&server, known(b"another one 0001", &tag)).await.unwrap();
    assert!(matches!(other, Fetched::Body { .. }), "{other:?}");
}

#[tokio::test]
async fn hosts_with_other_ideas_of_ranges_send_all() {
    let object = b"the object 0001";
    let replies: [fn() -> Reply; 4] = [
        || Reply::ok(b"the object 0001"),
        || Reply::bare(416),
        || Reply::part(b"the object 0001", 3, 9),
        || Reply::status(206).header("Content-Length", 2).send(b"01"),
    ];
    for (number, odd) in replies.into_iter().enumerate() {
        let server = Server::start(move |request| match request.header("range") {
            Some(_) => odd(),
            None => Reply::ok(b"the object 0001"),
        })
        .await;
        let (fetched, meter) = fetch(&server, known(object, "")).await.unwrap();
        assert!(matches!(fetched, Fetched::Body { ref bytes, .. } if bytes == &object[..]), "{number}: {fetched:?}");
        assert_eq!(meter.requests(), if number == 0 { 1 } else { 2 }, "{number}");
    }
    let gone = Server::start(|_| Reply::bare(404)).await;
    assert!(fetch(&gone, known(object, "")).await.unwrap_err().is_not_found());
    assert_eq!(gone.requests().len(), 1);
}
