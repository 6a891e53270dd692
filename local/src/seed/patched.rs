//! The image from a patch as a seed: the chunks that no other seed has, and the recipe that follows from the whole
//! image.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use regrow_chunker::{ChunkId, Record};
use regrow_image::{ImagePart, StreamKind};
use regrow_index::Segment;

use super::Seed;
use crate::LocalError;
use crate::scan::UnitRecipes;

/// The number of bytes that are written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// The image from a patch as a seed. Its bytes are not verified yet; the caller must do that.
pub struct PatchSeed {
    file: File,
    /// The offsets of the chunks in the file.
    places: HashMap<ChunkId, u64>,
    /// The recipe, as far as the image was made.
    streams: [Vec<Record>; 2],
    /// The parts of the image, if it has any and was made to its end.
    parts: Vec<ImagePart>,
}

impl PatchSeed {
    /// The recipe by units, as far as the image was made. Without its end, everything counts as the wrapper's.
    pub fn unit_recipes(&self) -> UnitRecipes<'_> {
        let [skeleton, contents] = &self.streams;
        UnitRecipes::new(skeleton, contents, &self.parts)
    }
}

/// Gathers a [`PatchSeed`].
pub struct PatchSeedBuilder {
    file: BufWriter<File>,
    written: u64,
    places: HashMap<ChunkId, u64>,
    streams: [Vec<Record>; 2],
}

impl PatchSeedBuilder {
    /// Begins with no chunks. They will go to a file without a name in `scratch`.
    pub fn new(scratch: &Path) -> Result<Self, LocalError> {
        let file = tempfile::tempfile_in(scratch).map_err(LocalError::io(scratch))?;
        let file = BufWriter::with_capacity(WRITE_BYTES, file);
        Ok(Self { file, written: 0, places: HashMap::new(), streams: Default::default() })
    }

    /// Adds the next chunk of a stream. Its bytes are kept if they are new (`is_new`).
    pub fn push(&mut self, stream: StreamKind, record: Record, bytes: &[u8], is_new: bool) -> io::Result<()> {
        self.streams[usize::from(stream == StreamKind::Contents)].push(record);
        if is_new && !self.places.contains_key(&record.id) {
            self.file.write_all(bytes)?;
            self.places.insert(record.id, self.written);
            self.written += bytes.len() as u64;
        }
        Ok(())
    }

    /// Completes the seed. `parts` are those of the image, or none if the image was not made to its end.
    pub fn finish(self, parts: Vec<ImagePart>) -> Result<PatchSeed, LocalError> {
        let file = self.file.into_inner().map_err(|error| LocalError::io("temporary file")(error.into_error()))?;
        Ok(PatchSeed { file, places: self.places, streams: self.streams, parts })
    }
}

impl Seed for PatchSeed {
    fn find(&self, id: &ChunkId) -> Option<u64> {
        self.places.get(id).copied()
    }

    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        out.resize(len, 0);
        self.file.read_exact_at(out, place)
    }

    fn segments(&self, wanted: &mut dyn FnMut(Segment)) {
        self.unit_recipes().all_segments().for_each(wanted);
    }
}
