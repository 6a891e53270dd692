//! The header of a patch, at its beginning. FORMAT.md, section 10.

use std::ops::Range;

use regrow_chunker::ImageId;

/// The first bytes of a patch.
const MAGIC: [u8; 8] = [0x89, b'R', b'G', b'D', 0x0d, 0x0a, 0x1a, 0x0a];
/// The size of the header in bytes.
pub const HEADER_BYTES: usize = 128;
/// The size in bytes of the checksum at the end.
pub(crate) const CHECKSUM_BYTES: usize = 32;
/// The largest size of the plain lists in bytes. They are held in memory.
pub(crate) const MAX_LISTS_BYTES: u32 = 16 << 20;

/// The cost of an update without the patch, for a machine that has only the base. It is used only to choose between
/// the patch and chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChunkCost {
    /// The number of bytes that are fetched, without the index.
    pub bytes: u64,
    /// The number of distinct chunks that the base does not have.
    pub chunks: u64,
    /// The plain bytes of those chunks.
    pub plain_bytes: u64,
}

/// The version of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatchVersion {
    /// The patch starts from a whole image. FORMAT.md, section 10.
    #[default]
    V1,
    /// The patch starts from the parts of an image. docs/format/patch-2.md.
    V2,
}

/// The rebuilder that also makes the streams of .xz files.
const XZ_REBUILDER: u32 = 2;

/// The rebuilder that members need, given whether there are deflate streams to make and streams of .xz files on either side.
pub(crate) const fn rebuilder(makes_deflate: bool, has_xz: bool) -> u32 {
    if has_xz {
        XZ_REBUILDER
    } else if makes_deflate {
        regrow_deflate::REBUILDER_VERSION
    } else {
        0
    }
}

/// The versions by their numbers in the format, whether the patch has codings of its target, and whether it has joined
/// files.
const NUMBERS: [(u32, PatchVersion, bool, bool); 5] = [
    (1, PatchVersion::V1, false, false),
    (2, PatchVersion::V2, false, false),
    (3, PatchVersion::V2, true, false),
    (4, PatchVersion::V2, false, true),
    (5, PatchVersion::V2, true, true),
];

/// The header of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchHeader {
    /// The version of the patch.
    pub version: PatchVersion,
    /// Whether the patch has the codings of its target, so that a machine with the base can do without those of the index.
    /// Its version is then 3, or 5.
    pub has_codings: bool,
    /// Whether the patch has joined files: it codes some files as a whole that lie in pieces. Its version is then 4, or 5.
    /// docs/format/patch-4.md.
    pub has_joined_files: bool,
    /// The version of the rebuilder that the members' corrections are for, or 0 if there are none.
    pub(crate) rebuilder: u32,
    /// The id of the image that the patch starts from, or whose parts it starts from.
    pub base: ImageId,
    /// The id of the image that the patch makes.
    pub target: ImageId,
    /// The size of the whole patch in bytes.
    pub patch_bytes: u64,
    /// The cost of the same update by chunks.
    pub chunk_cost: ChunkCost,
    /// The sizes of the lists of members and held parts in bytes, stored and plain.
    pub lists_stored: u32,
    pub(crate) lists_plain: u32,
    /// The size in bytes of the target's expanded contents, without those of held parts.
    pub(crate) expanded_bytes: u64,
}

/// The reason why bytes are no patch, or none that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The first bytes are not those of a patch.
    #[error("is not a patch")]
    NotAPatch,
    /// The patch has an unknown version.
    #[error("is a patch of version {0}, which this regrow does not know")]
    Version(u32),
    /// The corrections are for another rebuilder.
    #[error("needs rebuilder {0}, which this regrow does not have")]
    Rebuilder(u32),
    /// The sizes contradict each other.
    #[error("its sizes do not fit together")]
    Sizes,
}

impl PatchHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        // No whole image has codings or joined files.
        let flags = (self.version, self.has_codings && self.version == PatchVersion::V2, self.has_joined_files);
        let is_this =
            |(_, version, codings, joined): &&(u32, PatchVersion, bool, bool)| (*version, *codings, *joined) == flags;
        let number = NUMBERS.iter().find(is_this).map_or(0, |(number, ..)| *number);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&self.rebuilder.to_le_bytes());
        out.extend_from_slice(self.base.as_bytes());
        out.extend_from_slice(self.target.as_bytes());
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

    /// The size of the whole patch that its header states, for hosts that do not state the size of an object.
    pub fn stated_bytes(header: &[u8; HEADER_BYTES]) -> u64 {
        u64_at(header, 80)
    }

    /// Decodes the header of an object of `object_bytes` bytes.
    pub fn decode(header: &[u8; HEADER_BYTES], object_bytes: u64) -> Result<Self, HeaderError> {
        if header[..8] != MAGIC {
            return Err(HeaderError::NotAPatch);
        }
        let number = u32_at(header, 8);
        let known = NUMBERS.into_iter().find(|(known, ..)| *known == number);
        let (_, version, has_codings, has_joined_files) = known.ok_or(HeaderError::Version(number))?;
        let rebuilder = u32_at(header, 12);
        if ![0, regrow_deflate::REBUILDER_VERSION, XZ_REBUILDER].contains(&rebuilder) {
            return Err(HeaderError::Rebuilder(rebuilder));
        }
        let found = Self {
            version,
            has_codings,
            has_joined_files,
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

    /// The size in bytes of the body that follows the lists.
    pub(crate) fn body_bytes(&self) -> u64 {
        let body = self.body();
        body.end - body.start
    }

    /// The range of the patch's file in which the coded body lies.
    pub(crate) fn body(&self) -> Range<u64> {
        // The difference is not negative, since decoding checked the sizes.
        let start = HEADER_BYTES as u64 + u64::from(self.lists_stored);
        start..self.patch_bytes.saturating_sub(CHECKSUM_BYTES as u64).max(start)
    }
}

fn u32_at(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(array_at(header, at))
}

fn u64_at(header: &[u8; HEADER_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(array_at(header, at))
}

fn id_at(header: &[u8; HEADER_BYTES], at: usize) -> ImageId {
    ImageId::from_bytes(array_at(header, at))
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
            version: PatchVersion::V1,
            has_codings: false,
            has_joined_files: false,
            rebuilder: 1,
            base: ImageId::from_bytes([3; 32]),
            target: ImageId::from_bytes([4; 32]),
            patch_bytes: 5000,
            chunk_cost: ChunkCost { bytes: 70_000, chunks: 9, plain_bytes: 140_000 },
            lists_stored: 300,
            lists_plain: 900,
            expanded_bytes: 1 << 40,
        }
    }

    #[test]
    fn round_trips() {
        for (_, version, has_codings, has_joined_files) in NUMBERS {
            let header = PatchHeader { version, has_codings, has_joined_files, ..sample() };
            assert_eq!(PatchHeader::decode(&header.encode(), 5000), Ok(header));
        }
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
        assert_eq!(changed(8, 6), Err(HeaderError::Version(6)));
        assert_eq!(changed(12, 9), Err(HeaderError::Rebuilder(9)));
        assert_eq!(changed(80, 1), Err(HeaderError::Sizes));
        assert_eq!(changed(113, 0xff), Err(HeaderError::Sizes));
        assert_eq!(changed(119, 1), Err(HeaderError::Sizes));
        assert_eq!(PatchHeader::decode(&sample().encode(), 4999), Err(HeaderError::Sizes));
    }
}
