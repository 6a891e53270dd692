//! A side of a patch: the stretches of an image's streams that the patch is made from, or that it makes. In version 1
//! this is the whole image. In version 2 it is the parts of the base, and what of the target is not held.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use regrow_chunker::{ChunkId, Params, Record, UnitId};
use regrow_image::StreamKind;

use crate::base::{LocalPart, PatchBase};
use crate::held::{self, HeldPart};
use crate::image::PatchImage;
use crate::joined::JoinedFiles;
use crate::members::ListsError;
use crate::names::FileName;
use crate::origin::Origin;
use crate::part_ranges::{between, range_of, wrapper};
use crate::stretch::Stretches;

/// A side of a patch. Its skeleton, followed by its contents and its joined files, is its *stored space*.
pub(crate) struct Side {
    image: Arc<PatchImage>,
    skeleton: Stretches,
    contents: Stretches,
    /// The files. Their numbers are their positions in these runs together.
    files: Vec<FileRun>,
    /// The joined files, whose pieces are left out of the skeleton and the contents. Their numbers follow those of the
    /// other files. Each has the name of the file with the number beside it, which is the first of its pieces.
    joined: (JoinedFiles, Vec<u32>),
    /// Where the side begins in the image, if it has joined files.
    origin: Origin,
    /// The base parts, if the side is a base of version 2.
    parts: Option<Vec<(usize, UnitId)>>,
    /// The wrapper's ranges of the stored space that become literals, if the side is a target of version 2.
    literals: Vec<Range<u64>>,
    /// The ranges of the skeleton that are not matched, if the side is a base of version 2: those of held parts.
    passed_over: Vec<Range<u64>>,
}

/// The largest number of bytes of a wrapper's skeleton and contents that become literals. The base has no wrapper, so
/// hardly anything would be found for it, and the headers in it resemble each other more than those in layers.
const MAX_LITERAL_BYTES: [u64; 2] = [1 << 20, 64 << 10];

/// The least number of bytes of all held parts from which on their skeletons are passed over. Reading less costs a reader
/// nothing.
const MIN_PASSED_OVER_BYTES: u64 = 1 << 20;

/// A file of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SideFile {
    /// The range of its bytes in the side's contents, behind which joined files stand.
    pub(crate) contents: Range<u64>,
    /// The position of the file in [`PatchImage::files`]. For a joined file it is that of its first piece.
    pub(crate) number: u32,
}

impl SideFile {
    pub(crate) fn bytes(&self) -> u64 {
        self.contents.end - self.contents.start
    }
}

/// Files that follow each other in the image and in the side.
struct FileRun {
    /// The numbers of the files in the side.
    files: Range<u32>,
    /// The number of the first file in the image.
    first: u32,
    /// The offset in the image's contents of some byte, and its offset in the side's contents.
    at: (u64, u64),
}

impl Side {
    /// A whole image.
    pub(crate) fn whole(image: &Arc<PatchImage>) -> Self {
        let [skeleton, contents] =
            [StreamKind::Skeleton, StreamKind::Contents].map(|stream| Stretches::whole(image, stream));
        Self::new(image, skeleton, contents, None)
    }

    /// The base parts of an image.
    pub(crate) fn of_base(image: &Arc<PatchImage>, params: Params) -> Self {
        let parts = LocalPart::base_of(image.seed(), params);
        let ranges = |stream| {
            let ranges = parts.iter().map(|part| range_of(image, part.number, stream));
            Stretches::of_ranges(image, stream, ranges)
        };
        let (skeleton, contents) = (ranges(StreamKind::Skeleton), ranges(StreamKind::Contents));
        let parts = parts.iter().map(|part| (part.number, part.id)).collect();
        Self::new(image, skeleton, contents, Some(parts))
    }

    /// The same base, in which the skeletons of held parts are not matched. A reader then need not read those parts, and
    /// the parts that changed resemble themselves more. If there are no others, or if the held parts are small, they are
    /// matched.
    pub(crate) fn without_held(self, held: &[HeldPart]) -> Self {
        let ranges = || self.skeleton.ranges().map(|(range, at)| at..at + (range.end - range.start)).enumerate();
        let is_held = |number: usize| held.iter().any(|part| part.base == number as u64);
        let streams = [&self.skeleton, &self.contents].into_iter();
        let held_bytes = streams.flat_map(|stream| stream.ranges().enumerate());
        let held_bytes =
            held_bytes.filter(|(number, _)| is_held(*number)).map(|(_, (range, _))| range.end - range.start);
        if held_bytes.sum::<u64>() < MIN_PASSED_OVER_BYTES {
            return self;
        }
        if ranges().all(|(number, range)| is_held(number) || range.is_empty()) {
            return self;
        }
        let passed_over = ranges().filter(|(number, _)| is_held(*number)).map(|(_, range)| range).collect();
        Self { passed_over, ..self }
    }

    /// What is left of a range of the stored space after the parts that are not matched.
    pub(crate) fn matched_in(&self, stored: &Range<u64>) -> Vec<Range<u64>> {
        let (mut at, mut left) = (stored.start, Vec::new());
        for range in &self.passed_over {
            if range.end <= at || range.start >= stored.end {
                continue;
            }
            left.push(at..range.start.max(at));
            at = range.end.min(stored.end);
        }
        left.push(at..stored.end);
        left.retain(|range| !range.is_empty());
        left
    }

    /// The parts of an image that the base does not have, and the wrapper. The other parts are held.
    pub(crate) fn of_target(image: &Arc<PatchImage>, base: &Self, params: Params) -> (Self, Vec<HeldPart>) {
        let ids: Vec<UnitId> = LocalPart::all_of(image.seed(), params).iter().map(|part| part.id).collect();
        let base_ids: Vec<UnitId> = base.parts.iter().flatten().map(|(_, id)| *id).collect();
        let held = held::find(&ids, &base_ids);
        let (mut places, mut skeleton_held, mut contents_held, mut skeleton_at) = (Vec::new(), 0, 0, 0);
        for &(target, base) in &held {
            let [skeleton, contents] =
                [StreamKind::Skeleton, StreamKind::Contents].map(|stream| range_of(image, target, stream).bytes);
            // A file takes no place in the skeleton.
            if !skeleton.is_empty() {
                skeleton_at = skeleton.start - skeleton_held;
            }
            let contents_at = contents.start - contents_held;
            places.push(HeldPart { target: target as u64, base: base as u64, skeleton_at, contents_at });
            skeleton_held += skeleton.end - skeleton.start;
            contents_held += contents.end - contents.start;
        }
        let rest = |stream| {
            let held = held.iter().map(|(target, _)| range_of(image, *target, stream));
            Stretches::of_ranges(image, stream, between(image, stream, held).into_iter())
        };
        let side = Self::new(image, rest(StreamKind::Skeleton), rest(StreamKind::Contents), None);
        let of_stream = [StreamKind::Skeleton, StreamKind::Contents].map(|stream| wrapper(image, &held, stream));
        let mut literals = Vec::new();
        for ((ranges, start), most) in of_stream.into_iter().zip([0, side.skeleton_bytes()]).zip(MAX_LITERAL_BYTES) {
            if ranges.iter().map(|range| range.end - range.start).sum::<u64>() <= most {
                literals.extend(ranges.into_iter().map(|range| start + range.start..start + range.end));
            }
        }
        (Self { literals, ..side }, places)
    }

    pub(crate) fn new(
        image: &Arc<PatchImage>,
        skeleton: Stretches,
        contents: Stretches,
        parts: Option<Vec<(usize, UnitId)>>,
    ) -> Self {
        let (mut files, mut count) = (Vec::new(), 0);
        for (range, before) in contents.ranges() {
            let within = image.files().within(range);
            let run = count..count + within.len() as u32;
            count = run.end;
            files.push(FileRun { files: run, first: within.start, at: (range.start, before) });
        }
        let (literals, passed_over) = (Vec::new(), Vec::new());
        let (joined, origin) = Default::default();
        Self { image: Arc::clone(image), skeleton, contents, files, joined, origin, parts, literals, passed_over }
    }

    /// Where the side begins in its image, if it is one stretch of it.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let file = self.files.first().map_or(0, |run| run.first);
        Some(Origin { skeleton: self.skeleton.origin()?, contents: self.contents.origin()?, file })
    }

    /// The same side, which begins here in its image and is one stretch of it, with these joined files, each with the number
    /// in the image of its first piece.
    pub(crate) fn with_joined(
        &self,
        origin: Origin,
        joined: JoinedFiles,
        numbers: Vec<u32>,
    ) -> Result<Self, ListsError> {
        let rest = |stretches: &Stretches, stream| {
            let places = joined.places(stream, stretches.bytes())?;
            let taken = places.into_iter().map(|(range, _)| range);
            Ok::<_, ListsError>(stretches.without(&self.image, (stream, origin.of(stream)), taken))
        };
        let skeleton = rest(&self.skeleton, StreamKind::Skeleton)?;
        let contents = rest(&self.contents, StreamKind::Contents)?;
        let rest = Self::new(&self.image, skeleton, contents, self.parts.clone());
        Ok(Self { joined: (joined, numbers), origin, ..rest })
    }

    /// The joined files.
    pub(crate) fn joined(&self) -> &JoinedFiles {
        &self.joined.0
    }

    /// The number of the first joined file, behind those of the other files.
    pub(crate) fn first_joined(&self) -> u32 {
        self.files.last().map_or(0, |run| run.files.end)
    }

    /// Whether a file is joined, and the number that it has in a patch's lists.
    pub(crate) fn listed(&self, number: u32) -> (bool, u32) {
        match number.checked_sub(self.first_joined()) {
            Some(joined) => (true, joined),
            // Without joined files, the files of the base are those of its parts. With them, the base is one stretch, of which
            // the joined files were files too.
            None if self.joined.0.is_empty() => (false, number),
            None => (false, self.file(number).number - self.origin.file),
        }
    }

    /// The image.
    pub(crate) fn image(&self) -> &Arc<PatchImage> {
        &self.image
    }

    /// The side as the base of a patch.
    pub(crate) fn base(&self) -> PatchBase<'_> {
        let seed = self.image.seed();
        match &self.parts {
            None => PatchBase::of_image(seed),
            Some(parts) => PatchBase::of_parts(parts.iter().map(|&(number, id)| LocalPart { seed, number, id })),
        }
    }

    /// The ranges of the stored space that are not matched but become literals, as far as they lie in this range.
    pub(crate) fn literals_in(&self, stored: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.literals.partition_point(|range| range.end <= stored.start);
        let (start, end) = (stored.start, stored.end);
        let within = self.literals[first..].iter().take_while(move |range| range.start < end);
        within.map(move |range| range.start.max(start)..range.end.min(end))
    }

    /// The files of the side, in order. Joined files come last.
    pub(crate) fn files(&self) -> impl ExactSizeIterator<Item = SideFile> {
        let count = self.first_joined() + self.joined.0.len() as u32;
        (0..count).map(|number| self.file(number))
    }

    /// The file of this number.
    pub(crate) fn file(&self, number: u32) -> SideFile {
        if let Some(joined) = number.checked_sub(self.first_joined())
            && let (files, numbers) = &self.joined
            && let Some(range) = files.file(joined.into())
        {
            let before = self.contents_bytes();
            return SideFile { contents: before + range.start..before + range.end, number: numbers[joined as usize] };
        }
        let FileRun { files, first, at: (in_image, in_side) } =
            &self.files[self.files.partition_point(|run| run.files.end <= number)];
        let number = first + (number - files.start);
        let contents = self.image.files().contents(number);
        SideFile { contents: contents.start - in_image + in_side..contents.end - in_image + in_side, number }
    }

    /// The file in which a place of the stored space lies.
    pub(crate) fn file_at(&self, stored: u64) -> Option<u32> {
        let at = stored.checked_sub(self.skeleton_bytes())?;
        let (mut first, mut count) = (0, self.files.last().map_or(0, |run| run.files.end));
        while count > 0 {
            let middle = first + count / 2;
            if self.file(middle).contents.end <= at {
                (first, count) = (middle + 1, count - count / 2 - 1);
            } else {
                count /= 2;
            }
        }
        (first < self.files.last()?.files.end && self.file(first).contents.contains(&at)).then_some(first)
    }

    /// The name of a file.
    pub(crate) fn name(&self, file: &SideFile) -> &FileName {
        self.image.files().name(file.number)
    }

    /// The hash of the name of the archive in which a file lies.
    pub(crate) fn archive_name(&self, file: &SideFile) -> u64 {
        self.image.files().archive_name(file.number)
    }

    /// The number of the archive in which a file lies.
    pub(crate) fn archive(&self, file: &SideFile) -> u32 {
        self.image.files().archive(file.number)
    }

    /// The range of a file in the contents of the whole image.
    pub(crate) fn in_image(&self, file: &SideFile) -> Range<u64> {
        self.image.files().contents(file.number)
    }

    pub(crate) fn skeleton_bytes(&self) -> u64 {
        self.skeleton.bytes()
    }

    /// The number of bytes of the contents without joined files.
    pub(crate) fn contents_bytes(&self) -> u64 {
        self.contents.bytes()
    }

    pub(crate) fn stored_bytes(&self) -> u64 {
        self.skeleton_bytes() + self.contents_bytes() + self.joined.0.bytes()
    }

    /// The range of a file's bytes in the stored space.
    pub(crate) fn stored(&self, file: &SideFile) -> Range<u64> {
        let skeleton = self.skeleton_bytes();
        skeleton + file.contents.start..skeleton + file.contents.end
    }

    fn stretches(&self, stream: StreamKind) -> &Stretches {
        match stream {
            StreamKind::Skeleton => &self.skeleton,
            StreamKind::Contents => &self.contents,
        }
    }

    /// The chunks of a stream, in order.
    pub(crate) fn records(&self, stream: StreamKind) -> &[Record] {
        let own = self.stretches(stream).chunks();
        own.map_or_else(|| self.image.records(stream), |chunks| &chunks.records)
    }

    /// The offset of each chunk in its stream.
    pub(crate) fn chunk_starts(&self, stream: StreamKind) -> &[u64] {
        let own = self.stretches(stream).chunks();
        own.map_or_else(|| self.image.chunk_starts(stream), |chunks| &chunks.starts)
    }

    /// The offset of a chunk in a stream.
    pub(crate) fn find(&self, stream: StreamKind, id: &ChunkId) -> Option<u64> {
        match self.stretches(stream).chunks() {
            Some(chunks) => chunks.find(id),
            None => self.image.seed().find_in(stream, id),
        }
    }

    /// Fills `out` with bytes of the stored space.
    pub(crate) fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let skeleton = self.skeleton_bytes();
        let stored = skeleton + self.contents_bytes();
        let before = |end: u64, len: usize| usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(len);
        let (out, joined) = out.split_at_mut(before(stored, out.len()));
        let (head, tail) = out.split_at_mut(before(skeleton, out.len()));
        self.skeleton.read(&self.image, StreamKind::Skeleton, at, head)?;
        self.contents.read(&self.image, StreamKind::Contents, at.max(skeleton) - skeleton, tail)?;
        let read = |stream, at, out: &mut [u8]| self.image.seed().read_stream(stream, self.origin.of(stream) + at, out);
        self.joined.0.read(at.max(stored) - stored, joined, read)
    }

    /// Reads a range of the stored space.
    pub(crate) fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut out = vec![0; (range.end - range.start) as usize];
        self.read_at(range.start, &mut out)?;
        Ok(out)
    }
}
