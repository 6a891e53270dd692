//! The files of the memory: one for each part, and one for each image. docs/format/state.md.
//!
//! ```text
//! 0    8   magic: 89 'R' 'G' 'S' 0D 0A 1A 0A
//! 8    4   u32 version: 1
//! 12   1   u8 kind: 1 part, 2 image
//!
//! part     32 bytes SHA-256 of the part's plain bytes, u64 plain bytes,
//!          a zstd frame of pieces, each: varint n * 2 + kind; n is at least 1
//!              0 raw: n bytes of the part, at most 1 MiB, which follow
//!              1 file: n bytes of the part are the contents of a file: varint bytes of its path, the path
//! image    u32 bytes of the statement, the statement of the image (docs/format/index-2.md),
//!          for each of its parts 8 bytes: which description it has, 0: none
//!
//! end-32   BLAKE3 of all bytes before
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use regrow_chunker::varint;
use regrow_index::Statement;

use crate::StorageFault;
use crate::seed::layer::SplitLayer;

const MAGIC: [u8; 8] = *b"\x89RGS\r\n\x1a\n";
const VERSION: u32 = 1;
const PART: u8 = 1;
const IMAGE: u8 = 2;
const HASH_BYTES: usize = 32;
/// The bytes of a part's file before its pieces.
const PART_HEAD_BYTES: usize = 8 + 4 + 1 + 32 + 8;
/// The largest raw piece in bytes.
pub(super) const MAX_RAW_BYTES: usize = 1 << 20;
/// The longest path in bytes that a kernel takes, and that a piece may have.
pub(super) const MAX_PATH_BYTES: usize = 4095;
/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Headers compress well by any level.
const ZSTD_LEVEL: i32 = 6;
/// The compressed bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// Writes the file of a part.
pub(super) struct PartWriter<'f> {
    file: &'f File,
    hasher: blake3::Hasher,
    encoder: zstd::Encoder<'static, Vec<u8>>,
}

impl<'f> PartWriter<'f> {
    /// Begins a new file, for the part of this name and of this many bytes.
    pub(super) fn new(file: &'f File, name: &[u8; 32], bytes: u64) -> io::Result<Self> {
        let mut head = head(PART);
        head.extend_from_slice(name);
        head.extend_from_slice(&bytes.to_le_bytes());
        let mut writer =
            Self { file, hasher: blake3::Hasher::new(), encoder: zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)? };
        writer.write(&head)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }

    /// Adds bytes of the part, at most 1 MiB.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.piece(0, bytes.len() as u64, &[], bytes)
    }

    /// Adds a file of this many bytes.
    pub(super) fn file(&mut self, path: &[u8], bytes: u64) -> io::Result<()> {
        let mut length = Vec::new();
        varint::put(&mut length, path.len() as u64);
        self.piece(1, bytes, &length, path)
    }

    fn piece(&mut self, kind: u64, bytes: u64, length: &[u8], rest: &[u8]) -> io::Result<()> {
        let mut begin = Vec::with_capacity(10 + length.len());
        varint::put(&mut begin, bytes << 1 | kind);
        begin.extend_from_slice(length);
        self.encoder.write_all(&begin)?;
        self.encoder.write_all(rest)?;
        if self.encoder.get_ref().len() >= WRITE_BYTES {
            let bytes = std::mem::take(self.encoder.get_mut());
            self.write(&bytes)?;
        }
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(self) -> io::Result<()> {
        let Self { mut file, mut hasher, encoder } = self;
        let mut rest = encoder.finish()?;
        let hash = *hasher.update(&rest).finalize().as_bytes();
        rest.extend_from_slice(&hash);
        file.write_all(&rest)
    }
}

fn head(kind: u8) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes(), &[kind]].concat()
}

/// The file of an image: which descriptions its parts have, and what it is.
pub(super) fn encode_image(statement: &Statement, descriptions: &[[u8; 8]]) -> Vec<u8> {
    let (mut out, statement) = (head(IMAGE), statement.encode());
    // A statement is part of a head, which has at most 256 KiB.
    out.extend_from_slice(&(statement.len() as u32).to_le_bytes());
    out.extend_from_slice(&statement);
    out.extend(descriptions.iter().flatten());
    let hash = *blake3::hash(&out).as_bytes();
    out.extend_from_slice(&hash);
    out
}

/// Reads the file of an image.
pub(super) fn decode_image(file: File) -> Option<(Statement, Vec<[u8; 8]>)> {
    let bytes = read(file, IMAGE).ok()?;
    let (length, body) = bytes.get(head(IMAGE).len()..)?.split_first_chunk()?;
    let (statement, descriptions) = body.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let statement = Statement::decode(statement).ok()?;
    let (descriptions, rest) = descriptions.as_chunks();
    (rest.is_empty() && descriptions.len() == statement.parts.len()).then(|| (statement, descriptions.to_vec()))
}

/// Reads all of a file, checks its hash, and gives what is before that.
fn read(file: File, kind: u8) -> Result<Vec<u8>, StorageFault> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(StorageFault::Unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(StorageFault::TooLarge);
    }
    let end = bytes.len().checked_sub(HASH_BYTES).ok_or(StorageFault::Malformed)?;
    let is_whole = blake3::hash(&bytes[..end]).as_bytes() == &bytes[end..];
    bytes.truncate(end);
    if is_whole && bytes.starts_with(&head(kind)) { Ok(bytes) } else { Err(StorageFault::Malformed) }
}

/// Whether a file is that of a part, and whole.
pub(super) fn is_part(file: File) -> bool {
    read(file, PART).is_ok()
}

/// Reads the pieces of a part into a layer, whose file this is.
pub(super) fn read_part(file: File, name: &[u8; 32], layer: &mut SplitLayer) -> Result<(), StorageFault> {
    let bytes = read(file, PART)?;
    let pieces = bytes.get(PART_HEAD_BYTES..).filter(|_| bytes[13..45] == *name).ok_or(StorageFault::Malformed)?;
    let plain = zstd::Decoder::new(pieces).map_err(StorageFault::of_reading)?;
    let mut plain = BufReader::with_capacity(MAX_RAW_BYTES, plain);
    let mut buffer = Vec::new();
    while let Some(begin) = take_varint(&mut plain)? {
        let (bytes, is_file) = (begin >> 1, begin & 1 == 1);
        let (most, length) = if is_file {
            (MAX_PATH_BYTES, take_varint(&mut plain)?.ok_or(StorageFault::Malformed)?)
        } else {
            (MAX_RAW_BYTES, bytes)
        };
        let length = usize::try_from(length).ok().filter(|&length| length <= most && bytes > 0);
        buffer.resize(length.ok_or(StorageFault::Malformed)?, 0);
        plain.read_exact(&mut buffer).map_err(StorageFault::of_reading)?;
        if is_file { layer.push_file(&buffer, bytes)? } else { layer.push_raw(&buffer)? }
    }
    let stated: [u8; 8] = bytes[45..PART_HEAD_BYTES].try_into().unwrap_or_default();
    if layer.bytes() == u64::from_le_bytes(stated) { Ok(()) } else { Err(StorageFault::Malformed) }
}

/// Reads a number, unless the pieces are at their end.
fn take_varint(input: &mut dyn Read) -> Result<Option<u64>, StorageFault> {
    let (mut value, mut byte) = (0u64, [0]);
    for shift in (0..63).step_by(7) {
        if input.read(&mut byte).map_err(StorageFault::of_reading)? == 0 {
            return if shift == 0 { Ok(None) } else { Err(StorageFault::Malformed) };
        }
        value |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(Some(value));
        }
    }
    Err(StorageFault::Malformed)
}
