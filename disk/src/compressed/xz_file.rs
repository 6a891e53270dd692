//! .xz files of one block, in memory: where their stream lies, and what follows from it. Such are the modules of Linux, and
//! the archives of Debian's packages.

use std::ops::Range;

use regrow_deflate::Trailer;
use regrow_zstd::put_number;

use super::xz;
use crate::StreamCodec;
use crate::codec::StreamReader;

const MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const FOOTER_MAGIC: &[u8] = b"YZ";
const STREAM_HEADER_BYTES: usize = 12;
const CHECK_AT: usize = 7;
const ALIGNMENT: usize = 4;
/// The numbers of checks that are computed: none, CRC-32, CRC-64.
const NO_CHECK: u8 = 0;
const CRC32: u8 = 1;
const CRC64: u8 = 4;
/// The polynomial of CRC-64 (ECMA-182), reflected.
const CRC64_POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;
/// The plain bytes that are asked for at a time.
const STEP_BYTES: usize = 1 << 20;

/// A stream in the only block of an .xz file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XzStream {
    /// The place of the LZMA2 data.
    pub stored: Range<usize>,
    /// How it is compressed.
    pub codec: StreamCodec,
    /// The bytes that it holds, at least one.
    pub plain: Vec<u8>,
    /// What follows it, if that follows from it.
    pub end: Option<XzEnd>,
}

/// What stands behind the stream in an .xz file of one block: padding, the check, the index and the footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XzEnd {
    /// The first byte of the block's header, which states its size. It is not 0.
    header_size: u8,
    /// The number of the check.
    check: u8,
}

impl XzStream {
    /// The stream of the .xz file that begins here, if the file has one block, which holds at most `left` bytes. What was
    /// decompressed, in vain or not, is taken off `left`.
    #[must_use]
    pub fn at_start(file: &[u8], left: &mut usize) -> Option<Self> {
        let header = file.get(..STREAM_HEADER_BYTES).filter(|header| header.starts_with(MAGIC))?;
        let check = header[CHECK_AT];
        let &header_size = file.get(STREAM_HEADER_BYTES).filter(|&&size| size != 0)?;
        let start = STREAM_HEADER_BYTES + XzEnd { header_size, check }.header_bytes();
        let codec = xz::codec_of(file.get(STREAM_HEADER_BYTES..start)?)?;
        let mut plain = Vec::new();
        let stored_bytes = decode(codec, &file[start..], *left, &mut plain);
        *left = left.saturating_sub(plain.len());
        let stored_bytes = stored_bytes?;
        // Callers keep many of them.
        plain.shrink_to_fit();
        let stored = start..start + stored_bytes;
        let end = XzEnd { header_size, check };
        let end = end.is_known().then_some(end);
        let end = end.filter(|end| file[stored.end..].starts_with(&end.of(stored_bytes as u64, &plain)));
        (!plain.is_empty()).then_some(Self { stored, codec, plain, end })
    }
}

/// Decompresses the stream that begins here, which may hold `most` bytes. The result is the number of its stored bytes.
fn decode(codec: StreamCodec, bytes: &[u8], most: usize, plain: &mut Vec<u8>) -> Option<usize> {
    let mut reader = StreamReader::new(codec).ok()?;
    let mut taken = 0;
    loop {
        let before = plain.len();
        // One byte too many tells a stream that holds more.
        let step = reader.push(&bytes[taken..], plain, STEP_BYTES.min(most + 1 - before)).ok()?;
        taken += step.taken;
        if plain.len() > most || !step.ended && step.taken == 0 && plain.len() == before {
            return None;
        }
        if step.ended {
            return Some(taken);
        }
    }
}

impl StreamCodec {
    /// The plain bytes of a stream that ends with `stored` and has at most `most` of them.
    #[must_use]
    pub fn decode(self, stored: &[u8], most: usize) -> Option<Vec<u8>> {
        match self {
            Self::Deflate => regrow_deflate::inflate(stored, most).ok(),
            codec => {
                let mut plain = Vec::new();
                let taken = decode(codec, stored, most, &mut plain)?;
                (taken == stored.len()).then_some(plain)
            }
        }
    }
}

impl XzEnd {
    /// Appends the two bytes that stand for it in files.
    pub fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.header_size, self.check]);
    }

    /// Takes it off the front of `bytes`; `None` for what [`XzEnd::put`] does not write.
    pub fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (&[header_size, check], rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Self { header_size, check }).filter(|end| end.is_known() && header_size != 0)
    }

    fn is_known(self) -> bool {
        [NO_CHECK, CRC32, CRC64].contains(&self.check)
    }

    fn header_bytes(self) -> usize {
        (usize::from(self.header_size) + 1) * 4
    }

    /// The number of its bytes behind a stream of this size that holds this many.
    #[must_use]
    pub fn len(self, stored_bytes: u64, plain_bytes: u64) -> u64 {
        self.around(stored_bytes, plain_bytes, &vec![0; self.check_bytes()]).len() as u64
    }

    /// Its bytes behind a stream of this size that holds these bytes.
    #[must_use]
    pub fn of(self, stored_bytes: u64, plain: &[u8]) -> Vec<u8> {
        let check = match self.check {
            CRC32 => crc32(plain).to_vec(),
            CRC64 => crc64(plain).to_le_bytes().to_vec(),
            _ => Vec::new(),
        };
        self.around(stored_bytes, plain.len() as u64, &check)
    }

    const fn check_bytes(self) -> usize {
        match self.check {
            CRC32 => 4,
            CRC64 => 8,
            _ => 0,
        }
    }

    fn around(self, stored_bytes: u64, plain_bytes: u64, check: &[u8]) -> Vec<u8> {
        let padding = stored_bytes.wrapping_neg() as usize % ALIGNMENT;
        let mut index = vec![0, 1];
        put_number(&mut index, (self.header_bytes() + check.len()) as u64 + stored_bytes);
        put_number(&mut index, plain_bytes);
        index.resize(index.len().next_multiple_of(ALIGNMENT), 0);
        let sum = crc32(&index);
        index.extend_from_slice(&sum);
        let words = (index.len() / 4 - 1) as u32;
        let footer = [words.to_le_bytes().as_slice(), &[0, self.check]].concat();
        [&vec![0; padding], check, &index, &crc32(&footer), &footer, FOOTER_MAGIC].concat()
    }
}

fn crc32(bytes: &[u8]) -> [u8; 4] {
    Trailer::Gzip.of(bytes).first_chunk().copied().unwrap_or_default()
}

fn crc64(bytes: &[u8]) -> u64 {
    let table: [u64; 256] = std::array::from_fn(|byte| {
        (0..8).fold(byte as u64, |sum, _| sum >> 1 ^ if sum & 1 == 1 { CRC64_POLYNOMIAL } else { 0 })
    });
    let add = |sum: u64, &byte: &u8| table[usize::from(sum as u8 ^ byte)] ^ sum >> 8;
    !bytes.iter().fold(u64::MAX, add)
}

#[cfg(test)]
mod tests {
    use liblzma::stream::{Check, Stream};
    use liblzma::write::XzEncoder;
    use std::io::Write;

    use super::*;

    fn file(plain: &[u8], check: Check) -> Vec<u8> {
        let stream = Stream::new_easy_encoder(6, check).expect("a preset");
        let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(plain).expect("in memory");
        encoder.finish().expect("in memory")
    }

    #[test]
    fn what_follows_a_stream_follows_from_it() {
        assert_eq!(crc64(b"123456789"), 0x995d_c9bb_df19_39fa);
        for plain in [b"some plain bytes".repeat(3000), vec![7], vec![0; 3 << 20]] {
            for (check, is_known) in
                [(Check::None, true), (Check::Crc32, true), (Check::Crc64, true), (Check::Sha256, false)]
            {
                let whole = file(&plain, check);
                let found = XzStream::at_start(&whole, &mut plain.len()).expect("a block");
                assert_eq!(found.plain.capacity(), plain.len());
                assert_eq!((found.plain == plain, found.end.is_some()), (true, is_known));
                assert_eq!(found.codec.decode(&whole[found.stored.clone()], plain.len()), Some(plain.clone()));
                let mut left = plain.len() - 1;
                assert_eq!((XzStream::at_start(&whole, &mut left), left), (None, 0));
                let Some(end) = found.end else { continue };
                let mut put = Vec::new();
                end.put(&mut put);
                assert_eq!(XzEnd::take(&mut put.as_slice()), Some(end));
                let stored_bytes = found.stored.len() as u64;
                assert_eq!(end.of(stored_bytes, &plain), whole[found.stored.end..]);
                assert_eq!(end.len(stored_bytes, plain.len() as u64), (whole.len() - found.stored.end) as u64);
            }
        }
    }

    #[test]
    fn damaged_files_are_none_or_have_another_end() {
        let plain = b"a module of Linux".repeat(40);
        let whole = file(&plain, Check::Crc32);
        for at in 0..whole.len() {
            _ = XzStream::at_start(&whole[..at], &mut (1 << 16));
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                if let Some(found) = XzStream::at_start(&damaged, &mut (1 << 16)) {
                    assert!(found.stored.end <= damaged.len() && found.plain.len() <= 1 << 16);
                }
            }
        }
        for wrong in [[0, 1], [2, 2], [2, 10]] {
            assert_eq!(XzEnd::take(&mut wrong.as_slice()), None);
        }
    }
}
