//! A patch is used where it costs less, and only there.

use super::hostile::sealed;
use super::*;

/// Makes the patch state that chunks cost this many bytes.
fn set_chunk_cost(site: &Site, bytes: u64) {
    let mut patch = site.env.read(&site.patch());
    patch[88..96].copy_from_slice(&bytes.to_le_bytes());
    site.env.write(&site.patch(), &sealed(patch));
}

#[test]
fn a_patch_that_costs_more_than_chunks_is_not_taken() {
    let site = Site::new();
    let patch_bytes = site.patch_bytes();
    let server = site.host(Answer::Slow(200));
    // From the second time on, the index is known.
    let [_, chunks] = [(); 2].map(|()| number(&site.extract(&server, "--no-patch --seed old").0, "bytes_fetched"));
    for (cost, is_taken) in [(0, false), (patch_bytes - 1, false), (patch_bytes, false), (patch_bytes + 1, true)] {
        set_chunk_cost(&site, cost);
        server.reset_counts();
        let url = server.url("new.rgx");
        let planned = site.env.json(&format!("extract --dry-run --seed old {url} out"));
        let (report, outcome) = site.extract(&server, "--seed old");
        assert_eq!(warnings(&outcome), Vec::<&str>::new(), "{cost}");
        assert_eq!(asked(&server), 2, "{cost}");
        assert_eq!(planned["chunks_patch"], report["chunks_patch"], "{cost}");
        if is_taken {
            check_patched(&report);
        } else {
            check_chunked(&report);
            let more = number(&report, "bytes_fetched") - chunks;
            assert!(more < patch_bytes, "{cost}: {more} bytes of the patch, which has {patch_bytes}");
        }
    }
}

#[test]
fn other_seeds_make_chunks_cheaper() {
    let site = Site::new();
    // This seed has all of the new image except its last KiBs.
    let mut third = site.new.clone();
    let end = third.len() - 20_000;
    third[end..end + 2000].fill(b'!');
    site.env.write("third", &third);
    std::fs::create_dir(site.env.path("other")).unwrap();
    site.env.run("make --avg-size 1KiB --store other/store other/third.rgx third").success();
    let server = Server::new(site.env.root());
    // The patch is cheaper than chunks for a machine with the old image alone, but not for one that lacks only a
    // few chunks.
    set_chunk_cost(&site, 2 * site.patch_bytes());
    check_patched(&site.extract(&server, "--seed old").0);
    for seed in ["third", "other/third.rgx", "other/store"] {
        server.reset_counts();
        let (report, _) = site.extract(&server, &format!("--seed old --seed {seed}"));
        assert_eq!(number(&report, "chunks_patch"), 0, "{seed}: {report}");
        assert!(asked(&server) <= 2, "{seed}");
    }
}

#[test]
fn nothing_is_asked_for_when_all_is_there() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    for seeds in ["--seed new", "--seed old --seed new", "--seed new --seed old", "--seed old --seed new.rgx"] {
        server.reset_counts();
        let (report, _) = site.extract(&server, seeds);
        assert_eq!((number(&report, "requests"), asked(&server)), (1, 0), "{seeds}: {report}");
    }
    server.reset_counts();
    site.env.write("out", &site.new);
    let report = site.env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
    assert!(site.env.read("out") == site.new);
    assert_eq!(number(&report, "chunks_resumed"), number(&report, "chunks"), "{report}");
    assert_eq!((number(&report, "requests"), asked(&server)), (1, 0), "{report}");
}

#[test]
fn who_has_no_image_asks_for_no_patch() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    site.env.write("folder/file", &site.old[..3000]);
    std::fs::create_dir_all(site.env.path("of-old")).unwrap();
    site.env.run("make --avg-size 1KiB of-old/old.rgx old").success();
    for seed in ["", "--seed folder", "--seed of-old/store", "--seed of-old/old.rgx"] {
        server.reset_counts();
        check_chunked(&site.extract(&server, seed).0);
        assert_eq!(asked(&server), 0, "{seed}");
    }
}
