//! Whether a gzip file is to be coded, by its beginning: the same answer for whoever has the same file. FORMAT.md, section 2.3.

use regrow_deflate::GzipReader;
use regrow_deflate::encoders::recognise;
use regrow_image::{BLOCK, Header, is_xz, is_zstd};

/// What is looked at: so many stored bytes at most, and so many plain ones.
pub(crate) const PREFIX_BYTES: usize = 1 << 20;
/// A gzip file of so many bytes is coded whatever it holds.
const LARGE_BYTES: u64 = 1 << 20;

/// Why it is to be coded, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guess {
    /// A known encoder may have written the first member.
    Coded,
    /// It looks like a layer, but who wrote it is not known.
    Unknown,
    /// It is a zstd file, which nobody makes again.
    Zstd,
    /// It is an xz file, which nobody makes again.
    Xz,
    /// It is of no interest, or no gzip file at all.
    Opaque,
}

/// `stored` is the file's beginning, of [`PREFIX_BYTES`] or all there is; `size` its size, as far as that is known.
pub(crate) fn guess(stored: &[u8], size: u64) -> Guess {
    if is_zstd(stored) {
        return Guess::Zstd;
    }
    if is_xz(stored) {
        return Guess::Xz;
    }
    let (mut reader, mut plain, mut at) = (GzipReader::default(), Vec::new(), 0);
    loop {
        let most = PREFIX_BYTES - plain.len();
        let Ok(step) = reader.push(&stored[at..], &mut plain, most) else { return Guess::Opaque };
        at += step.taken;
        if step.ended_member || plain.len() == PREFIX_BYTES || at == stored.len() {
            break;
        }
    }
    let is_tar = plain.first_chunk::<BLOCK>().is_some_and(|block| Header::parse(block).is_some());
    if plain.is_empty() || !is_tar && size < LARGE_BYTES {
        return Guess::Opaque;
    }
    let stream = match (reader.members().first(), reader.current()) {
        (Some(member), _) => member.stream.start as usize..member.stream.end as usize,
        (None, Some((_, start))) => start as usize..stored.len(),
        (None, None) => return Guess::Opaque,
    };
    // Plain bytes that were not asked for any more may have left stored ones that say nothing about those that were.
    let known = stored.get(stream).and_then(|stream| recognise(stream, &plain).next());
    if known.is_some() { Guess::Coded } else { Guess::Unknown }
}
