//! An image that is put together of others, each all in one place: partitions, or files of an archive.

use std::io;

use crate::{
    DiskError, DiskFile, DiskKind, Division, DivisionRules, FileRun, ReadAt, StoredForm, StoredPiece, StretchKind,
    StretchList,
};

/// A division that grows front to back.
#[derive(Debug)]
pub(crate) struct Assembly {
    kind: DiskKind,
    /// The bytes of the image so far.
    image_at: u64,
    pieces: Vec<StoredPiece>,
    list: StretchList,
    files: Vec<DiskFile>,
    /// The first rules by which all images in it are divided so.
    rules: DivisionRules,
}

impl Assembly {
    pub(crate) fn new(kind: DiskKind) -> Self {
        let (pieces, list, files) = (Vec::new(), StretchList::default(), Vec::new());
        Self { kind, image_at: 0, pieces, list, files, rules: DivisionRules::V5 }
    }

    /// The bytes of the image that were added.
    pub(crate) fn image_at(&self) -> u64 {
        self.image_at
    }

    /// Adds bytes that are what they are.
    pub(crate) fn plain(&mut self, bytes: u64, kind: StretchKind) {
        self.piece(StoredPiece { bytes, form: StoredForm::Plain });
        self.list.push(bytes, kind);
    }

    /// Adds a file's bytes.
    pub(crate) fn file(&mut self, bytes: u64, path: Vec<u8>) -> Result<(), DiskError> {
        let number = self.next_file()?;
        let run = FileRun { file_at: 0, plain_at: self.list.bytes(), bytes };
        self.files.push(DiskFile { path, bytes, runs: vec![run] });
        self.plain(bytes, StretchKind::File(number));
        Ok(())
    }

    /// Adds an image. The paths of its files begin with `path` and a slash.
    pub(crate) fn image(&mut self, path: &[u8], division: Division) -> Result<(), DiskError> {
        let before = self.next_file()?;
        self.rules = self.rules.max(division.rules);
        let plain_at = self.list.bytes();
        for stretch in division.stretches {
            let kind = match stretch.kind {
                StretchKind::File(number) => {
                    StretchKind::File(number.checked_add(before).ok_or_else(|| self.too_many())?)
                }
                kind => kind,
            };
            self.list.push(stretch.bytes, kind);
        }
        division.pieces.into_iter().for_each(|piece| self.piece(piece));
        self.files.extend(division.files.into_iter().map(|mut file| {
            file.runs.iter_mut().for_each(|run| run.plain_at = run.plain_at.saturating_add(plain_at));
            DiskFile { path: [path, b"/", &file.path].concat(), ..file }
        }));
        Ok(())
    }

    /// Adds an image that follows. The paths of its files are as they are.
    pub(crate) fn rest(&mut self, division: Division) -> Result<(), DiskError> {
        let named = self.files.len();
        self.image(b"", division)?;
        // Nothing stands before their slashes.
        for file in &mut self.files[named..] {
            file.path.remove(0);
        }
        Ok(())
    }

    /// The division, of which `details` tells.
    pub(crate) fn division(self, details: String) -> Division {
        let Self { kind, pieces, list, files, rules, .. } = self;
        Division { kind, details, pieces, stretches: list.finish(), files, rules, tree: None }
    }

    fn next_file(&self) -> Result<u32, DiskError> {
        u32::try_from(self.files.len()).map_err(|_| self.too_many())
    }

    fn too_many(&self) -> DiskError {
        DiskError::TooLarge { kind: self.kind, limit: u32::MAX.into(), what: "files" }
    }

    fn piece(&mut self, piece: StoredPiece) {
        self.image_at += piece.bytes;
        match self.pieces.last_mut() {
            _ if piece.bytes == 0 => {}
            Some(last) if (last.form, piece.form) == (StoredForm::Plain, StoredForm::Plain) => {
                last.bytes += piece.bytes;
            }
            _ => self.pieces.push(piece),
        }
    }
}

/// A part of an image, read at random. It must lie in the image.
pub(crate) struct Part<'i> {
    pub(crate) image: &'i dyn ReadAt,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
}

impl ReadAt for Part<'_> {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn most_bytes(&self) -> u64 {
        self.bytes.min(self.image.most_bytes())
    }

    fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.checked_add(out.len() as u64).filter(|&end| end <= self.bytes);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.image.read_exact_at(out, self.at + at)
    }
}
