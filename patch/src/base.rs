//! The base of a patch, as it lies on this machine: a whole image, or parts of one or more images.

mod closed;

use std::io;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use regrow_chunker::{Params, PartKind, UnitId};
use regrow_image::StreamKind;
use regrow_local::FileSeed;

use crate::header::PatchVersion;

pub use closed::{ClosedPart, OpenPart};

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

/// A part of the base of a patch.
#[derive(Clone, Copy)]
pub enum BasePart<'a> {
    /// A part of an image that was read.
    Open(LocalPart<'a>),
    /// A part that was not.
    Closed(ClosedPart<'a>),
}

/// The base of a patch: its skeleton, its contents and its files, wherever they lie.
pub struct PatchBase<'a> {
    version: PatchVersion,
    parts: Vec<Placed<'a>>,
    skeleton_bytes: u64,
    contents_bytes: u64,
    /// Whether parts that were not read are read even for bytes that are hardly looked at.
    guesses_nothing: bool,
    has_guessed: AtomicBool,
}

/// A part with its place in the base. A whole image counts as one part.
struct Placed<'a> {
    source: Source<'a>,
    id: Option<UnitId>,
    is_file: bool,
    /// The place of the part's bytes in the base's streams: where they begin, and their number.
    skeleton: Stretch,
    contents: Stretch,
    /// The part's files, by their ranges in the base's contents, once they are needed.
    files: OnceLock<Vec<Range<u64>>>,
}

/// Where a part's bytes come from.
enum Source<'a> {
    Open(Streams<'a>),
    /// The part has not been read, and is opened only if its bytes are needed.
    Closed(ClosedPart<'a>),
}

/// An image on this machine, and the ranges of its streams that are a part.
#[derive(Clone)]
struct Streams<'a> {
    seed: &'a FileSeed,
    skeleton: Range<u64>,
    contents: Range<u64>,
}

/// The place of a part's bytes in a stream of the base.
#[derive(Clone, Copy)]
struct Stretch {
    at: u64,
    bytes: u64,
}

impl Streams<'_> {
    /// Fills `out` with bytes of a stream, from an offset in the part's share of it.
    fn read(&self, stream: StreamKind, at: u64, out: &mut [u8]) -> io::Result<()> {
        let range = match stream {
            StreamKind::Skeleton => &self.skeleton,
            StreamKind::Contents => &self.contents,
        };
        self.seed.read_stream(stream, range.start + at, out)
    }
}

impl<'a> LocalPart<'a> {
    /// The ranges of the image's streams that are the part, and whether it is a file. A number that the image does not
    /// have stands for a part without bytes.
    fn streams(&self) -> (Streams<'a>, bool) {
        let found = self.seed.scan().parts().get(self.number);
        let [skeleton, contents] =
            found.map(|part| [part.skeleton.bytes.clone(), part.contents.bytes.clone()]).unwrap_or_default();
        (Streams { seed: self.seed, skeleton, contents }, found.is_some_and(|part| part.kind == PartKind::File))
    }
}

impl<'a> PatchBase<'a> {
    /// A whole image, for a patch of version 1.
    pub fn of_image(seed: &'a FileSeed) -> Self {
        let layout = &seed.scan().layout;
        let (skeleton, contents) = (0..layout.skeleton_bytes(), 0..layout.contents_bytes());
        let mut base = Self::empty(PatchVersion::V1);
        let bytes = [skeleton.end, contents.end];
        base.push(Source::Open(Streams { seed, skeleton, contents }), None, false, bytes);
        base
    }

    /// Parts in the order of the base, for a patch of version 2.
    pub fn of_parts(parts: impl IntoIterator<Item = LocalPart<'a>>) -> Self {
        Self::of_held(parts.into_iter().map(BasePart::Open))
    }

    /// Parts in the order of the base, of which some have not been read, for a patch of version 2.
    pub fn of_held(parts: impl IntoIterator<Item = BasePart<'a>>) -> Self {
        let mut base = Self::empty(PatchVersion::V2);
        for part in parts {
            match part {
                BasePart::Open(part) => {
                    let (streams, is_file) = part.streams();
                    let bytes = [&streams.skeleton, &streams.contents].map(|range| range.end - range.start);
                    base.push(Source::Open(streams), Some(part.id), is_file, bytes);
                }
                BasePart::Closed(part) => {
                    let (id, is_file) = (part.id, part.kind == PartKind::File);
                    let bytes = [part.skeleton_bytes, part.contents_bytes];
                    base.push(Source::Closed(part), Some(id), is_file, bytes);
                }
            }
        }
        base
    }

    /// The base of a patch from nothing.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self::empty(PatchVersion::V2)
    }

    fn empty(version: PatchVersion) -> Self {
        let (guesses_nothing, has_guessed) = (false, AtomicBool::new(false));
        Self { version, parts: Vec::new(), skeleton_bytes: 0, contents_bytes: 0, guesses_nothing, has_guessed }
    }

    fn push(&mut self, source: Source<'a>, id: Option<UnitId>, is_file: bool, bytes: [u64; 2]) {
        let skeleton = Stretch { at: self.skeleton_bytes, bytes: bytes[0] };
        let contents = Stretch { at: self.contents_bytes, bytes: bytes[1] };
        self.skeleton_bytes = self.skeleton_bytes.saturating_add(skeleton.bytes);
        self.contents_bytes = self.contents_bytes.saturating_add(contents.bytes);
        self.parts.push(Placed { source, id, is_file, skeleton, contents, files: OnceLock::new() });
    }

    /// The same base, of which every part is read that has bytes near those that are used. Without that, zeros stand for
    /// such bytes of parts that were not read.
    #[must_use]
    pub fn guessing_nothing(self) -> Self {
        Self { guesses_nothing: true, ..self }
    }

    /// Whether zeros stood for bytes near those that were used. Hardly ever does anything depend on them; where it does,
    /// the result was wrong.
    pub fn has_guessed(&self) -> bool {
        self.has_guessed.load(Ordering::Relaxed)
    }

    /// The version of the patches that start from such a base.
    pub fn version(&self) -> PatchVersion {
        self.version
    }

    /// Whether nothing was written to the images since they were opened, as far as the file system tells.
    pub fn is_unchanged(&self) -> bool {
        self.parts.iter().all(|part| match &part.source {
            Source::Open(streams) => streams.seed.is_unchanged(),
            Source::Closed(_) => true,
        })
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
        Some((part.id?, [part.skeleton, part.contents].map(|stretch| stretch.at..stretch.at + stretch.bytes)))
    }

    /// The range of a file in the base's contents, by its number. A part that has not been read is opened only if the
    /// file lies in it, or if nothing tells how many files it has.
    pub(crate) fn file(&self, number: u64) -> io::Result<Option<Range<u64>>> {
        let mut before = 0;
        for part in &self.parts {
            let count = match &part.source {
                Source::Closed(closed) if !part.is_file => closed.files,
                _ => None,
            };
            let count = match count {
                Some(count) => count,
                None => part.files()?.len() as u64,
            };
            if number - before < count {
                return Ok(part.files()?.get((number - before) as usize).cloned());
            }
            before += count;
        }
        Ok(None)
    }

    /// The number of files of a part, which is opened if nothing else tells it.
    pub(crate) fn files_of(&self, number: u64) -> io::Result<u64> {
        let part = usize::try_from(number).ok().and_then(|number| self.parts.get(number));
        match part.map(|part| (part, &part.source)) {
            Some((Placed { is_file: false, .. }, Source::Closed(ClosedPart { files: Some(files), .. }))) => Ok(*files),
            Some((part, _)) => Ok(part.files()?.len() as u64),
            None => Ok(0),
        }
    }

    /// Fills `out` with the bytes of the base's skeleton or contents from `at` on.
    pub(crate) fn read(&self, stream: StreamKind, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_or_guess(stream, at, out, false)
    }

    /// Does the same for bytes that will hardly be looked at. Zeros may stand for those of parts that were not read.
    pub(crate) fn look(&self, stream: StreamKind, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_or_guess(stream, at, out, !self.guesses_nothing)
    }

    fn read_or_guess(&self, stream: StreamKind, mut at: u64, mut out: &mut [u8], guesses: bool) -> io::Result<()> {
        let stretch_of = |part: &'_ Placed<'a>| match stream {
            StreamKind::Skeleton => part.skeleton,
            StreamKind::Contents => part.contents,
        };
        let mut number = self.parts.partition_point(|part| stretch_of(part).at <= at).saturating_sub(1);
        while !out.is_empty() {
            let part = self.parts.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
            let stretch = stretch_of(part);
            let from = at - stretch.at;
            let now = out.len().min(usize::try_from(stretch.bytes.saturating_sub(from)).unwrap_or(usize::MAX));
            let (piece, rest) = out.split_at_mut(now);
            match &part.source {
                Source::Closed(closed) if guesses && !closed.place.is_open() => {
                    piece.fill(0);
                    self.has_guessed.store(true, Ordering::Relaxed);
                }
                _ if now > 0 => part.streams()?.read(stream, from, piece)?,
                _ => {}
            }
            (out, at, number) = (rest, at + now as u64, number + 1);
        }
        Ok(())
    }
}

impl Placed<'_> {
    /// The part's bytes. One that has not been read is opened.
    fn streams(&self) -> io::Result<Streams<'_>> {
        match &self.source {
            Source::Open(streams) => Ok(streams.clone()),
            Source::Closed(closed) => closed.streams(),
        }
    }

    fn files(&self) -> io::Result<&[Range<u64>]> {
        if let Some(files) = self.files.get() {
            return Ok(files);
        }
        let at = self.contents.at;
        let files = match self.is_file {
            true => Vec::from_iter(Some(at..at + self.contents.bytes)),
            false => {
                let Streams { seed, contents, .. } = self.streams()?;
                let files = seed.scan().layout.files_in(contents.clone());
                files.map(|file| at + (file.start - contents.start)..at + (file.end - contents.start)).collect()
            }
        };
        Ok(self.files.get_or_init(|| files))
    }
}
