//! The files of a disk image, each as one whole, wherever its bytes lie.

use std::ops::Range;
use std::sync::OnceLock;

use regrow_disk::{Division, FileRun, StretchKind};
use regrow_image::SkeletonPart;

/// The most bytes that all files of an image have together, with their holes. Those beyond are left out.
pub(crate) const MAX_FILES_BYTES: u64 = 1 << 60;

/// Where the bytes of each file of a disk image are in its plain image.
pub(crate) struct DiskFiles {
    files: Vec<FilePlaces>,
    /// Where each file begins if all of them stand one after the other.
    starts: Vec<u64>,
    /// The runs of files in the order of the plain image, each with the number of its file. They are sorted when they are
    /// asked for first.
    by_place: OnceLock<Vec<(FileRun, u32)>>,
}

/// Where a file's bytes are. Holes have no run.
#[derive(Default)]
pub(crate) struct FilePlaces {
    pub(crate) bytes: u64,
    pub(crate) runs: Vec<FileRun>,
}

impl DiskFiles {
    /// The files of a division, in the order of their numbers. A file whose format tells no runs has those of its
    /// stretches.
    pub(crate) fn of(division: &Division) -> Self {
        let (mut files, mut at): (Vec<FilePlaces>, _) = (Vec::new(), 0);
        files.resize_with(division.files.len(), FilePlaces::default);
        for stretch in &division.stretches {
            if let StretchKind::File(number) = stretch.kind
                && let Some(file) = files.get_mut(number as usize)
            {
                file.runs.push(FileRun { file_at: file.bytes, plain_at: at, bytes: stretch.bytes });
                file.bytes += stretch.bytes;
            }
            at += stretch.bytes;
        }
        for (file, known) in files.iter_mut().zip(&division.files).filter(|(_, known)| known.bytes > 0) {
            (file.bytes, file.runs) = (known.bytes, known.runs.clone());
        }
        let bytes = files.iter().map(|file| file.bytes);
        let starts = bytes.scan(0, |end, bytes| Some(std::mem::replace(end, bytes.saturating_add(*end)))).collect();
        Self { files, starts, by_place: OnceLock::new() }
    }

    /// Where a file begins if all of them stand one after the other.
    pub(crate) fn start(&self, number: usize) -> Option<u64> {
        let (start, bytes) = (*self.starts.get(number)?, self.files[number].bytes);
        (start.saturating_add(bytes) <= MAX_FILES_BYTES).then_some(start)
    }

    /// The parts of a range of all files, which must lie in one of them.
    pub(crate) fn parts(&self, range: Range<u64>) -> Option<Vec<SkeletonPart>> {
        let number = self.starts.partition_point(|&start| start <= range.start).checked_sub(1)?;
        let (file, start) = (&self.files[number], self.starts[number]);
        let within = range.start - start..range.end.checked_sub(start)?;
        (within.end <= file.bytes).then(|| file.parts(within))
    }

    /// The range of the file that has a place in all files.
    pub(crate) fn file_at(&self, at: u64) -> Option<Range<u64>> {
        let number = self.starts.partition_point(|&start| start <= at).checked_sub(1)?;
        let (start, end) = (self.start(number)?, self.start(number)? + self.files[number].bytes);
        (at < end).then_some(start..end)
    }

    /// Where a byte of the plain image is in all files. If several files share it, it is one of them.
    pub(crate) fn at_plain(&self, plain_at: u64) -> Option<u64> {
        let by_place = self.by_place.get_or_init(|| {
            let numbered = (0..).zip(&self.files);
            let mut runs: Vec<_> =
                numbered.flat_map(|(number, file)| file.runs.iter().map(move |run| (*run, number))).collect();
            runs.sort_by_key(|(run, _)| run.plain_at);
            runs
        });
        let number = by_place.partition_point(|(run, _)| run.plain_at <= plain_at).checked_sub(1)?;
        let (run, file) = by_place[number];
        let within = plain_at - run.plain_at;
        (within < run.bytes).then(|| Some(self.start(file as usize)? + run.file_at + within)).flatten()
    }

    /// The files by their numbers.
    pub(crate) fn all(&self) -> &[FilePlaces] {
        &self.files
    }
}

impl FilePlaces {
    /// The stretches of the plain image that make up a range of the file, which must lie in it, and the zeros of holes
    /// between them.
    pub(crate) fn parts(&self, range: Range<u64>) -> Vec<SkeletonPart> {
        let (mut parts, mut at) = (Vec::new(), range.start);
        let zeros = |parts: &mut Vec<_>, bytes: u64| {
            parts.extend((bytes > 0).then(|| SkeletonPart::Number(vec![0; bytes as usize])));
        };
        let first = self.runs.partition_point(|run| run.file_at + run.bytes <= range.start);
        for run in self.runs[first..].iter().take_while(|run| run.file_at < range.end) {
            let (from, to) = (run.file_at.max(at), (run.file_at + run.bytes).min(range.end));
            zeros(&mut parts, from - at);
            let plain_at = run.plain_at + (from - run.file_at);
            parts.push(SkeletonPart::InImage(plain_at..plain_at + (to - from)));
            at = to;
        }
        zeros(&mut parts, range.end - at);
        parts
    }
}
