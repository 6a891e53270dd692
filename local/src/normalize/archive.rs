//! The archive: its entries, and how it is written with some of them changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::layers::Replaced;
use super::manifests::Changed;
use crate::{LocalError, Missing};

/// The largest size of a document.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;
/// The largest number of entries in an archive. Real ones have a few for each layer.
const MAX_ENTRIES: usize = 1 << 20;

/// An entry of the outermost tar.
pub(crate) struct ArchiveEntry {
    pub(crate) name: String,
    /// The place of its data in the file, and its size.
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    header: tar::Header,
}

/// An image archive, by its entries.
pub(crate) struct Archive {
    entries: Vec<ArchiveEntry>,
}

/// The number of bytes at a file's beginning that tell how it is compressed.
const MAGIC_BYTES: u64 = 8;

/// Names a file's compression by its first bytes, and the tool that unpacks it.
fn compression(magic: &[u8]) -> Option<&'static str> {
    if magic.starts_with(&[0x1f, 0x8b]) {
        return Some("it is compressed with gzip; unpack it first, with gunzip");
    }
    if regrow_image::is_zstd(magic) {
        return Some("it is compressed with zstd; unpack it first, with unzstd");
    }
    if regrow_image::is_xz(magic) {
        return Some("it is compressed with xz; unpack it first, with unxz");
    }
    magic.starts_with(b"BZh").then_some("it is compressed with bzip2; unpack it first, with bunzip2")
}

fn no_tar(path: &Path) -> LocalError {
    LocalError::NoArchive { path: path.to_owned(), reason: "it is no tar, or ends within an entry" }
}

/// A path in the form that documents use.
fn plain_name(name: &str) -> String {
    name.trim_start_matches("./").trim_end_matches('/').to_owned()
}

/// A path without its `.` and `..`. `None` if it leads out of the archive.
#[cfg(feature = "layers")]
fn resolved(path: &str) -> Option<String> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

impl Archive {
    /// Reads the entries' headers.
    pub(crate) fn read(file: &mut File, path: &Path) -> Result<Self, LocalError> {
        let io = || LocalError::io(path);
        let file_bytes = file.metadata().map_err(io())?.len();
        // The tar reader's message about bytes that are no tar quotes those bytes, so it is replaced.
        let failed = |error: io::Error| match error.raw_os_error() {
            Some(_) => LocalError::io(path)(error),
            None => no_tar(path),
        };
        file.rewind().map_err(io())?;
        let mut magic = Vec::new();
        (&mut *file).take(MAGIC_BYTES).read_to_end(&mut magic).map_err(io())?;
        if let Some(reason) = compression(&magic) {
            return Err(LocalError::NoArchive { path: path.to_owned(), reason });
        }
        file.rewind().map_err(io())?;
        let partial = |missing| LocalError::Partial { path: path.to_owned(), missing };
        if file_bytes == 0 {
            return Err(partial(Missing::Everything));
        }
        let mut reader = tar::Archive::new(&mut *file);
        let mut entries = Vec::new();
        for entry in reader.entries_with_seek().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = plain_name(&String::from_utf8_lossy(&entry.path_bytes()));
            let end = entry.raw_file_position().saturating_add(entry.size());
            if end > file_bytes {
                return Err(partial(Missing::Entry { path: name, bytes: end - file_bytes }));
            }
            entries.push(ArchiveEntry {
                name,
                at: entry.raw_file_position(),
                bytes: entry.size(),
                header: entry.header().clone(),
            });
            if entries.len() > MAX_ENTRIES {
                return Err(LocalError::Usage(format!(
                    "{}: has too many entries for an image archive",
                    path.display()
                )));
            }
        }
        Ok(Self { entries })
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&ArchiveEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The entry that a name leads to. Docker's older archives have links in the place of layers that they have already.
    #[cfg(feature = "layers")]
    pub(crate) fn linked_entry(&self, name: &str) -> Option<&ArchiveEntry> {
        let entry = self.entry(name)?;
        let kind = entry.header.entry_type();
        let target = match () {
            () if kind.is_hard_link() => String::new(),
            () if kind.is_symlink() => name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/")),
            () => return Some(entry),
        };
        let link = entry.header.link_name_bytes()?;
        self.entry(&resolved(&format!("{target}{}", String::from_utf8_lossy(&link)))?)
    }

    /// Reads a document of the archive.
    pub(crate) fn document(&self, file: &mut File, name: &str) -> Result<Option<Vec<u8>>, LocalError> {
        let Some(entry) = self.entry(name) else { return Ok(None) };
        if entry.bytes > MAX_DOCUMENT_BYTES {
            return Err(LocalError::Usage(format!("{name}: is too long for a document of an image archive")));
        }
        let mut bytes = vec![0; entry.bytes as usize];
        file.seek(SeekFrom::Start(entry.at)).and_then(|_| file.read_exact(&mut bytes)).map_err(LocalError::io(name))?;
        Ok(Some(bytes))
    }

    /// Writes all entries in their order, with the changes applied.
    pub(super) fn write(
        &self,
        file: &mut File,
        replaced: &[Replaced],
        changed: &[Changed],
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut builder = tar::Builder::new(out);
        for entry in &self.entries {
            let mut header = entry.header.clone();
            if let Some(layer) = replaced.iter().find(|layer| layer.old_name == entry.name) {
                header.set_size(layer.bytes);
                builder.append_data(&mut header, &layer.new_name, layer.reader()?)?;
            } else if let Some(document) = changed.iter().find(|document| document.old_name == entry.name) {
                header.set_size(document.bytes.len() as u64);
                builder.append_data(&mut header, &document.new_name, document.bytes.as_slice())?;
            } else if entry.header.entry_type().is_symlink() || entry.header.entry_type().is_hard_link() {
                let target = entry.header.link_name()?.unwrap_or_default().into_owned();
                header.set_size(0);
                builder.append_link(&mut header, &entry.name, target)?;
            } else {
                file.seek(SeekFrom::Start(entry.at))?;
                header.set_size(entry.bytes);
                builder.append_data(&mut header, &entry.name, (&mut *file).take(entry.bytes))?;
            }
        }
        builder.finish()
    }
}
