//! Inodes.

use crate::input::{u16_at, u32_at};

const FLAG_COMPRESSED: u32 = 0x4;
const FLAG_ENCRYPTED: u32 = 0x800;
const FLAG_EXTENTS: u32 = 0x8_0000;
/// The bytes of `i_block`: a map's beginning, or a link's target.
const MAP_BYTES: usize = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Regular,
    Directory,
    /// A symbolic link whose target lies in a block.
    LongLink,
    Other,
}

/// What matters of an inode.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) file_type: FileType,
    pub(super) bytes: u64,
    flags: u32,
    /// The block of extended attributes, if there is one.
    pub(super) attributes: Option<u64>,
    /// The beginning of the map of blocks.
    pub(super) map: [u8; MAP_BYTES],
}

impl Inode {
    pub(super) fn read(raw: &[u8]) -> Self {
        let low = u32_at(raw, 4);
        let mut map = [0; MAP_BYTES];
        map.iter_mut().zip(raw.iter().skip(40)).for_each(|(to, &from)| *to = from);
        let file_type = match u16_at(raw, 0) >> 12 {
            0x8 => FileType::Regular,
            0x4 => FileType::Directory,
            0xa if low as usize >= MAP_BYTES => FileType::LongLink,
            _ => FileType::Other,
        };
        // Links and directories of the first revision have something else here.
        let high = if file_type == FileType::Regular { u32_at(raw, 108) } else { 0 };
        let attributes = u64::from(u16_at(raw, 118)) << 32 | u64::from(u32_at(raw, 104));
        Self {
            file_type,
            bytes: u64::from(high) << 32 | u64::from(low),
            flags: u32_at(raw, 32),
            attributes: (attributes > 0).then_some(attributes),
            map,
        }
    }

    /// Whether the map is a tree of extents. Otherwise it is a list of blocks.
    pub(super) fn has_extents(&self) -> bool {
        self.flags & FLAG_EXTENTS != 0
    }

    /// Checks that a directory's names can be read. The error names the feature.
    pub(super) fn check_directory(&self) -> Result<(), &'static str> {
        match self.flags {
            flags if flags & FLAG_ENCRYPTED != 0 => Err("encrypt"),
            flags if flags & FLAG_COMPRESSED != 0 => Err("compression"),
            _ => Ok(()),
        }
    }
}
