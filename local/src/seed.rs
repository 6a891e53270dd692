//! Seeds: local things that hold wanted bytes.

mod file;
mod folder;
mod gather;
mod patched;
mod pipe;
mod rooted;

use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use regrow_catalog::Catalog;
use regrow_chunker::{ChunkId, Params, Record};
use regrow_index::Segment;

pub use file::FileSeed;
pub use folder::{FolderSeed, GuessedFiles};
pub use patched::{PatchSeed, PatchSeedBuilder};

use crate::pool::Pool;
use crate::{LocalError, Progress};

/// Something that chunks are read from. What it gives is verified by who asks.
pub trait Seed: Send + Sync {
    /// Where it has this chunk, in terms of its own.
    fn find(&self, id: &ChunkId) -> Option<u64>;

    /// Replaces `out` by `len` bytes from `place`, which `find` gave.
    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> std::io::Result<()>;

    /// Recipe segments that follow from what it holds.
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

/// What opening seeds needs.
pub struct SeedContext<'a> {
    /// How seeds are cut.
    pub params: Params,
    /// The workers that hash.
    pub pool: &'a Pool,
    /// Remembers what seeds hold.
    pub catalog: Option<&'a Catalog>,
    /// Is told of progress.
    pub progress: &'a dyn Progress,
    /// A folder for the bytes of seeds that can be read only once.
    pub scratch: &'a Path,
    /// Gzip files in a seed are read as what they hold, as make would do.
    pub unfolds: bool,
    /// Is called before a seed is read through.
    pub on_scan: &'a dyn Fn(),
}

/// The seeds of a run. Folders are apart, since what they hold follows from the target's paths too.
#[derive(Default)]
pub struct Seeds {
    /// All seeds, in the order in which they are asked.
    pub seeds: Vec<Box<dyn Seed>>,
    /// Folders, whose small files are found by path.
    pub folders: Vec<FolderSeed>,
    /// Which seeds are guesses by path: they hold a chunk or not, only a look tells.
    pub guesses: Vec<u32>,
    /// Which seed a patch yielded.
    pub patched: Option<u32>,
}

impl Seeds {
    /// Opens what `path` names: a folder, a file, a device or a pipe.
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
            let (folder, large) = FolderSeed::open(path, context)?;
            self.folders.push(folder);
            self.seeds.push(Box::new(large));
        } else {
            self.seeds.push(Box::new(FileSeed::open(path, context)?));
        }
        Ok(())
    }

    /// What folders may have of an image with these files.
    pub fn add_guesses(&mut self, files: GuessedFiles) {
        let files = Arc::new(files);
        for folder in &self.folders {
            self.guesses.push(self.seeds.len() as u32);
            self.seeds.push(Box::new(folder.guesses(&files)));
        }
    }

    /// The first seed that has a chunk, and where.
    pub fn find(&self, id: &ChunkId) -> Option<(u32, u64)> {
        let mut numbered = (0..).zip(&self.seeds);
        numbered.find_map(|(number, seed)| seed.find(id).map(|place| (number, place)))
    }

    /// Reads a chunk from a seed into `out`. `false` if the seed does not give it, now.
    pub fn read(&self, (seed, place): (u32, u64), record: &Record, out: &mut Vec<u8>) -> bool {
        let Some(seed) = self.seeds.get(seed as usize) else { return false };
        seed.read(place, record.len as usize, out).is_ok() && ChunkId::of(out) == record.id
    }
}

/// Numbers of `count` things, sorted by their ids, for binary search: 4 bytes a thing.
pub fn sorted_by_id(count: usize, id: impl Fn(usize) -> ChunkId) -> Vec<u32> {
    // Chunks are counted in u32: 2^32 of at least 64 bytes would need an index far over its limit.
    let mut sorted: Vec<u32> = (0..count as u32).collect();
    sorted.sort_unstable_by_key(|&number| id(number as usize));
    sorted
}

/// A number in `sorted` that has this id. Not by way of all of them: an image of zeros has one chunk a million times.
pub fn first_with_id(sorted: &[u32], wanted: &ChunkId, id: impl Fn(usize) -> ChunkId) -> Option<u32> {
    let first = sorted.partition_point(|&number| id(number as usize) < *wanted);
    sorted.get(first).copied().filter(|&number| id(number as usize) == *wanted)
}
