//! The recipe of an image by its units: the wrapper and the parts. docs/format/index-2.md, section 2.

use std::ops::Range;

use regrow_chunker::{ImageId, Params, PartKind, PartName, PartPlace, Record, UnitId};
use regrow_image::{ImagePart, Layout, PartRange, SkeletonPart, StreamKind};
use regrow_index::{Index, Part, Segment, Unit, UnitStream};

use super::segments;
use crate::recipe::Recipe;

const STREAMS: [StreamKind; 2] = [StreamKind::Skeleton, StreamKind::Contents];

/// The chunks of both streams in the image's order, and which of them belong to which unit. Units have numbers: 0 is
/// the wrapper, and the parts follow in their order.
#[derive(Debug, Clone, Copy)]
pub struct UnitRecipes<'a> {
    skeleton: &'a [Record],
    contents: &'a [Record],
    parts: &'a [ImagePart],
}

/// The ids of an image's units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitIds {
    /// The wrapper's id.
    pub wrapper: UnitId,
    /// The ids of the parts, in their order.
    pub parts: Vec<UnitId>,
}

impl UnitIds {
    /// The id of the image that consists of these units.
    pub fn image_id(&self) -> ImageId {
        ImageId::of_units(self.wrapper, &self.parts)
    }
}

impl<'a> UnitRecipes<'a> {
    /// Divides the chunks of both streams among the wrapper and these parts.
    pub fn new(skeleton: &'a [Record], contents: &'a [Record], parts: &'a [ImagePart]) -> Self {
        Self { skeleton, contents, parts }
    }

    /// The number of units.
    pub fn count(&self) -> usize {
        1 + self.parts.len()
    }

    /// A unit's records of a stream, in order.
    pub fn records(&self, unit: usize, stream: StreamKind) -> impl Iterator<Item = Record> + use<'a> {
        let records = match stream {
            StreamKind::Skeleton => self.skeleton,
            StreamKind::Contents => self.contents,
        };
        let slice = move |range: Range<u64>| {
            records.get(range.start as usize..range.end as usize).unwrap_or_default().iter().copied()
        };
        let ranges = match unit.checked_sub(1) {
            Some(part) => self.parts.get(part).map(|part| range_of(part, stream).records.clone()).into_iter().collect(),
            None => self.between(stream, records.len() as u64),
        };
        ranges.into_iter().flat_map(slice)
    }

    /// The ranges of a stream's records that belong to no part.
    fn between(&self, stream: StreamKind, count: u64) -> Vec<Range<u64>> {
        let mut at = 0;
        let taken =
            self.parts.iter().map(|part| range_of(part, stream).records.clone()).filter(|range| !range.is_empty());
        let mut ranges: Vec<_> = taken.map(|part| std::mem::replace(&mut at, part.end)..part.start).collect();
        ranges.push(at..count);
        ranges
    }

    /// A unit's segments of a stream, in order.
    pub fn segments(&self, unit: usize, stream: StreamKind) -> impl Iterator<Item = Segment> + use<'a> {
        segments(self.records(unit, stream))
    }

    /// All segments, each within a unit.
    pub fn all_segments(self) -> impl Iterator<Item = Segment> + use<'a> {
        let of_unit = move |unit| STREAMS.into_iter().flat_map(move |stream| self.segments(unit, stream));
        (0..self.count()).flat_map(of_unit)
    }

    /// The places of the parts among the wrapper's records.
    pub fn places(&self) -> impl Iterator<Item = PartPlace> + use<'a> {
        let (mut skeleton_taken, mut contents_taken) = (0, 0);
        self.parts.iter().map(move |part| {
            let (skeleton, contents) = (&part.skeleton.records, &part.contents.records);
            // A stream has at most 2^25 chunks.
            let place = PartPlace {
                skeleton_records: match part.kind {
                    PartKind::Tar => skeleton.start.saturating_sub(skeleton_taken) as u32,
                    PartKind::File => 0,
                },
                contents_records: contents.start.saturating_sub(contents_taken) as u32,
            };
            skeleton_taken += skeleton.end - skeleton.start;
            contents_taken += contents.end - contents.start;
            place
        })
    }

    /// The ids of the units of an image that is cut by these rules and with these parameters.
    pub fn ids(&self, walk_version: u32, params: &Params) -> UnitIds {
        let ids_of =
            |unit| STREAMS.map(|stream| self.segments(unit, stream).map(|segment| segment.id()).collect::<Vec<_>>());
        let [skeleton, contents] = ids_of(0);
        let places: Vec<PartPlace> = self.places().collect();
        let wrapper = UnitId::of_wrapper(walk_version, params, &skeleton, &contents, &places);
        let part_id = |(unit, part): (usize, &ImagePart)| {
            let [skeleton, contents] = ids_of(unit);
            UnitId::of_part(part.kind, params, &skeleton, &contents)
        };
        UnitIds { wrapper, parts: (1..).zip(self.parts).map(part_id).collect() }
    }

    /// The units as an index has them, with these names of the parts.
    pub fn to_index(&self, walk_version: u32, params: &Params, names: &[PartName]) -> (Unit, Vec<Part>) {
        let ids = self.ids(walk_version, params);
        let unit = |number, id| {
            let [skeleton, contents] = STREAMS.map(|stream| self.stream_of(number, stream));
            Unit { id, skeleton, contents }
        };
        let parts = (1..).zip(self.parts).zip(&ids.parts).zip(self.places()).zip(names);
        let parts = parts.map(|((((number, part), id), place), name)| Part {
            kind: part.kind,
            name: *name,
            plain_bytes: part.plain.end - part.plain.start,
            unit: unit(number, *id),
            place,
        });
        (unit(0, ids.wrapper), parts.collect())
    }

    fn stream_of(&self, unit: usize, stream: StreamKind) -> UnitStream {
        let (bytes, chunks) = self
            .records(unit, stream)
            .fold((0, 0), |(bytes, chunks), record| (bytes + u64::from(record.len), chunks + 1));
        UnitStream { bytes, chunks, segments: self.segments(unit, stream).count() as u32 }
    }
}

fn range_of(part: &ImagePart, stream: StreamKind) -> &PartRange {
    match stream {
        StreamKind::Skeleton => &part.skeleton,
        StreamKind::Contents => &part.contents,
    }
}

/// The parts of the image that an index describes, with their ranges in the image and in its streams. `recipe` and
/// `layout` must be that image's. An index of version 1 has no parts.
pub fn parts_of_index(index: &Index, recipe: &Recipe, layout: &Layout) -> Vec<ImagePart> {
    let [skeleton_starts, contents_starts] = [&recipe.skeleton, &recipe.contents].map(|records| starts_of(records));
    let range = |starts: &[u64], taken: &mut u64, before: u32, chunks: u64| {
        let start = u64::from(before).saturating_add(*taken);
        let end = start.saturating_add(chunks);
        *taken = taken.saturating_add(chunks);
        let byte = |record: u64| starts.get(record as usize).or(starts.last()).copied().unwrap_or_default();
        PartRange { records: start..end, bytes: byte(start)..byte(end) }
    };
    let (mut skeleton_taken, mut contents_taken) = (0, 0);
    let parts = index.units.iter().flat_map(|units| &units.parts);
    let parts = parts.map(|part| {
        let (Unit { skeleton, contents, .. }, place) = (&part.unit, part.place);
        let contents = range(&contents_starts, &mut contents_taken, place.contents_records, contents.chunks);
        let (skeleton, start) = match part.kind {
            PartKind::Tar => {
                let skeleton = range(&skeleton_starts, &mut skeleton_taken, place.skeleton_records, skeleton.chunks);
                let in_image = layout.skeleton_parts(skeleton.bytes.clone()).find_map(|part| match part {
                    SkeletonPart::InImage(image) => Some(image.start),
                    SkeletonPart::Number(_) => None,
                });
                (skeleton, in_image)
            }
            PartKind::File => {
                let image = layout.contents_in_image(contents.bytes.clone()).next();
                (PartRange::default(), image.map(|image| image.start))
            }
        };
        let start = start.unwrap_or_default();
        ImagePart { kind: part.kind, skeleton, contents, plain: start..start.saturating_add(part.plain_bytes) }
    });
    parts.collect()
}

/// The offset of each record in its stream, and the stream's end.
fn starts_of(records: &[Record]) -> Vec<u64> {
    let lens = records.iter().map(|record| u64::from(record.len));
    std::iter::once(0).chain(lens.scan(0, |end, len| Some(std::mem::replace(end, *end + len) + len))).collect()
}
