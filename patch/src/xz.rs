//! Members of .xz files: modules of kernels, packages, and what a kernel unpacks. FORMAT.md, section 10.

use std::io;

use regrow_chunker::varint;
use regrow_disk::codec::XzStreams;
use regrow_disk::{StreamCodec, XzEnd, XzStream};

/// The largest number of plain bytes of such a member. A reader has them in memory, besides the encoder's.
pub(crate) const MAX_XZ_BYTES: u64 = 64 << 20;

/// The most bytes of a dictionary: this many, and more for each byte of the stream. An encoder takes time for all of it,
/// even if there are few plain bytes.
const SMALL_DICTIONARY_BYTES: u64 = 1 << 20;
const DICTIONARY_BYTES_EACH: u64 = 64;
/// The beginnings of files in which .xz files are looked for: such a file itself, and an archive of `ar`, as packages of
/// Debian are.
const XZ_MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const AR_MAGIC: &[u8] = b"!<arch>\n";
/// The same of kernels: the setup header of x86 and the EFI zboot.
const SETUP_MAGIC: &[u8] = b"HdrS";
const SETUP_MAGIC_AT: usize = 0x202;
const ZBOOT_MAGIC: &[u8] = b"MZ\0\0zimg";
/// The plain bytes that are decompressed of a file: this many, and more for each of its bytes. An image may have any number of
/// files that hold nothing but zeros.
const SMALL_PLAIN_BYTES: usize = 1 << 20;
const PLAIN_BYTES_EACH: usize = 128;
/// The number of beginnings in a file that may turn out to be no whole stream. A decoder is made for each.
const MOST_FAILED: usize = 32;
/// The bytes of a file that tell.
pub(crate) const PREFIX_BYTES: u64 = 0x206;

/// Whether a file with this beginning may hold members that are .xz files.
pub(crate) fn is_candidate(prefix: &[u8]) -> bool {
    let is_setup = prefix.get(SETUP_MAGIC_AT..).is_some_and(|at| at.starts_with(SETUP_MAGIC));
    is_setup || [XZ_MAGIC, AR_MAGIC, ZBOOT_MAGIC].iter().any(|magic| prefix.starts_with(magic))
}

/// The streams that were found in a file, by their places there. What is decompressed for that, in vain or not, is in
/// proportion to the file, and at most [`MAX_XZ_BYTES`].
pub(crate) fn find(file: &[u8]) -> Vec<XzStream> {
    let most = SMALL_PLAIN_BYTES.saturating_add(file.len().saturating_mul(PLAIN_BYTES_EACH));
    let (mut found, mut at, mut failed, mut left) = (Vec::new(), 0, 0, most.min(MAX_XZ_BYTES as usize));
    while failed < MOST_FAILED
        && let Some(next) = file[at..].windows(XZ_MAGIC.len()).position(|window| window == XZ_MAGIC)
    {
        at += next;
        match XzStream::at_start(&file[at..], &mut left) {
            Some(stream) => {
                let stored = at + stream.stored.start..at + stream.stored.end;
                at = stored.end;
                found.push(XzStream { stored, ..stream });
            }
            None => {
                failed += 1;
                at += XZ_MAGIC.len();
            }
        }
        // A file that is one itself has no others.
        if file.starts_with(XZ_MAGIC) {
            break;
        }
    }
    found
}

/// The way in which a member of a target is made, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct XzForm {
    encoder: XzStreams,
    stored_bytes: u64,
    end: Option<XzEnd>,
}

impl XzForm {
    /// Finds the encoder that makes a stream.
    pub(crate) fn of(found: &XzStream, stored: &[u8]) -> Option<Self> {
        let encoder = XzStreams::of_stream(found.codec, stored, &found.plain)?;
        Self { encoder, stored_bytes: stored.len() as u64, end: found.end }.in_proportion()
    }

    /// The bytes of what follows the stream and is made, too.
    pub(crate) fn end_bytes(self, plain_bytes: u64) -> u64 {
        self.end.map_or(0, |end| end.len(self.stored_bytes, plain_bytes))
    }

    /// The bytes that are made of this many plain ones.
    pub(crate) fn bytes(self, plain_bytes: u64) -> u64 {
        self.stored_bytes.saturating_add(self.end_bytes(plain_bytes))
    }

    /// About how many bytes of memory it takes to make them.
    pub(crate) fn memory_bytes(self, plain_bytes: u64) -> u64 {
        self.encoder.memory_bytes().saturating_add(plain_bytes).saturating_add(self.stored_bytes)
    }

    pub(crate) fn put(self, out: &mut Vec<u8>) {
        self.encoder.put_numbered(out);
        varint::put(out, self.stored_bytes);
        self.end.iter().for_each(|end| end.put(out));
    }

    /// Takes what [`XzForm::put`] writes, and nothing else. No stream has more than twice as many bytes as its plain ones.
    pub(crate) fn take(mut bytes: &[u8]) -> Option<Self> {
        let input = &mut bytes;
        let encoder = XzStreams::take_numbered(input)?;
        let stored_bytes = varint::take(input).filter(|&bytes| bytes <= 2 * MAX_XZ_BYTES)?;
        let end = if input.is_empty() { None } else { Some(XzEnd::take(input)?) };
        Self { encoder, stored_bytes, end }.in_proportion().filter(|_| input.is_empty())
    }

    /// This, unless its encoder has far more to prepare than to do.
    fn in_proportion(self) -> Option<Self> {
        let most = SMALL_DICTIONARY_BYTES.max(self.stored_bytes.saturating_mul(DICTIONARY_BYTES_EACH));
        (u64::from(self.encoder.dictionary_bytes()) <= most).then_some(self)
    }

    /// Makes the stream, and what follows it.
    pub(crate) fn rebuild(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut made = self.encoder.encode(plain).map_err(io::Error::other)?;
        if made.len() as u64 != self.stored_bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a member of another size than its encoder makes"));
        }
        if let Some(end) = self.end {
            made.extend_from_slice(&end.of(self.stored_bytes, plain));
        }
        Ok(made)
    }
}

/// The numbers that stand for the codec of a member of the base.
pub(crate) fn put_codec(codec: StreamCodec, out: &mut Vec<u8>) {
    if let StreamCodec::Lzma2 { dictionary_bytes, filter } = codec {
        [dictionary_bytes.into(), u64::from(filter)].iter().for_each(|&number| varint::put(out, number));
    }
}

/// Takes what [`put_codec`] writes. Whether there is such a codec is found out when the member is read.
pub(crate) fn take_codec(input: &mut &[u8]) -> Option<StreamCodec> {
    let dictionary_bytes = varint::take(input)?.try_into().ok()?;
    Some(StreamCodec::Lzma2 { dictionary_bytes, filter: varint::take(input)?.try_into().ok()? })
}

/// The most plain bytes, and the most stored ones, of a member with this codec.
pub(crate) fn limits(codec: StreamCodec) -> (u64, u64) {
    let most = match codec {
        StreamCodec::Lzma2 { .. } => MAX_XZ_BYTES,
        _ => crate::members::MAX_MEMBER_BYTES,
    };
    // Neither format makes anything twice as long.
    (most, 2 * most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_full_of_beginnings_cost_little() {
        let stream = include_bytes!("../tests/golden/xz/new.tar");
        let at = stream.windows(6).position(|window| window == XZ_MAGIC).unwrap();
        let whole = find(&stream[at..]).remove(0);
        let archive = |beginnings: usize| {
            let broken = [XZ_MAGIC, &[0; 6]].concat().repeat(beginnings);
            [AR_MAGIC, &broken, &stream[at..at + whole.stored.end + 64]].concat()
        };
        assert_eq!(find(&archive(MOST_FAILED - 1)).len(), 1);
        assert_eq!(find(&archive(MOST_FAILED)).len(), 0);
    }
}
