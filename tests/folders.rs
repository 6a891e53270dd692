//! Folders as seeds, wherever in them the files of an image are.

use serde_json::Value;

use crate::environment::TestEnvironment;
use crate::report::{check_extract, number};
use crate::server::Server;
use crate::storages::{lay_out, site};
use regrow_demo::{GO, Tree, docker_save, gzip, version_layers};

/// An image of two layers of small files and large ones, and the machine's folder.
struct Machine {
    env: TestEnvironment,
    layers: [Tree; 2],
    image: Vec<u8>,
}

impl Machine {
    fn new() -> Self {
        let layers = [Tree::sample("one", 120), Tree::sample("two", 120)];
        let (env, image) = (TestEnvironment::new(), docker_save(&layers, 7));
        env.make("new", &image);
        Self { env, layers, image }
    }

    fn unpack(&self, folder: &str, layer: usize) {
        for (path, bytes) in &self.layers[layer].0 {
            self.env.write(&format!("{folder}/{path}"), bytes);
        }
    }

    /// Extracts with this folder. Returns how many of 100 bytes of the contents came from it, and the warnings.
    fn extract(&self, folder: &str) -> (u64, String) {
        let outcome = self.env.run(&format!("extract --json --seed {folder} new.rgx out")).success();
        assert!(self.env.read("out") == self.image, "{folder}");
        self.env.remove("out");
        let report = outcome.json();
        check_extract(&report, &self.image);
        let contents: u64 = self.layers.iter().map(Tree::bytes).sum();
        (number(&report, "bytes_seed") * 100 / contents, outcome.stderr)
    }
}

#[test]
fn files_are_found_in_the_folders_below() {
    let machine = Machine::new();
    for (name, folder) in
        [("storage", "overlay/id"), ("snapshots", "io.x/snapshots/7"), ("driver", "vfs/dir/abc"), ("deep", "a/b/c/d/e")]
    {
        let ends = if name == "snapshots" { ["fs", "fs"] } else { ["diff", "diff"] };
        for (number, end) in ends.iter().enumerate() {
            let end = if ["driver", "deep"].contains(&name) { String::new() } else { format!("/{end}") };
            machine.unpack(&format!("{name}/{folder}{number}{end}"), number);
        }
        let (share, warnings) = machine.extract(name);
        assert!(share >= 95 && !warnings.contains("warning"), "{name}: {share} {warnings}");
    }
}

#[test]
fn a_folder_of_an_image_is_a_seed() {
    let machine = Machine::new();
    machine.unpack("rootfs", 0);
    machine.unpack("rootfs", 1);
    let folders = std::fs::read_dir(machine.env.path("rootfs")).unwrap().map(|entry| entry.unwrap().file_name());
    let (mut parts, mut count) = (0, 0);
    for folder in folders {
        let folder = folder.into_string().unwrap();
        if machine.env.path(&format!("rootfs/{folder}")).is_dir() {
            parts += machine.extract(&format!("rootfs/{folder}")).0;
            count += 1;
        }
    }
    let whole = machine.extract("rootfs").0;
    // Some files lie in no folder.
    assert!(whole >= 95 && parts * 100 >= whole * 80, "{parts} of {whole} in {count}");
}

#[test]
fn a_folder_that_gives_little_says_why() {
    let machine = Machine::new();
    for number in 0..30 {
        machine.env.write(&format!("other/{number}"), &regrow_demo::noise(&number.to_string(), 3000));
    }
    let (share, warnings) = machine.extract("other");
    assert!(share < 5, "{share}");
    assert!(warnings.contains("other: gives little: it has 0 % of the image's files"), "{warnings}");
    assert_eq!(warnings.lines().count(), 1, "{warnings}");
}

/// An image that was saved and unpacked has its layers in files.
#[test]
fn archives_in_a_folder_are_bases() {
    let (env, new, layers) = site(2);
    let server = Server::new(env.root());
    let extract = |seed: &str| {
        let report = env.json(&format!("extract --catalog c --head-first --seed {seed} {} out", server.url("new.rgx")));
        env.remove("c");
        assert!(env.read("out") == new, "{seed}");
        env.remove("out");
        (number(&report, "bytes_fetched"), number(&report, "chunks_store"))
    };
    let expected = extract("old");
    assert_eq!(expected.1, 0);
    for (number, layer) in layers.iter().enumerate() {
        env.write(&format!("saved/{number}/layer.tar"), layer);
        env.write(&format!("pulled/{number}.tar.gz"), &gzip(layer, GO));
    }
    for folder in ["saved", "pulled"] {
        assert_eq!(extract(folder), expected, "{folder}");
    }
}

/// Storages that several machines share are named by the configuration of each.
#[test]
fn additional_image_stores_are_searched() {
    let (env, new, layers) = site(2);
    let server = Server::new(env.root());
    lay_out(&env, "containers-storage", &layers);
    std::fs::create_dir_all(env.path("disk/srv")).unwrap();
    std::fs::rename(env.path("storage"), env.path("disk/srv/images")).unwrap();
    env.write("disk/var/lib/containers/storage/overlay-layers/layers.json", b"[]");
    let conf = "[storage]\n[storage.options]\nadditionalimagestores = [\n  \"/nowhere\",\n  \"/srv/images\",\n]\n";
    let extract = |seed: &str| {
        let extract = format!("extract --json --catalog c --head-first --seed {seed} {} out", server.url("new.rgx"));
        let outcome = env.run(&extract).success();
        env.remove("c");
        assert!(env.read("out") == new, "{seed}");
        env.remove("out");
        outcome.json()
    };
    let root = "disk/var/lib/containers/storage";
    assert!(number(&extract(root), "chunks_store") > 0);
    env.write("disk/usr/share/containers/storage.conf", conf.as_bytes());
    for seed in [root.to_owned(), format!("containers-storage:{root}"), "disk/srv/images".to_owned()] {
        let report = extract(&seed);
        assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{seed}: {report}");
        let layers: u64 = report["storages"].as_array().unwrap().iter().map(|storage| number(storage, "layers")).sum();
        assert_eq!(layers, 2, "{report}");
    }
    // The machine's own configuration comes first.
    env.write("disk/etc/containers/storage.conf", b"[storage]\n");
    assert!(number(&extract(root), "chunks_store") > 0);
}

/// The catalog remembers a layer, of which a file is gone since. Another seed has all of it.
#[test]
fn of_a_part_that_is_there_twice_the_whole_copy_serves() {
    let (env, new, layers) = site(2);
    let server = Server::new(env.root());
    lay_out(&env, "docker", &layers);
    std::thread::sleep(regrow_catalog::SETTLED_AFTER + std::time::Duration::from_millis(100));
    let extract = |seeds: &str| -> Value {
        let report = env.json(&format!("extract --head-first {seeds} {} out", server.url("new.rgx")));
        assert!(env.read("out") == new);
        env.remove("out");
        report
    };
    extract("--seed docker:storage");
    let gone = env.files("storage/overlay2").into_iter().max_by_key(|file| env.read(file).len()).unwrap();
    env.remove(&gone);
    for seeds in ["--seed docker:storage --seed old", "--seed old --seed docker:storage"] {
        let report = extract(seeds);
        assert_eq!(number(&report["storages"][0], "layers"), version_layers()[0].len() as u64, "{report}");
        assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{seeds}: {report}");
    }
}
