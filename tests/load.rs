//! Images that go into a container engine. The engine is a Docker daemon that is played here, and checks what it gets.
//! Real engines are for `.ci/interop/load.sh`.

mod daemon;

use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::number;
use crate::server::Server;
use daemon::Daemon;
use regrow_demo::{GO, Tree, add_file, end, gzip, version_layers};

const MAKE: &str = "make --avg-size 1KiB --pack-size 256KiB --patch-level 3";
const TIME: u64 = 1_700_000_000;

pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", hex(layer))).collect();
    json!({ "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids } }).to_string().into_bytes()
}

/// An image that engines take, as `docker save` writes it.
fn saved(layers: &[Vec<u8>], name: &str) -> Vec<u8> {
    let (mut tar, config) = (Vec::new(), config(layers));
    let paths: Vec<String> = layers.iter().map(|layer| format!("{}/layer.tar", hex(layer))).collect();
    for (path, layer) in paths.iter().zip(layers) {
        add_file(&mut tar, path, layer, TIME);
    }
    let config_path = format!("{}.json", hex(&config));
    add_file(&mut tar, &config_path, &config, TIME);
    let manifest = json!([{ "Config": config_path, "RepoTags": [name], "Layers": paths }]);
    add_file(&mut tar, "manifest.json", manifest.to_string().as_bytes(), TIME);
    end(tar)
}

/// The same image as an OCI archive with gzip layers.
fn layout(layers: &[Vec<u8>], name: &str) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut blob = |bytes: &[u8]| {
        add_file(&mut tar, &format!("blobs/sha256/{}", hex(bytes)), bytes, TIME);
        json!({ "digest": format!("sha256:{}", hex(bytes)), "size": bytes.len() })
    };
    let stored: Vec<_> = layers.iter().map(|layer| blob(&gzip(layer, GO))).collect();
    let config = blob(&config(layers));
    let mut manifest = blob(json!({ "config": config, "layers": stored }).to_string().as_bytes());
    manifest["annotations"] = json!({ "io.containerd.image.name": name });
    add_file(&mut tar, "oci-layout", b"{}", TIME);
    add_file(&mut tar, "index.json", json!({ "manifests": [manifest] }).to_string().as_bytes(), TIME);
    end(tar)
}

/// A site with two images of a base and a layer that changes, and a daemon that has the old one.
struct Site {
    env: TestEnvironment,
    daemon: Daemon,
    new: Vec<Vec<u8>>,
}

impl Site {
    fn new(archive: impl Fn(&[Vec<u8>], &str) -> Vec<u8>) -> Self {
        let env = TestEnvironment::new();
        let tars = |layers: &[Tree]| layers.iter().map(|layer| layer.tar(TIME)).collect::<Vec<_>>();
        let [old, new] = version_layers().map(|layers| tars(&layers));
        env.write("old", &archive(&old, "app:1"));
        env.write("new", &archive(&new, "app:2"));
        env.json(&format!("{MAKE} old.rgx old"));
        env.json(&format!("{MAKE} --patch-from old.rgx new.rgx new"));
        let daemon = Daemon::new(&env.path("d.sock"));
        daemon.add("app:1", &config(&old), &old);
        Self { env, daemon, new }
    }

    fn id(&self) -> String {
        format!("sha256:{}", hex(&config(&self.new)))
    }

    fn run(&self, arguments: &str) -> Outcome {
        self.env.run(&format!("load --engine docker --socket d.sock {arguments}"))
    }
}

#[test]
fn only_layers_that_the_engine_lacks_are_sent() {
    for archive in [saved, layout] {
        let site = Site::new(archive);
        let server = Server::new(site.env.root());
        let new = server.url("new.rgx");
        let planned = site.run(&format!("--dry-run --json --seed old {new}")).success().json();
        assert_eq!((number(&planned, "layers_sent"), number(&planned, "layers_held")), (1, 1), "{planned}");
        assert!(site.daemon.loads().is_empty(), "a dry run gives nothing");
        let report = site.run(&format!("--json --seed old {new}")).success().json();
        let lacking = &site.new[1];
        assert_eq!(
            (number(&report, "layers_sent"), number(&report, "bytes_sent")),
            (1, lacking.len() as u64),
            "{report}"
        );
        let image = &report["images"][0];
        assert_eq!((&image["id"], &image["names"]), (&json!(site.id()), &json!(["app:2"])), "{report}");
        assert_eq!(site.daemon.image("app:2"), Some(site.id()));
        let loads = site.daemon.loads();
        let [files] = &loads[..] else { panic!("{} archives came", loads.len()) };
        assert!(files.contains(&format!("{}.tar", hex(lacking))), "{files:?}");
        assert!(!files.contains(&format!("{}.tar", hex(&site.new[0]))), "{files:?}");
        assert!(number(&report, "bytes_fetched") < 300_000, "{report}");
    }
}

#[test]
fn options_that_an_engine_has_no_use_for_are_refused() {
    let env = TestEnvironment::new();
    for (arguments, said) in
        [("podman --socket s", "--socket: podman"), ("docker --namespace n", "--namespace: only containerd")]
    {
        env.run(&format!("load --engine {arguments} new.rgx")).failure(2, said);
    }
}

#[test]
fn an_engine_that_has_the_image_is_asked_and_that_is_all() {
    let site = Site::new(saved);
    let server = Server::new(site.env.root());
    site.run(&format!("--quiet {}", server.url("new.rgx"))).success();
    let requests = server.request_count();
    let again = site.run(&format!("--json {}", server.url("new.rgx"))).success().json();
    assert_eq!((&again["already_there"], server.request_count() - requests), (&json!(true), 1), "{again}");
    assert_eq!(site.daemon.loads().len(), 1);
    // Without the catalog, the image's own documents tell.
    let unknown = site.run(&format!("--json --catalog other {}", server.url("new.rgx"))).success().json();
    assert_eq!((&unknown["already_there"], number(&unknown, "layers_sent")), (&json!(true), 0), "{unknown}");
    // Another name is given without sending layers.
    let named = site.run(&format!("--json --tag host:5000/b:3 {}", server.url("new.rgx"))).success().json();
    assert_eq!((number(&named, "layers_sent"), number(&named, "layers_held")), (0, 2), "{named}");
    assert_eq!(site.daemon.image("host:5000/b:3"), Some(site.id()));
    // An image that was deleted meanwhile comes again.
    site.daemon.remove(&site.id());
    let report = site.run(&format!("--json {}", server.url("new.rgx"))).success().json();
    assert_eq!((&report["already_there"], number(&report, "layers_sent")), (&json!(false), 1), "{report}");
}

#[test]
fn an_engine_that_loses_layers_meanwhile_gets_them() {
    let site = Site::new(saved);
    site.daemon.forget_after_inspection();
    let outcome = site.run("new.rgx").success();
    assert!(outcome.stderr.contains("fewer layers than when it was asked"), "{}", outcome.stderr);
    assert_eq!(site.daemon.image("app:2"), Some(site.id()));
    assert_eq!(site.daemon.loads().len(), 2);
}

#[test]
fn what_is_wrong_is_told_in_a_line() {
    let site = Site::new(saved);
    site.env.run("load --engine docker --socket none.sock new.rgx").failure(4, "none.sock: docker cannot be reached");
    site.env.run("load --socket npipe://x new.rgx").failure(2, "npipe://…: is no address");
    site.run("--tag a..//b new.rgx").failure(2, "is no name of an image");
    site.env.make("file", b"no archive at all");
    site.run("file.rgx").failure(3, "the image is none that a container engine takes");
    site.run("nowhere.rgx").failure_of(&[1, 4], "nowhere.rgx");
    site.daemon.refuse("write /data: no space left on device");
    site.run("new.rgx").failure(1, "docker: write /data: no space left on device");
    assert_eq!(site.daemon.image("app:2"), None);
    site.daemon.answer_nonsense();
    site.run("new.rgx").failure(4, "makes no sense");
    assert!(!Path::new(&site.env.path("scratch")).read_dir().unwrap().any(|_| true), "something is left behind");
}
