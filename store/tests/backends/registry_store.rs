//! A repository of a registry as a store: what conforms, what lies in its manifests, and what two makers do to it.

use std::sync::Arc;

use futures::TryStreamExt;
use regrow_store::{
    BlobDigest, Condition, Content, Depth, IndexContent, ListStore, Manifest, Meter, ObjectKind, PruneStore,
    PutOutcome, ReadStore, RegistryLogins, RegistryOptions, RegistryStore, RegistryUrl, Retry, Rights, Span,
    StoreError, WholeObjects, WriteStore,
};

use crate::registry_server::{Manner, RegistryServer};
use crate::support::{client, hasty, read, sample};

const PACK: &str = "packs/ab/ab00000000000000000000000000000000000000000000000000000000000000.pack";
const PATCH: &str = "patches/a/b.patch";

/// A maker's view of the repository, with nothing known of it.
fn open(server: &RegistryServer) -> RegistryStore {
    open_with(server, RegistryLogins::Anonymous, Rights::Write)
}

fn open_with(server: &RegistryServer, logins: RegistryLogins, rights: Rights) -> RegistryStore {
    let url = RegistryUrl::parse(&format!("oci://{}/team/app", server.host())).unwrap().unwrap();
    let wholes = Arc::new(WholeObjects::new(std::env::temp_dir()));
    let http = (client(), Meter::new());
    RegistryStore::new(&url, rights, &RegistryOptions { logins }, http, hasty(), wholes, std::env::temp_dir()).unwrap()
}

async fn put(store: &RegistryStore, name: &str, bytes: &[u8]) {
    let content = Content::Bytes(bytes.to_vec().into());
    store.put(name, content, ObjectKind::Immutable, Condition::IfAbsent).await.unwrap();
}

fn index(bytes: &[u8], needs: &[&str], hints: &[&str]) -> IndexContent {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    IndexContent {
        bytes: bytes.to_vec().into(),
        head_bytes: 4,
        needs: names(needs),
        hints: names(hints),
        ..Default::default()
    }
}

async fn publish(store: &RegistryStore, tag: &str, content: IndexContent) -> PutOutcome {
    store.put_index(&format!("{tag}.rgx"), content, Condition::Always).await.unwrap()
}

async fn names(store: &RegistryStore, folder: &str, depth: Depth) -> Vec<String> {
    let mut names: Vec<_> = store.list(folder, depth).map_ok(|info| info.name).try_collect().await.unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn objects_conform_at_every_kind_of_registry() {
    for manner in [
        Manner::default(),
        Manner { has_bucket: true, ..Manner::default() },
        Manner { lacks_ranges: true, ..Manner::default() },
    ] {
        let server = RegistryServer::start(manner);
        let store = open(&server);
        for (name, bytes) in crate::conformance::objects() {
            put(&store, &name, &bytes).await;
        }
        crate::conformance::conforms(&store).await;
        crate::conformance::conforms(&Retry::new(store, hasty())).await;
    }
}

#[tokio::test]
async fn an_image_is_read_with_one_request_for_its_head_and_one_for_each_object() {
    let server = RegistryServer::start(Manner { has_bucket: true, ..Manner::default() });
    let maker = open(&server);
    let (pack, patch) = (sample(5000), sample(300));
    put(&maker, "regrow.json", b"{\"format\":1}").await;
    put(&maker, PACK, &pack).await;
    put(&maker, PATCH, &patch).await;
    assert_eq!(
        publish(&maker, "v1", index(b"head and recipe", &[PACK], &[PATCH, "patches/a/gone.patch"])).await,
        PutOutcome::Stored
    );

    server.take_log();
    let reader = open_with(&server, RegistryLogins::Anonymous, Rights::Read);
    let (front, bytes) = read(&reader, "v1.rgx", Span::Front(2048)).await.unwrap();
    assert_eq!((front.range, front.object_bytes, &bytes[..]), (0..4, Some(15), &b"head"[..]));
    let (_, bytes) = read(&reader, PACK, Span::Range(100..200)).await.unwrap();
    assert_eq!(bytes, pack[100..200]);
    assert_eq!(read(&reader, PATCH, Span::Whole).await.unwrap().1, patch[..]);
    assert_eq!(read(&reader, "regrow.json", Span::Whole).await.unwrap().1, b"{\"format\":1}"[..]);
    assert_eq!(read(&reader, "v1.rgx", Span::Range(4..15)).await.unwrap().1, b" and recipe"[..]);
    let asked: Vec<bool> = server.take_log().iter().map(|asked| asked.is_bucket).collect();
    // The manifest, and for the pack, the patch and the recipe the registry and the bucket. The description is in the
    // manifest.
    assert_eq!(asked, [false, false, true, false, true, false, true]);

    // An image that has not changed costs one answer without a body.
    let version = reader.get("v1.rgx", Span::Front(2048)).await.unwrap().version.unwrap();
    let same = open_with(&server, RegistryLogins::Anonymous, Rights::Read);
    assert!(same.get_unless("v1.rgx", Span::Front(2048), &version).await.unwrap().is_none());
    // Its packs are found even so.
    assert_eq!(read(&same, PACK, Span::Range(0..1)).await.unwrap().1, pack[..1]);
    let by_digest = format!("{version}.rgx");
    assert_eq!(read(&same, &by_digest, Span::Whole).await.unwrap().1, b"head and recipe"[..]);

    // What is pulled with other tools is a store.
    let manifest: Manifest = serde_json::from_slice(&server.manifest("v1").unwrap()).unwrap();
    assert_eq!(manifest.artifact_type, "application/vnd.regrow.image.v1");
    let title = |blob: &regrow_store::Descriptor| blob.annotations["org.opencontainers.image.title"].clone();
    assert_eq!(manifest.layers.iter().map(title).collect::<Vec<_>>(), ["v1.rgx", PACK, PATCH, "regrow.json"]);
    let created = &manifest.annotations["org.opencontainers.image.created"];
    assert!(created.ends_with('Z') && created.len() == 20, "{created}");
}

#[tokio::test]
async fn images_are_listed_and_the_same_image_is_not_put_again() {
    let server = RegistryServer::start(Manner::default());
    let store = open(&server);
    assert_eq!(names(&store, "", Depth::Tree).await, [""; 0]);
    put(&store, PACK, b"pack").await;
    for tag in ["v1", "v2", "v3"] {
        publish(&store, tag, index(tag.as_bytes(), &[PACK], &[])).await;
    }
    server.put_manifest("image", br#"{"schemaVersion":2,"layers":[]}"#);
    server.put_manifest("broken", b"{");
    server.put_manifest("sha256-0", br#"{"schemaVersion":2,"manifests":[]}"#);
    let other = open(&server);
    assert_eq!(names(&other, "", Depth::Folder).await, ["v1.rgx", "v2.rgx", "v3.rgx"]);
    assert_eq!(names(&other, "packs", Depth::Tree).await, [PACK]);
    assert_eq!(other.stat("v2.rgx").await.unwrap().unwrap().bytes, 2);
    assert!(other.stat("v4.rgx").await.unwrap().is_none());
    assert_eq!(other.stat(PACK).await.unwrap().unwrap().bytes, 4);
    let before = server.manifest("v2");
    server.take_log();
    publish(&other, "v2", index(b"v2", &[PACK], &[])).await;
    assert!(server.take_log().iter().all(|asked| asked.method != "PUT"));
    assert_eq!(server.manifest("v2"), before);
    // A tag of something else is not regrow's to replace.
    let error = other.put_index("image.rgx", index(b"x", &[], &[]), Condition::Always).await.unwrap_err();
    assert!(error.to_string().contains("not an image of regrow"), "{error}");
    for name in ["a b.rgx", &format!("sha256:{}.rgx", "0".repeat(64)), "regrow-gc.rgx"] {
        let error = other.put_index(name, index(b"x", &[], &[]), Condition::Always).await.unwrap_err();
        assert!(matches!(error, StoreError::InvalidRequest { .. }), "{name}: {error}");
    }
}

#[tokio::test]
async fn two_makers_do_not_lose_what_the_other_put() {
    let server = RegistryServer::start(Manner::default());
    let (one, two) = (open(&server), open(&server));
    // Each image has its own manifest, so makers of different images never meet.
    put(&one, PACK, b"pack").await;
    put(&two, "packs/cd/other.pack", b"other").await;
    publish(&one, "v1", index(b"one", &[PACK], &[])).await;
    publish(&two, "v2", index(b"two", &["packs/cd/other.pack"], &[])).await;
    assert_eq!(names(&open(&server), "packs", Depth::Tree).await, [PACK, "packs/cd/other.pack"]);
    // Of two that change the same image, the later one sees that it must begin again.
    let version = |download: regrow_store::Download| Condition::IfVersion(download.version.unwrap());
    let (seen, also_seen) =
        (one.get("v1.rgx", Span::Whole).await.unwrap(), two.get("v1.rgx", Span::Whole).await.unwrap());
    let first = one.put_index("v1.rgx", index(b"first", &[PACK], &[]), version(seen)).await.unwrap();
    let second = two.put_index("v1.rgx", index(b"second", &[PACK], &[]), version(also_seen)).await.unwrap();
    assert_eq!((first, second), (PutOutcome::Stored, PutOutcome::Refused));
    // So does one that finds the other's manifest in place of its own.
    let seen = one.get("v1.rgx", Span::Whole).await.unwrap();
    let overtaking = server.manifest("v2").unwrap();
    let (count, digest) = (std::sync::atomic::AtomicUsize::new(0), BlobDigest::of(&overtaking));
    server.answer_by(move |asked| {
        let reads = asked.method == "GET" && asked.target.ends_with("/manifests/v1");
        let is_after = reads && count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0;
        is_after.then(|| (200, vec![("ETag".to_owned(), format!("\"{digest}\""))], overtaking.clone()))
    });
    let third = one.put_index("v1.rgx", index(b"third", &[PACK], &[]), version(seen)).await.unwrap();
    assert_eq!(third, PutOutcome::Refused);
}

#[tokio::test]
async fn a_blob_that_the_registry_collected_fails_the_image_that_needs_it() {
    let server = RegistryServer::start(Manner::default());
    let (one, two) = (open(&server), open(&server));
    put(&one, PACK, b"pack").await;
    publish(&one, "v1", index(b"one", &[PACK], &[])).await;
    assert!(two.stat(PACK).await.unwrap().is_some());
    one.delete(&["v1.rgx".to_owned()]).await.unwrap();
    server.collect_garbage();
    assert_eq!(server.blobs(), 0);
    assert!(two.stat(PACK).await.unwrap().is_none());
    let error = two.put_index("v2.rgx", index(b"two", &[PACK], &[]), Condition::Always).await.unwrap_err();
    assert!(error.to_string().contains("MANIFEST_BLOB_UNKNOWN"), "{error}");
    assert_eq!(server.tags(), [""; 0]);
    let error = open(&server).put_index("v3.rgx", index(b"x", &[PACK], &[]), Condition::Always).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn deleting_takes_patches_out_of_manifests_and_images_with_their_packs() {
    let server = RegistryServer::start(Manner::default());
    let store = open(&server);
    put(&store, PACK, b"pack").await;
    put(&store, PATCH, b"patch").await;
    publish(&store, "v1", index(b"one", &[PACK], &[PATCH])).await;
    publish(&store, "v2", index(b"two", &[], &[])).await;
    store.delete(&[PATCH.to_owned(), "patches/not/there.patch".to_owned()]).await.unwrap();
    assert_eq!(names(&open(&server), "", Depth::Tree).await, [PACK, "v1.rgx", "v2.rgx"]);
    store.delete(&[PACK.to_owned()]).await.unwrap();
    assert_eq!(server.tags(), ["v2"]);

    let server = RegistryServer::start(Manner { keeps_all: true, ..Manner::default() });
    let store = open(&server);
    publish(&store, "v1", index(b"one", &[], &[])).await;
    let error = store.delete(&["v1.rgx".to_owned()]).await.unwrap_err();
    assert!(error.to_string().contains("HTTP 405 UNSUPPORTED: told by the registry"), "{error}");
}

#[tokio::test]
async fn large_blobs_go_in_pieces_and_begin_again_where_one_is_refused() {
    let server = RegistryServer::start(Manner::default());
    let store = open(&server);
    let large = sample((33 << 20) + 5);
    let mut file = store.stage("pack-").unwrap();
    std::io::Write::write_all(&mut file, &large).unwrap();
    let refused = std::sync::atomic::AtomicUsize::new(0);
    server.answer_by(move |asked| {
        let is_third = asked.method == "PATCH" && refused.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2;
        is_third.then(|| (416, vec![("Range".to_owned(), "0-7".to_owned())], b"0-7".to_vec()))
    });
    store.put(PACK, Content::File(file), ObjectKind::Immutable, Condition::IfAbsent).await.unwrap();
    let methods: Vec<String> = server.take_log().into_iter().map(|asked| asked.method).collect();
    let once = ["HEAD", "POST", "PATCH", "PATCH", "PATCH"];
    assert_eq!(methods, [&once[..], &once[..], &["PUT"]].concat());
    assert!(read(&store, PACK, Span::Whole).await.unwrap().1 == large);
}

#[tokio::test]
async fn makers_ask_for_the_right_to_push() {
    let server =
        RegistryServer::start(Manner { login: Some("me:secret".to_owned()), has_bucket: true, ..Manner::default() });
    let login = || RegistryLogins::Password { user: "me".to_owned(), password: "secret".to_owned() };
    let store = open_with(&server, login(), Rights::Write);
    put(&store, PACK, &sample(300)).await;
    publish(&store, "v1", index(b"head", &[PACK], &[])).await;
    let tokens = server.take_log().into_iter().filter(|asked| asked.target.starts_with("/token"));
    assert_eq!(tokens.map(|asked| asked.target.contains("pull%2Cpush")).collect::<Vec<_>>(), [true]);
    // A reader of an image with a patch makes four requests the first time: the refusal, the token, and two.
    let reader = open_with(&server, login(), Rights::Read);
    read(&reader, "v1.rgx", Span::Front(2048)).await.unwrap();
    read(&reader, PACK, Span::Whole).await.unwrap();
    assert_eq!(server.take_log().iter().filter(|asked| !asked.is_bucket).count(), 4);
    let stranger = open(&server);
    let error = stranger.get("v1.rgx", Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied { status: 401, .. }), "{error}");
}

#[tokio::test]
async fn hostile_manifests_mislead_nobody() {
    let digest = BlobDigest::of(b"pack");
    let layers = |index: &str, rest: &str| {
        let index = format!(r#"{{"mediaType":"application/vnd.regrow.index.v1","digest":"{digest}","size":4{index}}}"#);
        format!(r#"{{"schemaVersion":2,"layers":[{index}{rest}]}}"#)
    };
    let server = RegistryServer::start(Manner::default());
    put(&open(&server), PACK, b"pack").await;
    let front = |tag: &str, index: &str| {
        server.put_manifest(tag, layers(index, "").as_bytes());
        let store = open(&server);
        async move { read(&store, "v1.rgx", Span::Front(2048)).await.map(|(_, bytes)| bytes) }
    };
    // A beginning that is longer than the index, or no base64, counts for nothing.
    for value in ["AAAAAAAAAAA=", "****", ""] {
        let index = format!(r#","annotations":{{"vnd.regrow.front":"{value}"}}"#);
        assert_eq!(front("v1", &index).await.unwrap(), b"pack"[..], "{value}");
    }
    // So do carried bytes that are not what the digest says.
    assert_eq!(front("v1", r#","data":"AAAAAA==""#).await.unwrap(), b"pack"[..]);
    assert_eq!(front("v1", r#","data":"cGFjaw==""#).await.unwrap(), b"pack"[..]);
    // Names that lead out of a store are no names.
    let title = |name: &str| {
        format!(
            r#",{{"mediaType":"x","digest":"{digest}","size":4,"annotations":{{"org.opencontainers.image.title":"{name}"}}}}"#
        )
    };
    let rest = ["../../etc/passwd", "/etc/passwd", "v2.rgx", "packs/x.pack"].map(title).concat();
    server.put_manifest("v1", layers("", &rest).as_bytes());
    assert_eq!(names(&open(&server), "", Depth::Tree).await, ["packs/x.pack", "v1.rgx"]);
    // A size that is not that of the blob.
    let wrong = r#",{"mediaType":"x","digest":"DIGEST","size":5,"annotations":{"org.opencontainers.image.title":"x"}}"#;
    server.put_manifest("v1", layers("", &wrong.replace("DIGEST", &digest.to_string())).as_bytes());
    let error = read(&open(&server), "x", Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. } | StoreError::Short { .. }), "{error}");
}

#[tokio::test]
async fn the_list_of_condemned_packs_has_a_tag_of_its_own() {
    let server = RegistryServer::start(Manner::default());
    let store = open(&server);
    assert!(store.get("gc.json", Span::Whole).await.unwrap_err().is_not_found());
    let content = || Content::Bytes("{}".into());
    let put = store.put("gc.json", content(), ObjectKind::Description, Condition::IfAbsent).await.unwrap();
    assert_eq!(put, PutOutcome::Stored);
    let put = store.put("gc.json", content(), ObjectKind::Description, Condition::IfAbsent).await.unwrap();
    assert_eq!(put, PutOutcome::Refused);
    assert_eq!(read(&store, "gc.json", Span::Whole).await.unwrap().1, b"{}"[..]);
    assert_eq!(server.tags(), ["regrow-gc"]);
    assert_eq!(names(&store, "", Depth::Tree).await, [""; 0]);
    // Its time is that of the registry's clock.
    let modified = store.stat("gc.json").await.unwrap().unwrap().modified;
    assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_796_022_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_all_images_are_found_side_by_side() {
    let server = RegistryServer::start(Manner::default());
    let writer = open(&server);
    let packs: Vec<String> = (0..12).map(|number| PACK.replace("ab00", &format!("ab{number:02}"))).collect();
    for (number, pack) in packs.iter().enumerate() {
        put(&writer, pack, pack.as_bytes()).await;
        publish(&writer, &format!("v{number}"), index(b"of an image", &[pack], &[])).await;
    }
    // Most manifests are still on their way while others look for what they name.
    server.answer_by(|asked| {
        let is_late = asked.target.contains("/manifests/") && !asked.target.ends_with("/v0");
        is_late.then(|| std::thread::sleep(std::time::Duration::from_millis(20)));
        None
    });
    server.take_log();
    let reader = open(&server);
    let reading = packs.iter().enumerate().map(|(number, pack)| {
        let reader = &reader;
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(5 * number as u64)).await;
            read(reader, pack, Span::Whole).await.unwrap().1
        }
    });
    let found = futures::future::join_all(reading).await;
    assert!(found.iter().zip(&packs).all(|(bytes, pack)| bytes == pack.as_bytes()));
    let asked: Vec<String> = server.take_log().into_iter().map(|asked| asked.target).collect();
    let first_pages = asked.iter().filter(|target| target.contains("/tags/list") && !target.contains("last="));
    assert_eq!(first_pages.count(), 1, "{asked:?}");
}
