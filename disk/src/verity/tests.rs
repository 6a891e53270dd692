//! Trees are computed as dm-verity does, and only what is proved is taken out.

use super::*;
use crate::{DiskKind, Stretch};

/// A bundle: data, the tree, and a signature with a manifest in it.
struct Bundle {
    data: Vec<u8>,
    tree: Vec<u8>,
    signature: Vec<u8>,
    size: u64,
}

const SALT: &str = "746865207361_6c74";

fn bundle(blocks: u64) -> Bundle {
    let data: Vec<u8> = (0..blocks * 4096).map(|at| (((at * at) >> 7) % 251) as u8).collect();
    let mut hasher = TreeHasher::new(&HashTree { salt: b"the salt".to_vec(), data_blocks: blocks }).unwrap();
    data.chunks(10_000).for_each(|piece| hasher.push(piece));
    let tree = hasher.finish().unwrap();
    let manifest = format!("0\u{1}verity-hash=00\nverity-salt={}\nverity-size={}\n", salt(), tree.len());
    let signature = manifest.into_bytes();
    Bundle { data, tree, size: signature.len() as u64, signature }
}

fn salt() -> String {
    SALT.replace('_', "")
}

impl Bundle {
    fn image(&self) -> Vec<u8> {
        [&self.data, &self.tree, &self.signature, self.size.to_be_bytes().as_slice()].concat()
    }
}

/// The division of an image of which the last bytes, this many, belong to nobody.
fn division(bytes: usize, free: u64) -> Division {
    let (bytes, plain) = (bytes as u64, |bytes| StoredPiece { bytes, form: StoredForm::Plain });
    let block = StoredForm::Block { codec: crate::BlockCodec::Zlib, plain_bytes: 9000 };
    let stretch = |bytes, kind| Stretch { bytes, kind };
    Division {
        kind: DiskKind::Squashfs,
        details: String::new(),
        pieces: vec![StoredPiece { bytes: bytes - free, form: block }, plain(free)],
        stretches: vec![stretch(9000, StretchKind::File(0)), stretch(free, StretchKind::System)],
        files: Vec::new(),
        rules: DivisionRules::V5,
        tree: None,
    }
}

fn taken(image: &[u8], free: u64) -> Option<HashTree> {
    let before = division(image.len(), free);
    let division = without_tree(&image, before.clone()).unwrap();
    assert_eq!(division.pieces.iter().map(|piece| piece.bytes).sum::<u64>(), image.len() as u64);
    assert_eq!(division.pieces.iter().map(StoredPiece::plain_bytes).sum::<u64>(), division.plain_bytes());
    assert!(division.tree.is_some() || division == before);
    division.tree
}

#[test]
fn trees_are_those_of_dm_verity() {
    for (blocks, levels) in [(2, 1), (128, 1), (129, 3), (16_384, 129), (16_385, 132)] {
        let tree = HashTree { salt: Vec::new(), data_blocks: blocks };
        assert_eq!(tree.tree_bytes(), Some(levels * 4096), "{blocks}");
    }
    // The digest of the tree that another program made.
    let tree = bundle(200).tree;
    let digest: String = Sha256::digest(&tree).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (tree.len(), digest.as_str()),
        (12_288, "32749700e534463d44924d8a718cc4547f26ea0f6a2ed8d4800948a88be0422a")
    );
    for (salt, data_blocks) in [(0, 0), (0, 1), (33, 9), (0, MAX_DATA_BLOCKS + 1), (0, u64::MAX)] {
        let tree = HashTree { salt: vec![0; salt], data_blocks };
        assert!(tree.tree_bytes().is_none() && TreeHasher::new(&tree).is_none());
    }
    let few = TreeHasher::new(&HashTree { salt: Vec::new(), data_blocks: 2 }).unwrap();
    assert_eq!(few.finish(), None);
}

#[test]
fn a_tree_is_taken_out_of_the_plain_image() {
    let bundle = bundle(200);
    let (image, behind) = (bundle.image(), bundle.size + 8);
    let free = 12_288 + behind + 700;
    let found = without_tree(&image.as_slice(), division(image.len(), free)).unwrap();
    let forms: Vec<_> = found.pieces.iter().map(|piece| (piece.bytes, piece.form)).collect();
    assert_eq!(forms[1..], [(700, StoredForm::Plain), (12_288, StoredForm::HashTree), (behind, StoredForm::Plain)]);
    assert_eq!(found.tree, Some(HashTree { salt: b"the salt".to_vec(), data_blocks: 200 }));
    assert_eq!((found.rules, found.plain_bytes()), (DivisionRules::V6, 9000 + 700 + behind));
    // Nothing else may lie in the tree's place, and something must be before it.
    assert!(taken(&image, 12_288 + behind).is_none() && taken(&image, behind).is_none());
}

#[test]
fn what_is_not_the_tree_stays_where_it_is() {
    let free = 20_000;
    assert!(taken(&bundle(200).image(), free).is_some());
    let with = |change: &dyn Fn(&mut Bundle)| {
        let mut bundle = bundle(200);
        change(&mut bundle);
        taken(&bundle.image(), free).is_some()
    };
    assert!(!with(&|bundle| bundle.data[77] ^= 1));
    assert!(!with(&|bundle| bundle.tree[12_287] ^= 1));
    assert!(!with(&|bundle| bundle.tree[0] ^= 1));
    for size in [0, 1, 7, u64::MAX, MAX_SIGNATURE_BYTES + 1, 1 << 40] {
        assert!(!with(&|bundle| bundle.size = size), "{size}");
    }
    let said = |name: &str, value: &str| {
        let manifest = |bundle: &Bundle| String::from_utf8(bundle.signature.clone()).unwrap();
        with(&|bundle| {
            bundle.signature = manifest(bundle).replace(name, value).into_bytes();
            bundle.size = bundle.signature.len() as u64;
        })
    };
    assert!(said("nothing", ""));
    for other in ["746865207361", "7", "", "74686520736", "zz", &"74".repeat(33), "746865207361\u{e9}6c74"] {
        assert!(!said(&salt(), other), "{other}");
    }
    for other in ["", "0", "8192", "12289", "99999999999999999999999", "18446744073709551615", "-1"] {
        assert!(!said("12288", other), "{other}");
    }
    // Short images, and an empty one.
    let image = bundle(2).image();
    for bytes in 0..image.len().min(300) {
        assert_eq!(stated(&&image[..bytes]).unwrap(), None);
        assert_eq!(stated(&&image[image.len() - bytes..]).unwrap(), None);
    }
}

/// An image that knows its tree, which cannot be read.
struct Known<'i>(&'i [u8], HashTree);

impl ReadAt for Known<'_> {
    fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn hash_tree(&self) -> Option<HashTree> {
        Some(self.1.clone())
    }

    fn read_exact_at(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::OutOfMemory.into())
    }
}

#[test]
fn a_tree_that_is_known_is_not_computed() {
    let bundle = bundle(200);
    let (image, tree) = (bundle.image(), HashTree { salt: b"the salt".to_vec(), data_blocks: 200 });
    let known = without_tree(&Known(&image, tree.clone()), division(image.len(), 20_000)).unwrap();
    assert_eq!(known, without_tree(&image.as_slice(), division(image.len(), 20_000)).unwrap());
    for data_blocks in [0, 1, 199, 201, 400, u64::MAX] {
        let known = Known(&image, HashTree { data_blocks, ..tree.clone() });
        let _ = without_tree(&known, division(image.len(), 20_000)).unwrap();
    }
}
