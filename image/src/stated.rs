//! What the headers of an entry state, times apart from everything else.

use regrow_chunker::Digest;

use crate::header::{BLOCK, TarHeader, pax_records};

/// What the headers of an entry state, as hashes. Both are zeros for opaque parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    /// The hash of the times.
    pub times: Digest,
    /// The hash of everything else.
    pub rest: Digest,
}

impl Stated {
    /// Hashes a header, and the extension headers at the end of the skeleton bytes before it.
    pub(crate) fn of(header: &TarHeader<'_>, before: &[u8]) -> Self {
        let (mut times, mut rest) = (Vec::new(), Vec::new());
        // Before the whole blocks comes the padding of what was before.
        let mut blocks = before[before.len() % BLOCK..].chunks_exact(BLOCK);
        while let Some(block) = blocks.next() {
            let Some(extension) = block.first_chunk().and_then(TarHeader::parse) else { continue };
            let size = extension.size();
            if !matches!(extension.type_flag(), b'x' | b'L' | b'K') || size > before.len() as u64 {
                continue;
            }
            let count = (size as usize).div_ceil(BLOCK);
            let data: Vec<u8> = blocks.by_ref().take(count).flatten().copied().collect();
            let data = &data[..data.len().min(size as usize)];
            if extension.type_flag() != b'x' {
                rest.extend_from_slice(data);
                continue;
            }
            for (key, value) in pax_records(data) {
                let is_time = matches!(key, b"mtime" | b"atime" | b"ctime" | b"LIBARCHIVE.creationtime");
                let out = if is_time { &mut times } else { &mut rest };
                for text in [key, value] {
                    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
                    out.extend_from_slice(text);
                }
            }
        }
        rest.extend_from_slice(&header.split_times(|bytes| times.extend_from_slice(bytes)));
        Self { times: Digest::of(&times), rest: Digest::of(&rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &[u8], flag: u8, size: usize, modified: u32) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, name);
        put(124, format!("{size:011o}").as_bytes());
        put(136, format!("{modified:011o}").as_bytes());
        put(148, b"        ");
        put(156, &[flag]);
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    fn of(modified: u32, records: &str) -> Stated {
        let mut data = records.as_bytes().to_vec();
        data.resize(data.len().next_multiple_of(BLOCK), 0);
        let pax = header(b"PaxHeader", b'x', records.len(), modified);
        let before = [&[0; 100][..], &pax, &data].concat();
        let header = header(b"name", b'0', 0, modified);
        Stated::of(&TarHeader::parse(&header).unwrap(), &before)
    }

    #[test]
    fn times_are_told_from_the_rest() {
        let first = of(1, "13 mtime=1.5\n9 uid=70\n");
        for (other, same_times, same_rest) in [
            (of(1, "13 mtime=1.5\n9 uid=70\n"), true, true),
            (of(1, "13 mtime=1.6\n9 uid=70\n"), false, true),
            (of(2, "13 mtime=1.5\n9 uid=70\n"), false, true),
            (of(1, "13 mtime=1.5\n9 uid=71\n"), true, false),
            (of(1, "9 uid=70\n"), false, true),
        ] {
            assert_eq!((other.times == first.times, other.rest == first.rest), (same_times, same_rest));
        }
    }
}
