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
use crate::nested::{self, Run, Source};
use crate::pieces::{Block, Blocks};
use crate::{DiskError, DiskFile, DiskKind, Divided, Division, DivisionRules, ReadAt};

use metadata::Tables;
use superblock::{Compressor, Superblock};
use walk::{FileData, Walk};

/// The bit of a data block's size that says that it is not compressed. The bits below it are the size.
const UNCOMPRESSED: u32 = 1 << 24;
/// The bytes of an entry of the table of fragment blocks.
const FRAGMENT_BYTES: usize = 16;

/// The files that are described for people because they are disk images.
const MAX_DESCRIBED: usize = 4;

/// Divides an image of squashfs, and by `inner` those of its files that are disk images. `None` stands for an image that
/// is none.
pub(crate) fn divide(image: &dyn ReadAt, rules: DivisionRules, inner: impl Fn(&dyn ReadAt) -> Divided) -> Divided {
    let input = Input::new(image, DiskKind::Squashfs);
    let Some(superblock) = Superblock::read(&input)? else { return Ok(None) };
    let tables = Tables::read(&input, &superblock)?;
    let mut walk = Walk::new(&input, &superblock, &tables);
    walk.all()?;
    let Walk { names, files: walked, .. } = walk;
    let data = Data::new(&input, &superblock, &tables.fragments, &walked)?;
    let mut blocks = tables.blocks;
    data.blocks(&walked, &mut blocks)?;
    let since = rules_of_blocks(&superblock, &blocks);
    if rules < since {
        return Err(input.unsupported("lzo compression"));
    }
    let blocks = Blocks::new(&input, blocks)?;
    let (list, details) = (names.into_files(image.most_bytes())?, superblock.details());
    let mut files = Files { list, details, described: 0, rules: since };
    let mut claims = Claims::new(DiskKind::Squashfs, blocks.plain_bytes());
    for (number, file) in walked.iter().enumerate() {
        let runs = data.runs(file, &blocks)?;
        claims.begin_file(file.bytes);
        match files.nested(number, &nested::File::new(image, file.bytes, &runs), &inner)? {
            Some((division, before)) => nested::claim(&mut claims, &runs, &division, before)?,
            None => runs.iter().try_for_each(|run| claims.push_file(run.at, run.plain_at, run.bytes))?,
        }
    }
    claims.give_runs(&mut files.list[..walked.len()]);
    Ok(Some(Division {
        kind: DiskKind::Squashfs,
        details: files.details,
        pieces: blocks.pieces(superblock.compressor.codec()),
        stretches: claims.into_stretches().finish(),
        files: files.list,
        rules: files.rules,
        tree: None,
    }))
}

/// The first rules by which an image with these blocks is divided.
fn rules_of_blocks(superblock: &Superblock, blocks: &[Block]) -> DivisionRules {
    match superblock.compressor {
        Compressor::Lzo if !blocks.is_empty() => DivisionRules::V6,
        _ => DivisionRules::V5,
    }
}

/// The files, and what is said of them.
struct Files {
    list: Vec<DiskFile>,
    details: String,
    /// The files that are described because they are disk images.
    described: usize,
    /// The first rules by which all of them are divided so.
    rules: DivisionRules,
}

impl Files {
    /// The division of a file that is a disk image, and the number of its first file.
    fn nested(
        &mut self,
        number: usize,
        file: &nested::File<'_>,
        inner: impl Fn(&dyn ReadAt) -> Divided,
    ) -> Result<Option<(Division, u32)>, DiskError> {
        let path = self.list[number].path.clone();
        if file.bytes() < nested::MIN_BYTES || path.len() > nested::MAX_PATH_BYTES {
            return Ok(None);
        }
        let (Some(division), Ok(before)) = (file.divided(inner)?, u32::try_from(self.list.len())) else {
            return Ok(None);
        };
        self.list.extend(nested::files(&path, &division, file.runs()));
        self.rules = self.rules.max(division.rules);
        self.described += 1;
        if self.described <= MAX_DESCRIBED {
            self.details += &nested::described(&path, &division);
        }
        Ok(Some((division, before)))
    }
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

    /// Calls `with` for each data block of a file that is no hole, with its place in the file.
    fn each(
        &self,
        file: &FileData,
        mut with: impl FnMut(u64, Stored) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
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
            with(file.bytes - left - u64::from(plain_bytes), stored)?;
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
            self.each(file, |_, stored| {
                gather(stored);
                Ok(())
            })?;
        }
        self.fragments.iter().copied().for_each(gather);
        Ok(())
    }

    /// Where a file's bytes are: its data blocks, then its end.
    fn runs(&self, file: &FileData, blocks: &Blocks) -> Result<Vec<Run>, DiskError> {
        let mut runs = Vec::new();
        let mut add = |at: u64, stored: Stored, from: u32, bytes: u32| {
            let known = stored.is_compressed || blocks.is_plain(stored.at, stored.bytes);
            let source = match stored {
                _ if !known => return Err(self.input.damaged("compressed blocks that overlap")),
                Stored { at, bytes, plain_bytes, is_compressed: true } => {
                    let codec = self.superblock.compressor.codec();
                    Source::Block { at, bytes, plain_bytes, codec, from: from as usize }
                }
                Stored { at, .. } => Source::Image(at + u64::from(from)),
            };
            let plain_at = blocks.plain_at(stored.at) + u64::from(from);
            runs.push(Run { at, bytes: bytes.into(), plain_at, source });
            Ok(())
        };
        self.each(file, |at, stored| add(at, stored, 0, stored.plain_bytes))?;
        if let Some(tail) = file.tail {
            let stored = self.fragments[tail.fragment as usize];
            add(file.bytes - u64::from(tail.bytes), stored, tail.offset, tail.bytes)?;
        }
        Ok(runs)
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
