//! The section of a head that tells what a disk image is. docs/format/index-2.md, section 3.3.

use crate::primitives::take;
use crate::{DiskNote, MAX_DISK_WORDS_BYTES};

/// Appends a note. Words that are too long are cut, and control characters become spaces.
pub(super) fn put(out: &mut Vec<u8>, note: &DiskNote) {
    out.push(note.is_divided.into());
    regrow_chunker::varint::put(out, note.files);
    let clean: String = note.words.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    out.extend_from_slice(&clean.as_bytes()[..clean.floor_char_boundary(MAX_DISK_WORDS_BYTES)]);
}

/// Decodes a note. It is only a hint, so one that is malformed counts as none.
pub(super) fn decode(section: &[u8]) -> Option<DiskNote> {
    let (&kind, mut rest) = section.split_first().filter(|(kind, _)| **kind <= 1)?;
    let files = take(&mut rest).ok()?;
    let words = std::str::from_utf8(rest).ok()?;
    let is_clean = words.len() <= MAX_DISK_WORDS_BYTES && !words.contains(char::is_control);
    is_clean.then(|| DiskNote { is_divided: kind == 1, files, words: words.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_malformed_ones_do_not_count() {
        let note = |words: &str| DiskNote { is_divided: true, files: 12_345, words: words.to_owned() };
        let through = |note: &DiskNote| {
            let mut out = Vec::new();
            put(&mut out, note);
            decode(&out)
        };
        assert_eq!(through(&note("ext4, blocks of 4 KiB")), Some(note("ext4, blocks of 4 KiB")));
        assert_eq!(through(&note("a\u{1b}b")), Some(note("a b")));
        assert_eq!(through(&note(&"ä".repeat(300))), Some(note(&"ä".repeat(127))));
        for malformed in [&b""[..], &[2, 0], &[1], &[1, 0x80], &[1, 0, 0xff], &[0, 1, b'a', 7], &[1; 300]] {
            assert_eq!(decode(malformed), None, "{malformed:?}");
        }
    }
}
