//! Tests that make writes exactly what a scan of the image finds.

use std::path::Path;

use regrow_chunker::{ImageId, Params, ReaderLimits};
use regrow_image::WalkRules;
use regrow_index::Index;
use regrow_local::{FileSeed, NoProgress, Pool, SeedContext};

use crate::{HttpOptions, MakeOptions, Network, RetryPolicy, make};

/// A tar (ustar) with this many files, whose bytes follow from their numbers.
fn tar(files: u64) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for number in 0..files {
        let mut bytes = vec![0; 2000];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, format!("f{number}"), &bytes[..]).unwrap();
    }
    out.into_inner().unwrap()
}

#[test]
fn the_image_id_is_an_indexs() {
    let image = tar(300);
    let params = Params::new(256, 1024, 4096).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let index = made_index(folder.path(), &image, params);
    let (id, digest) = scanned(folder.path(), &image, params);
    assert_eq!(id, index.image_id());
    assert_eq!(digest, index.image_digest);
}

/// The image id and the digest that a scan gives.
fn scanned(folder: &Path, image: &[u8], params: Params) -> (ImageId, [u8; 32]) {
    let (path, pool) = (folder.join("image"), Pool::new());
    std::fs::write(&path, image).unwrap();
    let (catalog, progress, scratch, on_scan) = (None, &NoProgress, folder, &|| {});
    let context =
        SeedContext { rules: WalkRules::V2, params, pool: &pool, catalog, progress, scratch, unfolds: true, on_scan };
    let seed = FileSeed::open(&path, &context).unwrap();
    (seed.scan().image_id(params), seed.scan().digest)
}

/// The index that make writes.
fn made_index(folder: &Path, image: &[u8], params: Params) -> Index {
    let place = folder.join("image.rgx");
    let mut options = MakeOptions::new(folder.join("store"), place.clone());
    options.params = Some(params);
    let limits = ReaderLimits { min_avg_bytes: 1024, ..ReaderLimits::default() };
    let network = Network::new(HttpOptions::default(), RetryPolicy::default(), folder).unwrap();
    let mut network = network.with_limits(limits);
    make(&mut &*image, "image".as_ref(), None, &options, &mut network, &NoProgress).unwrap();
    Index::decode(&std::fs::read(place).unwrap()).unwrap()
}
