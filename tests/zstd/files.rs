//! Single zstd files of all kinds: what is seen through, and what is not, and why.

use std::io::Write;

use super::*;

/// An image with one entry, which has the name of a compressed file.
pub(super) fn archive_of(blob: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    add_file(&mut tar, "blobs/sha256/layer", blob, 1);
    add_file(&mut tar, "index.json", b"{}", 1);
    end(tar)
}

/// Makes an image and checks that it comes back. Returns the number of coded files, and the warnings.
pub(super) fn round_trip(image: &[u8]) -> (u64, String) {
    let env = TestEnvironment::new();
    env.write("image", image);
    let made = env.run("make --allow-partial --json --avg-size 1KiB image.rgx image").success();
    check_make(&made.json(), image);
    env.run("extract image.rgx out").success();
    assert!(env.read("out") == image);
    assert!(env.run("extract --seed image image.rgx -").success().stdout == image);
    env.run("verify image.rgx image").success();
    (number(&made.json(), "coded"), made.stderr)
}

fn layer() -> Vec<u8> {
    [Tree::sample("odd", 60).tar(7), noise("more", 300_000)].concat()
}

/// A frame by the library's stream, with a checksum, and the number of plain bytes if that is asked for.
fn streamed(plain: &[u8], level: i32, is_sized: bool) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), level).unwrap();
    encoder.include_checksum(true).unwrap();
    if is_sized {
        encoder.set_pledged_src_size(Some(plain.len() as u64)).unwrap();
    }
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn skippable(bytes: usize) -> Vec<u8> {
    [b"\x5e\x2a\x4d\x18".as_slice(), &(bytes as u32).to_le_bytes(), &noise("skipped", bytes)].concat()
}

#[test]
fn files_of_all_kinds_come_back() {
    let layer = layer();
    let sound = zstd(&layer);
    let empty = zstd(b"");
    let checked = streamed(&layer, 3, true);
    let mut flipped = checked.clone();
    flipped[checked.len() / 2] ^= 0x10;
    let mut checksum = checked.clone();
    *checksum.last_mut().unwrap() ^= 1;
    let frames: Vec<u8> = layer.chunks(30_000).flat_map(zstd).collect();
    let cases: Vec<(&str, Vec<u8>, u64)> = vec![
        ("sound", sound.clone(), 1),
        ("with checksum", checked, 1),
        ("without size", streamed(&layer, 5, false), 1),
        ("many frames", frames, 1),
        ("skippable frames", [skippable(9), sound.clone(), skippable(0), sound.clone(), skippable(70_000)].concat(), 1),
        ("empty frames", [empty.clone(), sound.clone(), empty.clone(), empty.clone()].concat(), 1),
        ("frames of two kinds", [sound.clone(), streamed(&layer, 1, false), zstd(b"x")].concat(), 1),
        ("garbage behind", [sound.clone(), noise("tail", 100_000)].concat(), 1),
        ("a bomb", zstd(&[&layer[..5120], &vec![0; 40 << 20]].concat()), 1),
        ("cut", sound[..sound.len() - 100_000].to_vec(), 0),
        ("flipped bit", flipped, 0),
        ("wrong checksum", checksum, 0),
        ("cut checksum", streamed(&layer, 3, true).split_last().unwrap().1.to_vec(), 0),
        ("only empty", [empty, noise("x", 3000)].concat(), 0),
        ("only skippable", skippable(5000), 0),
    ];
    for (name, blob, coded) in cases {
        assert_eq!(round_trip(&archive_of(&blob)).0, coded, "{name}");
        // The same file as the whole image.
        assert_eq!(round_trip(&blob).0, coded, "{name}, alone");
    }
}

#[test]
fn ways_to_call_the_library_are_named() {
    let layer = [layer(), noise("again", 400_000), layer()].concat();
    for (level, workers, is_long, wanted) in [
        (3, 0, false, "libzstd 1.5.7, level 3, without workers"),
        (3, 1, false, "libzstd 1.5.7, level 3"),
        (9, 4, false, "libzstd 1.5.7, level 9"),
        (1, 0, true, "libzstd 1.5.7, level 1, without workers, long distance matching, window of 131072 KiB"),
        (3, 2, true, "libzstd 1.5.7, level 3, long distance matching, window of 131072 KiB"),
        // In so few bytes, workers make no difference here.
        (19, 0, false, "libzstd 1.5.7, level 19"),
    ] {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), level).unwrap();
        encoder.multithread(workers).unwrap();
        if is_long {
            encoder.long_distance_matching(true).unwrap();
            encoder.window_log(27).unwrap();
        }
        layer.chunks(128 << 10).for_each(|piece| encoder.write_all(piece).unwrap());
        let env = TestEnvironment::new();
        env.make("image", &archive_of(&encoder.finish().unwrap()));
        let report = env.json("info image.rgx");
        assert_eq!(report["coded"][0]["encoders"], serde_json::json!([wanted]), "{report}");
    }
}

#[test]
fn what_is_not_seen_through_is_named() {
    let layer = layer();
    let warning = |blob: &[u8]| {
        let (coded, warnings) = round_trip(&archive_of(blob));
        assert_eq!(coded, 0);
        assert!(warnings.contains("zstd file of") && warnings.contains("at byte 512"), "{warnings}");
        warnings
    };
    let dictionary = [b"\x28\xb5\x2f\xfd\x03\x59\x01\x02\x03\x04".as_slice(), &zstd(&layer)[9..]].concat();
    assert!(warning(&dictionary).contains("it needs a dictionary"));
    // Levels below 1 are none that are looked for.
    let fast = zstd::bulk::compress(&layer, -40).unwrap();
    assert!(warning(&fast).contains("its encoder is not known"));
    let mut window = streamed(&layer, 3, false);
    window[5] = 0xa8;
    assert!(warning(&window).contains("window has 2048 MiB"), "{:?}", &window[..8]);
    // The same in another frame, where the beginning does not tell.
    assert!(warning(&[zstd(&layer), fast].concat()).contains("no known encoder wrote all of it"));
}

#[test]
fn flushed_files_have_corrections() {
    let layer = layer();
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.write_all(&layer[..70_000]).unwrap();
    encoder.flush().unwrap();
    encoder.write_all(&layer[70_000..]).unwrap();
    assert_eq!(round_trip(&archive_of(&encoder.finish().unwrap())).0, 1);
}

#[test]
fn an_image_that_is_a_zstd_file_can_be_written_as_what_it_holds() {
    let versions = version_layers().map(|layers| docker_save(&layers, 1_700_000_000));
    let [old, new] = versions.each_ref().map(|plain| streamed(plain, 3, true));
    let env = TestEnvironment::new();
    env.make("old", &old);
    env.make("new", &new);
    env.write("old-plain", &versions[0]);
    env.json("patch old.rgx new.rgx");
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    for seed in ["old", "old-plain", "new"] {
        let report = env.json(&format!("extract --plain --seed {seed} {url} out-{seed}"));
        assert!(env.read(&format!("out-{seed}")) == versions[1], "{seed}");
        assert!(number(&report, "bytes_fetched") < new.len() as u64 / 4, "{seed}: {report}");
    }
    let patched = update(&env, &server, "old", "new.rgx", &new);
    assert!(patched < 60_000, "{patched}");
}

/// An archive of one layer as `docker save` writes it.
fn saved(layer: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    add_file(&mut tar, "layer", layer, 1);
    add_file(&mut tar, "config.json", b"{}", 1);
    add_file(&mut tar, "manifest.json", br#"[{"Config":"config.json","Layers":["layer"]}]"#, 1);
    end(tar)
}

#[test]
fn normalize_keeps_what_is_made_again() {
    let env = TestEnvironment::new();
    let layer = layer();
    let image = saved(&zstd(&layer));
    env.write("image", &image);
    let made = env.json("make --normalize --avg-size 1KiB image.rgx image");
    assert_eq!((number(&made, "coded"), number(&made, "image_bytes")), (1, image.len() as u64), "{made}");
    // A layer by a level that is not known is stored plain.
    env.write("fast", &saved(&zstd::bulk::compress(&layer, -40).unwrap()));
    let made = env.run("make --normalize --json --avg-size 1KiB fast.rgx fast").success();
    assert!(made.stderr.contains("is stored uncompressed"), "{made:?}");
    assert_eq!(number(&made.json(), "coded"), 0);
    // So are all of them in an index of version 1.
    let made = env.run("make --normalize --json --avg-size 1KiB --format 1 one.rgx image").success();
    assert!(made.stderr.contains("is stored uncompressed"), "{made:?}");
}
