//! The entries of a block of a directory.

use crate::input::{u16_at, u32_at};

/// The bytes of an entry before its name.
const HEAD_BYTES: usize = 8;

pub(super) struct Entry<'b> {
    pub(super) inode: u32,
    pub(super) name: &'b [u8],
}

/// The entries that name a file, except for the directory itself and the one above it. An error says what is wrong.
pub(super) fn entries(block: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, &'static str>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let (entry, behind) = split(rest)?;
        rest = behind;
        Some(entry)
    })
    .filter(|entry| !matches!(entry, Ok(entry) if entry.inode == 0 || entry.name == b"." || entry.name == b".."))
}

fn split(rest: &[u8]) -> Option<(Result<Entry<'_>, &'static str>, &[u8])> {
    if rest.is_empty() {
        return None;
    }
    let bytes = match u16_at(rest, 4) {
        // All of a block of 64 KiB.
        0 | u16::MAX if rest.len() > usize::from(u16::MAX) => rest.len(),
        bytes => bytes.into(),
    };
    let name = rest.get(6).and_then(|&len| rest.get(HEAD_BYTES..HEAD_BYTES + usize::from(len)));
    Some(match (name, rest.split_at_checked(bytes)) {
        (Some(name), Some((_, behind))) if bytes >= HEAD_BYTES + name.len() => {
            (Ok(Entry { inode: u32_at(rest, 0), name }), behind)
        }
        _ => (Err("an entry of a directory"), &[]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(inode: u32, bytes: u16, name: &[u8]) -> Vec<u8> {
        let mut out = [&inode.to_le_bytes()[..], &bytes.to_le_bytes(), &[name.len() as u8, 1], name].concat();
        out.resize(out.len().max(bytes.into()), 0);
        out
    }

    #[test]
    fn entries_end_with_the_block() {
        let block = [raw(2, 12, b"."), raw(2, 12, b".."), raw(12, 16, b"file"), raw(0, 12, b""), raw(13, 20, b"b")];
        let found: Vec<_> = entries(&block.concat()).map(|entry| entry.map(|entry| entry.inode)).collect();
        assert_eq!(found, [Ok(12), Ok(13)]);
    }

    #[test]
    fn entries_that_leave_the_block_are_damaged() {
        for block in [raw(12, 0, b"file"), raw(12, 9, b"file"), raw(12, 16, b"file")[..15].to_vec(), vec![1, 2, 3]] {
            assert!(entries(&block).any(|entry| entry.is_err()), "{block:?}");
        }
        let all = [&7u32.to_le_bytes()[..], &[0, 0, 1, 1, b'a'], &[0; 65_527]].concat();
        assert_eq!(entries(&all).map(|entry| entry.map(|entry| entry.inode)).collect::<Vec<_>>(), [Ok(7)]);
    }
}
