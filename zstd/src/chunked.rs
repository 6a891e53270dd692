//! zstd:chunked files of containers/storage (podman, buildah, skopeo), as a whole.
//!
//! A layer is cut into frames at its files, and large files by a rolling sum; klauspost's encoder writes each by itself. A
//! table of contents follows, in a skippable frame, with the digests of all files and the places of their frames. All of
//! it follows from the tar, so a file of 15,000 frames is one stream of one encoder, and its table costs nothing. Written
//! down, the sizes of such frames would take half of what a small update does, and the table nearly three times that.
//!
//! [`ChunkedCutter`] gives frames whose plain bytes are there; [`ChunkedFrame::encode`] makes one, and they may be made side
//! by side. [`ChunkedCutter::put`] takes what was made, in order.
//!
//! | [`Generation`] | containers/storage | tested bit for bit against |
//! |---|---|---|
//! | `V1_38` | 1.38 to 1.46 | 1.43.0, and skopeo 1.9.3 of Debian 12 |
//! | `V1_50` | 1.50 to 1.53 | 1.53.0 |
//! | `V1_54` | 1.54 | 1.54.0 |
//! | `V1_55` | 1.55 to 1.58 | 1.58.0 |
//! | `V1_59` | from 1.59 | 1.59.1 |
//!
//! Dates are those of a machine whose time is UTC. The files of 1.47 to 1.49, which have a footer of their own, are made
//! without their table of contents.

mod cut;
mod header;
mod json;
mod parameters;
mod split;
#[cfg(test)]
mod tests;
mod time;
mod toc;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::klauspost::{FrameEncoder, Klauspost};
use cut::{Cutter, Frame, Piece};
use header::Entry;
pub use parameters::{Chunked, Generation};
use split::Split;
use toc::Contents;

/// The most plain bytes of a frame that are kept in memory. Longer frames are made where they are cut.
const MAX_FRAME_BYTES: usize = 4 << 20;
/// The number of plain bytes of a longer frame that are made at a time.
const PART_BYTES: usize = 256 << 10;

/// Encoders that wait for frames.
#[derive(Debug, Default)]
pub struct Spares(Mutex<Vec<FrameEncoder>>);

impl Spares {
    fn take(&self) -> Option<FrameEncoder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, encoder: FrameEncoder) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
    }
}

/// A frame whose plain bytes are all there.
#[derive(Debug)]
pub struct ChunkedFrame {
    kind: Klauspost,
    plain: Vec<u8>,
    /// Where blocks end early.
    flushes: Vec<usize>,
}

/// A frame that was made.
#[derive(Debug)]
pub struct MadeFrame {
    stored: Vec<u8>,
    plain_bytes: u64,
    digest: toc::Digest,
}

impl ChunkedFrame {
    /// Makes the frame.
    #[must_use]
    pub fn encode(&self, spares: &Spares) -> MadeFrame {
        let plain_bytes = self.plain.len() as u64;
        let mut encoder = match spares.take() {
            Some(mut encoder) => {
                encoder.restart(plain_bytes);
                encoder
            }
            None => FrameEncoder::new(self.kind, plain_bytes),
        };
        let (mut stored, mut at) = (Vec::new(), 0);
        for &flush in &self.flushes {
            encoder.write(&self.plain[at..flush], &mut stored);
            encoder.flush(&mut stored);
            at = flush;
        }
        encoder.write(&self.plain[at..], &mut stored);
        encoder.finish(&mut stored);
        spares.keep(encoder);
        MadeFrame { stored, plain_bytes, digest: Sha256::digest(&self.plain).into() }
    }
}

/// What comes of a tar, in order.
#[derive(Debug)]
pub enum ChunkedPiece {
    /// A frame, to be made.
    Frame(ChunkedFrame),
    /// A part of a frame that is too long for that. No frame may be under way when it is put.
    Long(LongPart),
}

/// A part of a long frame.
#[derive(Debug)]
pub struct LongPart {
    plain: Vec<u8>,
    /// The frame is flushed here.
    is_flushed: bool,
    is_last: bool,
}

/// What happens behind a frame or before one.
#[derive(Debug)]
enum Note {
    Entry(Box<Entry>),
    /// The next frame that is put is one of these.
    Frame(Frame),
    /// The entry has ended; the digest of its contents.
    EndEntry(toc::Digest),
}

/// A long frame that is being made.
#[derive(Debug)]
struct Long {
    encoder: FrameEncoder,
    digest: Sha256,
    plain_bytes: u64,
    stored_bytes: u64,
}

/// Cuts a tar into frames, and puts what was made of them together.
#[derive(Debug)]
pub struct ChunkedCutter {
    known: Chunked,
    cutter: Cutter,
    open: Open,
    notes: VecDeque<Note>,
    long: Option<Box<Long>>,
    contents: Option<Box<Contents>>,
}

/// The frame that is open, and what is said of all of the tar.
#[derive(Debug, Default)]
struct Open {
    split: Option<Box<Split>>,
    plain: Vec<u8>,
    flushes: Vec<usize>,
    /// Parts of it were given already.
    is_long: bool,
    /// The digest of the present file's contents.
    file: Option<Sha256>,
}

impl ChunkedCutter {
    /// Begins a file.
    #[must_use]
    pub fn new(known: Chunked) -> Self {
        let has_account = known.has_contents && known.generation.has_account();
        let split = has_account.then(|| Box::new(Split::new(known.encoder)));
        let open = Open { split, ..Open::default() };
        let contents = known.has_contents.then(|| Box::new(Contents::new(known.generation, known.encoder)));
        Self { known, cutter: Cutter::default(), open, notes: VecDeque::new(), long: None, contents }
    }

    /// Takes the next bytes of the tar. Frames go to `pieces`.
    pub fn write(&mut self, plain: &[u8], pieces: &mut Vec<ChunkedPiece>) {
        let Self { known, cutter, open, notes, .. } = self;
        cutter.push(plain, &mut |piece| open.take(known.encoder, piece, notes, pieces));
        self.settle();
    }

    /// Ends the tar.
    pub fn end(&mut self, pieces: &mut Vec<ChunkedPiece>) {
        let Self { known, cutter, open, notes, .. } = self;
        if known.generation.flushes_ends() {
            open.flush(pieces);
        }
        cutter.finish(&mut |piece| open.take(known.encoder, piece, notes, pieces));
        open.end_entry(notes);
    }

    /// Puts the next frame, which was made, and appends it to `out`.
    pub fn put(&mut self, made: &MadeFrame, out: &mut Vec<u8>) {
        out.extend_from_slice(&made.stored);
        self.ended(made.stored.len() as u64, made.plain_bytes, made.digest);
    }

    /// Makes and puts the next part of a long frame.
    pub fn put_long(&mut self, part: &LongPart, out: &mut Vec<u8>) {
        let kind = self.known.encoder;
        let new = || {
            Box::new(Long {
                encoder: FrameEncoder::new(kind, u64::MAX),
                digest: Sha256::new(),
                plain_bytes: 0,
                stored_bytes: 0,
            })
        };
        let long = self.long.get_or_insert_with(new);
        let before = out.len();
        long.encoder.write(&part.plain, out);
        if part.is_flushed {
            long.encoder.flush(out);
        }
        if part.is_last {
            long.encoder.finish(out);
        }
        long.digest.update(&part.plain);
        long.plain_bytes += part.plain.len() as u64;
        long.stored_bytes += (out.len() - before) as u64;
        if let Some(long) = self.long.take_if(|_| part.is_last) {
            self.ended(long.stored_bytes, long.plain_bytes, long.digest.finalize().into());
        }
    }

    /// Notes the next frame.
    fn ended(&mut self, stored_bytes: u64, plain_bytes: u64, digest: toc::Digest) {
        self.settle();
        if let (Some(Note::Frame(frame)), Some(contents)) = (self.notes.pop_front(), &mut self.contents) {
            contents.frame(frame, stored_bytes, plain_bytes, digest);
        }
    }

    /// Passes on what is known, up to the next frame.
    fn settle(&mut self) {
        while self.notes.front().is_some_and(|note| !matches!(note, Note::Frame(_))) {
            match (self.notes.pop_front(), &mut self.contents) {
                (Some(Note::Entry(entry)), Some(contents)) => contents.entry(*entry),
                (Some(Note::EndEntry(digest)), Some(contents)) => contents.end(digest),
                _ => {}
            }
        }
    }

    /// Appends what follows the last frame. All pieces were put. What is no tar that is read here makes other bytes than
    /// the file's.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.settle();
        let account = self.open.split.take().map(|split| split.finish(self.known.generation.flushes_ends()));
        if let Some(contents) = self.contents.as_mut().filter(|_| !self.cutter.has_failed()) {
            contents.finish(account.as_ref(), out);
        }
    }
}

impl Open {
    fn take(&mut self, kind: Klauspost, piece: Piece<'_>, notes: &mut VecDeque<Note>, pieces: &mut Vec<ChunkedPiece>) {
        match piece {
            Piece::Entry(entry) => {
                self.end_entry(notes);
                if let Some(split) = &mut self.split {
                    split.entry(&entry);
                }
                self.file = Some(Sha256::new());
                notes.push_back(Note::Entry(Box::new(entry)));
            }
            Piece::Contents(bytes) => {
                if let Some(file) = &mut self.file {
                    file.update(bytes);
                }
                if let Some(split) = &mut self.split {
                    split.contents(bytes);
                }
                self.bytes(bytes, pieces);
            }
            Piece::EndEntry => {
                self.end_entry(notes);
                if let Some(split) = &mut self.split {
                    split.end_entry();
                }
            }
            Piece::Bytes(bytes) => {
                if let Some(split) = &mut self.split {
                    split.raw(bytes);
                }
                self.bytes(bytes, pieces);
            }
            Piece::EndTar => {
                if let Some(split) = &mut self.split {
                    split.end_tar();
                }
                self.flush(pieces);
            }
            Piece::End(frame) => self.end(kind, frame, notes, pieces),
        }
    }

    /// Ends the open block.
    fn flush(&mut self, pieces: &mut Vec<ChunkedPiece>) {
        match self.is_long {
            true => self.part(true, false, pieces),
            false => self.flushes.push(self.plain.len()),
        }
    }

    fn bytes(&mut self, bytes: &[u8], pieces: &mut Vec<ChunkedPiece>) {
        self.plain.extend_from_slice(bytes);
        if self.plain.len() > MAX_FRAME_BYTES && !self.is_long {
            self.is_long = true;
            let (mut at, rest) = (0, std::mem::take(&mut self.plain));
            for flush in std::mem::take(&mut self.flushes) {
                self.plain = rest[at..flush].to_vec();
                self.part(true, false, pieces);
                at = flush;
            }
            self.plain = rest[at..].to_vec();
        }
        if self.is_long && self.plain.len() >= PART_BYTES {
            self.part(false, false, pieces);
        }
    }

    fn part(&mut self, is_flushed: bool, is_last: bool, pieces: &mut Vec<ChunkedPiece>) {
        let plain = std::mem::take(&mut self.plain);
        pieces.push(ChunkedPiece::Long(LongPart { plain, is_flushed, is_last }));
    }

    fn end(&mut self, kind: Klauspost, frame: Frame, notes: &mut VecDeque<Note>, pieces: &mut Vec<ChunkedPiece>) {
        if self.is_long {
            notes.push_back(Note::Frame(frame));
            self.part(false, true, pieces);
            self.is_long = false;
        } else if !self.plain.is_empty() {
            notes.push_back(Note::Frame(frame));
            let (plain, flushes) = (std::mem::take(&mut self.plain), std::mem::take(&mut self.flushes));
            pieces.push(ChunkedPiece::Frame(ChunkedFrame { kind, plain, flushes }));
        }
    }

    fn end_entry(&mut self, notes: &mut VecDeque<Note>) {
        if let Some(file) = self.file.take() {
            notes.push_back(Note::EndEntry(file.finalize().into()));
        }
    }
}

/// Makes a file frame by frame.
#[derive(Debug)]
pub(crate) struct ChunkedEncoder {
    known: Chunked,
    cutter: ChunkedCutter,
    spares: Spares,
    pieces: Vec<ChunkedPiece>,
}

impl ChunkedEncoder {
    pub(crate) fn new(known: Chunked) -> Self {
        Self { known, cutter: ChunkedCutter::new(known), spares: Spares::default(), pieces: Vec::new() }
    }

    pub(crate) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.cutter.write(plain, &mut self.pieces);
        self.put(out);
    }

    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.cutter.end(&mut self.pieces);
        self.put(out);
        std::mem::replace(&mut self.cutter, ChunkedCutter::new(self.known)).finish(out);
    }

    pub(crate) fn restart(&mut self) {
        self.pieces.clear();
        self.cutter = ChunkedCutter::new(self.known);
    }

    fn put(&mut self, out: &mut Vec<u8>) {
        for piece in self.pieces.drain(..) {
            match piece {
                ChunkedPiece::Frame(frame) => self.cutter.put(&frame.encode(&self.spares), out),
                ChunkedPiece::Long(part) => self.cutter.put_long(&part, out),
            }
        }
    }
}
