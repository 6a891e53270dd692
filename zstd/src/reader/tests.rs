use super::*;
use crate::klauspost::tests::data;
use crate::{Klauspost, KnownEncoder, Level, Reencoder, Version};

fn frame(plain: &[u8]) -> Vec<u8> {
    let kind = Klauspost::new(Version::V1_17_8, Level::Default);
    let (mut encoder, mut out) = (Reencoder::new(KnownEncoder::Klauspost(kind), plain.len() as u64), Vec::new());
    encoder.write(plain, &mut out);
    encoder.finish(&mut out);
    out
}

fn skippable(bytes: u32) -> Vec<u8> {
    let mut out = vec![0x5a, 0x2a, 0x4d, 0x18];
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend(std::iter::repeat_n(7, bytes as usize));
    out
}

/// Frames of all sizes, an empty one and skippable ones.
fn file() -> (Vec<u8>, Vec<u8>, usize) {
    let (mut stored, mut plain, mut parts) = (skippable(0), Vec::new(), 1);
    for length in [0, 1, 900, 70_000, 131_072, 400_000] {
        let piece = &data::mixed(500_000)[length / 5..][..length];
        stored.extend(frame(piece));
        stored.extend(skippable(length as u32 / 7));
        plain.extend_from_slice(piece);
        parts += 2;
    }
    (stored, plain, parts)
}

/// Plain bytes, parts, and a tail.
type Read = (Vec<u8>, Vec<ZstdPart>, Vec<u8>);

/// Reads a file in pieces, and gives its plain bytes with its parts and its tail.
fn read(stored: &[u8], piece_bytes: usize, max_out: usize) -> Result<Read, ZstdError> {
    let (mut reader, mut plain) = (ZstdReader::default(), Vec::new());
    for mut piece in stored.chunks(piece_bytes).chain([&[][..]]) {
        loop {
            let before = plain.len();
            let step = reader.push(piece, &mut plain, max_out)?;
            assert!(plain.len() - before <= max_out);
            piece = &piece[step.taken..];
            if piece.is_empty() && plain.len() == before {
                break;
            }
        }
    }
    let (parts, tail) = reader.finish()?;
    Ok((plain, parts, tail))
}

#[test]
fn files_are_read_in_pieces_of_any_size() {
    let (stored, plain, count) = file();
    for (piece_bytes, max_out) in [(stored.len(), usize::MAX), (1, 1000), (1000, 70_000), (70_000, 131_072)] {
        let (read, parts, tail) = read(&stored, piece_bytes, max_out).unwrap();
        assert!(read == plain, "{piece_bytes}, {max_out}");
        assert_eq!(parts.len(), count);
        assert_eq!(tail, []);
        let ends: Vec<u64> = parts
            .iter()
            .map(|part| match part {
                ZstdPart::Frame { stored, .. } | ZstdPart::Skippable { stored } => stored.end,
            })
            .collect();
        assert_eq!(ends.last(), Some(&(stored.len() as u64)));
    }
}

#[test]
fn what_libzstd_writes_is_read() {
    let plain = data::mixed(600_000);
    for level in [-5, 1, 3, 9, 19] {
        let stored = zstd::encode_all(&plain[..], level).unwrap();
        assert!(read(&stored, 10_000, usize::MAX).unwrap().0 == plain, "level {level}");
    }
}

#[test]
fn bytes_may_follow_the_last_frame() {
    let (mut stored, plain, _) = file();
    stored.extend_from_slice(b"(\xb5 garbage that is no frame");
    let (read_plain, _, tail) = read(&stored, 77, usize::MAX).unwrap();
    assert!(read_plain == plain);
    assert_eq!(tail, b"(\xb5 garbage that is no frame");
    stored.extend(vec![1; MAX_TAIL_BYTES]);
    assert!(matches!(read(&stored, 5000, usize::MAX), Err(ZstdError::Trailing(_))));
}

#[test]
fn cut_and_damaged_files_are_refused() {
    let stored = frame(&data::mixed(200_000));
    for end in [0, 1, 4, 5, 6, 8, 1000, stored.len() - 5, stored.len() - 1] {
        assert_eq!(read(&stored[..end], 100, usize::MAX), Err(ZstdError::Cut), "{end}");
    }
    let mut wrong_sum = stored.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    assert_eq!(read(&wrong_sum, 1000, usize::MAX), Err(ZstdError::Checksum));
    for at in (0..stored.len()).step_by(stored.len() / 100) {
        let mut damaged = stored.clone();
        damaged[at] ^= 0x55;
        // Whatever comes of it, nothing goes wrong.
        let _ = read(&damaged, 999, 50_000);
    }
    assert_eq!(read(b"PK\x03\x04", 10, 10), Err(ZstdError::Damaged));
}

#[test]
fn dictionaries_and_large_windows_are_refused_by_name() {
    let of_dictionary = [0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x68, 9, 0, 0, 0];
    assert_eq!(read(&of_dictionary, 10, 10), Err(ZstdError::Dictionary(9)));
    let of_window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 1, 0, 0];
    assert_eq!(read(&of_window, 10, 10), Err(ZstdError::Window(1 << 28)));
    let of_segment = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0];
    assert_eq!(read(&of_segment, 10, 10), Err(ZstdError::Window(1 << 32)));
}
