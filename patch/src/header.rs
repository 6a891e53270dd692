//! The fixed front of a patch. FORMAT.md, section 10.

use regrow_chunker::ChunkId;

/// The first bytes of a patch.
const MAGIC: [u8; 8] = [0x89, b'R', b'G', b'D', 0x0d, 0x0a, 0x1a, 0x0a];
const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 128;
/// Bytes of the checksum at the end.
pub(crate) const CHECKSUM_BYTES: usize = 32;
/// The plain bytes of member lists, at most: they are held in memory.
pub(crate) const MAX_LISTS_BYTES: u32 = 16 << 20;

/// What a machine with the base alone would fetch without the patch. Decides which way is taken, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkCost {
    /// Bytes over the wire, the index apart.
    pub bytes: u64,
    /// Distinct chunks that the base does not have.
    pub chunks: u64,
    /// Their plain bytes.
    pub plain_bytes: u64,
}

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchHeader {
    /// What corrections of members are for; 0 if there are none.
    pub(crate) rebuilder: u32,
    /// The id of the image that it starts from.
    pub base: ChunkId,
    /// The id of the image that it makes.
    pub target: ChunkId,
    /// The whole patch.
    pub patch_bytes: u64,
    /// What chunks would cost instead.
    pub chunk_cost: ChunkCost,
    /// Stored and plain bytes of the member lists.
    pub lists_stored: u32,
    pub(crate) lists_plain: u32,
    /// Bytes of the target's expanded contents.
    pub(crate) expanded_bytes: u64,
}

/// Bytes that are no patch, or none that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Its first bytes are others.
    #[error("is no patch")]
    NotAPatch,
    /// It is of another version.
    #[error("is a patch of version {0}, which this regrow does not know")]
    Version(u32),
    /// Its corrections are for another rebuilder.
    #[error("needs rebuilder {0}, which this regrow does not have")]
    Rebuilder(u32),
    /// Its numbers contradict one another.
    #[error("its sizes do not fit together")]
    Sizes,
}

impl PatchHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.rebuilder.to_le_bytes());
        out.extend_from_slice(&self.base.0);
        out.extend_from_slice(&self.target.0);
        let ChunkCost { bytes, chunks, plain_bytes } = self.chunk_cost;
        for number in [self.patch_bytes, bytes, chunks, plain_bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.lists_stored.to_le_bytes());
        out.extend_from_slice(&self.lists_plain.to_le_bytes());
        out.extend_from_slice(&self.expanded_bytes.to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&out);
        header
    }

    /// The size of the whole patch that its front states; for hosts that do not tell it.
    pub fn stated_bytes(header: &[u8; HEADER_BYTES]) -> u64 {
        u64_at(header, 80)
    }

    /// Reads the front of an object of `object_bytes` bytes.
    pub fn decode(header: &[u8; HEADER_BYTES], object_bytes: u64) -> Result<Self, HeaderError> {
        if header[..8] != MAGIC {
            return Err(HeaderError::NotAPatch);
        }
        if u32_at(header, 8) != VERSION {
            return Err(HeaderError::Version(u32_at(header, 8)));
        }
        let rebuilder = u32_at(header, 12);
        if rebuilder != 0 && rebuilder != regrow_deflate::REBUILDER_VERSION {
            return Err(HeaderError::Rebuilder(rebuilder));
        }
        let found = Self {
            rebuilder,
            base: id_at(header, 16),
            target: id_at(header, 48),
            patch_bytes: u64_at(header, 80),
            chunk_cost: ChunkCost {
                bytes: u64_at(header, 88),
                chunks: u64_at(header, 96),
                plain_bytes: u64_at(header, 104),
            },
            lists_stored: u32_at(header, 112),
            lists_plain: u32_at(header, 116),
            expanded_bytes: u64_at(header, 120),
        };
        let least = (HEADER_BYTES + CHECKSUM_BYTES) as u64 + u64::from(found.lists_stored);
        let fits = found.patch_bytes == object_bytes
            && object_bytes >= least
            && found.lists_plain <= MAX_LISTS_BYTES
            && (found.lists_stored == 0) == (found.lists_plain == 0);
        if fits { Ok(found) } else { Err(HeaderError::Sizes) }
    }

    /// Stored bytes of the body that follows the lists.
    pub(crate) fn body_bytes(&self) -> u64 {
        // Not below zero: checked when it was read.
        self.patch_bytes.saturating_sub((HEADER_BYTES + CHECKSUM_BYTES) as u64 + u64::from(self.lists_stored))
    }
}

fn u32_at(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(array_at(header, at))
}

fn u64_at(header: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(array_at(header, at))
}

fn id_at(header: &[u8; HEADER_BYTES], at: usize) -> ChunkId {
    ChunkId(array_at(header, at))
}

fn array_at<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&header[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PatchHeader {
        PatchHeader {
            rebuilder: 1,
            base: ChunkId([3; 32]),
            target: ChunkId([4; 32]),
            patch_bytes: 5000,
            chunk_cost: ChunkCost { bytes: 70_000, chunks: 9, plain_bytes: 140_000 },
            lists_stored: 300,
            lists_plain: 900,
            expanded_bytes: 1 << 40,
        }
    }

    #[test]
    fn round_trips() {
        assert_eq!(PatchHeader::decode(&sample().encode(), 5000), Ok(sample()));
        assert_eq!(sample().body_bytes(), 5000 - 128 - 32 - 300);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_cause() {
        let changed = |at: usize, byte: u8| {
            let mut header = sample().encode();
            header[at] = byte;
            PatchHeader::decode(&header, 5000)
        };
        assert_eq!(changed(0, b'P'), Err(HeaderError::NotAPatch));
        assert_eq!(changed(8, 2), Err(HeaderError::Version(2)));
        assert_eq!(changed(12, 9), Err(HeaderError::Rebuilder(9)));
        assert_eq!(changed(80, 1), Err(HeaderError::Sizes));
        assert_eq!(changed(113, 0xff), Err(HeaderError::Sizes));
        assert_eq!(changed(119, 1), Err(HeaderError::Sizes));
        assert_eq!(PatchHeader::decode(&sample().encode(), 4999), Err(HeaderError::Sizes));
    }
}
