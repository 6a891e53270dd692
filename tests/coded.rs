//! Images with gzip files. They are seen through, made again bit for bit, and never worse than opaque ones.

mod plain_layers;
mod unchanged;
mod whole_plain;

use std::process::Stdio;

use regrow_deflate::encoders::{KnownEncoder, encode_block};
use regrow_deflate::{GzipTrailer, Klauspost, KlauspostVersion};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, check_make, number};
use crate::server::{Answer, Server};
use regrow_demo::{GNU_GZIP, GO, PGZIP, Tree, add_file, docker_save, end, gzip, noise, oci, version_layers, versions};

/// Two versions of an image whose layers are compressed.
fn coded_versions(encoder: KnownEncoder) -> [Vec<u8>; 2] {
    let mut time = 1_700_000_000;
    version_layers().map(|layers| {
        time += 500_000;
        oci(&layers, time, |layer| gzip(layer, encoder))
    })
}

/// The bytes that a device with `seed` fetches for `image`. It must have the image then.
fn update(env: &TestEnvironment, server: &Server, seed: &str, index: &str, image: &[u8]) -> u64 {
    let report = env.json(&format!("extract --seed {seed} {} out-{index}", server.url(index)));
    assert!(env.read(&format!("out-{index}")) == image, "{index} with {seed}");
    check_extract(&report, image);
    number(&report, "bytes_fetched")
}

#[test]
fn an_update_of_compressed_layers_costs_what_one_of_plain_layers_does() {
    for encoder in [PGZIP, GO, GNU_GZIP] {
        let env = TestEnvironment::new();
        let [old, new] = coded_versions(encoder);
        env.make("old", &old);
        let made = env.make("new", &new);
        check_make(&made, &new);
        assert_eq!((number(&made, "coded"), number(&made, "coded_bytes") > 1_000_000), (2, true), "{made}");
        let server = Server::new(env.root());
        let coded = update(&env, &server, "old", "new.rgx", &new);
        let plain = TestEnvironment::new();
        let [old, new] = version_layers().map(|layers| docker_save(&layers, 1_700_000_000));
        plain.make("old", &old);
        plain.make("new", &new);
        let server = Server::new(plain.root());
        let uncompressed = update(&plain, &server, "old", "new.rgx", &new);
        assert!(coded < uncompressed + uncompressed / 10 + 3000, "{encoder}: {coded} for {uncompressed}");
    }
}

#[test]
fn compressed_and_plain_images_seed_each_other() {
    let env = TestEnvironment::new();
    let [_, layers] = version_layers();
    let (plain, coded) = (docker_save(&layers, 5), oci(&layers, 5, |layer| gzip(layer, PGZIP)));
    env.make("plain", &plain);
    env.make("coded", &coded);
    let server = Server::new(env.root());
    for (seed, index, image) in [("plain", "coded.rgx", &coded), ("coded", "plain.rgx", &plain)] {
        let fetched = update(&env, &server, seed, index, image);
        assert!(fetched < image.len() as u64 / 4, "{index} from {seed}: {fetched}");
    }
}

#[test]
fn patches_between_compressed_images() {
    let env = TestEnvironment::new();
    let [old, new] = coded_versions(PGZIP);
    env.make("old", &old);
    env.write("new", &new);
    let made = env.json("make --avg-size 1KiB --pack-size 256KiB --patch-from old.rgx new.rgx new");
    assert_eq!(made["patches"].as_array().map(Vec::len), Some(1), "{made}");
    // Neither image is at hand.
    env.json("patch --replace old.rgx new.rgx");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    check_extract(&report, &new);
    assert!(number(&report, "chunks_patch") > 0, "{report}");
    assert_eq!(number(&report, "chunks_store"), 0, "{report}");
    assert!(number(&report, "bytes_fetched") < 60_000, "{report}");
}

/// Compressed files are made while a patch still gives their bytes. If it then turns out to be wrong, nothing of them stays.
#[test]
fn a_patch_that_breaks_off_leaves_nothing_behind() {
    let env = TestEnvironment::new();
    let [old, new] = coded_versions(PGZIP);
    env.make("old", &old);
    env.write("new", &new);
    env.json("make --patch-from old.rgx new.rgx new");
    let patch = env.files("store/patches").into_iter().find(|name| name.ends_with(".patch")).unwrap();
    let whole = env.read(&patch);
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    for tenth in 2..10 {
        let mut damaged = whole.clone();
        let (at, end) = (whole.len() * tenth / 10, whole.len() - 32);
        damaged[at] ^= 0x55;
        let checksum = *blake3::hash(&damaged[..end]).as_bytes();
        damaged[end..].copy_from_slice(&checksum);
        env.write(&patch, &damaged);
        let outcome = env.run(&format!("extract --seed old {url} out")).success();
        assert!(outcome.stderr.contains("chunks"), "{tenth}: {}", outcome.stderr);
        assert!(env.read("out") == new, "{tenth}");
        env.remove("out");
    }
}

#[test]
fn outputs_of_all_kinds() {
    let env = TestEnvironment::new();
    let [old, new] = coded_versions(GO);
    env.make("new", &new);
    env.write("old", &old);
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    assert!(env.run(&format!("extract --seed old {url} -")).success().stdout == new);
    assert!(env.run(&format!("extract {url} -")).success().stdout == new);
    env.write("device", &[noise("device", 100), vec![1; new.len() + 5000]].concat());
    env.run(&format!("extract --seed old --in-place {url} device")).success();
    assert!(env.read("device") == new);
    // An output that is there already serves as a seed, and is replaced at the end.
    env.write("out", &old);
    let report = env.json(&format!("extract {url} out"));
    assert!(env.read("out") == new && number(&report, "chunks_seed") > 0, "{report}");
    let again = env.json(&format!("extract {url} out"));
    assert_eq!(number(&again, "chunks_resumed"), number(&again, "chunks"), "{again}");
    assert_eq!(env.files("scratch"), Vec::<String>::new(), "temporary files are gone");
    assert!(!env.files("").iter().any(|name| name.contains(".regrow-")), "{:?}", env.files(""));
}

#[test]
fn a_killed_extract_goes_on_from_what_it_fetched() {
    let env = TestEnvironment::new();
    let [_, new] = coded_versions(PGZIP);
    env.make("new", &new);
    let slow = Server::with(env.root(), |request| if request.is_pack() { Answer::Slow(24_000) } else { Answer::Serve });
    env.write("to/out", b"old");
    let arguments = format!("extract --connections 2 {} to/out", slow.url("new.rgx"));
    let mut child = env.spawn(env.command(&arguments).stdin(Stdio::null()));
    while slow.body_bytes() < 1_000_000 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(env.read("to/out") == b"old");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract {} to/out", server.url("new.rgx")));
    assert!(env.read("to/out") == new);
    assert!(number(&report, "chunks_resumed") > 0, "{report}");
    assert_eq!(env.files("to"), ["to/out"]);
}

/// An image with one entry, which has the name of a gzip file.
fn archive_of(blob: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    add_file(&mut tar, "blobs/sha256/layer", blob, 1);
    add_file(&mut tar, "index.json", b"{}", 1);
    end(tar)
}

/// Makes an image and checks that it comes back. Returns the number of coded files, and the warnings.
fn round_trip(image: &[u8]) -> (u64, String) {
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

#[test]
fn broken_and_odd_gzip_files_come_back_too() {
    let layer = [Tree::sample("odd", 60).tar(7), noise("more", 300_000)].concat();
    let sound = gzip(&layer, GO);
    let mut checksum = sound.clone();
    *checksum.last_mut().unwrap() ^= 1;
    let mut crc = sound.clone();
    let at = crc.len() - 6;
    crc[at] ^= 0x40;
    let mut middle = sound.clone();
    middle[sound.len() / 2] ^= 0x10;
    let mut named = sound.clone();
    named[3] = 0x08 | 0x10 | 0x04 | 0x02;
    named.splice(10..10, [b"\x03\0abc".as_slice(), b"name\0", b"comment\0", b"\x12\x34"].concat());
    let members: Vec<u8> = layer.chunks(2048).flat_map(|piece| gzip(piece, GO)).collect();
    let cases: Vec<(&str, Vec<u8>, u64)> = vec![
        ("sound", sound.clone(), 1),
        ("cut", sound[..sound.len() - 100_000].to_vec(), 0),
        ("cut trailer", sound[..sound.len() - 3].to_vec(), 0),
        ("wrong length", checksum, 0),
        ("wrong checksum", crc, 0),
        ("flipped bit", middle, 0),
        ("garbage behind", [sound.clone(), noise("tail", 700)].concat(), 1),
        ("much garbage behind", [sound.clone(), noise("tail", 70_000)].concat(), 0),
        ("all of a header", named, 1),
        ("many members", members, 1),
        ("empty members", [sound.clone(), gzip(b"", GO), gzip(b"", PGZIP), sound.clone()].concat(), 1),
        ("members of two encoders", [sound.clone(), gzip(&layer, PGZIP), gzip(b"x", GNU_GZIP)].concat(), 1),
        ("only empty", [gzip(b"", GO), noise("x", 3000)].concat(), 0),
        ("a bomb", gzip(&[&layer[..5120], &vec![0; 40 << 20]].concat(), GNU_GZIP), 1),
    ];
    for (name, blob, coded) in cases {
        assert_eq!(round_trip(&archive_of(&blob)).0, coded, "{name}");
        // The same file as the whole image.
        assert_eq!(round_trip(&blob).0, coded, "{name}, alone");
    }
}

#[test]
fn what_is_not_seen_through_is_named() {
    let layer = Tree::sample("foreign", 80).tar(7);
    // zlib-rs is none of the known encoders.
    let mut foreign = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    let text: Vec<u8> =
        (0..60_000u32).flat_map(|number| format!("{:x} line\n", number.wrapping_mul(77_777)).into_bytes()).collect();
    std::io::Write::write_all(&mut foreign, &[layer, text].concat()).unwrap();
    let foreign = foreign.finish().unwrap();
    let (coded, warnings) = round_trip(&archive_of(&foreign));
    assert_eq!(coded, 0);
    assert!(warnings.contains("gzip file of") && warnings.contains("encoder is not known"), "{warnings}");
    let xz = [b"\xfd7zXZ\0".to_vec(), noise("xz", 100_000)].concat();
    let (coded, warnings) = round_trip(&archive_of(&xz));
    assert_eq!(coded, 0);
    assert!(warnings.contains("xz file of 100006 bytes at byte 512"), "{warnings}");
}

#[test]
fn info_names_encoders() {
    let env = TestEnvironment::new();
    let layers = version_layers()[0].clone();
    env.make("image", &oci(&layers, 1, |layer| gzip(layer, PGZIP)));
    let report = env.json("info image.rgx");
    let coded = report["coded"].as_array().unwrap();
    assert_eq!(coded.len(), 2, "{report}");
    for coded in coded {
        assert!(coded["path"].as_str().unwrap().starts_with("blobs/sha256/"), "{coded}");
        assert_eq!(coded["encoders"][0], PGZIP.to_string(), "{coded}");
        assert_eq!(number(coded, "members"), 1, "{coded}");
        assert!(number(coded, "index_bytes") < 40, "{coded}");
    }
    let text = env.run("info image.rgx").success();
    assert!(String::from_utf8_lossy(&text.stdout).contains("pgzip"), "{text:?}");
}

#[test]
fn an_encoder_that_is_not_known_is_an_error_before_anything_is_fetched() {
    let env = TestEnvironment::new();
    env.make("image", &oci(&version_layers()[0], 1, |layer| gzip(layer, GO)));
    let mut index = regrow_index::Index::decode(&env.read("image.rgx")).unwrap();
    // One of gzip, and one of neither gzip nor zstd.
    for (encoder, about) in
        [([0xff, 0x0f], "encoder that this regrow does not know"), ([0xff, 0x7f], "made by a newer regrow")]
    {
        index.codings[0].file_mut().unwrap().members[0].encoder = encoder.as_slice().into();
        env.write("image.rgx", &index.encode());
        let server = Server::new(env.root());
        env.run(&format!("extract {} out", server.url("image.rgx"))).failure(3, about);
        assert_eq!(server.requests().len(), 1);
        assert!(!env.exists("out"));
    }
}

#[test]
fn codings_that_lie_make_no_output() {
    let env = TestEnvironment::new();
    env.make("image", &oci(&version_layers()[0], 1, |layer| gzip(layer, GO)));
    let lie = |change: &dyn Fn(&mut regrow_index::MemberCoding)| -> Outcome {
        let mut index = regrow_index::Index::decode(&env.read("image.rgx")).unwrap();
        change(&mut index.codings[0].file_mut().unwrap().members[0]);
        env.write("lie.rgx", &index.encode());
        env.run("extract lie.rgx out")
    };
    let mut other = Vec::new();
    GNU_GZIP.put(&mut other);
    let outcomes = [
        lie(&|member| member.encoder = other.as_slice().into()),
        lie(&|member| member.header = b"\x1f\x8b\x08\0\x01\0\0\0\0\xff".as_slice().into()),
        lie(&|member| member.stream_bytes -= 1),
        lie(&|member| member.stream_bytes += 1),
        lie(&|member| member.plain_bytes -= 1),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(!env.exists("out"), "{outcome:?}");
    }
    let (old, _) = versions();
    env.write("out", &old);
    assert_eq!(lie(&|member| member.stream_bytes -= 1).code, Some(3));
    assert!(env.read("out") == old);
}

/// A scan of the seed may see through a file that is opaque to the image's maker. The seed then gives the file as
/// it is.
#[test]
fn a_gzip_file_that_nobody_makes_again_is_still_a_seed() {
    let mut broken = gzip(&Tree::sample("broken", 200).tar(1), GO);
    let at = broken.len() - 5;
    broken[at] ^= 1;
    let archive = |text: &[u8]| {
        let mut tar = Vec::new();
        add_file(&mut tar, "blobs/sha256/layer", &broken, 1);
        add_file(&mut tar, "index.json", text, 1);
        end(tar)
    };
    let (old, new) = (archive(b"{}"), archive(b"{\"new\": 1}"));
    let env = TestEnvironment::new();
    assert_eq!(number(&env.make("old", &old), "coded"), 0);
    env.make("new", &new);
    let server = Server::new(env.root());
    for _ in ["not known", "known to the catalog"] {
        let fetched = update(&env, &server, "old", "new.rgx", &new);
        assert!(fetched < 100_000, "{fetched} of {}", new.len());
        env.remove("out-new.rgx");
    }
    // The same holds for a patch, which then lies between opaque images.
    env.json("patch --old old --new new old.rgx new.rgx");
    update(&env, &server, "old", "new.rgx", &new);
}

/// A stream that departs from a known encoder, like one of that encoder's next version, is corrected.
#[test]
fn a_stream_that_is_nearly_an_encoders_is_corrected() {
    let words = noise("words", 4000);
    let text: Vec<u8> = (0..700_000usize)
        .flat_map(|number| {
            let word = &words[(number.wrapping_mul(7919) ^ number >> 3) % 3990..][..1 + number % 7];
            word.iter().map(|byte| b'a' + byte % 26).chain([b' ']).collect::<Vec<u8>>()
        })
        .collect();
    let plain = [Tree::sample("near", 10).tar(1), text].concat();
    let of = |version| KnownEncoder::Klauspost(Klauspost::Pgzip { level: 5, version, block_bytes: 1 << 20 });
    let mut blob = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let blocks: Vec<&[u8]> = plain.chunks(1 << 20).collect();
    for (number, block) in blocks.iter().enumerate() {
        let version = if number < 2 { KlauspostVersion::V1_15 } else { KlauspostVersion::V1_20 };
        let before = if number == 0 { &[][..] } else { blocks[number - 1] };
        encode_block(of(version), before, block, number + 1 == blocks.len(), &mut blob);
    }
    let mut trailer = GzipTrailer::default();
    trailer.update(&plain);
    blob.extend_from_slice(&trailer.finish());
    let image = archive_of(&blob);
    assert_eq!(round_trip(&image).0, 1);
    let env = TestEnvironment::new();
    env.make("image", &image);
    let report = env.json("info image.rgx");
    let cost = number(&report["coded"][0], "index_bytes");
    assert!(cost > 30 && cost < blob.len() as u64 / 100, "{cost} for {}", blob.len());
}
