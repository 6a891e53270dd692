//! squashfs 4.0. docs/format/disk.md, section 5.
//!
//! The tables are decoded, and the directories read from the top. They give each file's data blocks, whose sizes are in
//! its inode, and the place of its end in a fragment block. Blocks are not decoded: sizes say what they hold.

mod inode;
mod metadata;
mod superblock;
mod walk;

use crate::claims::Claims;
use crate::input::{Input, u32_at, u64_at};
use crate::pieces::{Block, Blocks};
use crate::{DiskError, DiskKind, Division, ReadAt, StretchKind};

use metadata::Tables;
use superblock::{Compressor, Superblock};
use walk::{FileData, Walk};

/// The bit of a data block's size that says that it is not compressed. The bits below it are the size.
const UNCOMPRESSED: u32 = 1 << 24;
/// The bytes of an entry of the table of fragment blocks.
const FRAGMENT_BYTES: usize = 16;

/// Divides an image of squashfs. `None` stands for an image that is none.
pub(crate) fn divide(image: &dyn ReadAt) -> Result<Option<Division>, DiskError> {
    let input = Input::new(image, DiskKind::Squashfs);
    let Some(superblock) = Superblock::read(&input)? else { return Ok(None) };
    let tables = Tables::read(&input, &superblock)?;
    let mut walk = Walk::new(&input, &superblock, &tables);
    walk.all()?;
    let Walk { names, files, .. } = walk;
    let data = Data::new(&input, &superblock, &tables.fragments, &files)?;
    let mut blocks = tables.blocks;
    data.blocks(&files, &mut blocks)?;
    let blocks = Blocks::new(&input, blocks)?;
    let stretches = data.claims(&files, &blocks)?.into_stretches().finish();
    let pieces = blocks.pieces(superblock.compressor.codec());
    let files = names.into_files(image.bytes())?;
    Ok(Some(Division { kind: DiskKind::Squashfs, details: superblock.details(), pieces, stretches, files }))
}

/// Data blocks and fragment blocks.
struct Data<'i> {
    input: &'i Input<'i>,
    superblock: &'i Superblock,
    fragments: Vec<Stored>,
}

/// A block as it is stored.
#[derive(Debug, Clone, Copy)]
struct Stored {
    at: u64,
    bytes: u64,
    plain_bytes: u32,
    is_compressed: bool,
}

impl<'i> Data<'i> {
    /// Reads the table of fragment blocks. Each holds as much as the files' ends in it take.
    fn new(
        input: &'i Input<'i>,
        superblock: &'i Superblock,
        table: &[u8],
        files: &[FileData],
    ) -> Result<Self, DiskError> {
        let mut data = Self { input, superblock, fragments: Vec::new() };
        let mut ends = vec![0u32; table.len() / FRAGMENT_BYTES];
        for tail in files.iter().filter_map(|file| file.tail) {
            let end = tail.offset.checked_add(tail.bytes).filter(|&end| end <= superblock.block_bytes);
            let known = ends.get_mut(tail.fragment as usize);
            let (Some(end), Some(known)) = (end, known) else {
                return Err(input.damaged("a file's end in a fragment block"));
            };
            *known = end.max(*known);
        }
        for (entry, plain_bytes) in table.chunks_exact(FRAGMENT_BYTES).zip(ends) {
            let stored = data.stored(u64_at(entry, 0), u32_at(entry, 8), plain_bytes)?;
            data.fragments.push(stored);
        }
        Ok(data)
    }

    /// A block whose size is given as in an inode. A block of a fragment may hold more than what its files take.
    fn stored(&self, at: u64, size: u32, plain_bytes: u32) -> Result<Stored, DiskError> {
        let (bytes, is_compressed) = (size & (UNCOMPRESSED - 1), size & UNCOMPRESSED == 0);
        let end = at.checked_add(bytes.into()).filter(|&end| end <= self.superblock.bytes_used);
        if end.is_none() || bytes > self.superblock.block_bytes || !is_compressed && bytes < plain_bytes {
            return Err(self.input.damaged("the size of a block"));
        }
        Ok(Stored { at, bytes: bytes.into(), plain_bytes, is_compressed })
    }

    /// Calls `with` for each data block of a file that is no hole. Another argument is the file's bytes before it.
    fn each(&self, file: &FileData, mut with: impl FnMut(Stored) -> Result<(), DiskError>) -> Result<(), DiskError> {
        let (mut at, mut left) = (file.start, file.bytes);
        for &size in &file.sizes {
            let plain_bytes = left.min(self.superblock.block_bytes.into()) as u32;
            left -= u64::from(plain_bytes);
            if size & !UNCOMPRESSED == 0 {
                continue;
            }
            let stored = self.stored(at, size, plain_bytes)?;
            if !stored.is_compressed && stored.bytes != plain_bytes.into() {
                return Err(self.input.damaged("the size of a block"));
            }
            with(stored)?;
            at += stored.bytes;
        }
        Ok(())
    }

    /// Gathers the compressed blocks. A fragment block that no file has a part of is not taken for one.
    fn blocks(&self, files: &[FileData], blocks: &mut Vec<Block>) -> Result<(), DiskError> {
        let mut gather = |stored: Stored| {
            let Stored { at, bytes, plain_bytes, .. } = stored;
            blocks.extend((stored.is_compressed && plain_bytes > 0).then_some(Block { at, bytes, plain_bytes }));
        };
        for file in files {
            self.each(file, |stored| {
                gather(stored);
                Ok(())
            })?;
        }
        self.fragments.iter().copied().for_each(gather);
        Ok(())
    }

    /// What each file claims of the plain image: its data blocks, then its end.
    fn claims(&self, files: &[FileData], blocks: &Blocks) -> Result<Claims, DiskError> {
        let mut claims = Claims::new(DiskKind::Squashfs, blocks.plain_bytes());
        let checked = |stored: Stored| {
            let known = stored.is_compressed || blocks.is_plain(stored.at, stored.bytes);
            known
                .then(|| blocks.plain_at(stored.at))
                .ok_or_else(|| self.input.damaged("compressed blocks that overlap"))
        };
        for (number, file) in files.iter().enumerate() {
            // There are no more files than names.
            let kind = StretchKind::File(number as u32);
            self.each(file, |stored| claims.push(checked(stored)?, stored.plain_bytes.into(), kind))?;
            if let Some(tail) = file.tail {
                let stored = self.fragments[tail.fragment as usize];
                claims.push(checked(stored)? + u64::from(tail.offset), tail.bytes.into(), kind)?;
            }
        }
        Ok(claims)
    }
}

impl Compressor {
    fn codec(self) -> crate::BlockCodec {
        match self {
            Self::Gzip => crate::BlockCodec::Zlib,
            Self::Lzo => crate::BlockCodec::Lzo,
            Self::Xz => crate::BlockCodec::Xz,
            Self::Lz4 => crate::BlockCodec::Lz4,
            Self::Zstd => crate::BlockCodec::Zstd,
        }
    }
}
