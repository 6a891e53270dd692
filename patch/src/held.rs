//! Held parts: parts of the target that are among the base parts, so that a patch has only their places.
//! docs/format/patch-2.md.

use std::io;

use regrow_chunker::{PartKind, UnitId, varint};
use regrow_image::{Layout, StreamKind};

use crate::base::PatchBase;
use crate::members::ListsError;
use crate::target::{LeftOut, PatchTarget, TargetPart, TargetSizes};

/// The largest number of held parts.
const MAX_HELD: u64 = 1024;
/// The number of bytes of a held part that are read at a time.
const READ_BYTES: u64 = 256 << 10;

/// A part of the target that is among the base parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldPart {
    /// The number of the part in the target, from 0.
    pub(crate) target: u64,
    /// The number of the part in the base, from 0.
    pub(crate) base: u64,
    /// The number of bytes of the target's skeleton before the part, without those of held parts.
    pub(crate) skeleton_at: u64,
    /// The number of bytes of the target's contents before the part, without those of held parts.
    pub(crate) contents_at: u64,
}

/// Appends the list of held parts, which ascend in all but the numbers of the base.
pub(crate) fn put(out: &mut Vec<u8>, held: &[HeldPart]) {
    varint::put(out, held.len() as u64);
    let (mut next, mut skeleton_at, mut contents_at) = (0, 0, 0);
    for part in held {
        let numbers = [part.target - next, part.base, part.skeleton_at - skeleton_at, part.contents_at - contents_at];
        numbers.into_iter().for_each(|number| varint::put(out, number));
        (next, skeleton_at, contents_at) = (part.target + 1, part.skeleton_at, part.contents_at);
    }
}

/// Takes the list of held parts from the front of `input`.
pub(crate) fn take(input: &mut &[u8]) -> Result<Vec<HeldPart>, ListsError> {
    let mut number = || varint::take(input).ok_or(ListsError::Malformed);
    let count = number()?;
    if count > MAX_HELD {
        return Err(ListsError::Malformed);
    }
    let (mut next, mut skeleton_at, mut contents_at) = (0u64, 0u64, 0u64);
    let mut held = Vec::new();
    for _ in 0..count {
        let mut add = |last: u64| last.checked_add(number()?).ok_or(ListsError::Malformed);
        let (target, base) = (add(next)?, add(0)?);
        (skeleton_at, contents_at) = (add(skeleton_at)?, add(contents_at)?);
        next = target.checked_add(1).ok_or(ListsError::Malformed)?;
        held.push(HeldPart { target, base, skeleton_at, contents_at });
    }
    Ok(held)
}

/// Held parts that fit the base and the target.
#[derive(Debug, Default)]
pub(crate) struct HeldParts {
    held: Vec<Fitting>,
    /// The bytes of the target's skeleton that are not those of held parts.
    pub(crate) coded_skeleton: u64,
    /// The bytes of the target's contents that are not those of held parts.
    pub(crate) coded_contents: u64,
    /// Whether the parts are left out of the target's streams.
    pub(crate) are_left_out: bool,
}

/// A held part as the target states it.
#[derive(Debug, Clone, Copy)]
struct Fitting {
    part: HeldPart,
    kind: PartKind,
    contents_bytes: u64,
    plain_bytes: u64,
}

/// The place of a held part in the contents of the target's layout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Laid {
    /// The number of bytes before the part.
    pub(crate) at: u64,
    /// The number of its bytes.
    pub(crate) bytes: u64,
    /// The number of the part in the target.
    pub(crate) target: u64,
    /// The number in the base of a tar that is left out. It is one stretch in the layout, whatever files it has.
    pub(crate) tar: Option<u64>,
}

impl HeldParts {
    /// Checks a list of held parts against what the index states of the target, and against the base.
    pub(crate) fn new(held: Vec<HeldPart>, base: &PatchBase<'_>, target: &PatchTarget<'_>) -> Result<Self, ListsError> {
        let (mut skeleton, mut contents) = (target.sizes.skeleton, target.sizes.contents);
        let mut fitting = Vec::with_capacity(held.len());
        for part in held {
            let stated = usize::try_from(part.target).ok().and_then(|number| target.parts.get(number));
            let (stated, (id, ranges)) = stated.zip(base.part(part.base)).ok_or(ListsError::NoSuchPart)?;
            let [skeleton_bytes, contents_bytes] = ranges.map(|range| range.end - range.start);
            // Parts of the same id have the same bytes. That they have the same sizes is asked for too, since an index
            // may state anything.
            let is_same =
                (stated.id, stated.skeleton_bytes, stated.contents_bytes) == (id, skeleton_bytes, contents_bytes);
            if !is_same {
                return Err(ListsError::OtherPart);
            }
            skeleton = skeleton.checked_sub(skeleton_bytes).ok_or(ListsError::OtherPart)?;
            contents = contents.checked_sub(contents_bytes).ok_or(ListsError::OtherPart)?;
            let TargetPart { kind, plain_bytes, .. } = *stated;
            fitting.push(Fitting { part, kind, contents_bytes, plain_bytes });
        }
        let fits = |held: &Fitting| held.part.skeleton_at <= skeleton && held.part.contents_at <= contents;
        if !fitting.iter().all(fits) {
            return Err(ListsError::Place);
        }
        let are_left_out = target.leaves_out_held;
        Ok(Self { held: fitting, coded_skeleton: skeleton, coded_contents: contents, are_left_out })
    }

    /// The sizes of the target as it is put together.
    pub(crate) fn laid_sizes(&self, sizes: TargetSizes) -> TargetSizes {
        if !self.are_left_out {
            return sizes;
        }
        let tars = self.held.iter().filter(|held| held.kind == PartKind::Tar);
        let contents = tars.fold(sizes.contents, |sum, held| {
            // That the contents are not larger was checked.
            sum.saturating_sub(held.contents_bytes).saturating_add(held.plain_bytes)
        });
        TargetSizes { skeleton: self.coded_skeleton, contents, ..sizes }
    }

    /// The places of the held parts in the contents of the target's layout.
    pub(crate) fn laid(&self) -> impl Iterator<Item = Laid> + '_ {
        let mut held_bytes = 0u64;
        self.held.iter().map(move |held| {
            let tar = (self.are_left_out && held.kind == PartKind::Tar).then_some(held.part.base);
            let bytes = if tar.is_some() { held.plain_bytes } else { held.contents_bytes };
            let at = held.part.contents_at.saturating_add(held_bytes);
            held_bytes = held_bytes.saturating_add(bytes);
            Laid { at, bytes, target: held.part.target, tar }
        })
    }

    /// The parts that are left out, with their places in the plain image.
    pub(crate) fn left_out(&self, layout: &Layout) -> Result<Vec<LeftOut>, ListsError> {
        let laid = self.laid().filter(|_| self.are_left_out);
        let left_out = laid.map(|Laid { at, bytes, target, .. }| {
            let mut stretches = layout.contents_in_image(at..at.saturating_add(bytes));
            let image = stretches.next().filter(|image| image.end - image.start == bytes).ok_or(ListsError::Place)?;
            Ok(LeftOut { part: target as usize, image })
        });
        left_out.collect()
    }

    /// Begins to put the held parts into a stream.
    pub(crate) fn filler<'a>(&self, base: &'a PatchBase<'a>, stream: StreamKind) -> Filler<'a> {
        let place = |held: &Fitting| {
            let at = match stream {
                StreamKind::Skeleton => held.part.skeleton_at,
                StreamKind::Contents => held.part.contents_at,
            };
            // The skeleton of what is left out is one operation without a number.
            let is_stretch = stream == StreamKind::Skeleton && held.kind == PartKind::Tar;
            let left_out = self.are_left_out.then_some(if is_stretch { held.plain_bytes } else { 0 });
            Place { at, part: held.part.base, left_out }
        };
        let places: Vec<Place> = self.held.iter().map(place).collect();
        Filler { base, stream, places: places.into_iter(), at: 0 }
    }
}

/// The place of a held part in a stream.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The number of other bytes before the part.
    at: u64,
    /// The number of the part in the base.
    part: u64,
    /// If the part is left out, the number of bytes of the image that stand for it.
    left_out: Option<u64>,
}

/// What a [`Filler`] passes on.
pub(crate) enum Filled<'b> {
    /// The next bytes of the stream.
    Bytes(&'b [u8]),
    /// A part that is left out, and has this many bytes in the image.
    LeftOut(u64),
}

/// A function that takes what comes next of a stream.
pub(crate) type FillSink<'s, E> = &'s mut dyn FnMut(Filled<'_>) -> Result<(), E>;

/// Puts held parts into a stream, of which the other bytes come from the patch.
pub(crate) struct Filler<'a> {
    base: &'a PatchBase<'a>,
    stream: StreamKind,
    /// The parts that have not come yet.
    places: std::vec::IntoIter<Place>,
    /// The number of other bytes so far.
    at: u64,
}

impl Filler<'_> {
    /// Takes the next bytes of the stream that are not those of held parts, and passes on the stream.
    pub(crate) fn push<E: From<io::Error>>(&mut self, mut bytes: &[u8], sink: FillSink<'_, E>) -> Result<(), E> {
        while !bytes.is_empty() {
            let next = self.places.as_slice().first().map_or(u64::MAX, |place| place.at);
            if next <= self.at {
                self.pass_held(sink)?;
                continue;
            }
            let now = bytes.len().min(usize::try_from(next - self.at).unwrap_or(usize::MAX));
            sink(Filled::Bytes(&bytes[..now]))?;
            self.at += now as u64;
            bytes = &bytes[now..];
        }
        Ok(())
    }

    /// Ends the stream with the parts that are left.
    pub(crate) fn finish<E: From<io::Error>>(&mut self, sink: FillSink<'_, E>) -> Result<(), E> {
        while !self.places.as_slice().is_empty() {
            self.pass_held(sink)?;
        }
        Ok(())
    }

    fn pass_held<E: From<io::Error>>(&mut self, sink: FillSink<'_, E>) -> Result<(), E> {
        let Some(Place { part, left_out, .. }) = self.places.next() else { return Ok(()) };
        if let Some(bytes) = left_out {
            return sink(Filled::LeftOut(bytes));
        }
        let Some((_, [skeleton, contents])) = self.base.part(part) else { return Ok(()) };
        let range = match self.stream {
            StreamKind::Skeleton => skeleton,
            StreamKind::Contents => contents,
        };
        let mut buffer = vec![0; READ_BYTES.min(range.end - range.start) as usize];
        let mut at = range.start;
        while at < range.end {
            let piece = &mut buffer[..READ_BYTES.min(range.end - at) as usize];
            self.base.read(self.stream, at, piece)?;
            sink(Filled::Bytes(piece))?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

/// The parts of the target that are among these base parts, as pairs of numbers in the target and in the base.
pub(crate) fn find(target: &[UnitId], base: &[UnitId]) -> Vec<(usize, usize)> {
    let known: std::collections::HashMap<&UnitId, usize> = base.iter().zip(0..).collect();
    target.iter().enumerate().filter_map(|(number, id)| Some((number, *known.get(id)?))).collect()
}
