//! The boot sector.

use crate::DiskError;
use crate::input::{Input, u16_at, u32_at};

const SECTOR_BYTES: u64 = 512;
const SIGNATURE: u16 = 0xaa55;

/// The bits of an entry of the table of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Bits12,
    Bits16,
    Bits32,
}

impl Width {
    /// Whether an entry stands for the end of a chain.
    pub(super) fn is_end(self, entry: u32) -> bool {
        entry
            >= match self {
                Self::Bits12 => 0xff8,
                Self::Bits16 => 0xfff8,
                Self::Bits32 => 0x0fff_fff8,
            }
    }

    fn bits(self) -> u64 {
        match self {
            Self::Bits12 => 12,
            Self::Bits16 => 16,
            Self::Bits32 => 32,
        }
    }
}

/// Where the root directory is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Root {
    Cluster(u32),
    Place { at: u64, bytes: u64 },
}

/// The geometry of a file system.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) width: Width,
    pub(super) table_at: u64,
    pub(super) table_bytes: u64,
    pub(super) root: Root,
    pub(super) data_at: u64,
    pub(super) cluster_bytes: u64,
    /// The number of clusters, the first of which is 2.
    pub(super) clusters: u32,
}

impl Boot {
    /// `None` stands for an image that is none of this format.
    pub(super) fn read(input: &Input<'_>) -> Result<Option<Self>, DiskError> {
        if input.image.bytes() < SECTOR_BYTES {
            return Ok(None);
        }
        let raw = input.read(0, SECTOR_BYTES, "the boot sector")?;
        let (sector_bytes, per_cluster) = (u64::from(u16_at(&raw, 11)), u64::from(raw[13]));
        let (reserved, tables) = (u64::from(u16_at(&raw, 14)), u64::from(raw[16]));
        let jumps = raw[0] == 0xe9 || raw[0] == 0xeb && raw[2] == 0x90;
        let sound =
            sector_bytes.is_power_of_two() && (512..=4096).contains(&sector_bytes) && per_cluster.is_power_of_two();
        let known = matches!(tables, 1 | 2) && reserved > 0 && (raw[21] == 0xf0 || raw[21] >= 0xf8);
        if u16_at(&raw, 510) != SIGNATURE || !jumps || !sound || !known {
            return Ok(None);
        }
        let of_either = |short: usize, long: usize| match u16_at(&raw, short) {
            0 => u64::from(u32_at(&raw, long)),
            sectors => sectors.into(),
        };
        let (sectors, table_sectors) = (of_either(19, 32), of_either(22, 36));
        let root_at = reserved + tables * table_sectors;
        let root_bytes = u64::from(u16_at(&raw, 17)) * 32;
        let data_at = root_at + root_bytes.div_ceil(sector_bytes);
        let clusters =
            sectors.checked_sub(data_at).map(|sectors| sectors / per_cluster).filter(|&clusters| clusters > 0);
        let (Some(clusters), 1..) = (clusters, table_sectors) else {
            return Err(input.damaged("the boot sector: the sizes of tables"));
        };
        let width = match clusters {
            _ if u16_at(&raw, 22) == 0 => Width::Bits32,
            ..4085 => Width::Bits12,
            _ => Width::Bits16,
        };
        let root = match width {
            Width::Bits32 => Root::Cluster(u32_at(&raw, 44)),
            _ => Root::Place { at: root_at * sector_bytes, bytes: root_bytes },
        };
        let table_bytes = table_sectors * sector_bytes;
        let entries = (table_bytes * 8 / width.bits()).saturating_sub(2);
        Ok(Some(Self {
            width,
            table_at: reserved * sector_bytes,
            table_bytes,
            root,
            data_at: data_at * sector_bytes,
            cluster_bytes: sector_bytes * per_cluster,
            // Numbers of clusters have at most 28 bits.
            clusters: clusters.min(entries).min(0x0fff_fff5) as u32,
        }))
    }

    pub(super) fn details(&self) -> String {
        format!("FAT{}, {} clusters of {} bytes", self.width.bits(), self.clusters, self.cluster_bytes)
    }
}
