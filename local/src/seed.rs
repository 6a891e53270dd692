//! Seeds: local files and folders that hold wanted bytes.

mod beside;
mod disk;
mod file;
mod folder;
mod gather;
mod held;
pub(crate) mod layer;
pub(crate) mod layered;
mod patched;
mod pipe;
mod places;
pub(crate) mod rooted;
pub(crate) mod roots;
mod stored;

use std::ops::Range;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use regrow_catalog::Catalog;
use regrow_chunker::{ChunkId, Params, Record, VerifiedBuffer};
use regrow_image::WalkRules;
use regrow_index::Segment;

use disk::DiskGuesses;
pub use file::FileSeed;
pub use folder::{FolderSeed, GuessedFiles};
pub use held::coding_from_base;
pub use patched::{PatchSeed, PatchSeedBuilder};
pub use stored::StoredPart;

use crate::coded::{CodedBlocks, Starts};
use crate::pool::Pool;
use crate::{LocalError, Progress};

/// On which side of a chunk something is looked for, in the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Directly before it.
    Before,
    /// Directly behind it.
    Behind,
}

/// A source of chunks on this machine. The caller must verify the bytes that it gives.
pub trait Seed: Send + Sync {
    /// The place of this chunk, in the seed's own terms.
    fn find(&self, id: &ChunkId) -> Option<u64>;

    /// The place of this chunk, if it lies right behind `len` bytes at a place. Images that follow one another have most
    /// chunks in the same order, and this is found with less searching.
    fn find_behind(&self, _place: u64, _len: u32, _id: &ChunkId) -> Option<u64> {
        None
    }

    /// Replaces `out` by `len` bytes from `place`, which came from [`Seed::find`].
    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> std::io::Result<()>;

    /// Replaces `out` by the stretches of the seed's plain image that are the `len` bytes at a place, end to end. The result
    /// is `false` if the seed has no plain image, or if the place is not in it.
    fn stretches(&self, _place: u64, _len: usize, _out: &mut Vec<Range<u64>>) -> bool {
        false
    }

    /// Fills `out` with bytes of the seed's plain image from `at` on, for seeds that have [`Seed::stretches`].
    fn read_plain(&self, _at: u64, _out: &mut [u8]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// The places where `wanted` bytes may lie beside a chunk of `known` bytes that the seed has at `place`, the likeliest
    /// first. Only reading tells whether they lie there.
    fn beside(&self, place: u64, known: u32, side: Side, wanted: u32) -> Vec<u64> {
        let _ = (place, known, side, wanted);
        Vec::new()
    }

    /// Passes on the recipe segments that follow from the seed's contents.
    fn segments(&self, wanted: &mut dyn FnMut(Segment));

    /// The digest of the seed as an image, if it is one file.
    fn digest(&self) -> Option<[u8; 32]> {
        None
    }

    /// The seed as an image, if it is one file.
    fn as_file(&self) -> Option<&FileSeed> {
        None
    }
}

/// Everything that is needed to open seeds.
pub struct SeedContext<'a> {
    /// The rules by which seeds are split.
    pub rules: WalkRules,
    /// The parameters for cutting seeds.
    pub params: Params,
    /// The workers that hash.
    pub pool: &'a Pool,
    /// The catalog, which remembers the contents of seeds.
    pub catalog: Option<&'a Catalog>,
    /// The receiver of progress.
    pub progress: &'a dyn Progress,
    /// A folder for the bytes of seeds that can be read only once.
    pub scratch: &'a Path,
    /// Whether gzip files in a seed are read in uncompressed form, as make would do.
    pub unfolds: bool,
    /// A function that is called before a seed is read through.
    pub on_scan: &'a dyn Fn(),
}

/// The seeds of a run. Folders are separate, since their use also depends on the paths in the target.
#[derive(Default)]
pub struct Seeds {
    /// All seeds, in the order in which they are searched.
    pub seeds: Vec<Box<dyn Seed>>,
    /// The folders, whose small files are found by path.
    pub folders: Vec<FolderSeed>,
    /// The positions of the seeds that guess by path. Only reading tells whether they hold a chunk.
    pub guesses: Vec<u32>,
    /// The position of the seed that a patch yielded.
    pub patched: Option<u32>,
}

impl Seeds {
    /// Opens a seed by its path: a folder, a file, a device or a pipe.
    pub fn open(&mut self, path: &Path, context: &SeedContext<'_>) -> Result<(), LocalError> {
        let kind = path.metadata().map_err(LocalError::io(path))?.file_type();
        if kind.is_fifo() {
            let file = pipe::spooled(path, context)?;
            self.seeds.push(Box::new(FileSeed::of_file(file, path, &SeedContext { catalog: None, ..*context })?));
            return Ok(());
        }
        if !(kind.is_file() || kind.is_dir() || kind.is_block_device()) {
            let reason = "a seed is a file, a folder, a block device or a pipe";
            return Err(LocalError::Usage(format!("{}: {reason}", path.display())));
        }
        if path.is_dir() {
            let (folder, large, archives) = FolderSeed::open(path, context)?;
            self.folders.push(folder);
            self.seeds.push(Box::new(large));
            self.seeds.extend(archives.into_iter().map(|archive| Box::new(archive) as _));
        } else {
            self.seeds.push(Box::new(FileSeed::open(path, context)?));
        }
        Ok(())
    }

    /// Whether some seed may have files of an image by their paths: a folder, or a disk image that is divided.
    #[must_use]
    pub fn guess_by_path(&self) -> bool {
        let is_divided = |seed: &dyn Seed| seed.as_file().is_some_and(|file| file.scan().division.is_some());
        !self.folders.is_empty() || self.seeds.iter().any(|seed| is_divided(&**seed))
    }

    /// Adds, for each folder and each disk image, guesses where it has files of an image. Returns how many of 1,000 files
    /// of the image each folder has, by their names and sizes.
    pub fn add_guesses(&mut self, files: GuessedFiles) -> Vec<usize> {
        let (files, mut shares) = (Arc::new(files), Vec::new());
        for folder in &self.folders {
            let (guesses, share) = folder.guesses(&files);
            shares.push(share);
            for guess in guesses {
                self.guesses.push(self.seeds.len() as u32);
                self.seeds.push(Box::new(guess));
            }
        }
        let disks = self.seeds.iter().filter_map(|seed| DiskGuesses::of(seed.as_file()?, &files));
        for disk in disks.collect::<Vec<_>>() {
            self.guesses.push(self.seeds.len() as u32);
            self.seeds.push(Box::new(disk));
        }
        shares
    }

    /// The compressed blocks of disk images among the seeds, if there are any.
    #[must_use]
    pub fn coded_blocks(&self) -> Option<Arc<CodedBlocks>> {
        let mut blocks = CodedBlocks::default();
        for seed in self.seeds.iter().filter_map(|seed| seed.as_file()) {
            for unfolded in &seed.scan().unfolded {
                if let Starts::Blocks(places) = &unfolded.starts
                    && let Some(file) = seed.coded_file().and_then(|file| file.try_clone().ok())
                {
                    blocks.add(file, unfolded.stored.start, places);
                }
            }
        }
        (!blocks.is_empty()).then(|| Arc::new(blocks))
    }

    /// The first seed that has a chunk, and its place there.
    pub fn find(&self, id: &ChunkId) -> Option<(u32, u64)> {
        let mut numbered = (0..).zip(&self.seeds);
        numbered.find_map(|(number, seed)| seed.find(id).map(|place| (number, place)))
    }

    /// A seed that has a chunk, and its place there: right behind another chunk of this length, if it is there, and else
    /// as in [`Seeds::find`].
    pub fn find_behind(&self, last: Option<((u32, u64), u32)>, id: &ChunkId) -> Option<(u32, u64)> {
        let behind = last.and_then(|((seed, place), len)| {
            let found = self.seeds.get(seed as usize)?.find_behind(place, len, id)?;
            Some((seed, found))
        });
        behind.or_else(|| self.find(id))
    }

    /// The stretches of a seed's plain image that are a chunk, as in [`Seed::stretches`].
    pub fn stretches(&self, (seed, place): (u32, u64), len: usize, out: &mut Vec<Range<u64>>) -> bool {
        self.seeds.get(seed as usize).is_some_and(|seed| seed.stretches(place, len, out))
    }

    /// Fills `out` with bytes of a seed's plain image from `at` on. Nothing of them is verified.
    ///
    /// # Errors
    /// The seed cannot be read, or has no plain image.
    pub fn read_plain(&self, seed: u32, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.seeds.get(seed as usize).ok_or(std::io::ErrorKind::NotFound)?.read_plain(at, out)
    }

    /// Reads a chunk from beside another one of `known` bytes that a seed has, and verifies it. The result is its place,
    /// if it lies there.
    pub fn read_beside(
        &self,
        (seed, place): (u32, u64),
        known: u32,
        side: Side,
        record: &Record,
        out: &mut VerifiedBuffer,
    ) -> Option<(u32, u64)> {
        let beside = self.seeds.get(seed as usize)?;
        let places = beside.beside(place, known, side, record.len);
        let mut read = |place| out.read_chunk(&record.id, |bytes| beside.read(place, record.len as usize, bytes));
        places.into_iter().find(|&place| read(place)).map(|place| (seed, place))
    }

    /// Reads a chunk from a seed into `out`, and verifies it. Where that seed does not give it now, others that have it
    /// are tried. The result is `false` if none gives it.
    pub fn read(&self, (seed, place): (u32, u64), record: &Record, out: &mut VerifiedBuffer) -> bool {
        let mut read =
            |seed: &dyn Seed, place| out.read_chunk(&record.id, |bytes| seed.read(place, record.len as usize, bytes));
        let number = seed as usize;
        if self.seeds.get(number).is_some_and(|seed| read(&**seed, place)) {
            return true;
        }
        let others = self.seeds.iter().enumerate().filter(|(other, _)| *other != number);
        others.into_iter().any(|(_, seed)| seed.find(&record.id).is_some_and(|place| read(&**seed, place)))
    }
}

/// The positions of `count` items, sorted by the items' ids for binary search. Each takes 4 bytes.
pub fn sorted_by_id(count: usize, id: impl Fn(usize) -> ChunkId) -> Vec<u32> {
    // A u32 is enough, since 2^32 chunks of at least 64 bytes would need an index far over its limit.
    let mut sorted: Vec<u32> = (0..count as u32).collect();
    sorted.sort_unstable_by_key(|&number| id(number as usize));
    sorted
}

/// The first position in `sorted` whose item has this id. The search does not step through equal ids, since an
/// image of zeros has one chunk a million times.
pub fn first_with_id(sorted: &[u32], wanted: &ChunkId, id: impl Fn(usize) -> ChunkId) -> Option<u32> {
    let first = sorted.partition_point(|&number| id(number as usize) < *wanted);
    sorted.get(first).copied().filter(|&number| id(number as usize) == *wanted)
}
