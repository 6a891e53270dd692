//! The parts that patches start from: what is written is read, what is malformed counts as none, and what has no room
//! is left out.

use regrow_chunker::varint;

use super::*;
use crate::v2::base_parts::{decode, encode};
use crate::{BasePart, MAX_PATCHES};

fn part(number: u32) -> BasePart {
    let mut part = BasePart { id: [0; 8], name: [1; 8] };
    part.id[..4].copy_from_slice(&number.to_le_bytes());
    part
}

fn parts(numbers: impl IntoIterator<Item = u32>) -> Vec<BasePart> {
    numbers.into_iter().map(part).collect()
}

fn patch(number: u8, parts: Vec<BasePart>) -> AnnouncedPatch {
    AnnouncedPatch { base: ImageId::from_bytes([number; 32]), bytes: Some(100), parts }
}

/// The lists that this section gives to two patches, in an image of 5 parts.
fn read(section: &[u8]) -> Vec<Vec<BasePart>> {
    let mut patches = [patch(1, Vec::new()), patch(2, Vec::new())];
    decode(section, parts(0..5), &mut patches);
    patches.map(|patch| patch.parts).to_vec()
}

#[test]
fn own_parts_are_numbers_and_foreign_ones_are_listed_once() {
    let patches = [patch(1, parts([0, 1, 2, 77, 78])), patch(2, parts([78, 4, 0]))];
    let (fitting, section) = encode(&patches, &parts(0..5));
    let section = section.unwrap();
    let foreign = [part(77), part(78)].map(|part| [part.id, part.name].concat()).concat();
    assert_eq!(fitting, patches);
    assert_eq!(section, [[2].as_slice(), &foreign, &[2, 0, 3, 5, 2], &[3, 6, 1, 4, 1, 0, 1]].concat());
    assert_eq!(read(&section), patches.map(|patch| patch.parts));
}

/// An image may have a part twice. The first one stands for both.
#[test]
fn a_part_that_an_image_has_twice_has_one_number() {
    let patches = [patch(1, parts([3, 4])), patch(2, Vec::new())];
    let (_, section) = encode(&patches, &parts([3, 3, 4]));
    assert_eq!(section.unwrap(), [0, 2, 0, 1, 2, 1, 0]);
    let mut index = sample();
    let units = index.units.as_mut().unwrap();
    units.parts.push(units.parts[0]);
    assert_eq!(units.base_parts().len(), 3);
    let first = &units.parts[0];
    assert_eq!(units.base_parts()[0].id, first.unit.id.as_bytes()[..8]);
    assert_eq!(units.base_parts()[0].name, first.name.as_bytes()[..8]);
}

#[test]
fn without_parts_there_is_no_section() {
    let mut index = sample();
    index.patches.iter_mut().for_each(|patch| patch.parts.clear());
    let bare = index.encode();
    assert_eq!(encode(&index.patches, &[]).1, None);
    assert_eq!(Index::decode(&bare), Ok(index));
    assert!(bare.len() < sample().encode().len());
}

#[test]
fn a_section_that_is_malformed_counts_as_none() {
    let good = [0, 1, 0, 2, 2, 1, 1, 3, 2];
    assert_eq!(read(&good), [parts([0, 1]), parts([1, 3, 4])]);
    let foreign = |count: usize| {
        let mut section = Vec::new();
        varint::put(&mut section, count as u64);
        section.extend(vec![7; count * 16]);
        section.extend([0, 0]);
        section
    };
    let many_ranges = [vec![0, 205, 8], [0, 5].repeat(205), vec![0]].concat();
    let too_long = [vec![0, 176, 12], [0, 1].repeat(12 << 10), vec![0]].concat();
    let mut huge = vec![0, 1];
    [u64::MAX, u64::MAX].iter().for_each(|&number| varint::put(&mut huge, number));
    huge.push(0);
    let bad: [(&str, Vec<u8>); 11] = [
        ("nothing at all", Vec::new()),
        ("a list too few", good[..4].to_vec()),
        ("cut off", good[..8].to_vec()),
        ("a list too much", [good.as_slice(), &[0]].concat()),
        ("a range of nothing", vec![0, 1, 0, 0, 0]),
        ("a part that there is not", vec![0, 1, 4, 2, 0]),
        ("a range that starts behind the last part", vec![0, 1, 6, 1, 0]),
        ("numbers that overflow", huge),
        ("too many foreign parts", foreign(1025)),
        ("too many parts of a patch", many_ranges),
        ("too long", too_long),
    ];
    for (what, section) in bad {
        assert_eq!(read(&section), [[], []] as [[BasePart; 0]; 2], "{what}");
    }
    assert_eq!(read(&foreign(1024)), [[], []] as [[BasePart; 0]; 2]);
    let lists = |count: u8| [vec![0, count], [0, 5].repeat(count.into()), vec![0]].concat();
    assert_eq!(read(&lists(100))[0].len(), 500, "ranges may overlap");
}

/// Any cut and any flipped bit of a section leaves lists that a head can have, or none.
#[test]
fn nonsense_does_no_harm() {
    let patches = [patch(1, parts([0, 1, 77, 3])), patch(2, parts(2..40))];
    let section = encode(&patches, &parts(0..5)).1.unwrap();
    for at in 0..section.len() {
        assert_eq!(read(&section[..at]), [[], []] as [[BasePart; 0]; 2], "cut at {at}");
        for bit in 0..8 {
            let mut bad = section.clone();
            bad[at] ^= 1 << bit;
            assert!(read(&bad).iter().all(|list| list.len() <= crate::MAX_BASE_PARTS));
        }
    }
}

/// Whatever a patch starts from, there is room for the newest one. The oldest are forgotten.
#[test]
fn the_oldest_patches_make_room() {
    let mut index = sample();
    // As many foreign parts as there may be, and as many ranges.
    let own = index.units.as_ref().unwrap().base_parts();
    let scattered: Vec<_> = (0..341).flat_map(|n| [own[n as usize % 3], part(900 + n * 2), part(5000 - n)]).collect();
    for (number, list) in [parts(100..1124), scattered, parts(100..1124), parts(2000..2003)].into_iter().enumerate() {
        index.announce(patch(number as u8, list.clone()));
        assert_eq!(index.patches[0].parts, list, "{number}");
        assert_eq!(Index::decode(&index.encode()).as_ref(), Ok(&index), "{number}");
    }
    assert_eq!(index.patches.iter().map(|patch| patch.base.as_bytes()[0]).collect::<Vec<_>>(), [3]);
    assert!(index.announce_last(patch(9, parts(2000..3000))));
    assert!(!index.announce_last(patch(10, parts(3000..4000))));
    assert!(index.announce_last(patch(11, Vec::new())));
    assert_eq!(Index::decode(&index.encode()).as_ref(), Ok(&index));
    assert_eq!(index.patches.len(), 3);
    // Lists that nobody announced, and that have no room together.
    index.patches = vec![patch(1, parts(100..1124)), patch(2, parts(2000..2003))];
    let read = Index::decode(&index.encode()).unwrap();
    assert_eq!(read.patches, [patch(1, parts(100..1124))]);
}

/// Entries that nobody knows keep their room.
#[test]
fn kept_entries_and_patches_are_at_most_64() {
    let mut index = sample();
    index.units.as_mut().unwrap().kept.patches = vec![vec![9, 9]; 3];
    for number in 0..=MAX_PATCHES as u8 {
        index.announce(patch(number, parts([u32::from(number)])));
    }
    assert_eq!(index.patches.len(), MAX_PATCHES - 3);
    assert_eq!(Index::decode(&index.encode()).as_ref(), Ok(&index));
}
