//! Decides by a compressed file's beginning whether the file is coded. The answer depends on nothing but the file, so
//! make and a machine that scans it agree. FORMAT.md, section 2.3; docs/format/index-2.md, section 1.

use regrow_deflate::GzipReader;
use regrow_deflate::encoders::recognise;
use regrow_image::{BLOCK, TarHeader, WalkRules, is_zstd, opaque_format};
use regrow_index::CodedFormat;
use regrow_zstd::{Beginning, FrameHeader, ZstdError};

use super::zstd_reader::ZstdReader;

/// The reason for a file that does not decompress.
const NOT_SOUND: &str = "it is not a sound zstd file";
/// The number of stored bytes that are looked at, and of plain bytes at first.
pub(crate) const PREFIX_BYTES: usize = 1 << 20;
/// If a stream's plain bytes begin with something very repetitive, the first MiB of them says little. More plain
/// bytes are looked at as long as they take fewer stored bytes than this.
const TELLING_BYTES: usize = 32 << 10;
/// The largest number of plain bytes that are looked at.
const MAX_PLAIN_BYTES: usize = 16 << 20;
/// The pieces of [`PREFIX_BYTES`] plain bytes of a small file that are looked at for faults.
const MOST_PIECES: usize = 64;
/// A compressed file of at least this many bytes is coded whatever it holds, not only if it holds a tar.
const LARGE_BYTES: u64 = 1 << 20;

/// The answer for a file, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guess {
    /// The file is coded: a known encoder may have written its first member or frame.
    Coded(CodedFormat),
    /// The file looks like a layer, but it is not rebuilt: its format, and the reason.
    NotRebuilt(&'static str, String),
    /// The file is too small to matter, or it is no compressed file at all.
    Opaque,
}

/// Decides about a file by these rules. `stored` is its beginning: [`PREFIX_BYTES`], or all there is. `size` is its size,
/// as far as that is known.
pub(crate) fn guess(stored: &[u8], size: u64, rules: WalkRules) -> Guess {
    if is_zstd(stored) && rules.code_zstd() {
        return guess_zstd(stored, size);
    }
    if let Some(format) = opaque_format(stored) {
        return Guess::NotRebuilt(format, format!("regrow does not rebuild {format} files"));
    }
    guess_gzip(stored, size)
}

/// Whether a file of this size is coded if it begins with these plain bytes and its encoder is known.
fn is_worth_coding(plain: &[u8], size: u64) -> bool {
    let is_tar = || plain.first_chunk::<BLOCK>().is_some_and(|block| TarHeader::parse(block).is_some());
    !plain.is_empty() && (size >= LARGE_BYTES || is_tar())
}

fn guess_gzip(stored: &[u8], size: u64) -> Guess {
    let Some((reader, plain)) = plain_beginning(stored) else { return Guess::Opaque };
    if !is_worth_coding(&plain, size) {
        return Guess::Opaque;
    }
    let stream = match (reader.members().first(), reader.current()) {
        (Some(member), _) => member.stream.start as usize..member.stream.end as usize,
        (None, Some((_, start))) => start as usize..stored.len(),
        (None, None) => return Guess::Opaque,
    };
    // The reader stops after a number of plain bytes, and stored bytes behind that may be unread. They do not speak
    // against an encoder.
    let known = stored.get(stream).and_then(|stream| recognise(stream, &plain).next());
    if known.is_some() { Guess::Coded(CodedFormat::Gzip) } else { unknown(CodedFormat::Gzip) }
}

fn unknown(format: CodedFormat) -> Guess {
    Guess::NotRebuilt(format.name(), "its encoder is not known".to_owned())
}

fn guess_zstd(stored: &[u8], size: u64) -> Guess {
    let Some(frame) = first_frame(stored) else { return Guess::Opaque };
    match FrameHeader::parse(frame) {
        Err(ZstdError::Dictionary(_)) => return not_rebuilt("it needs a dictionary".to_owned()),
        Err(ZstdError::Window(bytes)) => {
            let reason = format!("its window has {} MiB, more than the 128 MiB that regrow reads", bytes >> 20);
            return not_rebuilt(reason);
        }
        _ => {}
    }
    let Some(beginning) = Beginning::of(frame) else { return not_rebuilt(NOT_SOUND.to_owned()) };
    if !is_worth_coding(beginning.plain(), size) {
        return Guess::Opaque;
    }
    // Of a file that is all there, faults are found sooner than encoders.
    if stored.len() as u64 == size && !is_sound(stored) {
        return not_rebuilt(NOT_SOUND.to_owned());
    }
    let is_known = beginning.encoders().next().is_some() || !beginning.near().is_empty();
    if is_known { Guess::Coded(CodedFormat::Zstd) } else { unknown(CodedFormat::Zstd) }
}

/// Whether a whole file decompresses to its end, or as far as is worth the time.
fn is_sound(stored: &[u8]) -> bool {
    let (mut reader, mut plain, mut at) = (ZstdReader::without_frames(), Vec::new(), 0);
    for _ in 0..MOST_PIECES {
        plain.clear();
        let Ok(step) = reader.push(&stored[at..], &mut plain, PREFIX_BYTES) else { return false };
        at += step.taken;
        if step.taken == 0 && plain.is_empty() {
            return reader.may_end();
        }
    }
    true
}

fn not_rebuilt(reason: String) -> Guess {
    Guess::NotRebuilt(CodedFormat::Zstd.name(), reason)
}

/// The beginning of a zstd file, without the skippable and the empty frames that it begins with.
fn first_frame(stored: &[u8]) -> Option<&[u8]> {
    let (mut reader, mut plain, mut at) = (ZstdReader::default(), Vec::new(), 0);
    loop {
        let step = reader.push(&stored[at..], &mut plain, 1);
        let taken = step.as_ref().map_or(0, |step| step.taken);
        at += taken;
        // What is damaged begins there too.
        if !plain.is_empty() || step.is_err() {
            return stored.get(usize::try_from(reader.frame_at()).ok()?..);
        }
        if taken == 0 {
            return None;
        }
    }
}

/// The plain bytes at the beginning of a gzip file's first member, as many as are looked at, with the reader that
/// has just read them. The result is `None` if the file is damaged.
pub(super) fn plain_beginning(stored: &[u8]) -> Option<(GzipReader, Vec<u8>)> {
    let (mut reader, mut plain, mut at, mut most) = (GzipReader::default(), Vec::new(), 0, PREFIX_BYTES);
    loop {
        let wanted = most - plain.len();
        let step = reader.push(&stored[at..], &mut plain, wanted).ok()?;
        at += step.taken;
        if step.ended_member || at == stored.len() {
            break;
        }
        if plain.len() == most {
            if at >= TELLING_BYTES || most == MAX_PLAIN_BYTES {
                break;
            }
            most += PREFIX_BYTES;
        }
    }
    Some((reader, plain))
}

#[cfg(test)]
mod tests {
    use regrow_deflate::GzipTrailer;
    use regrow_deflate::encoders::{Encoder, KnownEncoder};

    use super::*;

    fn gzip(plain: &[u8], known: KnownEncoder) -> Vec<u8> {
        let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
        let (mut encoder, mut trailer) = (Encoder::new(known), GzipTrailer::default());
        encoder.write(plain, &mut out);
        encoder.finish(&mut out);
        trailer.update(plain);
        out.extend_from_slice(&trailer.finish());
        out
    }

    /// Text in which no two MiB are alike.
    fn text(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        noise.iter().map(|byte| b"etaoin shrdlucmf"[usize::from(byte & 15)]).collect()
    }

    #[test]
    fn files_that_begin_with_something_repetitive() {
        let page: Vec<u8> = text(8192);
        let beginnings = [vec![0; 5 << 20], vec![0xff; 3 << 20], page.repeat(400)];
        let known: Vec<KnownEncoder> = KnownEncoder::all().filter(|known| known.number() % 9 == 2).collect();
        for (number, known) in known.into_iter().enumerate() {
            let plain = [&beginnings[number % 3], text(1 << 20).as_slice()].concat();
            let stored = gzip(&plain, known);
            let (size, prefix) = (stored.len() as u64, &stored[..stored.len().min(PREFIX_BYTES)]);
            let guess = guess(prefix, size.max(LARGE_BYTES), WalkRules::V2);
            assert_eq!(guess, Guess::Coded(CodedFormat::Gzip), "{known}");
        }
    }

    #[test]
    fn no_more_is_looked_at_than_tells() {
        let known = KnownEncoder::all().next().unwrap();
        for (plain, most) in [(text(4 << 20), PREFIX_BYTES), (vec![0; 40 << 20], MAX_PLAIN_BYTES)] {
            let stored = gzip(&plain, known);
            let (_, looked_at) = plain_beginning(&stored[..stored.len().min(PREFIX_BYTES)]).unwrap();
            assert_eq!(looked_at.len(), most);
        }
    }
}
