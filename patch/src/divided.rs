//! The names of the files of a disk image, which only the maker of a patch knows: they are in no stream, so the disk image
//! itself tells them. They only guide guesses.

use std::fs::File;
use std::path::Path;

use regrow_disk::{DiskFile, Division, DivisionRules, ReadAt, StretchKind, divide, divide_with};
use regrow_local::{SpoolFolder, sized};

use crate::names::FileName;

/// The contents operations of a divided disk image, and the names of the files that they belong to.
#[derive(Debug, Default)]
pub(crate) struct DividedFiles {
    /// For each contents operation its bytes, and the number of its file, unless it belongs to the file system.
    stretches: Vec<(u64, Option<u32>)>,
    names: Vec<FileName>,
    files: Vec<DiskFile>,
}

/// A contents operation of a divided disk image.
pub(crate) struct DividedFile {
    pub(crate) name: FileName,
    /// The number of the stretch among those of its file.
    pub(crate) piece: u32,
}

impl DividedFiles {
    /// Divides an image's file again by these rules. What its streams hold goes to files in `scratch`. The result is `None`
    /// if that fails, so that files have no names.
    pub(crate) fn of(file: &File, rules: DivisionRules, scratch: &Path) -> Option<Self> {
        let division = divide_with(&sized(file).ok()?, rules, Some(&SpoolFolder(scratch))).ok()??;
        Some(Self::of_division(division))
    }

    /// Does the same with an image without streams, as it is stored.
    pub(crate) fn of_stored(image: &dyn ReadAt, rules: DivisionRules) -> Option<Self> {
        let division = divide(image, rules).ok()??;
        Some(Self::of_division(division))
    }

    fn of_division(division: Division) -> Self {
        let names = division.files.iter().map(|file| FileName::of_path(&file.path)).collect();
        let stretches = division.stretches.iter().filter_map(|stretch| match stretch.kind {
            StretchKind::File(number) => Some((stretch.bytes, Some(number))),
            StretchKind::System => Some((stretch.bytes, None)),
            StretchKind::Skeleton => None,
        });
        Self { stretches: stretches.collect(), names, files: division.files }
    }

    /// The image's files, with the places of their bytes in the plain image.
    pub(crate) fn files(&self) -> &[DiskFile] {
        &self.files
    }

    /// The files of contents operations of these sizes. The result is `None` if they are not those of the image.
    pub(crate) fn named(&self, sizes: impl Iterator<Item = u64>) -> Option<Vec<DividedFile>> {
        if !sizes.eq(self.stretches.iter().map(|(bytes, _)| *bytes)) {
            return None;
        }
        let mut pieces = vec![0u32; self.names.len()];
        let named = self.stretches.iter().map(|&(_, file)| {
            let file = file.and_then(|file| Some((self.names.get(file as usize)?, pieces.get_mut(file as usize)?)));
            let Some((name, piece)) = file else { return DividedFile { name: FileName::default(), piece: 0 } };
            *piece += 1;
            DividedFile { name: *name, piece: *piece - 1 }
        });
        Some(named.collect())
    }
}

#[cfg(test)]
mod tests {
    use regrow_disk::{DiskFile, DiskKind, Stretch};

    use super::*;

    #[test]
    fn pieces_of_a_file_have_numbers() {
        let files =
            [b"etc/passwd".to_vec(), b"bin/sh".to_vec()].map(|path| DiskFile { path, ..DiskFile::default() }).to_vec();
        let kinds = [
            (1024, StretchKind::System),
            (900, StretchKind::File(1)),
            (124, StretchKind::Skeleton),
            (800, StretchKind::File(0)),
            (700, StretchKind::File(1)),
        ];
        let stretches = kinds.map(|(bytes, kind)| Stretch { bytes, kind }).to_vec();
        let (details, pieces) = (String::new(), Vec::new());
        let found = DividedFiles::of_division(Division {
            kind: DiskKind::Ext,
            details,
            pieces,
            stretches,
            files,
            rules: DivisionRules::V5,
            tree: None,
        });
        let named = found.named([1024, 900, 800, 700].into_iter()).unwrap();
        let [passwd, sh] = [b"etc/passwd".as_slice(), b"bin/sh"].map(FileName::of_path);
        let shown: Vec<_> = named.iter().map(|file| (file.name, file.piece)).collect();
        assert_eq!(shown, [(FileName::default(), 0), (sh, 0), (passwd, 0), (sh, 1)]);
        assert!(found.named([1024, 900, 124, 800, 700].into_iter()).is_none());
    }
}
