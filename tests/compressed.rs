//! Compressed files in images: those that begin with something that tells little, and those that are never seen
//! through.

use regrow_deflate::encoders::{KnownEncoder, ZlibFamily};

use crate::environment::TestEnvironment;
use crate::report::number;
use regrow_demo::{GNU_GZIP, GO, PGZIP, Tree, add_file, end, gzip, noise};

/// A gzip layer whose first file is a database's, say: zeros, or a page again and again.
#[test]
fn layers_that_begin_with_something_repetitive_are_seen_through() {
    let fast = KnownEncoder::Zlib(ZlibFamily::Zlib { level: 1, memory: 8 });
    let fillings = [vec![0; 8 << 20], vec![0xff; 3 << 20], noise("page", 8192).repeat(500), vec![0; 20 << 20]];
    for (filling, encoder) in fillings.iter().zip([GO, GNU_GZIP, PGZIP, fast]) {
        let mut layer = Vec::new();
        add_file(&mut layer, "data/first.redo", filling, 5);
        let sample = Tree::sample("app", 60).tar(5);
        let text: Vec<u8> = sample.iter().map(|byte| b"etaoin shrdlucmf"[usize::from(byte & 15)]).collect();
        add_file(&mut layer, "lib/text", &text, 5);
        let mut image = Vec::new();
        add_file(&mut image, "blobs/sha256/1", &gzip(&end(layer), encoder), 5);
        let env = TestEnvironment::new();
        let made = env.make("image", &end(image));
        assert_eq!(number(&made, "coded"), 1, "{} bytes, {encoder}", filling.len());
    }
}

#[test]
fn compressed_files_that_stay_opaque_are_named() {
    let formats: [(&str, &[u8]); 8] = [
        ("zstd", b"\x28\xb5\x2f\xfd"),
        ("zstd", b"\x50\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd"),
        ("zstd", b"\x5e\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd"),
        ("xz", b"\xfd7zXZ\0"),
        ("bzip2", b"BZh91AY&SY"),
        ("lz4", b"\x04\x22\x4d\x18"),
        ("lz4", b"\x02\x21\x4c\x18"),
        ("lzip", b"LZIP\x01"),
    ];
    for (format, magic) in formats {
        let file = [magic, &noise("compressed", 100_000)].concat();
        let mut image = Vec::new();
        add_file(&mut image, "blobs/sha256/1", &file, 5);
        for image in [end(image), file] {
            let env = TestEnvironment::new();
            env.write("image", &image);
            let made = env.run("make --allow-partial image.rgx image").success();
            let told = |words: &[String]| words.iter().all(|words| made.stderr.contains(words));
            let is_kept = told(&[format!("the {format} file"), "kept as it is".to_owned()]);
            // What such an image holds is looked for.
            let is_opaque = told(&[format!("{format}-compressed"), "cut as it lies".to_owned()]);
            assert!(is_kept || is_opaque, "{format}: {made:?}");
        }
    }
    let env = TestEnvironment::new();
    env.write("image", &[b"BZhello".as_slice(), &noise("text", 100_000)].concat());
    let made = env.run("make image.rgx image").success();
    assert!(!made.stderr.contains("kept as it is"), "{made:?}");
}
