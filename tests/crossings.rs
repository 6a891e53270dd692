//! Patches that start from parts: a machine that holds a patch's base parts uses it, whatever program wrote the
//! archives that they lie in.

mod announced;
mod apart;
mod tiny;

use regrow_demo::{GO, PGZIP, add_file, end, gzip, noise, patchable};
use regrow_index::{AnnouncedPatch, Index};
use serde_json::Value;

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, number};
use crate::server::Server;

/// The layers of an image: one that stays, and two that change.
type Layers = [Vec<u8>; 3];

fn layers() -> [Layers; 2] {
    let base = regrow_demo::Tree::sample("base", 40).tar(1_600_000_000);
    let [old, new] = patchable::layers().map(|layers| layers.map(|layer| layer.tar(1_650_000_000)));
    [old, new].map(|[one, two]| [base.clone(), one, two])
}

/// A program that writes archives of these layers.
type Writer = fn(&[Vec<u8>]) -> Vec<u8>;

/// Archives as programs write them: they differ in names, times, orders and compression, and in the files beside the
/// layers.
const WRITERS: [(&str, Writer); 5] = [
    ("docker", |layers| {
        let mut tar = Vec::new();
        for layer in layers {
            let name = blake3::hash(layer).to_string();
            add_file(&mut tar, &format!("{name}/VERSION"), b"1.0", 1_700_000_000);
            add_file(&mut tar, &format!("{name}/layer.tar"), layer, 1_700_000_000);
        }
        add_file(&mut tar, "manifest.json", b"[{\"Config\":\"config.json\",\"Layers\":[]}]", 1_700_000_000);
        end(tar)
    }),
    ("docker-25", |layers| {
        blobs(layers, 1_710_000_000, <[u8]>::to_vec, &["index.json", "manifest.json", "oci-layout"])
    }),
    ("skopeo", |layers| {
        let mut tar = Vec::new();
        for layer in layers.iter().rev() {
            add_file(&mut tar, &format!("{}.tar", blake3::hash(layer)), layer, 0);
        }
        add_file(&mut tar, "repositories", &noise("repositories", 700), 0);
        add_file(&mut tar, "manifest.json", b"[]", 0);
        end(tar)
    }),
    ("oci", |layers| blobs(layers, 1_720_000_000, |layer| gzip(layer, PGZIP), &["oci-layout", "index.json"])),
    ("buildkit", |layers| {
        let reversed: Vec<_> = layers.iter().rev().cloned().collect();
        blobs(&reversed, 0, |layer| gzip(layer, GO), &["oci-layout", "index.json", "manifest.json"])
    }),
];

fn blobs(layers: &[Vec<u8>], time: u64, written: impl Fn(&[u8]) -> Vec<u8>, others: &[&str]) -> Vec<u8> {
    let mut tar = Vec::new();
    for layer in layers {
        let layer = written(layer);
        add_file(&mut tar, &format!("blobs/sha256/{}", blake3::hash(&layer)), &layer, time);
    }
    others.iter().for_each(|name| add_file(&mut tar, name, format!("{{\"{name}\":1}}").as_bytes(), time));
    end(tar)
}

/// A store with two images of version 2, and with what a machine may hold beside it.
struct Site {
    env: TestEnvironment,
    new: Vec<u8>,
}

impl Site {
    /// A store with two images by the same writer, and with the announced patch between them.
    fn new(writer: Writer) -> Self {
        let [old, new] = layers().map(|layers| writer(&layers));
        let site = Self { env: TestEnvironment::new(), new };
        site.make("old", &old, "");
        site.make("new", &site.new, "--patch-from old.rgx");
        site
    }

    fn make(&self, name: &str, image: &[u8], arguments: &str) -> Value {
        self.env.write(name, image);
        let make = "make --format 2 --avg-size 1KiB --pack-size 256KiB --patch-level 3";
        self.env.json(&format!("{make} {arguments} {name}.rgx {name}"))
    }

    fn index(&self) -> Index {
        Index::decode(&self.env.read("new.rgx")).unwrap()
    }

    /// Changes what the index announces.
    fn announce(&self, change: impl FnOnce(&mut Vec<AnnouncedPatch>)) {
        let mut index = self.index();
        change(&mut index.patches);
        self.env.write("new.rgx", &index.encode());
    }

    fn server(&self) -> Server {
        Server::new(self.env.root())
    }

    /// Extracts `new` from a server, checks it, and removes it.
    #[track_caller]
    fn extract(&self, server: &Server, arguments: &str) -> (Value, Outcome) {
        server.reset_counts();
        let extract = format!("extract --catalog catalog --head-first --json {arguments}");
        let outcome = self.env.run(&format!("{extract} {} out", server.url("new.rgx"))).success();
        // Each run is the first one of a machine.
        self.env.remove("catalog");
        assert!(self.env.read("out") == self.new, "{arguments}");
        self.env.remove("out");
        let report = outcome.json();
        check_extract(&report, &self.new);
        assert_eq!(self.env.files("scratch"), Vec::<String>::new());
        assert_eq!(number(&report, "requests"), server.request_count(), "{:?}", server.requests());
        (report, outcome)
    }

    /// Extracts by a patch, which takes two requests. Returns the bytes that were fetched.
    #[track_caller]
    fn extract_patched(&self, server: &Server, arguments: &str) -> u64 {
        let (report, outcome) = self.extract(server, arguments);
        assert_eq!(warnings(&outcome), Vec::<&str>::new(), "{arguments}");
        let counts = ["requests", "chunks_store"].map(|key| number(&report, key));
        assert_eq!(counts, [2, 0], "{arguments}: {:?}", server.requests());
        assert!(number(&report, "chunks_patch") > 0, "{report}");
        number(&report, "bytes_fetched")
    }

    /// Extracts without a patch. Returns the warnings.
    #[track_caller]
    fn extract_chunked(&self, server: &Server, arguments: &str) -> Vec<String> {
        let (report, outcome) = self.extract(server, arguments);
        assert!(number(&report, "chunks_store") > 0, "{arguments}: {report}");
        warnings(&outcome).into_iter().map(str::to_owned).collect()
    }
}

fn warnings(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().filter(|line| line.starts_with("regrow: warning: ")).collect()
}

/// The number of requests for patches.
fn asked(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.path.ends_with(".patch")).count()
}

/// What the writer of the old archive is makes no difference.
#[test]
fn every_writers_archive_serves_every_writers_image() {
    let [old, _] = layers();
    for (target, writer) in WRITERS.into_iter().step_by(2) {
        let site = Site::new(writer);
        let server = site.server();
        let same = site.extract_patched(&server, "--seed old");
        for (other, writer) in WRITERS {
            site.env.write("seed", &writer(&old));
            let fetched = site.extract_patched(&server, "--seed seed");
            assert_eq!(fetched, same, "{target} from {other}");
        }
        let (report, _) = site.extract(&server, "--no-patch --seed old");
        assert!(number(&report, "bytes_fetched") > same * 2, "{target}: {report}");
    }
}

/// A patch has nothing of the layers that the machine holds, even if it holds them in another archive.
#[test]
fn only_what_changed_is_in_the_patch() {
    let site = Site::new(WRITERS[0].1);
    let patch = site.index().patches[0].clone();
    assert_eq!(patch.parts.len(), 3);
    let info = site.env.json("info new.rgx");
    let told = &info["patches"][0];
    assert_eq!((number(told, "base_parts"), number(told, "base_parts_kept")), (3, 1), "{info}");
    assert_eq!(Some(number(told, "bytes")), patch.bytes);
    let text = site.env.run("info new.rgx").success();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("from 3 parts, 1 of them here"), "{text}");
    // The same layers again, in an archive of another kind: only its wrapper is new.
    let [_, new] = layers();
    let report = site.make("again", &WRITERS[1].1(&new), "--patch-from new.rgx --patch-min-saving 0");
    assert!(number(&report["patches"][0], "bytes") < 1000, "{report}");
    assert_eq!(number(&report["patches"][0], "base_parts"), 3);
}

#[test]
fn dry_runs_pipes_and_devices_take_the_patch_as_well() {
    let site = Site::new(WRITERS[3].1);
    let [old, _] = layers();
    site.env.write("seed", &WRITERS[2].1(&old));
    let server = site.server();
    let url = server.url("new.rgx");
    let planned = site.env.json(&format!("extract --head-first --catalog a --dry-run --seed seed {url} out"));
    let (report, _) = site.extract(&server, "--seed seed");
    for key in ["bytes_fetched", "requests"] {
        assert_eq!(planned[key], report[key], "{key}: {planned} {report}");
    }
    server.reset_counts();
    let outcome = site.env.run(&format!("extract --head-first --catalog b --seed seed {url} -")).success();
    assert!(outcome.stdout == site.new);
    assert_eq!(server.request_count(), 2);
    site.env.write("device", &vec![7; site.new.len()]);
    site.env.run(&format!("extract --head-first --catalog c --seed seed --in-place {url} device")).success();
    assert!(site.env.read("device") == site.new);
    assert_eq!(server.request_count(), 4);
    // The file that is replaced is a seed too.
    site.env.write("out", &site.env.read("seed"));
    site.env.run(&format!("extract --head-first --catalog d {url} out")).success();
    assert!(site.env.read("out") == site.new);
    assert_eq!((server.request_count(), asked(&server)), (6, 3));
}

/// An index that is fetched whole says the same.
#[test]
fn a_whole_index_leads_to_the_patch_as_well() {
    let site = Site::new(WRITERS[0].1);
    let [old, _] = layers();
    site.env.write("seed", &WRITERS[4].1(&old));
    let server = site.server();
    let report = site.env.json(&format!("extract --seed seed {} out", server.url("new.rgx")));
    assert!(site.env.read("out") == site.new);
    assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{report}");
    assert_eq!(asked(&server), 1);
}
