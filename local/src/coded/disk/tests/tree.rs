//! The hash tree of a disk image is left out of the plain image, and made of what is before it.

use regrow_disk::{HashTree, TreeHasher};
use regrow_index::{DiskCoding, HashTreePiece};

use super::*;
use crate::coded::disk::held::HeldBlocks;

/// An image with blocks, filled up to a multiple of 4,096 bytes, its tree, and something behind it.
fn image_with_tree() -> (Image, HashTree) {
    let mut image = image();
    // Plain pieces never follow each other.
    image.block(9, &text(9000, 77));
    let missing = image.stored.len().next_multiple_of(4096) - image.stored.len();
    image.plain(&vec![3; missing]);
    let tree = HashTree { salt: vec![7; 32], data_blocks: image.stored.len() as u64 / 4096 };
    let mut hasher = TreeHasher::new(&tree).unwrap();
    hasher.push(&image.stored);
    let made = hasher.finish().unwrap();
    image.stored.extend_from_slice(&made);
    image.pieces.push(StoredPiece { bytes: made.len() as u64, form: StoredForm::HashTree });
    image.plain(b"a signature");
    (image, tree)
}

fn prove_with(image: &Image, tree: Option<&HashTree>) -> DiskProof {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&image.stored).unwrap();
    let file = SizedFile { file: &file, bytes: image.stored.len() as u64 };
    prove_disk(&file, (&image.pieces, tree), &Pool::new()).unwrap()
}

fn coding_of(image: &Image, tree: &HashTree) -> DiskCoding {
    match prove_with(image, Some(tree)) {
        DiskProof::Exact(coding) => coding,
        DiskProof::Impossible(reason) => panic!("{reason}"),
    }
}

fn make(coding: &DiskCoding, plain: &[u8], step: usize) -> Result<Vec<u8>, LocalError> {
    let (pool, mut made) = (Pool::new(), Vec::new());
    let mut sink = |bytes: &[u8]| {
        made.extend_from_slice(bytes);
        Ok::<(), LocalError>(())
    };
    let mut maker = DiskMaker::new(&pool, &coding.pieces, None);
    plain.chunks(step).try_for_each(|piece| maker.write(piece, &mut sink))?;
    maker.finish(&mut sink)?;
    Ok(made)
}

#[test]
fn a_hash_tree_is_made_again() {
    let (image, tree) = image_with_tree();
    let coding = coding_of(&image, &tree);
    for step in [7001, 1 << 20, usize::MAX] {
        assert!(make(&coding, &image.plain, step).unwrap() == image.stored, "{step}");
        assert!(unfold(&image.stored, &image.pieces, step) == image.plain, "{step}");
    }
    assert!(has_hash_tree(&coding.pieces) && !has_hash_tree(&coding.pieces[..2]));
    assert!(disk_memory_bytes(&coding.pieces) > 0);
    // Without the tree, or with another one, the image is none that is made again.
    assert!(matches!(prove_with(&image, None), DiskProof::Impossible(_)));
    let other = HashTree { data_blocks: 2, ..tree };
    assert!(matches!(prove_with(&image, Some(&other)), DiskProof::Impossible(_)));
}

#[test]
fn a_tree_whose_data_is_missing_is_an_error() {
    let tree = |data_blocks| DiskPiece::HashTree(Box::new(HashTreePiece { salt: Vec::new(), data_blocks }));
    for pieces in [
        vec![DiskPiece::Plain(4096), tree(2), DiskPiece::Plain(1)],
        vec![tree(2), DiskPiece::Plain(4097)],
        vec![DiskPiece::Plain(8192), tree(u64::MAX), DiskPiece::Plain(1)],
        vec![DiskPiece::Plain(8192), tree(2), tree(2), DiskPiece::Plain(1)],
    ] {
        let coding = DiskCoding { pieces };
        let plain = vec![1; usize::try_from(coding.plain_bytes()).unwrap()];
        assert!(make(&coding, &plain, 1000).is_err());
    }
}

#[test]
fn what_is_behind_a_tree_is_found() {
    let (image, tree) = image_with_tree();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&image.stored).unwrap();
    let places = DiskPlaces::of(&image.pieces).unwrap();
    let behind = image.plain.len() as u64 - 11;
    let at = image.stored.len() as u64 - 11;
    assert_eq!(places.at(behind), PlainPlace::Stored(at, u64::MAX - behind));
    let mut blob = Vec::new();
    places.encode(&mut blob);
    assert_eq!(DiskPlaces::decode(&mut blob.as_slice()).unwrap().at(behind), places.at(behind));
    let starts = Starts::Blocks(places);
    let unfolded = Unfolded { stored: 0..image.stored.len() as u64, plain: 0..image.plain.len() as u64, starts };
    let plain_file = PlainFile::new(file, vec![unfolded]);
    let mut read = vec![0; 3000];
    plain_file.read_exact_at(&mut read, image.plain.len() as u64 - 3000).unwrap();
    assert!(read == image.plain[image.plain.len() - 3000..]);
    // A view of the image knows the tree, and does not make it.
    let coding = coding_of(&image, &tree);
    let plain = image.plain.as_slice();
    let view = StoredView::new(&plain, &coding);
    assert_eq!((view.hash_tree(), view.bytes()), (Some(tree), image.stored.len() as u64));
    let mut read = [0; 11];
    view.read_exact_at(&mut read, at).unwrap();
    assert_eq!(&read, b"a signature");
    assert!(view.read_exact_at(&mut read, at - 1).is_err());
}

#[test]
fn a_patch_names_blocks_of_an_image_with_a_tree() {
    let (image, tree) = image_with_tree();
    let coding = coding_of(&image, &tree);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&image.stored).unwrap();
    let (pool, mut sink) = (Pool::new(), |_: Bytes| Ok(()));
    let mut unfolding = DiskUnfolding::new(&pool, &image.pieces);
    unfolding.push(Bytes::copy_from_slice(&image.stored), &mut sink).unwrap();
    let hashes = unfolding.finish(&mut sink).unwrap();
    let places = DiskPlaces::of(&image.pieces).unwrap().with_hashes(hashes.clone());
    let held = HeldBlocks::of(&coding, |number, _, _| Ok(hashes[number])).unwrap();
    let named = held.coding(&coding, &places, &file).unwrap().unwrap();
    assert!(named.pieces.iter().any(|piece| matches!(piece, DiskPiece::Held(_))));
    let [.., DiskPiece::Plain(_), DiskPiece::HashTree(_), DiskPiece::Plain(11)] = named.pieces.as_slice() else {
        panic!("{:?}", named.pieces.len());
    };
    assert_eq!((named.plain_bytes(), named.stored_bytes()), (coding.plain_bytes(), coding.stored_bytes()));
}
