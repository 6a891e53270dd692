//! Looks into an image that is a compressed file and stays compressed: whether the file is whole, and whether the
//! tar in it is.

use std::io;

use regrow_deflate::GzipReader;
use regrow_image::{Entry, FileStart, Piece, WalkSink, Walker};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::Whole;
use crate::Missing;

const OUT_BYTES: usize = 256 << 10;
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// The first bytes of an xz stream, and the last two (the .xz file format, section 2.1.2).
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const XZ_END: [u8; 2] = *b"YZ";

/// Whether a file with this beginning is an xz file.
pub(super) fn is_xz(beginning: &[u8]) -> bool {
    beginning.starts_with(XZ)
}

/// A compressed file that is being looked into.
pub(in crate::ingest) struct Compressed {
    format: Format,
    held: Held,
}

enum Format {
    Gzip(Box<GzipReader>),
    /// The decoder, and whether a frame has begun that has not ended.
    Zstd(Box<Decoder<'static>>, bool),
    /// The last two bytes.
    Xz([u8; 2]),
    /// The file is damaged, or cannot be looked into here. It counts as whole.
    Unknown,
}

/// The plain bytes of the file, as far as they were read.
struct Held {
    walker: Walker,
    plain: Vec<u8>,
    bytes: u64,
}

impl Held {
    fn take(&mut self) {
        self.bytes += self.plain.len() as u64;
        self.walker.push(&self.plain, &mut Nobody);
        self.plain.clear();
    }
}

/// A sink that ignores everything, since only the ending of the walk matters.
struct Nobody;

impl WalkSink for Nobody {
    fn literal(&mut self, _: &[u8]) {}
    fn entry(&mut self, _: &Entry<'_>) {}
    fn begin_file(&mut self, _: FileStart) {}
    fn contents(&mut self, _: Piece<'_>) {}
    fn end_file(&mut self) {}
}

impl Compressed {
    /// Begins with a file's first bytes, if they are those of a compressed file.
    pub(in crate::ingest) fn of(beginning: &[u8]) -> Option<Self> {
        let format = match beginning {
            gzip if gzip.starts_with(GZIP) => Format::Gzip(Box::new(GzipReader::without_members())),
            zstd if regrow_image::is_zstd(zstd) => Format::Zstd(Box::new(Decoder::new().ok()?), false),
            xz if is_xz(xz) => Format::Xz([0; 2]),
            _ => return None,
        };
        Some(Self { format, held: Held { walker: Walker::default(), plain: Vec::with_capacity(OUT_BYTES), bytes: 0 } })
    }

    /// Takes in the file's next bytes.
    pub(in crate::ingest) fn push(&mut self, piece: &[u8]) {
        let Self { format, held } = self;
        let is_sound = match format {
            Format::Gzip(reader) => gunzip(reader, piece, held),
            Format::Zstd(decoder, is_within) => unzstd(decoder, is_within, piece, held).is_ok(),
            Format::Xz(last) => {
                let end = piece.len().saturating_sub(last.len());
                *last = match piece[end..] {
                    [before, byte] => [before, byte],
                    [byte] => [last[1], byte],
                    _ => *last,
                };
                true
            }
            Format::Unknown => true,
        };
        if !is_sound {
            *format = Format::Unknown;
        }
    }

    /// Gives the answer at the file's end.
    pub(super) fn finish(self) -> Whole {
        let cut = |format| Whole::No(Missing::Stream { format });
        let kind = match self.format {
            Format::Gzip(reader) => match reader.finish() {
                Ok(_) => "gzip",
                Err(_) => return cut("gzip"),
            },
            Format::Zstd(_, true) => return cut("zstd"),
            // Padding of zeros may follow the stream.
            Format::Xz(last) if last != XZ_END && last != [0; 2] => return cut("xz"),
            Format::Xz(_) | Format::Unknown => return Whole::Yes,
            Format::Zstd(..) => "zstd",
        };
        match self.held.bytes {
            0 => Whole::No(Missing::Contents { format: kind }),
            _ => Whole::by(self.held.walker.ending()),
        }
    }
}

/// Inflates a piece. The result is `false` if the bytes are no gzip file.
fn gunzip(reader: &mut GzipReader, mut piece: &[u8], held: &mut Held) -> bool {
    loop {
        let Ok(step) = reader.push(piece, &mut held.plain, OUT_BYTES) else { return false };
        piece = &piece[step.taken..];
        let given = held.plain.len();
        held.take();
        if step.taken == 0 && given == 0 {
            return true;
        }
    }
}

/// Decompresses a piece of a zstd file.
fn unzstd(decoder: &mut Decoder<'_>, is_within: &mut bool, piece: &[u8], held: &mut Held) -> io::Result<()> {
    let mut input = InBuffer::around(piece);
    loop {
        let before = input.pos();
        let hint = decoder.run(&mut input, &mut OutBuffer::around(&mut held.plain))?;
        if input.pos() == before && held.plain.is_empty() {
            return Ok(());
        }
        *is_within = hint != 0;
        held.take();
    }
}
