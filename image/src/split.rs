//! From an image's bytes to the chunks of its two streams. FORMAT.md, sections 2.1 and 3.

mod alone;
mod chunks;
mod divided;

use bytes::Bytes;
use regrow_chunker::{Params, PartKind, PiecePlace};

use crate::ops::Op;
use crate::parts::{ImagePart, PartBorder, PartList, UnitGuess, WalkRules};
use crate::walk::{Candidate, Ending, PartEvent, WalkSink, Walker};

use alone::Alone;
use chunks::Chunks;
use divided::Divided;

/// One of an image's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamKind {
    /// The stream of headers and padding, and of how they interleave with the contents.
    Skeleton,
    /// The stream of the files' bytes.
    Contents,
}

/// A chunk that is not hashed yet.
#[derive(Debug, Clone)]
pub struct RawChunk {
    /// The chunk's stream. The chunks of a stream come in its order.
    pub stream: StreamKind,
    /// Where the chunk begins in its stream. Chunks lie end to end, except where [`Splitter::searching`] leaves
    /// contents out.
    pub at: u64,
    /// What is known of the chunk's unit, by rules that have parts.
    pub unit: UnitGuess,
    /// The chunk's bytes. They are a slice of a pushed block if they lie in one piece there.
    pub bytes: Bytes,
}

/// What a [`Splitter`] gives at the image's end.
pub struct LastChunks {
    /// The last chunks.
    pub chunks: Vec<RawChunk>,
    /// The last chunks that [`Splitter::take_alone`] would give.
    pub alone: Vec<(Bytes, PiecePlace)>,
    /// The last borders of candidates for parts.
    pub borders: Vec<PartBorder>,
    /// The image's parts. There are none by [`WalkRules::V2`].
    pub parts: Vec<ImagePart>,
    /// The number of files of each part, which is that of its contents operations.
    pub files: Vec<u64>,
}

/// Splits an image that arrives in blocks of any size into chunks. It keeps at most a chunk of either stream, and
/// what the walker holds.
pub struct Splitter {
    walker: Walker,
    /// The operations of an image that is divided by them instead of walked.
    divided: Option<Divided>,
    chunks: Chunks,
}

impl Splitter {
    /// Makes a splitter for an image that is cut with these parameters. Compressed files are contents,
    /// unless [`Splitter::begin_coded`] says otherwise.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self::with_walker(params, Walker::default())
    }

    /// Makes a splitter that also stops at compressed files that may be coded.
    #[must_use]
    pub fn finding_candidates(params: Params) -> Self {
        Self::with_walker(params, Walker::finding_candidates())
    }

    /// The same splitter by these rules instead of [`WalkRules::V2`].
    #[must_use]
    pub fn by_rules(mut self, rules: WalkRules) -> Self {
        if rules.have_parts() {
            self.walker = self.walker.finding_parts(self.chunks.cutter.params());
            self.chunks.parts = Some(PartList::default());
            self.chunks.alone = rules.cut_small_files().then(|| Alone::new(rules.pieces()));
        }
        self
    }

    /// The same splitter for an image that has this many bytes as far as is known.
    #[must_use]
    pub fn of_bytes(mut self, bytes: Option<u64>) -> Self {
        self.chunks.image_bytes = bytes;
        self
    }

    /// The same splitter, which moreover watches out for a tar that goes on behind a header that is lost:
    /// [`Splitter::has_lost_entries`].
    #[must_use]
    pub fn watching(mut self) -> Self {
        self.walker.watch_lost();
        self
    }

    /// The same splitter by other rules: where the walk is lost, it goes on at the next header. Contents between have
    /// no chunks. This finds what is left of a damaged tar; whole images have other chunks by these rules than
    /// [`Splitter::new`] makes.
    #[must_use]
    pub fn searching(mut self) -> Self {
        self.walker.search_lost();
        self.chunks.leaves_out_opaque = true;
        self
    }

    /// Whether entries lie where the walk was lost: 256 KiB of them at least.
    #[must_use]
    pub fn has_lost_entries(&self) -> bool {
        self.walker.has_lost_entries()
    }

    /// The same splitter for a disk image, of which the operations are known: literals and contents, in order, that make
    /// up its plain image. Marks among them are passed over, since [`Splitter::begin_coded`] makes them. The splitter must
    /// be one by [`WalkRules::V5`] or later that has taken no bytes. The image is one part, and each contents operation is cut alone.
    #[must_use]
    pub fn divided_by(mut self, ops: Vec<Op>) -> Self {
        self.divided = Some(Divided::new(ops));
        self.chunks.cuts_alone = true;
        self
    }

    /// The same splitter, which makes no chunks: it only finds the parts and their borders.
    #[must_use]
    pub fn cutting_nothing(mut self) -> Self {
        self.chunks.cuts_nothing = true;
        self.chunks.alone = None;
        self
    }

    fn with_walker(params: Params, walker: Walker) -> Self {
        Self { walker, divided: None, chunks: Chunks::new(params) }
    }

    /// Takes in the next bytes of the image, and returns their number. If these are not all, the splitter stands at
    /// a candidate.
    pub fn push(&mut self, block: Bytes) -> usize {
        self.chunks.block = block.clone();
        let taken = match &mut self.divided {
            Some(divided) => divided.push(&block, &mut self.chunks),
            None => self.walker.push(&block, &mut self.chunks),
        };
        self.chunks.block = Bytes::new();
        taken
    }

    /// Takes the chunks that have become complete.
    pub fn take(&mut self) -> Vec<RawChunk> {
        std::mem::take(&mut self.chunks.out.chunks)
    }

    /// Takes the chunks of files that were cut otherwise beside the contents stream, with their places in it: small ones
    /// that are in groups, and pieces of any. There are none but by [`WalkRules::V6ForDisks`].
    pub fn take_alone(&mut self) -> Vec<(Bytes, PiecePlace)> {
        self.chunks.alone.as_mut().map(Alone::take).unwrap_or_default()
    }

    /// The compressed file that the splitter stands at. The caller must decide about it.
    pub fn candidate(&mut self) -> Option<Candidate> {
        self.walker.candidate()
    }

    /// Decides that the candidate is contents. All of its bytes must be pushed next.
    pub fn decline(&mut self) {
        self.walker.decline(&mut self.chunks);
    }

    /// Decides that the candidate is coded. Its plain bytes must be pushed next.
    pub fn begin_coded(&mut self) {
        self.chunks.mark(Op::BeginCoded);
        match &mut self.divided {
            Some(_) => self.chunks.part(PartEvent::BeginImage),
            None => self.walker.begin_coded(&mut self.chunks),
        }
    }

    /// Ends the plain bytes of the coded file.
    pub fn end_coded(&mut self) {
        match &mut self.divided {
            Some(divided) => {
                divided.end(&mut self.chunks);
                self.chunks.part(PartEvent::EndImage);
            }
            None => self.walker.end_coded(&mut self.chunks),
        }
        self.chunks.mark(Op::EndCoded);
    }

    /// Takes a part of the image of which only the kind and the number of plain bytes are known. It has no chunks, and
    /// those of everything else are what they would be. The result is `false` if no such part can stand here.
    pub fn skip_part(&mut self, kind: PartKind, plain_bytes: u64) -> bool {
        self.divided.is_none() && self.walker.skip_part(kind, plain_bytes, &mut self.chunks)
    }

    /// How the image ends if no more bytes come. Within a coded file, this is how the coded file ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.walker.ending()
    }

    /// Takes the places at which candidates for parts begin and end, as far as they were passed since the last call.
    pub fn take_part_borders(&mut self) -> Vec<PartBorder> {
        self.chunks.parts.as_mut().map(PartList::take_borders).unwrap_or_default()
    }

    /// The number of bytes of the plain image so far, without those that are held back.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.chunks.plain_bytes
    }

    /// Whether there is a tar among the candidates for parts so far. If not, the image itself may become the only part.
    #[must_use]
    pub fn has_tar_part(&self) -> bool {
        self.walker.has_tar_part()
    }

    /// The path of the image's last entry.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.walker.path()
    }

    /// Ends the image, and returns the last chunks.
    #[must_use]
    pub fn finish(self) -> Vec<RawChunk> {
        self.finish_parts().chunks
    }

    /// Ends the image, and returns all that it has not given yet.
    #[must_use]
    pub fn finish_parts(mut self) -> LastChunks {
        match &mut self.divided {
            Some(divided) => divided.end(&mut self.chunks),
            None => self.walker.finish(&mut self.chunks),
        }
        self.chunks.end_chunks();
        let end = self.chunks.position();
        let borders = self.take_part_borders();
        let (has_tar, is_tar) = (self.walker.has_tar_part(), self.divided.is_some() || self.walker.is_tar());
        let parts = self.chunks.parts.take().map(|parts| parts.finish(has_tar, is_tar, end));
        let (parts, files) = parts.unwrap_or_default();
        LastChunks { chunks: self.take(), alone: self.take_alone(), borders, parts, files }
    }
}
