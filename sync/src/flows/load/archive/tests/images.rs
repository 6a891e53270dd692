//! Makers of images, and the machine that has a store of them.

use std::path::{Path, PathBuf};

use regrow_deflate::GzipTrailer;
use regrow_deflate::encoders::{Encoder, KnownEncoder, ZlibFamily};

use crate::{ExtractOptions, HttpOptions, IndexFormat, Location, MakeOptions, Network, NoProgress, RetryPolicy, make};

/// Bytes that follow from a seed.
pub(super) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Appends a file to a tar.
pub(super) fn put(tar: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, bytes).unwrap();
}

/// A layer with small files, and one of 120,000 bytes.
pub(super) fn layer(seed: u64) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..20 {
        put(&mut tar, &format!("etc/{seed}/{number}"), &noise(seed * 1000 + number, 700 + 90 * number as usize));
    }
    put(&mut tar, &format!("usr/lib/{seed}.so"), &noise(seed * 1000 + 99, 120_000));
    tar.into_inner().unwrap()
}

/// An archive with a manifest and these layers. `more` appends to it.
pub(in super::super) fn image(layers: &[Vec<u8>], more: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    put(&mut tar, "manifest.json", b"[{}]\n");
    for (number, layer) in layers.iter().enumerate() {
        put(&mut tar, &format!("layer-{number}.tar"), layer);
    }
    more(&mut tar);
    tar.into_inner().unwrap()
}

/// The plain bytes as `gzip -9` packs them.
pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03".to_vec();
    let encoder = KnownEncoder::Zlib(ZlibFamily::Gzip { level: 9 });
    let (mut stream, mut trailer) = (Encoder::new(encoder), GzipTrailer::default());
    stream.write(plain, &mut out);
    stream.finish(&mut out);
    trailer.update(plain);
    out.extend_from_slice(&trailer.finish());
    out
}

/// A folder with a store, indexes and whatever else a test puts there.
pub(super) struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A place for a name in the folder.
    pub(super) fn location(&self, name: &str) -> Location {
        Location::Path(self.path(name))
    }

    pub(super) fn network(&self) -> Network {
        Network::new(HttpOptions::default(), RetryPolicy::default(), self.folder.path()).unwrap()
    }

    /// Makes an image, and writes its index under this name.
    pub(super) fn make(&self, image: &[u8], index: &str, format: IndexFormat) {
        let mut options = MakeOptions::new(self.path("store"), self.path(index));
        options.format = Some(format);
        make(&mut &image[..], Path::new("image"), None, &options, &mut self.network(), &NoProgress).unwrap();
    }

    /// Options with these seeds.
    pub(super) fn options(&self, seeds: &[&Path]) -> ExtractOptions {
        ExtractOptions { seeds: seeds.iter().map(|seed| seed.to_path_buf()).collect(), ..ExtractOptions::default() }
    }
}
