//! What is announced decides which patch is asked for, and is believed in nothing else.

use regrow_index::BasePart;

use super::*;
use crate::server::Answer;

#[test]
fn the_smallest_patch_whose_parts_are_there_is_asked_for() {
    let site = Site::new(WRITERS[0].1);
    let [_, [base, one, mut two]] = layers();
    two.truncate(two.len() - 1024);
    add_file(&mut two, "a/new/file", &noise("more", 9000), 5);
    let nearer = [base, one, end(two)];
    site.make("nearer", &WRITERS[0].1(&nearer), "");
    site.env.json("patch --patch-level 3 --old nearer --new new nearer.rgx new.rgx");
    let announced = site.index().patches;
    assert_eq!(announced.len(), 2);
    assert!(announced[0].bytes < announced[1].bytes, "{announced:?}");
    let server = site.server();
    let [old, _] = layers();
    site.env.write("both", &WRITERS[2].1(&[&old[..], &nearer[1..]].concat()));
    site.env.write("one", &WRITERS[4].1(&old));
    for (seed, patch) in [("both", &announced[0]), ("one", &announced[1])] {
        site.extract_patched(&server, &format!("--seed {seed}"));
        assert!(server.requests()[1].path.contains(&patch.base.to_string()), "{seed}: {:?}", server.requests());
    }
}

/// An index as earlier versions write it names images, not parts. The patch may start from parts nevertheless.
#[test]
fn an_index_that_names_no_parts_serves_the_base_image() {
    let site = Site::new(WRITERS[0].1);
    site.announce(|patches| patches[0].parts.clear());
    let server = site.server();
    site.extract_patched(&server, "--seed old");
    let [old, _] = layers();
    site.env.write("seed", &WRITERS[2].1(&old));
    assert_eq!(site.extract_chunked(&server, "--seed seed"), Vec::<String>::new());
    assert_eq!(asked(&server), 0);
}

#[test]
fn announcements_that_lie_cost_chunks() {
    let site = Site::new(WRITERS[0].1);
    let truth = site.index().patches;
    let server = site.server();
    let own = site.index().units.unwrap().base_parts();
    let reversed: Vec<BasePart> = truth[0].parts.iter().rev().copied().collect();
    for (what, parts) in [
        ("another order", reversed),
        ("a part too few", truth[0].parts[1..].to_vec()),
        ("a part again and again", vec![truth[0].parts[0]; 1024]),
        ("the first part for all", vec![truth[0].parts[0]; 3]),
        ("a part of the image that both have", vec![own[0]]),
    ] {
        site.announce(|patches| patches[0].parts = parts);
        let warnings = site.extract_chunked(&server, "--seed old");
        assert_eq!((warnings.len(), asked(&server)), (1, 1), "{what}: {warnings:?}");
        assert!(warnings[0].contains(".patch: "), "{what}: {warnings:?}");
    }
    // Patches that are not there, or have other sizes.
    site.announce(|patches| {
        patches[0].parts = truth[0].parts.clone();
        for number in 1..5 {
            let mut nothing = truth[0].clone();
            (nothing.base, nothing.bytes) = (regrow_chunker::ImageId::from_bytes([number; 32]), Some(number.into()));
            patches.push(nothing);
        }
    });
    assert_eq!(site.extract_chunked(&server, "--seed old"), Vec::<String>::new());
    assert_eq!(asked(&server), 2, "{:?}", server.requests());
    for bytes in [Some(1), Some(u64::MAX), None] {
        site.announce(|patches| *patches = vec![AnnouncedPatch { bytes, ..truth[0].clone() }]);
        site.extract_patched(&server, "--seed old");
    }
}

/// A store may have a patch of version 1, which a machine with parts alone cannot use.
#[test]
fn a_patch_of_the_other_version_is_refused_by_one_line() {
    let site = Site::new(WRITERS[0].1);
    let patch = site.env.files("store/patches").remove(0);
    let bytes = site.env.read(&patch);
    assert_eq!(bytes[8], 2);
    let mut other = bytes.clone();
    other[8] = 1;
    let other = crate::patch::hostile::sealed(other);
    let server = Server::with(site.env.root(), move |request| match request.path.ends_with(".patch") {
        true => Answer::Page("application/octet-stream", other.clone()),
        false => Answer::Serve,
    });
    let [old, _] = layers();
    site.env.write("seed", &WRITERS[2].1(&old));
    let warnings = site.extract_chunked(&server, "--seed seed");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("another kind of base"), "{warnings:?}");
    // With the base image it is tried, and gives nonsense.
    assert_eq!(site.extract_chunked(&server, "--seed old").len(), 1);
}

/// An image of version 1 has patches of version 1, as it always had.
#[test]
fn images_of_version_1_have_patches_of_version_1() {
    let [old, new] = layers().map(|layers| WRITERS[0].1(&layers));
    let site = Site { env: TestEnvironment::new(), new };
    site.env.write("old", &old);
    site.env.write("new", &site.new);
    let make = "make --format 1 --avg-size 1KiB --pack-size 256KiB --patch-level 3";
    site.env.json(&format!("{make} old.rgx old"));
    let report = site.env.json(&format!("{make} --patch-from old.rgx new.rgx new"));
    assert_eq!(number(&report["patches"][0], "base_parts"), 0);
    assert_eq!(site.env.read(&site.env.files("store/patches")[0])[8], 1);
    let server = site.server();
    let report = site.env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
    assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{report}");
}

#[test]
fn announcements_stay_where_indexes_are_written_again() {
    let site = Site::new(WRITERS[0].1);
    let truth = site.index().patches;
    site.env.run("push --patches new.rgx one/store").success();
    site.env.run("push new.rgx two/store").success();
    site.env.json("gc --repack --grace 0s --store store");
    let announced = |name: &str| Index::decode(&site.env.read(name)).unwrap().patches;
    for name in ["new.rgx", "one/new.rgx"] {
        assert_eq!(announced(name), truth, "{name}");
    }
    assert_eq!(announced("two/new.rgx"), [], "the patch was left behind");
    // A patch that is made later, and one that was there already.
    site.announce(|patches| patches.clear());
    let report = site.env.json("patch --old old --new new old.rgx new.rgx");
    assert_eq!((report["present"].as_bool(), number(&report, "base_parts")), (Some(true), 3), "{report}");
    assert_eq!(announced("new.rgx"), truth);
    site.env.run("verify --store store new.rgx").success();
    // The index does not announce it, but both images are pushed.
    site.announce(|patches| patches.clear());
    site.env.run("push --patches old.rgx new.rgx one/store").success();
    assert_eq!(announced("one/new.rgx"), truth);
    // What the store has is announced, not what the index says of another store's patch.
    site.announce(|patches| patches.push(AnnouncedPatch { parts: Vec::new(), bytes: None, ..truth[0].clone() }));
    site.env.run("push --patches old.rgx new.rgx one/store").success();
    assert_eq!(announced("one/new.rgx"), truth);
}

#[test]
fn costs_of_a_patch_between_parts_add_up() {
    let site = Site::new(WRITERS[3].1);
    let report = site.env.json("diff --patch old.rgx new.rgx");
    let made = number(&report, "bytes_patch_made");
    // The store's patch was made with less effort.
    assert!(site.index().patches[0].bytes.is_some_and(|bytes| bytes.abs_diff(made) < made / 20), "{report}");
    let of_paths: u64 = report["paths"].as_array().unwrap().iter().map(|path| number(path, "bytes_patch")).sum();
    assert_eq!(of_paths + number(&report, "bytes_patch_headers") + number(&report, "bytes_patch_other"), made);
    assert!(of_paths > made / 2, "{report}");
}
