//! A disk image as a place where files of a tar may be, for guesses by path. The disk image's own tables give the paths.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use regrow_disk::{Division, StretchKind, divide};
use regrow_index::Segment;

use super::folder::GuessedFiles;
use super::rooted::safe_path;
use super::{FileSeed, Seed};
use crate::coded::PlainFile;
use crate::ingest::sized;
use regrow_chunker::ChunkId;

/// The guess that files of the target are in a disk image.
pub(crate) struct DiskGuesses {
    file: PlainFile,
    /// The ranges of the plain image that make up each file.
    places: HashMap<PathBuf, Vec<Range<u64>>>,
    files: Arc<GuessedFiles>,
}

impl DiskGuesses {
    /// Looks into a seed that is a disk image. The result is `None` if the seed is none, or cannot be read.
    pub(crate) fn of(seed: &FileSeed, files: &Arc<GuessedFiles>) -> Option<Self> {
        let division = divide(&sized(seed.file()).ok()?, seed.scan().division?).ok()??;
        Some(Self { file: seed.plain_file()?, places: places_of(&division), files: Arc::clone(files) })
    }

    /// Appends bytes of a file.
    fn append(&self, places: &[Range<u64>], mut range: Range<u64>, out: &mut Vec<u8>) -> io::Result<()> {
        for place in places {
            let bytes = place.end - place.start;
            let now = range.start.min(bytes)..range.end.min(bytes);
            let start = out.len();
            out.resize(start + (now.end - now.start) as usize, 0);
            self.file.read_exact_at(&mut out[start..], place.start + now.start)?;
            range = range.start.saturating_sub(bytes)..range.end.saturating_sub(bytes);
        }
        if range.end > 0 { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }
}

/// The places of all files in the plain image.
fn places_of(division: &Division) -> HashMap<PathBuf, Vec<Range<u64>>> {
    let (mut ranges, mut at) = (vec![Vec::new(); division.files.len()], 0);
    for stretch in &division.stretches {
        if let StretchKind::File(number) = stretch.kind
            && let Some(ranges) = ranges.get_mut(number as usize)
        {
            ranges.push(at..at + stretch.bytes);
        }
        at += stretch.bytes;
    }
    let files = division.files.iter().zip(ranges).filter(|(_, ranges)| !ranges.is_empty());
    files.filter_map(|(file, ranges)| Some((safe_path(&file.path)?, ranges))).collect()
}

impl Seed for DiskGuesses {
    fn find(&self, _id: &ChunkId) -> Option<u64> {
        None
    }

    /// Reads a chunk. `place` is its offset in the target's contents stream.
    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        for (path, range) in self.files.of(place..place + len as u64) {
            self.append(self.places.get(path).ok_or(io::ErrorKind::NotFound)?, range, out)?;
        }
        if out.len() < len { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn segments(&self, _wanted: &mut dyn FnMut(Segment)) {}
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use regrow_disk::{DiskFile, DiskKind, DivisionRules, Stretch};

    use super::*;

    #[test]
    fn files_in_several_places_are_put_together() {
        let files = [b"a/b".to_vec(), b"../x".to_vec()].map(|path| DiskFile { path }).to_vec();
        let kinds = [StretchKind::System, StretchKind::File(0), StretchKind::File(1), StretchKind::File(0)];
        let stretches = kinds.map(|kind| Stretch { bytes: 1000, kind }).to_vec();
        let (details, pieces) = (String::new(), Vec::new());
        let places =
            places_of(&Division { kind: DiskKind::Ext, details, pieces, stretches, files, rules: DivisionRules::V5 });
        assert_eq!(places.len(), 1);
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..4000u32).map(|at| (at / 7) as u8).collect();
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
        let guesses = DiskGuesses { file: PlainFile::new(file, Vec::new()), places, files: Arc::default() };
        let of_file = [&bytes[1000..2000], &bytes[3000..]].concat();
        for range in [0..2000, 10..1990, 0..1000, 1000..2000, 1500..1501] {
            let mut out = Vec::new();
            guesses.append(&guesses.places[Path::new("a/b")], range.clone(), &mut out).unwrap();
            assert_eq!(out, of_file[range.start as usize..range.end as usize]);
        }
        guesses.append(&guesses.places[Path::new("a/b")], 1000..2001, &mut Vec::new()).unwrap_err();
    }
}
