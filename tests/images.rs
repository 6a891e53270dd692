//! Images of all kinds, which are the same in each run.

use std::collections::BTreeMap;

use regrow_deflate::encoders::{Encoder, GoGeneration, KnownEncoder, ZlibFamily};
use regrow_deflate::{GzipTrailer, Klauspost, KlauspostVersion};

/// A stand-in for an earlier index. It begins like one.
pub(crate) const OLD_INDEX: &[u8] = b"\x89RGX\r\n\x1a\nold";

/// Bytes that do not compress and that differ for each `name`.
pub(crate) fn noise(name: &str, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut out);
    out
}

/// A number below `below` that follows from `name`.
pub(crate) fn pick(name: &str, below: u64) -> u64 {
    u64::from_le_bytes(blake3::hash(name.as_bytes()).as_bytes()[..8].try_into().unwrap()) % below
}

/// The files of an image by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree(pub(crate) BTreeMap<String, Vec<u8>>);

impl Tree {
    /// Files of 1 byte to some KiB, some empty, and a few large ones.
    pub(crate) fn sample(name: &str, files: usize) -> Self {
        let mut tree = Self::default();
        for number in 0..files {
            let path = format!("usr/lib/{name}-{}/file-{number}.so", number % 7);
            let bytes = match number % 10 {
                0 => 0,
                1 => 20_000 + pick(&path, 60_000),
                _ => 1 + pick(&path, 3000),
            };
            tree.0.insert(path.clone(), noise(&path, bytes as usize));
        }
        tree
    }

    /// The next version: one file in `every` changes a few bytes, one is new, and one is gone.
    pub(crate) fn changed(&self, every: usize) -> Self {
        let mut next = self.clone();
        for (number, bytes) in next.0.values_mut().enumerate() {
            if number % every == 1 && bytes.len() > 20 {
                let middle = bytes.len() / 2;
                bytes[middle..middle + 10].copy_from_slice(b"0123456789");
            }
        }
        next.0.pop_last();
        next.0.insert("usr/new".into(), noise("new", 5000));
        next
    }

    /// The size of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// The files as a tar, with `time` in all headers.
    pub(crate) fn tar(&self, time: u64) -> Vec<u8> {
        let mut tar = Vec::new();
        for (path, bytes) in &self.0 {
            add_file(&mut tar, path, bytes, time);
        }
        end(tar)
    }
}

/// An image as `docker save` writes it: a tar with a tar for each layer.
pub(crate) fn docker_save(layers: &[Tree], time: u64) -> Vec<u8> {
    let mut tar = Vec::new();
    for layer in layers {
        let layer = layer.tar(time);
        let name = blake3::hash(&layer).to_string();
        add_file(&mut tar, &format!("{}/layer.tar", &name[..40]), &layer, time);
        add_file(&mut tar, &format!("{}/json", &name[..40]), format!("{{\"id\":\"{name}\"}}").as_bytes(), time);
    }
    add_file(&mut tar, "manifest.json", b"[{\"Config\":\"config.json\"}]", time);
    end(tar)
}

/// A gzip member as this encoder writes it.
pub(crate) fn gzip(plain: &[u8], encoder: KnownEncoder) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let (mut stream, mut trailer) = (Encoder::new(encoder), GzipTrailer::default());
    stream.write(plain, &mut out);
    stream.finish(&mut out);
    trailer.update(plain);
    out.extend_from_slice(&trailer.finish());
    out
}

/// The encoder that skopeo, podman and buildah use by default.
pub(crate) const PGZIP: KnownEncoder =
    KnownEncoder::Klauspost(Klauspost::Pgzip { level: 5, version: KlauspostVersion::V1_15, block_bytes: 1 << 20 });
/// The encoder that Docker, with Go up to 1.26, uses by default.
pub(crate) const GO: KnownEncoder = KnownEncoder::Go { generation: GoGeneration::Before127, level: 6 };
pub(crate) const GNU_GZIP: KnownEncoder = KnownEncoder::Zlib(ZlibFamily::Gzip { level: 9 });

/// An OCI archive: a tar with compressed layers.
pub(crate) fn oci(layers: &[Tree], time: u64, compressed: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut tar = Vec::new();
    add_file(&mut tar, "oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}", time);
    for layer in layers {
        let layer = compressed(&layer.tar(time));
        add_file(&mut tar, &format!("blobs/sha256/{}", blake3::hash(&layer)), &layer, time);
    }
    add_file(&mut tar, "index.json", b"{\"manifests\":[]}", time);
    end(tar)
}

/// The layers of [`versions`].
pub(crate) fn version_layers() -> [Vec<Tree>; 2] {
    let (base, app) = (Tree::sample("base", 120), Tree::sample("app", 60));
    [vec![base.clone(), app.clone()], vec![base, app.changed(12)]]
}

/// Two versions of an image like an application's, about 2 MB each: a base that stays, and a layer that changes.
pub(crate) fn versions() -> (Vec<u8>, Vec<u8>) {
    let (base, app) = (Tree::sample("base", 120), Tree::sample("app", 60));
    (docker_save(&[base.clone(), app.clone()], 1_700_000_000), docker_save(&[base, app.changed(12)], 1_700_500_000))
}

/// Every kind of image, with its name.
pub(crate) fn kinds() -> Vec<(&'static str, Vec<u8>)> {
    let (old, _) = versions();
    let mut cut = old.clone();
    cut.truncate(old.len() - 70_001);
    let mut trailing = Tree::sample("tail", 20).tar(1);
    trailing.extend_from_slice(&noise("behind the end", 3333));
    vec![
        ("empty", Vec::new()),
        ("one-byte", vec![7]),
        ("zeros", vec![0; 1_500_000]),
        ("noise", noise("image", 2_345_678)),
        ("tar", Tree::sample("plain", 100).tar(1_600_000_000)),
        ("empty-tar", vec![0; 10_240]),
        ("docker", old),
        ("cut-tar", cut),
        ("tar-and-more", trailing),
        ("oci-pgzip", oci(&version_layers()[0], 1_700_000_000, |layer| gzip(layer, PGZIP))),
        ("oci-gnu", oci(&version_layers()[1], 1_700_000_000, |layer| gzip(layer, GNU_GZIP))),
        ("gzip-members", docker_gzip()),
    ]
}

/// A whole image as a gzip file of many members, with bytes behind it.
fn docker_gzip() -> Vec<u8> {
    let (image, _) = versions();
    let mut out: Vec<u8> = image.chunks(150_000).flat_map(|piece| gzip(piece, GO)).collect();
    out.extend_from_slice(&gzip(b"", GO));
    out.extend_from_slice(&[0; 500]);
    out
}

pub(crate) fn add_file(tar: &mut Vec<u8>, path: &str, bytes: &[u8], time: u64) {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", bytes.len()));
    put(136, &format!("{time:011o}\0"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&header);
    tar.extend_from_slice(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

pub(crate) fn end(mut tar: Vec<u8>) -> Vec<u8> {
    tar.resize((tar.len() + 1024).next_multiple_of(10_240), 0);
    tar
}
