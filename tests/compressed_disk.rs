//! Disk images that are compressed as a whole or in part, such as an initramfs: seen through, and made again bit for bit.

use std::io::Write;

use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use regrow_deflate::encoders::{KnownEncoder, ZlibFamily};

use crate::environment::TestEnvironment;
use crate::report::{check_extract, check_make, number};
use crate::server::Server;
use regrow_demo::noise;

fn entry(mode: u32, name: &str, data: &[u8]) -> Vec<u8> {
    let mut fields = [0; 13];
    (fields[1], fields[6], fields[11]) = (mode, data.len() as u32, name.len() as u32 + 1);
    let mut out = b"070701".to_vec();
    fields.iter().for_each(|field| out.extend(format!("{field:08X}").bytes()));
    out.extend(name.bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(data);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// The contents of small files and large ones, of which a few differ a little from version to version.
fn texts(version: u64) -> Vec<Vec<u8>> {
    let text = |number: usize| {
        let bytes = noise(&number.to_string(), 900 + number * 577);
        let mut text: Vec<u8> = bytes.iter().map(|byte| b"etaoin shrdlucmf"[usize::from(byte & 15)]).collect();
        if version > 1 && number % 8 == 7 {
            text[2000..2010].copy_from_slice(b"new bytes!");
        }
        text
    };
    (0..24).map(text).collect()
}

/// An archive with these files.
fn archive(version: u64) -> Vec<u8> {
    let mut out = entry(0o040_755, "lib", b"");
    for (number, text) in texts(version).iter().enumerate() {
        out.extend(entry(0o100_644, &format!("lib/{number}"), text));
    }
    [out, entry(0, "TRAILER!!!", b"")].concat()
}

/// A tar with these files.
fn tar(version: u64) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (number, text) in texts(version).into_iter().enumerate() {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        // All headers change with the version.
        header.set_mtime(1_700_000_000 + version);
        builder.append_data(&mut header, format!("./lib/{number}"), text.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    regrow_demo::gzip(plain, KnownEncoder::Zlib(ZlibFamily::Zlib { level: 6, memory: 8 }))
}

fn xz(plain: &[u8]) -> Vec<u8> {
    let mut encoder = XzEncoder::new(Vec::new(), 6);
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 3).unwrap()
}

/// An early archive, which is not compressed, zeros, and the main one.
fn initramfs(plain: &[u8]) -> Vec<u8> {
    let microcode = entry(0o100_644, "kernel/x86/microcode/GenuineIntel.bin", &noise("microcode", 50_000));
    let mut out = [microcode, entry(0, "TRAILER!!!", b"")].concat();
    out.resize(out.len().next_multiple_of(512), 0);
    [out, xz(plain)].concat()
}

type Compress = fn(&[u8]) -> Vec<u8>;

const WAYS: [(Compress, &str, &str); 4] = [
    (gzip, "cpio, 1 archive, in gzip", "zlib"),
    (zstd, "cpio, 1 archive, in zstd", "libzstd 1.5.7, level 3"),
    (xz, "cpio, 1 archive, in xz", "liblzma, preset 6, dictionary of 8192 KiB"),
    (initramfs, "cpio, 1 archive; cpio, 1 archive, in xz", "liblzma, preset 6, dictionary of 8192 KiB"),
];

#[test]
fn compressed_images_are_updated_by_what_they_hold() {
    for (compress, words, encoder) in WAYS {
        let env = TestEnvironment::new();
        let [old, new] = [1, 2].map(|version| compress(&archive(version)));
        env.write("old.img", &old);
        env.write("new.img", &new);
        env.json("make old.rgx old.img");
        let made = env.json("make --patch-from old.rgx --old old.img new.rgx new.img");
        check_make(&made, &new);
        assert_eq!(made["disk"]["words"], words, "{made}");
        let info = env.json("info new.rgx");
        assert_eq!(number(&info, "walk_version"), 6);
        let found = info["coded"][0]["encoders"][0].as_str().unwrap();
        assert!(found.contains(encoder), "{found}");
        // Changed are a few bytes of three files.
        let patch = number(&made["patches"][0], "bytes");
        assert!(patch < 4000, "{words}: the patch has {patch} bytes");
        // Where the base comes from the store, the names of its files are known too.
        env.json("patch --replace --new new.img old.rgx new.rgx");
        assert_eq!(number(&env.json("info new.rgx")["patches"][0], "bytes"), patch);
        let server = Server::new(env.root());
        let url = server.url("new.rgx");
        let extracted = env.json(&format!("extract --seed old.img {url} out"));
        check_extract(&extracted, &new);
        assert!(env.read("out") == new && number(&extracted, "chunks_patch") > 0, "{extracted}");
        env.remove("out");
        let extracted = env.json(&format!("extract --no-patch --seed old.img {url} out"));
        assert!(env.read("out") == new);
        assert!(number(&extracted, "bytes_seed") > 2 * number(&extracted, "bytes_store"), "{extracted}");
        assert!(env.run(&format!("extract --no-patch {url} -")).success().stdout == new);
        // A scan of the output finds all of it, and so does a catalog that remembers the scan.
        for _ in 0..2 {
            let extracted = env.json(&format!("extract --catalog catalog --seed out {url} again"));
            assert_eq!(number(&extracted, "chunks_store"), 0, "{extracted}");
            env.remove("again");
        }
        // So is the archive, and one that is compressed in another way. They lack the early archive.
        env.write("plain.img", &archive(2));
        env.write("other.img", &zstd::bulk::compress(&archive(2), 5).unwrap());
        for seed in ["plain.img", "other.img"] {
            let extracted = env.json(&format!("extract --no-patch --seed {seed} {url} again"));
            assert!(number(&extracted, "bytes_seed") > 3 * number(&extracted, "bytes_store"), "{extracted}");
            env.remove("again");
        }
        assert_eq!(env.json("verify new.rgx out")["ok"], true);
        assert!(!env.files("").iter().any(|name| name.contains(".regrow-")), "{:?}", env.files(""));
    }
}

/// A kernel of x86 that unpacks these bytes.
fn kernel(plain: &[u8]) -> Vec<u8> {
    let (payload, mut kernel) = (xz(plain), noise("setup and code", 5 * 512 + 10_000));
    kernel[0x1f1] = 4;
    kernel[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    kernel[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    kernel[0x248..0x24c].copy_from_slice(&10_000u32.to_le_bytes());
    kernel[0x24c..0x250].copy_from_slice(&(payload.len() as u32 + 4).to_le_bytes());
    [kernel, payload, (plain.len() as u32).to_le_bytes().to_vec(), noise("signature", 2000)].concat()
}

#[test]
fn kernels_are_updated_by_what_they_unpack() {
    let env = TestEnvironment::new();
    let [old, new] = [1, 2].map(|version| kernel(&texts(version).concat()));
    env.write("old.img", &old);
    env.write("new.img", &new);
    env.json("make old.rgx old.img");
    let made = env.json("make --patch-from old.rgx --old old.img new.rgx new.img");
    check_make(&made, &new);
    assert_eq!(made["disk"]["words"], "a Linux kernel, in xz", "{made}");
    assert!(number(&made["patches"][0], "bytes") < 3000, "{made}");
    let info = env.json("info new.rgx");
    assert_eq!(number(&info, "walk_version"), 6);
    // The encoder takes twelve times its dictionary.
    assert!((96 << 20..128 << 20).contains(&number(&info["coded"][0], "memory_bytes")), "{info}");
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    for options in ["", "--no-patch"] {
        let extracted = env.json(&format!("extract {options} --seed old.img {url} out"));
        assert!(env.read("out") == new && number(&extracted, "bytes_store") < 60_000, "{extracted}");
        env.remove("out");
    }
    // A damaged payload stays as it is.
    let mut damaged = new.clone();
    damaged[20_000] ^= 1;
    env.write("damaged.img", &damaged);
    let made = env.run("make --json damaged.rgx damaged.img").success();
    assert!(made.stderr.contains("xz-compressed, and damaged"), "{}", made.stderr);
    env.run("extract damaged.rgx out").success();
    assert!(env.read("out") == damaged);
}

#[test]
fn tars_in_xz_are_updated_by_the_files_in_them() {
    let env = TestEnvironment::new();
    let [old, new] = [1, 2].map(|version| xz(&tar(version)));
    env.write("old.tar.xz", &old);
    env.write("new.tar.xz", &new);
    env.json("make old.rgx old.tar.xz");
    let made = env.json("make --patch-from old.rgx --old old.tar.xz new.rgx new.tar.xz");
    check_make(&made, &new);
    assert_eq!(made["disk"]["words"], "tar, in xz", "{made}");
    assert!(number(&made["patches"][0], "bytes") < 5000, "{made}");
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    let extracted = env.json(&format!("extract --seed old.tar.xz {url} out"));
    check_extract(&extracted, &new);
    assert!(env.read("out") == new && number(&extracted, "chunks_patch") > 0, "{extracted}");
    // The same files in a plain tar and in a cpio archive.
    env.write("old.tar", &tar(1));
    env.write("old.cpio", &archive(1));
    for seed in ["old.tar.xz", "old.tar", "old.cpio"] {
        env.remove("out");
        let extracted = env.json(&format!("extract --no-patch --seed {seed} {url} out"));
        assert!(env.read("out") == new);
        assert!(number(&extracted, "bytes_seed") > 2 * number(&extracted, "bytes_store"), "{seed}: {extracted}");
    }
    assert!(!env.files("").iter().any(|name| name.contains(".regrow-")), "{:?}", env.files(""));
}

#[test]
fn what_is_not_made_again_stays_compressed_and_says_why() {
    let env = TestEnvironment::new();
    // With parameters that no preset has.
    let mut options = LzmaOptions::new_preset(6).unwrap();
    options.position_bits(0);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut encoder = XzEncoder::new_stream(Vec::new(), Stream::new_stream_encoder(&filters, Check::Crc32).unwrap());
    encoder.write_all(&archive(1)).unwrap();
    let odd = encoder.finish().unwrap();
    let early = initramfs(b"");
    let early = &early[..early.len() - xz(b"").len()];
    for (image, divided) in [(odd.clone(), false), ([early, &odd].concat(), true)] {
        env.write("image", &image);
        let made = env.run("make --json image.rgx image").success();
        assert_eq!(made.stderr.lines().count(), 1, "{}", made.stderr);
        assert!(made.stderr.contains("the encoder of its xz stream is not known"), "{}", made.stderr);
        assert_eq!(made.json()["disk"]["divided"], divided);
        assert_eq!(number(&env.json("info image.rgx"), "walk_version"), if divided { 5 } else { 3 });
        env.run("extract image.rgx out").success();
        assert!(env.read("out") == image);
        env.remove("out");
    }
}
