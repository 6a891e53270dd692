//! Units of an image: its wrapper and its parts, and how they are named (docs/format/index-2.md, sections 1 and 2).

use crate::{ImageId, Params, SegmentId, UnitId};

const PART_CONTEXT: &str = "regrow 2026 part id v1";
/// The version of the walking rules that the ids of parts are hashed with. Later versions cut parts in the same way.
const PART_WALK_VERSION: u32 = 3;
const WRAPPER_CONTEXT: &str = "regrow 2026 wrapper id v1";
const IMAGE_CONTEXT: &str = "regrow 2026 image id v2";
/// The number of the wrapper where a part has its kind.
const WRAPPER_KIND: u8 = 0;

/// The kind of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartKind {
    /// A tar, such as a layer. It has a skeleton of its own.
    Tar = 1,
    /// A large file. The operation that stands for it is the wrapper's, so it has contents alone.
    File = 2,
}

impl PartKind {
    /// The kind's number in the formats.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The kind that has this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Tar),
            2 => Some(Self::File),
            _ => None,
        }
    }
}

/// The place of a part among the records of its image's wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PartPlace {
    /// The number of the wrapper's skeleton records before the part. It is 0 for a file.
    pub skeleton_records: u32,
    /// The number of the wrapper's contents records before the part.
    pub contents_records: u32,
}

impl UnitId {
    /// The id of the part whose streams have these segments. It does not depend on which of the walking rules that know
    /// parts the image is cut by.
    #[must_use]
    pub fn of_part(kind: PartKind, params: &Params, skeleton: &[SegmentId], contents: &[SegmentId]) -> Self {
        let hasher = unit_hasher((PART_CONTEXT, kind.number()), PART_WALK_VERSION, params, [skeleton, contents]);
        Self::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The id of the wrapper whose streams have these segments, cut by these rules, with parts at these places.
    #[must_use]
    pub fn of_wrapper(
        walk_version: u32,
        params: &Params,
        skeleton: &[SegmentId],
        contents: &[SegmentId],
        parts: &[PartPlace],
    ) -> Self {
        let mut hasher = unit_hasher((WRAPPER_CONTEXT, WRAPPER_KIND), walk_version, params, [skeleton, contents]);
        for place in parts {
            hasher.update(&place.skeleton_records.to_le_bytes());
            hasher.update(&place.contents_records.to_le_bytes());
        }
        Self::from_bytes(*hasher.finalize().as_bytes())
    }
}

impl ImageId {
    /// The id of the image that consists of these units (version 2).
    #[must_use]
    pub fn of_units(wrapper: UnitId, parts: &[UnitId]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(IMAGE_CONTEXT);
        hasher.update(wrapper.as_bytes());
        // An image has at most 1,024 parts.
        hasher.update(&(parts.len() as u32).to_le_bytes());
        parts.iter().for_each(|part| {
            hasher.update(part.as_bytes());
        });
        Self::from_bytes(*hasher.finalize().as_bytes())
    }
}

fn unit_hasher(
    (context, kind): (&str, u8),
    walk_version: u32,
    params: &Params,
    streams: [&[SegmentId]; 2],
) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for number in [walk_version, params.min_bytes(), params.avg_bytes(), params.max_bytes()] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&[kind]);
    for ids in streams {
        // An index of 64 MiB has fewer than 2^21 segments.
        hasher.update(&(ids.len() as u32).to_le_bytes());
        ids.iter().for_each(|id| {
            hasher.update(id.as_bytes());
        });
    }
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids by hand, from the specification's bytes.
    #[test]
    fn ids_are_those_of_the_specification() {
        let (params, segment) = (Params::default(), SegmentId::from_bytes([7; 32]));
        let mut head: Vec<u8> = Vec::new();
        for number in [3, params.min_bytes(), params.avg_bytes(), params.max_bytes()] {
            head.extend(number.to_le_bytes());
        }
        let one = [[1, 0, 0, 0].as_slice(), &[7; 32]].concat();
        let part = [head.as_slice(), &[2], &[0; 4], &one].concat();
        let part_id = UnitId::of_part(PartKind::File, &params, &[], &[segment]);
        assert_eq!(part_id.as_bytes(), &blake3::derive_key("regrow 2026 part id v1", &part));
        let wrapper = [head.as_slice(), &[0], &one, &[0; 4], &[1, 0, 0, 0, 2, 0, 0, 0]].concat();
        let place = PartPlace { skeleton_records: 1, contents_records: 2 };
        let wrapper_id = UnitId::of_wrapper(3, &params, &[segment], &[], &[place]);
        assert_eq!(wrapper_id.as_bytes(), &blake3::derive_key("regrow 2026 wrapper id v1", &wrapper));
        let image = [wrapper_id.as_bytes().as_slice(), &[1, 0, 0, 0], part_id.as_bytes()].concat();
        let image_id = ImageId::of_units(wrapper_id, &[part_id]);
        assert_eq!(image_id.as_bytes(), &blake3::derive_key("regrow 2026 image id v2", &image));
    }

    #[test]
    fn kinds_have_numbers() {
        for number in 0..=255 {
            let kind = PartKind::from_number(number);
            assert_eq!(kind.map_or(0, PartKind::number), if kind.is_some() { number } else { 0 });
        }
        assert_eq!(PartKind::from_number(1), Some(PartKind::Tar));
        assert_eq!(PartKind::from_number(2), Some(PartKind::File));
        assert_eq!(PartKind::from_number(3), None);
    }
}
