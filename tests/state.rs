//! What a machine remembers of images that it made: layers are bases of patches again where only their files are.

mod bounds;
mod folders;
mod hostile;
mod layers;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, number};
use crate::server::Server;
use layers::{Layer, archive, layers, tar_of, unpack};
use regrow_demo::{GO, gzip};

const MAKE: &str = "make --avg-size 1KiB --pack-size 256KiB --patch-level 3 --format 2";
/// The folder of what is remembered.
const MEMORY: &str = "home-state/images";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A store with two images, and a patch between them.
struct Site {
    env: TestEnvironment,
    new: Vec<u8>,
}

impl Site {
    /// The images that have these layers, in archives whose layers are in this form.
    fn new([old, new]: [&[Vec<u8>]; 2], form: fn(&[u8]) -> Vec<u8>) -> Self {
        Self::of_images(&archive(old, form), archive(new, form))
    }

    fn of_images(old: &[u8], new: Vec<u8>) -> Self {
        let env = TestEnvironment::new();
        env.write("old", old);
        env.write("new", &new);
        env.json(&format!("{MAKE} old.rgx old"));
        env.json(&format!("{MAKE} --patch-from old.rgx new.rgx new"));
        Self { env, new }
    }

    /// The usual one.
    fn usual(form: fn(&[u8]) -> Vec<u8>) -> (Self, [Vec<Layer>; 2]) {
        let layers = layers();
        let [old, new] = [&layers[0], &layers[1]].map(|layers| layers.iter().map(tar_of).collect::<Vec<_>>());
        (Self::new([&old, &new], form), layers)
    }

    /// Makes the old image on the machine, and leaves nothing of it but what is remembered.
    fn make_old(&self) {
        self.env.run("extract old.rgx made").success();
        self.env.remove("made");
    }

    /// Updates from these seeds, checks the result, and removes it.
    #[track_caller]
    fn update(&self, server: &Server, arguments: &str) -> (Value, Outcome) {
        server.reset_counts();
        let state = if arguments.contains("--state") { "" } else { "--no-state" };
        let extract = format!("extract --catalog catalog --head-first {state} --json {arguments}");
        // What an update adds is another's matter, except where the test says so.
        let copied = self.env.copy("home-state", "copied-state");
        let extract = if copied { extract.replace("--state home-state", "--state copied-state") } else { extract };
        let outcome = self.env.run(&format!("{extract} {} out", server.url("new.rgx"))).success();
        self.env.remove("catalog");
        if copied {
            self.env.remove("copied-state");
        }
        assert!(self.env.read("out") == self.new, "{arguments}");
        self.env.remove("out");
        let report = outcome.json();
        check_extract(&report, &self.new);
        (report, outcome)
    }

    /// What an update from the old image fetches.
    fn with_archive(&self, server: &Server) -> u64 {
        let (report, _) = self.update(server, "--seed old");
        assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{report}");
        number(&report, "bytes_fetched")
    }

    /// Checks that an update from this folder fetches what one from the old image does.
    #[track_caller]
    fn check_whole(&self, server: &Server, folder: &str) {
        let expected = self.with_archive(server);
        let (report, outcome) = self.update(server, &format!("--state home-state --seed {folder}"));
        assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
        assert_eq!(number(&report, "bytes_fetched"), expected, "{report}");
        assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{report}");
    }
}

fn plain(layer: &[u8]) -> Vec<u8> {
    layer.to_vec()
}

fn gzipped(layer: &[u8]) -> Vec<u8> {
    gzip(layer, GO)
}

#[test]
fn an_unpacked_image_is_a_whole_base() {
    for form in [plain, gzipped] {
        let (site, [old, _]) = Site::usual(form);
        let server = Server::new(site.env.root());
        unpack(&site.env, &old, "rootfs");
        let (without, _) = site.update(&server, "--seed rootfs");
        assert!(number(&without, "chunks_store") > 0, "{without}");
        site.make_old();
        site.check_whole(&server, "rootfs");
        // An update is remembered like a first install.
        site.env.run("extract --seed rootfs new.rgx out").success();
        site.env.remove("out");
        let images = site.env.json("state list")["images"].clone();
        assert_eq!(images.as_array().map(Vec::len), Some(2), "{images}");
        for image in images.as_array().unwrap() {
            assert_eq!(image["parts"], image["parts_described"], "{images}");
        }
        let told = site.update(&server, "--state home-state --seed rootfs").0;
        assert_eq!(told["storages"][0]["kind"], "folder", "{told}");
    }
}

#[test]
fn pipes_devices_and_plain_forms_are_remembered_too() {
    for form in [plain, gzipped] {
        let (site, [old, _]) = Site::usual(form);
        let server = Server::new(site.env.root());
        unpack(&site.env, &old, "rootfs");
        let made = site.env.read("old");
        for how in ["pipe", "device"] {
            if how == "pipe" {
                assert!(site.env.run("extract old.rgx -").success().stdout == made);
            } else {
                site.env.write("device", &vec![7; made.len()]);
                site.env.run("extract --in-place old.rgx device").success();
                site.env.remove("device");
            }
            site.check_whole(&server, "rootfs");
            site.env.remove("home-state");
        }
        // What seeds gave counts as well, also where the output is not there any more.
        assert!(site.env.run("extract --seed old old.rgx -").success().stdout == made);
        site.check_whole(&server, "rootfs");
    }
}

#[test]
fn an_image_without_layers_is_remembered() {
    // An image with a tar in it would have that as its part.
    let [old, new] = layers().map(|layers| {
        let mut only = [&layers[0][..], &layers[2]].concat();
        only.retain(|(path, _)| path != "usr/nested.tar");
        only
    });
    let image = tar_of;
    let site = Site::of_images(&image(&old), image(&new));
    let server = Server::new(site.env.root());
    let only = [old.clone()];
    unpack(&site.env, &only, "rootfs");
    site.make_old();
    site.check_whole(&server, "rootfs");
    // The same compressed as a whole.
    let site = Site::of_images(&gzipped(&image(&old)), gzipped(&image(&new)));
    let server = Server::new(site.env.root());
    unpack(&site.env, &only, "rootfs");
    site.make_old();
    site.check_whole(&server, "rootfs");
    // A disk image has no files.
    let noise = regrow_demo::noise("disk", 300_000);
    let site = Site::of_images(&noise, noise.clone());
    site.make_old();
    assert_eq!(site.env.files("home-state"), Vec::<String>::new());
}

#[test]
fn a_folder_that_changed_costs_chunks_and_says_so() {
    let (site, [old, _]) = Site::usual(plain);
    let server = Server::new(site.env.root());
    unpack(&site.env, &old, "rootfs");
    site.make_old();
    let arguments = "--state home-state --seed rootfs";
    site.env.write("rootfs/etc/changed", b"another size");
    let (report, outcome) = site.update(&server, arguments);
    assert!(number(&report, "chunks_store") > 0 && number(&report, "bytes_seed") > 100_000, "{report}");
    assert!(outcome.stderr.contains("1 of the 3 layers there changed or are gone, such as etc/changed"), "{outcome:?}");
    // The same size and other bytes are found as well.
    unpack(&site.env, &old, "rootfs");
    site.check_whole(&server, "rootfs");
    let mut same_size = site.env.read("rootfs/etc/changed");
    same_size[0] ^= 1;
    site.env.write("rootfs/etc/changed", &same_size);
    let (report, outcome) = site.update(&server, arguments);
    assert!(number(&report, "chunks_store") > 0, "{report}");
    assert!(outcome.stderr.contains("1 of the 3 layers there changed or are gone; no patch"), "{outcome:?}");
    // A folder with nothing of it is a folder.
    site.env.write("empty/file", b"bytes");
    let (_, outcome) = site.update(&server, "--state home-state --seed empty");
    assert!(!outcome.stderr.contains("no patch"), "{outcome:?}");
}

/// A folder whose files change between two runs is not taken for what it was.
#[test]
fn the_catalog_goes_by_the_state_of_all_files() {
    let (site, [old, _]) = Site::usual(plain);
    let server = Server::new(site.env.root());
    unpack(&site.env, &old, "rootfs");
    site.make_old();
    std::thread::sleep(regrow_catalog::SETTLED_AFTER + std::time::Duration::from_millis(100));
    let extract = format!("extract --json --head-first --seed rootfs {} out", server.url("new.rgx"));
    for changes in [false, false, true] {
        if changes {
            let mut bytes = site.env.read("rootfs/etc/changed");
            bytes[0] ^= 1;
            site.env.write("rootfs/etc/changed", &bytes);
        }
        let outcome = site.env.run(&extract).success();
        assert!(site.env.read("out") == site.new);
        site.env.remove("out");
        assert_eq!(number(&outcome.json(), "chunks_store") == 0, !changes, "{outcome:?}");
    }
}
