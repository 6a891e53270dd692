//! From an image's bytes to the chunks of its two streams. FORMAT.md, sections 2.1 and 3.

use bytes::Bytes;
use regrow_chunker::{Cut, Cutter, FileHash, GroupRule, Params, StreamCutter};

use crate::ops::{MAX_LITERAL_BYTES, Op, put_op};
use crate::walk::{Candidate, Ending, FileStart, Piece, WalkSink, Walker};

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
    /// The chunk's bytes. They are a slice of a pushed block if they lie in one piece there.
    pub bytes: Bytes,
}

/// Splits an image that arrives in blocks of any size into chunks. It keeps at most a chunk of either stream, and
/// what the walker holds.
pub struct Splitter {
    walker: Walker,
    chunks: Chunks,
}

impl Splitter {
    /// Makes a splitter for an image that is cut with these parameters. Gzip files are contents, unless
    /// [`Splitter::begin_coded`] says otherwise.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Self::with_walker(params, Walker::default())
    }

    /// Makes a splitter that also stops at gzip files that may be coded.
    #[must_use]
    pub fn finding_candidates(params: Params) -> Self {
        Self::with_walker(params, Walker::finding_candidates())
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

    fn with_walker(params: Params, walker: Walker) -> Self {
        Self {
            walker,
            chunks: Chunks {
                cutter: Cutter::new(params),
                rule: GroupRule::new(params),
                block: Bytes::new(),
                literal: Vec::with_capacity(4 << 10),
                skeleton: StreamCutter::default(),
                large: StreamCutter::default(),
                group: Vec::new(),
                hash: FileHash::default(),
                file: File::None,
                leaves_out_opaque: false,
                out: Out::default(),
            },
        }
    }

    /// Takes in the next bytes of the image, and returns their number. If these are not all, the splitter stands at
    /// a candidate.
    pub fn push(&mut self, block: Bytes) -> usize {
        self.chunks.block = block.clone();
        let taken = self.walker.push(&block, &mut self.chunks);
        self.chunks.block = Bytes::new();
        taken
    }

    /// Takes the chunks that have become complete.
    pub fn take(&mut self) -> Vec<RawChunk> {
        std::mem::take(&mut self.chunks.out.chunks)
    }

    /// The gzip file that the splitter stands at. The caller must decide about it.
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
        self.walker.begin_coded(&mut self.chunks);
    }

    /// Ends the plain bytes of the coded file.
    pub fn end_coded(&mut self) {
        self.walker.end_coded(&mut self.chunks);
        self.chunks.mark(Op::EndCoded);
    }

    /// How the image ends if no more bytes come. Within a coded file, this is how the coded file ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        self.walker.ending()
    }

    /// The path of the image's last entry.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.walker.path()
    }

    /// Ends the image, and returns the last chunks.
    pub fn finish(mut self) -> Vec<RawChunk> {
        self.walker.finish(&mut self.chunks);
        self.chunks.end_group();
        self.chunks.end_literal();
        let Chunks { cutter, skeleton, out, .. } = &mut self.chunks;
        skeleton.finish(cutter, |cut| out.push(StreamKind::Skeleton, bytes_of(cut, &Bytes::new())));
        self.take()
    }
}

/// The file that contents belong to.
enum File {
    None,
    Large {
        bytes: u64,
    },
    Small {
        size: u64,
        bytes: u64,
    },
    /// Its contents are left out.
    Absent {
        bytes: u64,
    },
}

/// Chunks that are complete, and how many bytes of the streams that makes.
#[derive(Default)]
struct Out {
    chunks: Vec<RawChunk>,
    skeleton_bytes: u64,
    contents_bytes: u64,
}

impl Out {
    fn push(&mut self, stream: StreamKind, bytes: Bytes) {
        let end = match stream {
            StreamKind::Skeleton => &mut self.skeleton_bytes,
            StreamKind::Contents => &mut self.contents_bytes,
        };
        let at = *end;
        *end += bytes.len() as u64;
        self.chunks.push(RawChunk { stream, at, bytes });
    }
}

struct Chunks {
    cutter: Cutter,
    rule: GroupRule,
    /// The block that was pushed last.
    block: Bytes,
    literal: Vec<u8>,
    skeleton: StreamCutter,
    large: StreamCutter,
    group: Vec<u8>,
    hash: FileHash,
    file: File,
    /// Opaque files have no chunks.
    leaves_out_opaque: bool,
    out: Out,
}

impl Chunks {
    fn end_literal(&mut self) {
        if self.literal.is_empty() {
            return;
        }
        // A literal ends at MAX_LITERAL_BYTES, so its length fits.
        let mut number = Vec::with_capacity(4);
        put_op(&mut number, Op::Literal(self.literal.len() as u32));
        self.skeleton_bytes(&number);
        let literal = std::mem::take(&mut self.literal);
        self.skeleton_bytes(&literal);
        self.literal = literal;
        self.literal.clear();
    }

    fn mark(&mut self, mark: Op) {
        self.end_literal();
        let mut number = Vec::with_capacity(1);
        put_op(&mut number, mark);
        self.skeleton_bytes(&number);
    }

    fn skeleton_bytes(&mut self, bytes: &[u8]) {
        let piece = Bytes::new();
        let Self { skeleton, cutter, out, .. } = self;
        skeleton.push(cutter, bytes, |cut| {
            let bytes = match cut {
                Cut::InPiece(range) => Bytes::copy_from_slice(&bytes[range]),
                gathered => bytes_of(gathered, &piece),
            };
            out.push(StreamKind::Skeleton, bytes);
        });
    }

    fn end_group(&mut self) {
        if !self.group.is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut self.group));
            self.out.push(StreamKind::Contents, bytes);
        }
    }

    fn large_bytes(&mut self, piece: Bytes) {
        let Self { large, cutter, out, .. } = self;
        large.push(cutter, &piece, |cut| out.push(StreamKind::Contents, bytes_of(cut, &piece)));
    }

    fn small_bytes(&mut self, piece: &[u8]) {
        if self.group.capacity() == 0 {
            self.group.reserve(self.cutter.params().avg_bytes() as usize * 2);
        }
        self.group.extend_from_slice(piece);
        self.hash.update(piece);
    }
}

fn bytes_of(cut: Cut<'_>, piece: &Bytes) -> Bytes {
    match cut {
        Cut::Gathered(bytes) => Bytes::copy_from_slice(bytes),
        Cut::InPiece(range) => piece.slice(range),
    }
}

impl WalkSink for Chunks {
    fn literal(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(MAX_LITERAL_BYTES - self.literal.len()));
            self.literal.extend_from_slice(now);
            bytes = rest;
            if self.literal.len() == MAX_LITERAL_BYTES {
                self.end_literal();
            }
        }
    }

    fn begin_file(&mut self, start: FileStart) {
        self.end_literal();
        self.file = match start.size {
            Some(size) if !self.rule.is_large(size) => {
                if self.rule.ends_before(self.group.len() as u64, size) {
                    self.end_group();
                }
                File::Small { size, bytes: 0 }
            }
            None if self.leaves_out_opaque => {
                self.end_group();
                File::Absent { bytes: 0 }
            }
            _ => {
                self.end_group();
                File::Large { bytes: 0 }
            }
        };
    }

    fn contents(&mut self, piece: Piece<'_>) {
        if let File::Absent { bytes } = &mut self.file {
            *bytes += piece.len();
            return;
        }
        let piece = match piece {
            Piece::InPushed(range) => self.block.slice(range),
            Piece::Held(bytes) => Bytes::copy_from_slice(bytes),
            // Only a walk over a skeleton has holes.
            Piece::Hole(_) => return,
        };
        match &mut self.file {
            File::Small { bytes, .. } => {
                *bytes += piece.len() as u64;
                self.small_bytes(&piece);
            }
            File::Large { bytes } => {
                *bytes += piece.len() as u64;
                self.large_bytes(piece);
            }
            File::None | File::Absent { .. } => {}
        }
    }

    fn end_file(&mut self) {
        let file = std::mem::replace(&mut self.file, File::None);
        let bytes = match file {
            File::Small { size, bytes } => {
                let hash = self.hash.finish();
                if self.rule.ends_after(self.group.len() as u64, size, hash) {
                    self.end_group();
                }
                bytes
            }
            File::Large { bytes } => {
                let Self { large, cutter, out, .. } = self;
                large.finish(cutter, |cut| out.push(StreamKind::Contents, bytes_of(cut, &Bytes::new())));
                bytes
            }
            File::Absent { bytes } => {
                self.out.contents_bytes += bytes;
                bytes
            }
            File::None => 0,
        };
        if bytes > 0 {
            let mut number = Vec::with_capacity(10);
            put_op(&mut number, Op::Contents(bytes));
            self.skeleton_bytes(&number);
        }
    }

    fn begin_level(&mut self) {
        self.end_group();
    }

    fn end_level(&mut self) {
        self.end_group();
    }
}
