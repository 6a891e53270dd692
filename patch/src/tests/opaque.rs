//! Images that are not understood: large ones are matched in pieces, and compressed streams are found in them.

use super::*;
use crate::sample::Sample;
use crate::unit::units;

#[test]
fn large_opaque_images_are_matched_in_pieces() {
    let old = noise(1, 70 << 20);
    let mut new = old.clone();
    // The new image has an insertion of an odd number of bytes, scattered changes, and a stretch from elsewhere.
    new.splice(1 << 20..1 << 20, noise(2, 12_345));
    new[30 << 20..31 << 20].iter_mut().step_by(700).for_each(|byte| *byte ^= 0x55);
    new.copy_within(60 << 20..61 << 20, 10 << 20);
    let plan = Pair::new(&old, &new).check(5);
    let counts = plan.ops.statistics();
    assert!(counts.literal + counts.changed < 20_000, "{counts:?}");
}

/// Snippets from all over the base, each too short for the search of similar places.
#[test]
fn literals_of_large_images_are_looked_for_in_the_whole_base() {
    let old = noise(1, 40 << 20);
    let mut new = old.clone();
    for n in 0..150 {
        let (to, from) = ((5 << 20) + n * 100, (10 << 20) + n * 200_001);
        new.copy_within(from..from + 100, to);
    }
    let counts = *Pair::new(&old, &new).check(5).ops.statistics();
    assert!(counts.literal + counts.changed < 300, "{counts:?}");
}

/// A disk image that has gzip members at block starts, and one that moved far.
#[test]
fn members_in_large_opaque_images_are_matched_by_what_they_hold() {
    let member = |n: u64, more: &[u8]| {
        let mut plain = text(n, 4_000);
        plain.splice(5_000..5_000, more.iter().copied());
        gzip(&plain, "-9")
    };
    let image = |more: &[u8], moved: usize| {
        let mut image = noise(1, 40 << 20);
        for (n, at) in (0..).zip([1, 100, 2_000, 5_000, moved]) {
            let bytes = member(n, more);
            image[at * 4_096..at * 4_096 + bytes.len()].copy_from_slice(&bytes);
        }
        image
    };
    let plan = Pair::new(&image(b"", 1_000), &image(b"inserted", 9_000)).check(5);
    assert_eq!((plan.base_members.members.len(), plan.target_members.len()), (5, 5));
    let counts = plan.ops.statistics();
    assert!(counts.literal + counts.changed < 9_000, "{counts:?}");
    // A small image is matched as a whole.
    let small = |more: &[u8]| [noise(1, 40_000), member(1, more), noise(2, 10_000)].concat();
    let plan = Pair::new(&small(b""), &small(b"inserted")).check(5);
    assert_eq!((plan.base_members.members.len(), plan.target_members.len()), (1, 1));
    assert!(plan.ops.statistics().literal < 100, "{:?}", plan.ops.statistics());
}

/// Images of noise with short common stretches: a cut of each piece tells that a patch saves nothing, and so do few coded bytes.
#[test]
fn a_hopeless_patch_between_large_opaque_images_is_given_up_after_a_sample() {
    let old = noise(1, 40 << 20);
    let mut new = noise(2, 40 << 20);
    new[..1 << 20].copy_from_slice(&old[..1 << 20]);
    let pair = Pair::new(&old, &new);
    let Sides { base, target, .. } = pair.sides();
    let units = units(&base, &target, &[None], &[None]);
    let sample = Sample::of(&base, &target, &units, 1 << 20).unwrap();
    let sampled = sample.cuts().map(|unit| unit.target.end - unit.target.start).sum::<u64>();
    assert!((1 << 20..5 << 20).contains(&sampled), "{sampled}");
    let limit = Limit { estimated_bytes: 35 << 20, sampled_from: 1 << 20 };
    let Planned::TooLarge(bytes) = pair.planned(5, Some(limit)) else { panic!("noise is matched") };
    assert!((38 << 20..41 << 20).contains(&bytes), "{bytes}");
    // The same images with one byte in 500 changed are worth a patch.
    let mut similar = old.clone();
    similar.iter_mut().step_by(500).for_each(|byte| *byte ^= 0x55);
    let pair = Pair::new(&old, &similar);
    assert!(matches!(pair.planned(5, Some(limit)), Planned::Plan(_)));
}
