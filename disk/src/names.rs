//! The names that directories give, and the paths that they make.

use crate::{DiskError, DiskFile, DiskKind};

/// The most bytes of a path.
const MAX_PATH_BYTES: usize = 4096;
/// The most bytes of all paths of files together, on top of [`PATH_BYTES_EACH`] for each byte of the image.
const MAX_PATHS_BYTES: u64 = 16 << 20;
const PATH_BYTES_EACH: u64 = 4;

/// A folder or a file of [`Names`]: its number among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name(u32);

impl Name {
    /// The folder at the top, which has no name.
    pub(crate) const ROOT: Self = Self(u32::MAX);
}

/// Names, each with the folder that it stands in. So their memory follows from the names alone, however deep folders
/// are. Files are those that have bytes, numbered in the order in which they are met.
#[derive(Debug)]
pub(crate) struct Names {
    kind: DiskKind,
    /// Where each name ends in `text`, and its folder.
    names: Vec<(usize, Name)>,
    text: Vec<u8>,
    files: Vec<Name>,
}

impl Names {
    pub(crate) fn new(kind: DiskKind) -> Self {
        Self { kind, names: Vec::new(), text: Vec::new(), files: Vec::new() }
    }

    /// Adds a name that stands in a folder.
    pub(crate) fn add(&mut self, folder: Name, name: &[u8]) -> Result<Name, DiskError> {
        let plain = !name.is_empty() && !name.iter().any(|&byte| byte == b'/' || byte == 0);
        if !plain || name == b"." || name == b".." {
            return Err(DiskError::Damaged { kind: self.kind, what: "a name in a directory that no file can have" });
        }
        self.text.extend_from_slice(name);
        let number = u32::try_from(self.names.len()).ok().filter(|&number| number != Name::ROOT.0);
        let number = number.ok_or(self.too_large(u32::MAX.into(), "names"))?;
        self.names.push((self.text.len(), folder));
        Ok(Name(number))
    }

    /// Makes a name a file's, and returns the file's number.
    pub(crate) fn file(&mut self, name: Name) -> u32 {
        self.files.push(name);
        // There are no more files than names.
        (self.files.len() - 1) as u32
    }

    /// The paths of the files.
    pub(crate) fn into_files(self, image_bytes: u64) -> Result<Vec<DiskFile>, DiskError> {
        let most = image_bytes.saturating_mul(PATH_BYTES_EACH).saturating_add(MAX_PATHS_BYTES);
        let (mut files, mut bytes) = (Vec::new(), 0u64);
        for &name in &self.files {
            let path = self.path(name)?;
            bytes += path.len() as u64;
            if bytes > most {
                return Err(self.too_large(most, "bytes of paths"));
            }
            files.push(DiskFile { path, ..DiskFile::default() });
        }
        Ok(files)
    }

    fn path(&self, name: Name) -> Result<Vec<u8>, DiskError> {
        let (mut parts, mut at, mut bytes) = (Vec::new(), name, 0);
        while let Some(&(end, folder)) = self.names.get(at.0 as usize) {
            let start = (at.0 as usize).checked_sub(1).map_or(0, |before| self.names[before].0);
            bytes += end - start + 1;
            if bytes > MAX_PATH_BYTES {
                return Err(self.too_large(MAX_PATH_BYTES as u64, "bytes of a path"));
            }
            parts.push(&self.text[start..end]);
            at = folder;
        }
        parts.reverse();
        Ok(parts.join(&b'/'))
    }

    fn too_large(&self, limit: u64, what: &'static str) -> DiskError {
        DiskError::TooLarge { kind: self.kind, limit, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_of_names() {
        let mut names = Names::new(DiskKind::Ext);
        let usr = names.add(Name::ROOT, b"usr").expect("a name");
        let bin = names.add(usr, b"bin").expect("a name");
        let files = [names.add(bin, b"ls"), names.add(Name::ROOT, b"init")].map(|name| name.expect("a name"));
        assert_eq!(files.map(|file| names.file(file)), [0, 1]);
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0"] {
            assert!(names.add(usr, name).is_err());
        }
        let files = names.into_files(0).expect("short");
        assert_eq!(
            files,
            [b"usr/bin/ls".to_vec(), b"init".to_vec()].map(|path| DiskFile { path, ..DiskFile::default() })
        );
    }

    #[test]
    fn paths_are_bounded() {
        let mut names = Names::new(DiskKind::Ext);
        let mut at = Name::ROOT;
        for _ in 0..17 {
            at = names.add(at, &[b'x'; 255]).expect("a name");
        }
        names.file(at);
        assert!(matches!(names.into_files(0), Err(DiskError::TooLarge { limit: 4096, .. })));
    }
}
