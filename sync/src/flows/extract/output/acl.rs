//! Access control lists in the kernel's form: a version of 4 bytes, then entries, each of a tag (2 bytes), rights (2
//! bytes) and an id (4 bytes), little-endian.

const HEADER_BYTES: usize = 4;
const ENTRY_BYTES: usize = 8;
/// The tags of entries.
const OWNER: u16 = 1;
const GROUP: u16 = 4;
const MASK: u16 = 16;
const OTHERS: u16 = 32;

/// The rights of the file's group in a list, as bits of a mode.
pub(super) fn group_bits(list: &[u8]) -> u32 {
    let entries = list.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES);
    let group = entries.into_iter().find(|entry| tag(entry) == GROUP);
    group.map_or(0, |entry| u32::from(entry[2] & 7) << 3)
}

/// The list of a new file that is made with `mode` in a folder with this default list. By the rule of acl(5), the
/// owner, the others and the mask get no more rights than the mode asks for; without a mask, this applies to the group.
/// The umask is then ignored.
pub(super) fn inherited(default: &[u8], mode: u32) -> Vec<u8> {
    let mut list = default.to_vec();
    let entries = || list.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES);
    let middle = if entries().any(|entry| tag(entry) == MASK) { MASK } else { GROUP };
    for entry in list.get_mut(HEADER_BYTES..).unwrap_or_default().chunks_exact_mut(ENTRY_BYTES) {
        let shift = match tag(entry) {
            OWNER => 6,
            OTHERS => 0,
            tag if tag == middle => 3,
            _ => continue,
        };
        entry[2] &= (mode >> shift) as u8 & 7;
    }
    list
}

fn tag(entry: &[u8]) -> u16 {
    u16::from_le_bytes([entry[0], entry[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16)]) -> Vec<u8> {
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, rights) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(u32::MAX.to_le_bytes());
        }
        list
    }

    #[test]
    fn the_groups_own_rights() {
        // The entries are: owner rw-, a named user rw-, the group r--, the mask rw-, others ---.
        let list = list(&[(OWNER, 6), (2, 6), (GROUP, 4), (MASK, 6), (OTHERS, 0)]);
        assert_eq!(group_bits(&list), 0o040);
        for len in 0..list.len() {
            assert!(matches!(group_bits(&list[..len]), 0 | 0o040));
            inherited(&list[..len], 0o666);
        }
    }

    #[test]
    fn what_a_new_file_inherits() {
        let small = list(&[(OWNER, 7), (GROUP, 5), (OTHERS, 7)]);
        assert_eq!(inherited(&small, 0o666), list(&[(OWNER, 6), (GROUP, 4), (OTHERS, 6)]));
        let named = list(&[(OWNER, 7), (2, 7), (GROUP, 5), (MASK, 7), (OTHERS, 0)]);
        assert_eq!(inherited(&named, 0o666), list(&[(OWNER, 6), (2, 7), (GROUP, 5), (MASK, 6), (OTHERS, 0)]));
    }
}
