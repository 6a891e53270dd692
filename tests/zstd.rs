//! Images with zstd files. They are seen through like gzip files in images of format 2, and made again bit for bit.

mod chunked;
mod crossings;
mod files;
mod versions;

use regrow_index::{CodedFormat, CodedStretch, Index};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, check_make, number};
use crate::server::Server;
use regrow_demo::{GO, Tree, add_file, docker_save, end, gzip, noise, oci, version_layers};

/// A frame as the library writes it in one call.
fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 3).unwrap()
}

/// Two versions of an image whose layers are compressed.
fn coded_versions(compressed: fn(&[u8]) -> Vec<u8>) -> [Vec<u8>; 2] {
    let mut time = 1_700_000_000;
    version_layers().map(|layers| {
        time += 500_000;
        oci(&layers, time, compressed)
    })
}

/// The bytes that a device with `seed` fetches for `image`. It must have the image then.
fn update(env: &TestEnvironment, server: &Server, seed: &str, index: &str, image: &[u8]) -> u64 {
    let out = format!("out-{seed}-{index}");
    let report = env.json(&format!("extract --seed {seed} {} {out}", server.url(index)));
    assert!(env.read(&out) == image, "{index} with {seed}");
    check_extract(&report, image);
    number(&report, "bytes_fetched")
}

fn index_of(env: &TestEnvironment, name: &str) -> Index {
    Index::decode(&env.read(name)).unwrap()
}

#[test]
fn an_update_of_zstd_layers_costs_what_one_of_gzip_layers_does() {
    let costs = [zstd as fn(&[u8]) -> Vec<u8>, |layer| gzip(layer, GO)].map(|compressed| {
        let env = TestEnvironment::new();
        let [old, new] = coded_versions(compressed);
        env.make("old", &old);
        let made = env.make("new", &new);
        check_make(&made, &new);
        assert_eq!((number(&made, "coded"), number(&made, "coded_bytes") > 1_000_000), (2, true), "{made}");
        let server = Server::new(env.root());
        let chunks = update(&env, &server, "old", "new.rgx", &new);
        // Neither image is at hand.
        env.json("patch --replace old.rgx new.rgx");
        env.remove("out-old-new.rgx");
        (chunks, update(&env, &server, "old", "new.rgx", &new))
    });
    let [zstd, gzip] = costs;
    assert!(zstd.0 < gzip.0 + gzip.0 / 50 + 500, "{zstd:?} for {gzip:?}");
    assert!(zstd.1 < gzip.1 + gzip.1 / 50 + 500 && zstd.1 < 60_000, "{zstd:?} for {gzip:?}");
}

#[test]
fn only_images_with_zstd_files_state_version_4() {
    let env = TestEnvironment::new();
    let layers = version_layers()[1].clone();
    env.make("plain", &docker_save(&layers, 5));
    env.make("gzip", &oci(&layers, 5, |layer| gzip(layer, GO)));
    let image = oci(&layers, 5, zstd);
    env.make("zstd", &image);
    let [plain, gzip, zstd] = ["plain.rgx", "gzip.rgx", "zstd.rgx"].map(|name| index_of(&env, name));
    assert_eq!([&plain, &gzip, &zstd].map(|index| index.walk_version), [3, 3, 4]);
    assert!(zstd.codings.iter().filter_map(CodedStretch::file).all(|coding| coding.format == CodedFormat::Zstd));
    // The layers are the same parts in all of them.
    let parts = |index: &Index| {
        let mut ids: Vec<_> = index.units.as_ref().unwrap().parts.iter().map(|part| part.unit.id.to_string()).collect();
        ids.sort();
        ids
    };
    assert!(parts(&plain) == parts(&gzip) && parts(&gzip) == parts(&zstd));
    // Version 1 keeps zstd files as they are, and says so.
    env.write("image", &image);
    let made = env.run("make --avg-size 1KiB --format 1 one.rgx image").success();
    assert!(made.stderr.contains("regrow does not rebuild zstd files"), "{made:?}");
    let one = index_of(&env, "one.rgx");
    assert_eq!((one.walk_version, one.codings.len()), (1, 0));
    env.run("extract one.rgx out").success();
    assert!(env.read("out") == image);
}

#[test]
fn outputs_of_all_kinds() {
    let env = TestEnvironment::new();
    let [old, new] = coded_versions(zstd);
    env.make("new", &new);
    env.write("old", &old);
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    assert!(env.run(&format!("extract --seed old {url} -")).success().stdout == new);
    env.write("device", &[noise("device", 100), vec![1; new.len() + 5000]].concat());
    env.run(&format!("extract --seed old --in-place {url} device")).success();
    assert!(env.read("device")[..new.len()] == new || env.read("device") == new);
    env.write("out", &old);
    let report = env.json(&format!("extract {url} out"));
    assert!(env.read("out") == new && number(&report, "chunks_seed") > 0, "{report}");
    assert_eq!(env.files("scratch"), Vec::<String>::new(), "temporary files are gone");
    assert!(!env.files("").iter().any(|name| name.contains(".regrow-")), "{:?}", env.files(""));
}

#[test]
fn info_names_formats_and_encoders() {
    let env = TestEnvironment::new();
    env.make("image", &oci(&version_layers()[0], 1, zstd));
    let report = env.json("info image.rgx");
    let coded = report["coded"].as_array().unwrap();
    assert_eq!(coded.len(), 2, "{report}");
    for coded in coded {
        assert_eq!((coded["format"].as_str(), number(coded, "members")), (Some("zstd"), 1), "{coded}");
        assert_eq!(coded["encoders"][0], "libzstd 1.5.7, level 3, in one call", "{coded}");
        assert!(number(coded, "index_bytes") < 40, "{coded}");
    }
    let text = String::from_utf8(env.run("info image.rgx").success().stdout).unwrap();
    assert!(text.contains("libzstd 1.5.7, level 3") && text.contains("in a zstd file"), "{text}");
}

/// The image with one member of its first coding changed.
fn changed(env: &TestEnvironment, change: &dyn Fn(&mut regrow_index::MemberCoding)) {
    let mut index = index_of(env, "image.rgx");
    change(&mut index.codings[0].file_mut().unwrap().members[0]);
    env.write("changed.rgx", &index.encode());
}

#[test]
fn encoders_that_are_not_here_are_named_before_anything_is_fetched() {
    let env = TestEnvironment::new();
    env.make("image", &oci(&version_layers()[0], 1, zstd));
    let server = Server::new(env.root());
    let mut older = index_of(&env, "image.rgx").codings[0].file().unwrap().members[0].encoder.to_vec();
    older[2..4].copy_from_slice(&[0x88, 0x52]);
    let other = "libzstd 1.5.4, and this regrow has libzstd 1.5.7";
    let unknown = "zstd files of an encoder that this regrow does not know";
    for (encoder, reason) in [(older.as_slice(), other), (&[0x80, 0x3f], unknown)] {
        changed(&env, &|member| member.encoder = encoder.into());
        let failed = env.run(&format!("extract {} out", server.url("changed.rgx")));
        assert_eq!(failed.code, Some(3), "{failed:?}");
        assert!(failed.stderr.contains(reason), "{failed:?}");
        assert!(!server.requests().iter().any(|request| request.is_pack()));
        assert!(!env.exists("out"));
    }
}

#[test]
fn codings_that_lie_make_no_output() {
    let env = TestEnvironment::new();
    env.make("image", &oci(&version_layers()[0], 1, zstd));
    let lie = |change: &dyn Fn(&mut regrow_index::MemberCoding)| -> Outcome {
        changed(&env, change);
        env.run("extract changed.rgx out")
    };
    let with = |at: usize, byte: u8| {
        move |member: &mut regrow_index::MemberCoding| {
            let mut encoder = member.encoder.to_vec();
            encoder[at] = byte;
            member.encoder = encoder.into();
        }
    };
    let outcomes = [
        // Another level, without workers, and without the number of plain bytes.
        lie(&with(4, 4)),
        lie(&with(5, 1)),
        lie(&with(6, 0)),
        lie(&|member| member.header = b"\x50\x2a\x4d\x18\0\0\0\0".as_slice().into()),
        lie(&|member| member.stream_bytes -= 1),
        lie(&|member| member.stream_bytes += 1),
        lie(&|member| member.plain_bytes -= 1),
        lie(&|member| member.plain_bytes += 1),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome.code, Some(3), "{number}: {outcome:?}");
        assert!(!env.exists("out"), "{number}: {outcome:?}");
    }
}
