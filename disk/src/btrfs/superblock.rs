//! The superblock.

use crate::DiskError;
use crate::input::{Input, u16_at, u32_at, u64_at};

use super::chunks::ChunkMap;

pub(super) const SUPERBLOCK_AT: u64 = 64 << 10;
const SUPERBLOCK_BYTES: u64 = 4096;
const MAGIC: &[u8] = b"_BHRfS_M";
/// Where the chunks stand that the tree of chunks itself lies in, and their most bytes.
const SYSTEM_CHUNKS: (usize, usize) = (811, 2048);
const SIZES: std::ops::RangeInclusive<u64> = 4096..=65_536;

const INCOMPAT_METADATA_UUID: u64 = 0x400;
/// Features that change where bytes lie, and are not understood.
const INCOMPAT_REFUSED: [(u64, &str); 5] = [
    (0x80, "raid56"),
    (0x800, "raid1c34"),
    (0x1000, "zoned"),
    (0x2000, "extent-tree-v2"),
    (0x4000, "raid-stripe-tree"),
];
/// mixed_backref, default_subvol, mixed_groups, compress_lzo, compress_zstd, big_metadata, extended_iref, skinny_metadata,
/// no_holes, metadata_uuid, simple_quota.
const INCOMPAT_KNOWN: u64 = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200 | 0x400 | 0x10000;

/// The root of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root {
    /// The logical place of its node.
    pub(super) at: u64,
    pub(super) level: u8,
}

#[derive(Debug)]
pub(super) struct Superblock {
    /// The number that each node has in its header.
    pub(super) fsid: [u8; 16],
    pub(super) node_bytes: u64,
    pub(super) sector_bytes: u64,
    /// The tree of trees.
    pub(super) root: Root,
    pub(super) chunk_root: Root,
    /// The directory in the tree of trees that names the default subvolume.
    pub(super) root_directory: u64,
    /// The number of the one device.
    pub(super) device: u64,
    /// The chunks that are known before the tree of chunks is read.
    pub(super) system_chunks: Vec<u8>,
}

impl Superblock {
    /// Reads the superblock. `None` stands for an image that is none of this format.
    pub(super) fn read(input: &Input<'_>) -> Result<Option<Self>, DiskError> {
        if input.image.bytes() < SUPERBLOCK_AT + SUPERBLOCK_BYTES {
            return Ok(None);
        }
        let raw = input.read(SUPERBLOCK_AT, SUPERBLOCK_BYTES, "the superblock")?;
        if raw.get(64..72) != Some(MAGIC) || u64_at(&raw, 48) != SUPERBLOCK_AT {
            return Ok(None);
        }
        let incompat = u64_at(&raw, 188);
        check_features(input, &raw, incompat)?;
        let (sector_bytes, node_bytes) = (u64::from(u32_at(&raw, 144)), u64::from(u32_at(&raw, 148)));
        let is_size = |bytes: u64| SIZES.contains(&bytes) && bytes.is_power_of_two();
        if !is_size(sector_bytes) || !is_size(node_bytes) || node_bytes < sector_bytes {
            return Err(input.damaged("the superblock: the sizes of sectors and nodes"));
        }
        if u64_at(&raw, 112) > input.image.bytes() {
            return Err(input.damaged("the superblock: more bytes than the image has"));
        }
        let chunk_bytes = u32_at(&raw, 160) as usize;
        let (from, most) = SYSTEM_CHUNKS;
        let system_chunks = raw.get(from..from + chunk_bytes.min(most)).unwrap_or_default().to_vec();
        let mut fsid = [0; 16];
        let from = if incompat & INCOMPAT_METADATA_UUID != 0 { 571 } else { 32 };
        fsid.copy_from_slice(&raw[from..from + 16]);
        Ok(Some(Self {
            fsid,
            node_bytes,
            sector_bytes,
            root: Root { at: u64_at(&raw, 80), level: raw[198] },
            chunk_root: Root { at: u64_at(&raw, 88), level: raw[199] },
            root_directory: u64_at(&raw, 128),
            device: u64_at(&raw, 201),
            system_chunks,
        }))
    }

    /// The image in words for people.
    pub(super) fn details(&self, chunks: &ChunkMap, subvolumes: usize) -> String {
        let metadata = if chunks.has_twins() { "two copies of metadata, " } else { "" };
        let plural = if subvolumes == 1 { "" } else { "s" };
        format!("btrfs, {metadata}{subvolumes} subvolume{plural}, nodes of {} bytes", self.node_bytes)
    }
}

fn check_features(input: &Input<'_>, raw: &[u8], incompat: u64) -> Result<(), DiskError> {
    if let Some(&(_, name)) = INCOMPAT_REFUSED.iter().find(|&&(feature, _)| incompat & feature != 0) {
        return Err(input.unsupported(name));
    }
    if incompat & !INCOMPAT_KNOWN != 0 {
        return Err(input.unsupported("an unknown incompatible feature"));
    }
    if u64_at(raw, 136) != 1 {
        return Err(input.unsupported("several devices"));
    }
    if u64_at(raw, 96) != 0 {
        return Err(input.unsupported("a log that was not replayed"));
    }
    if u16_at(raw, 196) > 3 {
        return Err(input.unsupported("checksums of an unknown kind"));
    }
    Ok(())
}
