//! The header.

use crate::input::{Input, u32_be_at, u64_be_at};
use crate::{BlockCodec, DiskError};

const MAGIC: &[u8; 4] = b"QFI\xfb";
/// The bytes of the header in version 2, and what later versions have of it at least.
const HEADER_BYTES: u64 = 72;
const LATER_HEADER_BYTES: u64 = 104;
/// The place of the way of compression, behind the least header of version 3.
const COMPRESSION_AT: usize = 104;
/// The logarithms of the sizes of clusters.
const CLUSTER_LOGS: std::ops::RangeInclusive<u32> = 9..=21;
/// The most bytes of the table of tables.
const MAX_L1_BYTES: u64 = 32 << 20;
/// The guest's bytes: what a table of that size can say of the largest clusters.
const MAX_GUEST_BYTES: u64 = 1 << 61;

const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_EXTERNAL: u64 = 1 << 2;
const INCOMPATIBLE_COMPRESSION: u64 = 1 << 3;
const INCOMPATIBLE_SUBCLUSTERS: u64 = 1 << 4;
/// Those above, and that counts of references may be wrong, which matter to those who write.
const INCOMPATIBLE_KNOWN: u64 = (1 << 5) - 1;

/// What matters of the header.
#[derive(Debug)]
pub(super) struct Header {
    version: u32,
    pub(super) cluster_log: u32,
    pub(super) cluster_bytes: u64,
    /// The size of the guest's disk.
    pub(super) guest_bytes: u64,
    /// Where the table of tables is, and the number of its entries.
    pub(super) l1_at: u64,
    pub(super) l1_entries: u32,
    /// The format of compressed clusters.
    pub(super) codec: BlockCodec,
    pub(super) has_backing_file: bool,
    snapshots: u32,
}

impl Header {
    /// `None` stands for an image that is none of this format.
    pub(super) fn read(input: &Input<'_>) -> Result<Option<Self>, DiskError> {
        if input.image.bytes() < HEADER_BYTES {
            return Ok(None);
        }
        let raw = input.read(0, HEADER_BYTES, "the header")?;
        if !raw.starts_with(MAGIC) {
            return Ok(None);
        }
        let version = u32_be_at(&raw, 4);
        let later = match version {
            2 => Later { incompatible: 0, compression: 0 },
            3 => Later::read(input)?,
            _ => return Err(input.unsupported("a version other than 2 and 3")),
        };
        if u32_be_at(&raw, 32) != 0 {
            return Err(input.unsupported("encryption"));
        }
        let (cluster_log, guest_bytes) = (u32_be_at(&raw, 20), u64_be_at(&raw, 24));
        if !CLUSTER_LOGS.contains(&cluster_log) || guest_bytes > MAX_GUEST_BYTES {
            return Err(input.damaged("the header: the size of clusters or of the disk"));
        }
        let l1_entries = u32_be_at(&raw, 36);
        if u64::from(l1_entries) * 8 > MAX_L1_BYTES {
            return Err(input.damaged("the header: the size of the L1 table"));
        }
        Ok(Some(Self {
            version,
            cluster_log,
            cluster_bytes: 1 << cluster_log,
            guest_bytes,
            l1_at: u64_be_at(&raw, 40),
            l1_entries,
            codec: later.codec(input)?,
            has_backing_file: u64_be_at(&raw, 8) != 0,
            snapshots: u32_be_at(&raw, 60),
        }))
    }

    /// The image in words, which has this many compressed clusters.
    pub(super) fn details(&self, compressed: usize) -> String {
        let clusters = match self.cluster_bytes {
            bytes @ ..1024 => format!("clusters of {bytes} bytes"),
            bytes => format!("clusters of {} KiB", bytes >> 10),
        };
        let name = if self.codec == BlockCodec::Zstd { "zstd" } else { "zlib" };
        let compressed = if compressed > 0 { format!(", {compressed} of them {name}") } else { String::new() };
        let backing = if self.has_backing_file { ", with a backing file" } else { "" };
        let snapshots = match self.snapshots {
            0 => String::new(),
            1 => ", with a snapshot".to_owned(),
            count => format!(", with {count} snapshots"),
        };
        format!("qcow2 version {}, {clusters}{compressed}{backing}{snapshots}", self.version)
    }
}

/// What version 3 has in addition.
struct Later {
    incompatible: u64,
    compression: u8,
}

impl Later {
    fn read(input: &Input<'_>) -> Result<Self, DiskError> {
        let raw = input.read(0, LATER_HEADER_BYTES, "the header")?;
        let (incompatible, header_bytes) = (u64_be_at(&raw, 72), u32_be_at(&raw, 100));
        if u64::from(header_bytes) < LATER_HEADER_BYTES {
            return Err(input.damaged("the header: its own size"));
        }
        let has_compression = header_bytes as usize > COMPRESSION_AT;
        let compression = if has_compression { input.read(COMPRESSION_AT as u64, 1, "the header")?[0] } else { 0 };
        Ok(Self { incompatible, compression })
    }

    fn codec(&self, input: &Input<'_>) -> Result<BlockCodec, DiskError> {
        let has = |feature| self.incompatible & feature != 0;
        if has(INCOMPATIBLE_EXTERNAL) {
            return Err(input.unsupported("an external data file"));
        }
        if has(INCOMPATIBLE_SUBCLUSTERS) {
            return Err(input.unsupported("extended L2 entries"));
        }
        if has(INCOMPATIBLE_CORRUPT) {
            return Err(input.unsupported("a mark that it is corrupt"));
        }
        if has(!INCOMPATIBLE_KNOWN) {
            return Err(input.unsupported("an unknown incompatible feature"));
        }
        match (self.compression, has(INCOMPATIBLE_COMPRESSION)) {
            (0, false) => Ok(BlockCodec::Deflate),
            (1, true) => Ok(BlockCodec::Zstd),
            (0, true) | (_, false) => Err(input.damaged("the header: the way of compression")),
            (_, true) => Err(input.unsupported("an unknown compression")),
        }
    }
}
