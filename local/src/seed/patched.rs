//! What a patch yielded, as a seed: chunks that no other seed has, and the recipe that follows from the whole image.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use regrow_chunker::{ChunkId, Record};
use regrow_image::StreamKind;
use regrow_index::Segment;

use super::Seed;
use crate::LocalError;
use crate::scan::segments;

/// How much is written at a time.
const WRITE_BYTES: usize = 1 << 20;

/// See the module's documentation. Nothing in it is verified: who reads it does that.
pub struct PatchSeed {
    file: File,
    /// Where in the file chunks lie.
    places: HashMap<ChunkId, u64>,
    /// The recipe as far as it came.
    streams: [Vec<Record>; 2],
}

/// Gathers a [`PatchSeed`].
pub struct PatchSeedBuilder {
    file: BufWriter<File>,
    written: u64,
    places: HashMap<ChunkId, u64>,
    streams: [Vec<Record>; 2],
}

impl PatchSeedBuilder {
    /// The chunks go into a file without a name in `scratch`.
    pub fn new(scratch: &Path) -> Result<Self, LocalError> {
        let file = tempfile::tempfile_in(scratch).map_err(LocalError::io(scratch))?;
        let file = BufWriter::with_capacity(WRITE_BYTES, file);
        Ok(Self { file, written: 0, places: HashMap::new(), streams: Default::default() })
    }

    /// Takes in the next chunk of a stream; its bytes are kept if they `is_new`.
    pub fn push(&mut self, stream: StreamKind, record: Record, bytes: &[u8], is_new: bool) -> io::Result<()> {
        self.streams[usize::from(stream == StreamKind::Contents)].push(record);
        if is_new && !self.places.contains_key(&record.id) {
            self.file.write_all(bytes)?;
            self.places.insert(record.id, self.written);
            self.written += bytes.len() as u64;
        }
        Ok(())
    }

    /// The seed, complete.
    pub fn finish(self) -> Result<PatchSeed, LocalError> {
        let file = self.file.into_inner().map_err(|error| LocalError::io("temporary file")(error.into_error()))?;
        Ok(PatchSeed { file, places: self.places, streams: self.streams })
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
        self.streams.iter().for_each(|records| segments(records).for_each(&mut *wanted));
    }
}
