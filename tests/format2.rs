//! Indexes of version 2: every kind of image comes back on every path, an update costs what it does with version 1,
//! and parts are known wherever they lie.

mod names;
mod patches;
mod rewritten;
mod shared;

use regrow_index::Index;
use serde_json::Value;

use crate::environment::TestEnvironment;
use crate::report::{check_extract, check_make, number};
use crate::server::{Answer, Server};
use regrow_demo::{GNU_GZIP, PGZIP, Tree, docker_save, gzip, kinds, noise, oci, version_layers, versions};

/// Makes `NAME.rgx` in version 2, with small chunks and packs.
fn make2(env: &TestEnvironment, name: &str, image: &[u8]) -> Value {
    env.write(name, image);
    env.json(&format!("make --format 2 --allow-partial --avg-size 1KiB --pack-size 256KiB {name}.rgx {name}"))
}

fn index_of(env: &TestEnvironment, name: &str) -> Index {
    Index::decode(&env.read(name)).unwrap()
}

#[test]
fn every_kind_on_every_path() {
    for (name, image) in kinds() {
        let env = TestEnvironment::new();
        let made = make2(&env, name, &image);
        check_make(&made, &image);
        let report = env.json(&format!("extract {name}.rgx out"));
        assert!(env.read("out") == image, "{name}");
        check_extract(&report, &image);
        assert!(env.run(&format!("extract {name}.rgx -")).success().stdout == image, "{name} through a pipe");
        env.run(&format!("verify {name}.rgx out")).success();
        env.run(&format!("verify --store store {name}.rgx")).success();
        // A scan of the image arrives at the index's segments and chunks.
        let server = Server::new(env.root());
        let report = env.json(&format!("extract --seed {name} {} other", server.url(&format!("{name}.rgx"))));
        assert!(env.read("other") == image, "{name} from itself");
        assert_eq!((number(&report, "chunks_store"), number(&report, "requests")), (0, 1), "{name}: {report}");
        let index = index_of(&env, &format!("{name}.rgx"));
        assert_eq!(index.walk_version, 3);
        let units = index.units.as_ref().unwrap();
        assert_eq!(made["image_id"], units.image_id().to_string());
        let tars = units.parts.iter().filter(|part| part.kind == regrow_chunker::PartKind::Tar).count();
        let expected = match name {
            "docker" | "oci-pgzip" | "oci-gnu" | "cut-tar" | "gzip-members" => 2,
            "tar" | "tar-and-more" => 1,
            _ => 0,
        };
        assert_eq!(tars, expected, "{name}");
    }
}

#[test]
fn an_image_is_written_in_place_and_resumed() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    make2(&env, "new", &new);
    env.write("disk", &old);
    let server = Server::new(env.root());
    env.run(&format!("extract --in-place {} disk", server.url("new.rgx"))).success();
    assert!(env.read("disk") == new);
    // The host fails in the middle.
    let env = TestEnvironment::new();
    make2(&env, "new", &noise("long", 3_000_000));
    let answered = std::sync::atomic::AtomicUsize::new(0);
    let broken = Server::with(env.root(), move |_| {
        let answered = answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if answered < 20 { Answer::Serve } else { Answer::Status(404) }
    });
    env.run(&format!("extract --connections 1 {} out", broken.url("new.rgx"))).failure(4, "404");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract {} out", server.url("new.rgx")));
    assert!(number(&report, "chunks_resumed") > 0, "{report}");
    assert!(env.read("out") == env.read("new"));
}

/// Pairs of images, an old and a new one.
fn pairs() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let (old, new) = versions();
    let coded = version_layers().map(|layers| oci(&layers, 1_700_000_000, |layer| gzip(layer, PGZIP)));
    let [old_coded, new_coded] = coded;
    let tree = Tree::sample("root", 150);
    let disk = noise("disk", 2_000_000);
    let changed = [&disk[..700_000], &noise("changed", 50_000), &disk[750_000..]].concat();
    vec![
        ("docker", old, new),
        ("oci", old_coded, new_coded),
        ("root", tree.tar(1), tree.changed(20).tar(1_000_000)),
        ("disk", disk, changed),
    ]
}

#[test]
fn an_update_costs_what_it_does_with_version_1() {
    for (name, old, new) in pairs() {
        let fetched = ["1", "2"].map(|format| {
            let env = TestEnvironment::new();
            env.write("old", &old);
            env.write("new", &new);
            env.json(&format!("make --format {format} old.rgx old"));
            env.json(&format!("make --format {format} new.rgx new"));
            let server = Server::new(env.root());
            let report = env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
            assert!(env.read("out") == new, "{name}");
            (number(&report, "bytes_fetched"), number(&report, "requests"), env.read("new.rgx").len() as u64)
        });
        let [(bytes1, requests1, index1), (bytes2, requests2, index2)] = fetched;
        assert!(bytes2 <= bytes1 * 1005 / 1000, "{name}: {fetched:?}");
        assert!(index2 <= index1 + 1000, "{name}: {fetched:?}");
        assert!(requests2 <= requests1, "{name}: {fetched:?}");
    }
}
