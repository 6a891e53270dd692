//! An image that is a compressed file and stays as it is: whether that is whole, and the tar in it.

use std::io;

use regrow_deflate::GzipReader;
use regrow_image::{Entry, FileStart, Piece, WalkSink, Walker};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::Whole;
use crate::Missing;

const OUT_BYTES: usize = 256 << 10;
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// The magic number of xz streams, and what such a stream ends with (the .xz file format, section 2.1.2).
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const XZ_END: [u8; 2] = *b"YZ";

/// Whether a file that begins so is an xz file.
pub(super) fn is_xz(beginning: &[u8]) -> bool {
    beginning.starts_with(XZ)
}

/// See the module's documentation.
pub(in crate::ingest) struct Compressed {
    format: Format,
    held: Held,
}

enum Format {
    Gzip(Box<GzipReader>),
    /// The decoder, and whether a frame has begun that has not ended.
    Zstd(Box<Decoder<'static>>, bool),
    /// The last bytes.
    Xz([u8; 2]),
    /// It is damaged, or not to be looked into here: it may be whole.
    Unknown,
}

/// What it holds, as far as it was read.
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

/// Only how the walk ends matters.
struct Nobody;

impl WalkSink for Nobody {
    fn literal(&mut self, _: &[u8]) {}
    fn entry(&mut self, _: &Entry<'_>) {}
    fn begin_file(&mut self, _: FileStart) {}
    fn contents(&mut self, _: Piece<'_>) {}
    fn end_file(&mut self) {}
}

impl Compressed {
    /// For a file that begins so, if it is a compressed one.
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

    /// The file ends here.
    pub(super) fn finish(self) -> Whole {
        let cut = |format| Whole::No(Missing::Stream { format });
        let kind = match self.format {
            Format::Gzip(reader) => match reader.finish() {
                Ok(_) => "gzip",
                Err(_) => return cut("gzip"),
            },
            Format::Zstd(_, true) => return cut("zstd"),
            // Padding of zeros may follow.
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

/// Inflates a piece; `false` for what is no gzip file.
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

/// The same for zstd.
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
