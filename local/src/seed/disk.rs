//! A disk image as a place where files of a tar may be, for guesses by path. The disk image's own tables give the paths.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use regrow_index::Segment;

use super::folder::GuessedFiles;
use super::gather::gather;
use super::rooted::safe_path;
use super::{FileSeed, Seed};
use crate::coded::PlainFile;
use crate::disk_files::DiskFiles;
use regrow_chunker::ChunkId;

/// The guess that files of the target are in a disk image.
pub(crate) struct DiskGuesses {
    file: PlainFile,
    /// The numbers of the files by their paths.
    numbers: HashMap<PathBuf, usize>,
    files: DiskFiles,
    guessed: Arc<GuessedFiles>,
}

impl DiskGuesses {
    /// Looks into a seed that is a disk image. The result is `None` if the seed is none, or cannot be read.
    pub(crate) fn of(seed: &FileSeed, guessed: &Arc<GuessedFiles>) -> Option<Self> {
        let division = seed.division()?;
        let paths = division.files.iter().enumerate();
        let numbers = paths.filter_map(|(number, file)| Some((safe_path(&file.path)?, number))).collect();
        let (file, files, guessed) = (seed.plain_file()?, DiskFiles::of(&division), Arc::clone(guessed));
        Some(Self { file, numbers, files, guessed })
    }
}

impl Seed for DiskGuesses {
    fn find(&self, _id: &ChunkId) -> Option<u64> {
        None
    }

    /// Reads a chunk. `place` is its offset in the target's contents stream.
    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        let mut parts = Vec::new();
        for (path, range) in self.guessed.of(place..place + len as u64) {
            let file = self.numbers.get(path).and_then(|&number| self.files.all().get(number));
            let file = file.filter(|file| range.end <= file.bytes).ok_or(io::ErrorKind::NotFound)?;
            parts.extend(file.parts(range));
        }
        gather(|buffer, at| self.file.read_exact_at(buffer, at), parts.into_iter(), out)?;
        if out.len() < len { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn segments(&self, _wanted: &mut dyn FnMut(Segment)) {}
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use regrow_disk::{DiskFile, DiskKind, Division, DivisionRules, FileRun, Stretch, StretchKind};
    use regrow_image::{Stated, TreeEntry};

    use super::*;

    /// The guesses in an image of 4,000 bytes whose files lie so.
    fn guesses(runs: Vec<FileRun>, bytes: u64) -> (DiskGuesses, Vec<u8>) {
        let file = |path: &[u8], bytes, runs| DiskFile { path: path.to_vec(), bytes, runs };
        let files = vec![file(b"a/b", bytes, runs), file(b"../x", 0, Vec::new())];
        let kinds = [StretchKind::System, StretchKind::File(0), StretchKind::File(1), StretchKind::File(0)];
        let stretches = kinds.map(|kind| Stretch { bytes: 1000, kind }).to_vec();
        let (details, pieces) = (String::new(), Vec::new());
        let division =
            Division { kind: DiskKind::Ext, details, pieces, stretches, files, rules: DivisionRules::V5, tree: None };
        let image = tempfile::tempfile().unwrap();
        let plain: Vec<u8> = (0..4000u32).map(|at| (at / 7) as u8).collect();
        std::os::unix::fs::FileExt::write_all_at(&image, &plain, 0).unwrap();
        let mut guessed = GuessedFiles::default();
        guessed.add(&TreeEntry {
            archive: None,
            path: Some(b"a/b".to_vec()),
            type_flag: b'0',
            contents: 100..4100,
            skeleton_bytes: 0,
            stated: Stated::default(),
            is_coded: false,
        });
        let numbers = [(Path::new("a/b").to_owned(), 0)].into();
        let (file, files) = (PlainFile::new(image, Vec::new()), DiskFiles::of(&division));
        (DiskGuesses { file, numbers, files, guessed: Arc::new(guessed) }, plain)
    }

    fn check(guesses: &DiskGuesses, of_file: &[u8]) {
        let (bytes, mut out) = (of_file.len() as u64, Vec::new());
        for range in [0..bytes, 10..bytes - 10, 0..1000, 999..1001, 1000..2000, 1500..1501] {
            guesses.read(100 + range.start, (range.end - range.start) as usize, &mut out).unwrap();
            assert_eq!(out, of_file[range.start as usize..range.end as usize], "{range:?}");
        }
        guesses.read(100 + bytes - 1, 2, &mut out).unwrap_err();
    }

    #[test]
    fn files_in_several_places_are_put_together() {
        let (guesses, image) = guesses(Vec::new(), 0);
        check(&guesses, &[&image[1000..2000], &image[3000..]].concat());
    }

    /// The runs of a file say more than its stretches: their order in it, and its holes.
    #[test]
    fn files_with_holes_have_zeros_there() {
        let run = |file_at, plain_at, bytes| FileRun { file_at, plain_at, bytes };
        let (guesses, image) = guesses(vec![run(0, 3500, 500), run(1000, 1000, 200), run(1200, 2000, 9)], 2500);
        let holes = [vec![0; 500], vec![0; 2500 - 1209]];
        check(&guesses, &[&image[3500..], &holes[0], &image[1000..1200], &image[2000..2009], &holes[1]].concat());
    }
}
