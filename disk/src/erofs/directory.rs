//! The entries of a block of a directory: a list of them, then their names.

use crate::input::{u16_at, u64_at};

const ENTRY_BYTES: usize = 12;

pub(super) struct Entry<'b> {
    pub(super) inode: u64,
    pub(super) name: &'b [u8],
}

/// The entries that name a file, except for the directory itself and the one above it. An error says what is wrong.
pub(super) fn entries(block: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, &'static str>> {
    let count = usize::from(name_at(block, 0)) / ENTRY_BYTES;
    let empty = (count == 0).then_some(Err("a block of a directory"));
    let all = (0..count).map(move |number| {
        let start = usize::from(name_at(block, number));
        let end = if number + 1 < count { name_at(block, number + 1).into() } else { block.len() };
        let name = block.get(start..end).filter(|_| start >= count * ENTRY_BYTES);
        let name = name.ok_or("the names of a directory")?;
        // Zeros follow the last one.
        let name = &name[..name.iter().position(|&byte| byte == 0).unwrap_or(name.len())];
        Ok(Entry { inode: u64_at(block, number * ENTRY_BYTES), name })
    });
    empty
        .into_iter()
        .chain(all)
        .filter(|entry| !matches!(entry, Ok(entry) if entry.name == b"." || entry.name == b".."))
}

fn name_at(block: &[u8], number: usize) -> u16 {
    u16_at(block, number * ENTRY_BYTES + 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(names: &[(u16, &[u8])], text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, (at, _)) in names.iter().enumerate() {
            out.extend((number as u64).to_le_bytes());
            out.extend(at.to_le_bytes());
            out.extend([1, 0]);
        }
        [out, text.to_vec()].concat()
    }

    #[test]
    fn names_follow_the_entries() {
        let names = [(48, &b"."[..]), (49, b".."), (51, b"etc"), (54, b"usr")];
        for text in [&b"...etcusr"[..], b"...etcusr\0\0\0"] {
            let block = block(&names, text);
            let found: Vec<_> = entries(&block).map(|entry| entry.map(|entry| (entry.inode, entry.name))).collect();
            assert_eq!(found, [Ok((2, &b"etc"[..])), Ok((3, b"usr"))]);
        }
    }

    #[test]
    fn names_that_leave_the_block_are_damaged() {
        for (block, text) in [
            (block(&[(0, b"")], b""), "a block of a directory"),
            (block(&[(24, b""), (25, b"")], b""), "the names of a directory"),
            (block(&[(24, b""), (23, b"")], b"ab"), "the names of a directory"),
            (Vec::new(), "a block of a directory"),
        ] {
            assert_eq!(entries(&block).find_map(Result::err), Some(text));
        }
    }
}
