//! The section of a head that tells what a disk image is. docs/format/index-2.md, section 3.3.

use regrow_chunker::PieceRule;

use crate::primitives::take;
use crate::{DiskNote, MAX_DISK_WORDS_BYTES};

/// Appends a note. Words that are too long are cut, and control characters become spaces.
pub(super) fn put(out: &mut Vec<u8>, note: &DiskNote) {
    out.push(note.is_divided.into());
    regrow_chunker::varint::put(out, note.files);
    let clean: String = note.words.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    out.extend_from_slice(&clean.as_bytes()[..clean.floor_char_boundary(MAX_DISK_WORDS_BYTES)]);
}

/// Appends the rule by which files lie, which has a section of its own.
pub(super) fn put_pieces(out: &mut Vec<u8>, pieces: PieceRule) {
    regrow_chunker::varint::put(out, pieces.number());
}

/// Decodes a note, and the rule by which files lie. They are only hints, so one that is malformed counts as none.
pub(super) fn decode(section: &[u8], pieces: Option<&[u8]>) -> Option<DiskNote> {
    let number = pieces.and_then(|mut section| take(&mut section).ok().filter(|_| section.is_empty()));
    let pieces = number.and_then(PieceRule::from_number);
    let (&kind, mut rest) = section.split_first().filter(|(kind, _)| **kind <= 1)?;
    let files = take(&mut rest).ok()?;
    let words = std::str::from_utf8(rest).ok()?;
    let is_clean = words.len() <= MAX_DISK_WORDS_BYTES && !words.contains(char::is_control);
    is_clean.then(|| DiskNote { is_divided: kind == 1, files, words: words.to_owned(), pieces })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_malformed_ones_do_not_count() {
        let pieces = PieceRule::new(4096, regrow_chunker::Zeros::Joined, false);
        let note = |words: &str| DiskNote { is_divided: true, files: 12_345, words: words.to_owned(), pieces };
        let through = |note: &DiskNote| {
            let mut out = Vec::new();
            put(&mut out, note);
            let mut section = Vec::new();
            pieces.into_iter().for_each(|pieces| put_pieces(&mut section, pieces));
            decode(&out, Some(&section))
        };
        assert_eq!(through(&note("ext4, blocks of 4 KiB")), Some(note("ext4, blocks of 4 KiB")));
        assert_eq!(through(&note("a\u{1b}b")), Some(note("a b")));
        assert_eq!(through(&note(&"ä".repeat(300))), Some(note(&"ä".repeat(127))));
        for malformed in [&b""[..], &[2, 0], &[1], &[1, 0x80], &[1, 0, 0xff], &[0, 1, b'a', 7], &[1; 300]] {
            assert_eq!(decode(malformed, None), None, "{malformed:?}");
        }
        for malformed in [&b""[..], &[0], &[0x80], &[97, 0], &[1 << 3 | 1]] {
            assert_eq!(decode(&[1, 0], Some(malformed)).map(|note| note.pieces), Some(None), "{malformed:?}");
        }
    }
}
