//! Layers of podman's zstd:chunked: thousands of frames, and a table of contents.

use regrow_zstd::{Chunked, Generation, Klauspost, KnownEncoder, Level, Reencoder, Version};

use super::files::{archive_of, round_trip};
use super::*;

fn file(generation: Generation, level: Level, tar: &[u8]) -> Vec<u8> {
    let encoder = Klauspost::new(Version::V1_17_8, level);
    let known = KnownEncoder::Chunked(Chunked { generation, encoder, has_contents: true });
    let (mut encoder, mut out) = (Reencoder::new(known, tar.len() as u64), Vec::new());
    encoder.write(tar, &mut out);
    encoder.finish(&mut out);
    out
}

pub(super) fn chunked(tar: &[u8]) -> Vec<u8> {
    file(Generation::V1_59, Level::Default, tar)
}

#[test]
fn an_update_of_zstd_chunked_layers_costs_what_one_of_gzip_layers_does() {
    let costs = [chunked as fn(&[u8]) -> Vec<u8>, |layer| gzip(layer, GO)].map(|compressed| {
        let env = TestEnvironment::new();
        let [old, new] = coded_versions(compressed);
        env.make("old", &old);
        check_make(&env.make("new", &new), &new);
        let server = Server::new(env.root());
        let chunks = update(&env, &server, "old", "new.rgx", &new);
        env.json("patch --replace old.rgx new.rgx");
        env.remove("out-old-new.rgx");
        (chunks, update(&env, &server, "old", "new.rgx", &new))
    });
    let [zstd, gzip] = costs;
    assert!(zstd.0 < gzip.0 + gzip.0 / 20, "{zstd:?} for {gzip:?}");
    assert!(zstd.1 < gzip.1 + gzip.1 / 20, "{zstd:?} for {gzip:?}");
}

#[test]
fn a_zstd_chunked_file_is_one_stream() {
    let env = TestEnvironment::new();
    let image = oci(&version_layers()[0], 1, chunked);
    env.make("image", &image);
    let report = env.json("info image.rgx");
    for coded in report["coded"].as_array().unwrap() {
        assert_eq!((coded["format"].as_str(), number(coded, "members")), (Some("zstd"), 1), "{coded}");
        let name = "zstd:chunked of containers/storage from 1.59, klauspost/compress zstd from 1.17.8, level default";
        assert_eq!(coded["encoders"][0], name, "{coded}");
        assert!(number(coded, "index_bytes") < 40, "{coded}");
    }
    let server = Server::new(env.root());
    let url = server.url("image.rgx");
    assert!(env.run(&format!("extract {url} -")).success().stdout == image);
    env.run(&format!("extract {url} out")).success();
    assert!(env.read("out") == image);
}

#[test]
fn zstd_chunked_files_of_all_kinds_come_back() {
    let layer = &version_layers()[0][0].tar(1_700_000_000);
    let sound = file(Generation::V1_59, Level::Fastest, layer);
    // The footer says where the contents' frame is; a header of 8 bytes is before it.
    let footer = sound[sound.len() - 64..].first_chunk().copied().unwrap();
    let contents = u64::from_le_bytes(footer) as usize - 8;
    let mut other_contents = sound.clone();
    other_contents[contents + 30] ^= 1;
    let mut frame = sound.clone();
    frame[contents / 2] ^= 1;
    let cases: [(&str, Vec<u8>, u64); 7] = [
        ("from 1.38", file(Generation::V1_38, Level::Fastest, layer), 1),
        ("other contents", other_contents, 1),
        ("no contents", sound[..contents].to_vec(), 1),
        ("cut in the contents", sound[..contents + 20].to_vec(), 1),
        ("garbage behind", [&sound[..], b"garbage"].concat(), 1),
        ("two files", [&sound[..], &sound].concat(), 1),
        ("damaged", frame, 0),
    ];
    for (name, blob, coded) in cases {
        assert_eq!(round_trip(&archive_of(&blob)).0, coded, "{name}");
    }
}
