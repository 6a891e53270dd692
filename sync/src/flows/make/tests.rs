//! Tests that make writes exactly what a scan of the image finds.

use std::path::Path;

use regrow_chunker::{ImageId, Params, ReaderLimits};
use regrow_index::{Index, PackRef};
use regrow_local::{FileSeed, NoProgress, Pool, SeedContext};
use regrow_store::{FolderStore, read_tail};

use crate::{HttpOptions, IndexFormat, Location, MakeOptions, Network, RetryPolicy, make};

/// A tar (ustar) of files of 2,000 bytes, which follow from their numbers.
fn tar(files: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for number in files {
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
    let image = tar(0..300);
    let params = Params::new(256, 1024, 4096).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for format in [IndexFormat::V1, IndexFormat::V2] {
        let index = made_index(folder.path(), &image, params, format);
        let (id, digest) = scanned(folder.path(), &image, params, format);
        assert_eq!(id, index.image_id());
        assert_eq!(digest, index.image_digest);
    }
}

/// Machines that took indexes of version 1 until now may know no other.
#[test]
fn the_format_follows_the_images_before() {
    let image = tar(0..20);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let mut network = Network::new(HttpOptions::default(), RetryPolicy::default(), folder.path()).unwrap();
    let mut make = |name: &str, format: Option<IndexFormat>, like: &[&str]| {
        let mut options = MakeOptions::new(place("store"), place(name));
        options.format = format;
        options.like = like.iter().map(|name| Location::Path(place(name))).collect();
        make(&mut &image[..], "image".as_ref(), None, &options, &mut network, &NoProgress).unwrap().format
    };
    assert_eq!(make("new.rgx", None, &[]), 2);
    assert_eq!(make("one.rgx", Some(IndexFormat::V1), &[]), 1);
    assert_eq!(make("one.rgx", None, &[]), 1, "it is replaced");
    assert_eq!(make("two.rgx", None, &["one.rgx"]), 1);
    assert_eq!(make("three.rgx", None, &["one.rgx", "new.rgx"]), 2);
    assert_eq!(make("one.rgx", None, &["new.rgx"]), 2);
    assert_eq!(make("other.rgx", None, &["absent.rgx"]), 2);
}

#[test]
fn what_a_release_changes_is_in_longer_frames() {
    let folder = tempfile::tempdir().unwrap();
    let (params, format) = (Params::default(), IndexFormat::V2);
    let first = made_index(folder.path(), &tar(0..3000), params, format);
    let second = made_index(folder.path(), &tar((0..2000).chain(5000..6500)), params, format);
    let store = FolderStore::new(folder.path().join("store"));
    let longest = |packs: &[PackRef]| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tail = |pack: &PackRef| runtime.block_on(read_tail(&store, &pack.id)).unwrap().1;
        packs.iter().flat_map(|pack| tail(pack).frames).map(|frame| frame.plain_bytes).max().unwrap()
    };
    let known: Vec<_> = first.packs.iter().map(|pack| pack.id).collect();
    let new: Vec<PackRef> = second.packs.iter().filter(|pack| !known.contains(&pack.id)).copied().collect();
    assert!((1 << 20..3 << 19).contains(&longest(&first.packs)), "{}", longest(&first.packs));
    assert!(longest(&new) > 2 << 20, "{}", longest(&new));
}

/// The image id and the digest that a scan gives.
fn scanned(folder: &Path, image: &[u8], params: Params, format: IndexFormat) -> (ImageId, [u8; 32]) {
    let (path, pool) = (folder.join("image"), Pool::new());
    std::fs::write(&path, image).unwrap();
    let (catalog, progress, scratch, on_scan) = (None, &NoProgress, folder, &|| {});
    let context =
        SeedContext { rules: format.rules(), params, pool: &pool, catalog, progress, scratch, unfolds: true, on_scan };
    let seed = FileSeed::open(&path, &context).unwrap();
    (seed.scan().image_id(params), seed.scan().digest)
}

/// The index that make writes.
fn made_index(folder: &Path, image: &[u8], params: Params, format: IndexFormat) -> Index {
    let place = folder.join("image.rgx");
    let mut options = MakeOptions::new(folder.join("store"), place.clone());
    options.params = Some(params);
    options.format = Some(format);
    let limits = ReaderLimits { min_avg_bytes: 1024, ..ReaderLimits::default() };
    let network = Network::new(HttpOptions::default(), RetryPolicy::default(), folder).unwrap();
    let mut network = network.with_limits(limits);
    make(&mut &*image, "image".as_ref(), None, &options, &mut network, &NoProgress).unwrap();
    Index::decode(&std::fs::read(place).unwrap()).unwrap()
}
