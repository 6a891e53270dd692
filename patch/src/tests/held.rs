//! Lists of held parts, as a hostile patch may have them.

use regrow_chunker::{UnitId, varint};

use super::parts::layer;
use super::*;
use crate::base::LocalPart;
use crate::held::{self, HeldPart, HeldParts};
use crate::members::ListsError;
use crate::target::{PatchTarget, TargetPart, TargetSizes};

fn taken(numbers: &[u64]) -> Result<Vec<HeldPart>, ListsError> {
    let mut bytes = Vec::new();
    numbers.iter().for_each(|&number| varint::put(&mut bytes, number));
    held::take(&mut bytes.as_slice())
}

#[test]
fn lists_come_back() {
    let part = |target, base, skeleton_at, contents_at| HeldPart { target, base, skeleton_at, contents_at };
    let held = [part(0, 7, 0, 0), part(1, 0, 0, 900), part(5, 7, 1 << 40, 1 << 50), part(1023, 3, 1 << 40, 1 << 50)];
    for count in 0..=held.len() {
        let mut bytes = Vec::new();
        held::put(&mut bytes, &held[..count]);
        assert_eq!(held::take(&mut bytes.as_slice()).unwrap(), held[..count]);
        for cut in 0..bytes.len() {
            assert!(matches!(held::take(&mut &bytes[..cut]), Err(ListsError::Malformed)));
        }
    }
}

#[test]
fn numbers_that_overflow_are_refused() {
    assert!(taken(&[1, u64::MAX - 1, 0, 0, 0]).is_ok());
    for numbers in [
        vec![1025],
        vec![u64::MAX],
        vec![1, u64::MAX, 0, 0, 0],
        vec![2, 0, 0, u64::MAX, 0, 0, 0, 1, 0],
        vec![2, 0, 0, 0, u64::MAX, 0, 0, 0, 1],
        vec![2, u64::MAX - 1, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert!(matches!(taken(&numbers), Err(ListsError::Malformed)), "{numbers:?}");
    }
}

#[test]
fn held_parts_must_fit_the_base_and_the_index() {
    let image = tar(&[file("a", layer(1)), file("b", layer(2))]);
    let pair = Pair::of_version(PatchVersion::V2, (&image, &[]), Params::new(256, 1024, 4096).unwrap());
    let seed = pair.base.seed();
    let base = PatchBase::of_parts(LocalPart::base_of(seed, pair.params));
    let stated = TargetPart::all_of(seed, pair.params);
    let sizes = TargetSizes { image: 1 << 20, skeleton: 1 << 20, contents: 1 << 20 };
    let check = |held: &[HeldPart], sizes, parts: &[TargetPart]| {
        HeldParts::new(held.to_vec(), &base, &PatchTarget { sizes, parts, leaves_out_held: false }).map(|_| ())
    };
    let held = HeldPart { target: 1, base: 1, skeleton_at: 10, contents_at: 10 };
    assert!(check(&[held], sizes, &stated).is_ok());
    let none = HeldPart { base: 2, ..held };
    assert!(matches!(check(&[none], sizes, &stated), Err(ListsError::NoSuchPart)));
    for none in [HeldPart { target: 2, ..held }, HeldPart { target: u64::MAX, base: u64::MAX, ..held }] {
        assert!(matches!(check(&[none], sizes, &stated), Err(ListsError::NoSuchPart)));
    }
    let other = HeldPart { base: 0, ..held };
    assert!(matches!(check(&[other], sizes, &stated), Err(ListsError::OtherPart)));
    // The index may state other sizes than the part with that id has, or a smaller image than its parts.
    for (skeleton, contents) in [(1, 0), (0, 1), (u64::MAX, 0)] {
        let [first, mut second] = [stated[0], stated[1]];
        second.skeleton_bytes = second.skeleton_bytes.wrapping_add(skeleton);
        second.contents_bytes += contents;
        assert!(matches!(check(&[held], sizes, &[first, second]), Err(ListsError::OtherPart)));
    }
    let mut unknown = stated.clone();
    unknown[1].id = UnitId::from_bytes([1; 32]);
    assert!(matches!(check(&[held], sizes, &unknown), Err(ListsError::OtherPart)));
    for small in [TargetSizes { skeleton: 100, ..sizes }, TargetSizes { contents: 100, ..sizes }] {
        assert!(matches!(check(&[held], small, &stated), Err(ListsError::OtherPart)));
    }
    for far in [HeldPart { skeleton_at: 1 << 20, ..held }, HeldPart { contents_at: u64::MAX, ..held }] {
        assert!(matches!(check(&[far], sizes, &stated), Err(ListsError::Place)));
    }
}
