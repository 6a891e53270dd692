//! The base of a patch, as it lies on this machine: a whole image, or parts of one or more images.

use std::io;
use std::ops::Range;

use regrow_chunker::{Params, PartKind, UnitId};
use regrow_image::StreamKind;
use regrow_local::FileSeed;

use crate::header::PatchVersion;

/// A part of an image on this machine.
#[derive(Clone, Copy)]
pub struct LocalPart<'a> {
    /// The image that holds the part. It is split by version 3 of the walking rules.
    pub seed: &'a FileSeed,
    /// The number of the part among the parts of the image's scan, from 0.
    pub number: usize,
    /// The part's unit id.
    pub id: UnitId,
}

impl<'a> LocalPart<'a> {
    /// The parts of an image that is cut with these parameters, in order.
    pub fn all_of(seed: &'a FileSeed, params: Params) -> Vec<Self> {
        let ids = seed.scan().units(params).map_or_else(Vec::new, |units| units.parts);
        ids.into_iter().enumerate().map(|(number, id)| Self { seed, number, id }).collect()
    }

    /// The base parts of an image: its parts in order, without those that are there a second time.
    pub fn base_of(seed: &'a FileSeed, params: Params) -> Vec<Self> {
        without_repeated(Self::all_of(seed, params), |part| part.id)
    }
}

/// Drops parts that have the id of an earlier one. The base parts of an image are what is left of its parts, so whoever
/// lists them from an index must do it too.
pub fn without_repeated<T>(mut parts: Vec<T>, id: impl Fn(&T) -> UnitId) -> Vec<T> {
    let mut known = std::collections::HashSet::new();
    parts.retain(|part| known.insert(id(part)));
    parts
}

/// The base of a patch: its skeleton, its contents and its files, wherever they lie.
pub struct PatchBase<'a> {
    version: PatchVersion,
    parts: Vec<Placed<'a>>,
    skeleton_bytes: u64,
    contents_bytes: u64,
}

/// A part with its place in the base. A whole image counts as one part.
struct Placed<'a> {
    seed: &'a FileSeed,
    id: Option<UnitId>,
    is_file: bool,
    /// The part's ranges in the image's streams, and where they begin in the base's.
    skeleton: Stretch,
    contents: Stretch,
}

/// A range of an image's stream, and where it begins in the base's stream.
struct Stretch {
    range: Range<u64>,
    at: u64,
}

impl Stretch {
    fn bytes(&self) -> u64 {
        self.range.end - self.range.start
    }
}

impl<'a> PatchBase<'a> {
    /// A whole image, for a patch of version 1.
    pub fn of_image(seed: &'a FileSeed) -> Self {
        let layout = &seed.scan().layout;
        let mut base = Self { version: PatchVersion::V1, parts: Vec::new(), skeleton_bytes: 0, contents_bytes: 0 };
        base.push(seed, None, false, [0..layout.skeleton_bytes(), 0..layout.contents_bytes()]);
        base
    }

    /// Parts in the order of the base, for a patch of version 2. A number that the image does not have stands for a
    /// part without bytes.
    pub fn of_parts(parts: impl IntoIterator<Item = LocalPart<'a>>) -> Self {
        let mut base = Self { version: PatchVersion::V2, parts: Vec::new(), skeleton_bytes: 0, contents_bytes: 0 };
        for LocalPart { seed, number, id } in parts {
            let found = seed.scan().parts().get(number);
            let ranges = found.map(|part| [part.skeleton.bytes.clone(), part.contents.bytes.clone()]);
            let is_file = found.is_some_and(|part| part.kind == PartKind::File);
            base.push(seed, Some(id), is_file, ranges.unwrap_or_default());
        }
        base
    }

    fn push(&mut self, seed: &'a FileSeed, id: Option<UnitId>, is_file: bool, ranges: [Range<u64>; 2]) {
        let [skeleton, contents] = ranges;
        let skeleton = Stretch { range: skeleton, at: self.skeleton_bytes };
        let contents = Stretch { range: contents, at: self.contents_bytes };
        self.skeleton_bytes += skeleton.bytes();
        self.contents_bytes += contents.bytes();
        self.parts.push(Placed { seed, id, is_file, skeleton, contents });
    }

    /// The version of the patches that start from such a base.
    pub fn version(&self) -> PatchVersion {
        self.version
    }

    /// Whether nothing was written to the images since they were opened, as far as the file system tells.
    pub fn is_unchanged(&self) -> bool {
        self.parts.iter().all(|part| part.seed.is_unchanged())
    }

    pub(crate) fn skeleton_bytes(&self) -> u64 {
        self.skeleton_bytes
    }

    pub(crate) fn contents_bytes(&self) -> u64 {
        self.contents_bytes
    }

    /// The id of a part, if there is such a part, and the ranges of its bytes in the base's skeleton and contents.
    pub(crate) fn part(&self, number: u64) -> Option<(UnitId, [Range<u64>; 2])> {
        let part = self.parts.get(usize::try_from(number).ok()?)?;
        Some((part.id?, [&part.skeleton, &part.contents].map(|stretch| stretch.at..stretch.at + stretch.bytes())))
    }

    /// The ranges of the base's files in its contents, in order.
    pub(crate) fn files(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.parts.iter().flat_map(|part| {
            let Stretch { range, at } = &part.contents;
            let whole = part.is_file.then_some(range.clone());
            let within = (!part.is_file).then(|| part.seed.scan().layout.files_in(range.clone()));
            let files = whole.into_iter().chain(within.into_iter().flatten());
            files.map(move |file| at + (file.start - range.start)..at + (file.end - range.start))
        })
    }

    /// Fills `out` with the bytes of the base's skeleton or contents from `at` on.
    pub(crate) fn read(&self, stream: StreamKind, mut at: u64, mut out: &mut [u8]) -> io::Result<()> {
        let stretch_of = |part: &'_ Placed<'a>| match stream {
            StreamKind::Skeleton => (part.skeleton.at, part.skeleton.range.clone()),
            StreamKind::Contents => (part.contents.at, part.contents.range.clone()),
        };
        let mut number = self.parts.partition_point(|part| stretch_of(part).0 <= at).saturating_sub(1);
        while !out.is_empty() {
            let part = self.parts.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
            let (start, range) = stretch_of(part);
            let from = range.start + (at - start);
            let now = out.len().min(usize::try_from(range.end.saturating_sub(from)).unwrap_or(usize::MAX));
            let (piece, rest) = out.split_at_mut(now);
            if now > 0 {
                part.seed.read_stream(stream, from, piece)?;
            }
            (out, at, number) = (rest, at + now as u64, number + 1);
        }
        Ok(())
    }
}
