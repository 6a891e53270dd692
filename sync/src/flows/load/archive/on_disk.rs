//! An image archive in a file on this machine, which was verified as a whole.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use regrow_image::{BLOCK, Walker};

use super::entry_list::EntryList;
use super::{ArchiveEntry, ArchiveFiles, ArchivePart, FileSink, MAX_SMALL_BYTES, Wanted};
use crate::SyncError;
use crate::flows::extract::ExtractReport;

/// The number of bytes that are read at a time.
const READ_BYTES: u64 = 1 << 20;

/// An archive in a file. It names no parts.
pub(crate) struct OnDisk {
    file: File,
    path: PathBuf,
    entries: Vec<ArchiveEntry>,
    /// The range of each entry's data in the file.
    data: Vec<Range<u64>>,
    report: ExtractReport,
}

impl OnDisk {
    /// Reads the headers of the archive in a file. `path` is its name in messages.
    /// `report` tells how it came there.
    pub(crate) fn open(file: File, path: PathBuf, report: ExtractReport) -> Result<Self, SyncError> {
        let (mut walker, mut found, mut data) = (Walker::default(), EntryList::default(), Vec::new());
        let bytes = file.metadata().map_err(SyncError::io(&path))?.len();
        let (mut at, mut block) = (0, [0; BLOCK]);
        while at < bytes {
            // Data ends anywhere in a block, and the padding behind it comes alone.
            let end = (at + 1).next_multiple_of(BLOCK as u64).min(bytes);
            let piece = &mut block[..(end - at) as usize];
            file.read_exact_at(piece, at).map_err(SyncError::io(&path))?;
            walker.push(piece, &mut found);
            at += piece.len() as u64;
            if let Some(entry) = found.entries.get(data.len()) {
                let end = at.saturating_add(entry.stored_bytes).min(bytes);
                data.push(at..end);
                if at < end {
                    // An archive within the archive is not looked into.
                    walker.skip(end - at, &mut found);
                    at = end;
                }
            }
        }
        Ok(Self { file, path, entries: found.entries, data, report })
    }

    fn read(&self, at: u64, out: &mut [u8]) -> Result<(), SyncError> {
        self.file.read_exact_at(out, at).map_err(SyncError::io(&self.path))
    }

    fn data_of(&self, entry: usize) -> Result<Range<u64>, SyncError> {
        let unknown = || SyncError::io(&self.path)(io::ErrorKind::NotFound.into());
        self.data.get(entry).cloned().ok_or_else(unknown)
    }
}

impl ArchiveFiles for OnDisk {
    fn report(&self) -> ExtractReport {
        self.report.clone()
    }

    fn entries(&self) -> &[ArchiveEntry] {
        &self.entries
    }

    fn parts(&self) -> &[ArchivePart] {
        &[]
    }

    fn small(&mut self, entry: usize) -> Result<Vec<u8>, SyncError> {
        let data = self.data_of(entry)?;
        if data.end - data.start > MAX_SMALL_BYTES {
            return Err(SyncError::io(&self.path)(io::ErrorKind::FileTooLarge.into()));
        }
        let mut bytes = vec![0; (data.end - data.start) as usize];
        self.read(data.start, &mut bytes)?;
        Ok(bytes)
    }

    fn put_together(&mut self, wanted: &[Wanted], sink: &mut dyn FileSink) -> Result<(), SyncError> {
        for &wanted in wanted {
            // There are no parts.
            let (Wanted::Stored(entry) | Wanted::Plain(entry)) = wanted;
            let data = self.data_of(if matches!(wanted, Wanted::Plain(_)) { usize::MAX } else { entry })?;
            sink.begin(wanted, data.end - data.start)?;
            let (mut at, mut buffer) = (data.start, vec![0; READ_BYTES.min(data.end - data.start) as usize]);
            while at < data.end {
                let piece = &mut buffer[..READ_BYTES.min(data.end - at) as usize];
                self.read(at, piece)?;
                sink.write(piece)?;
                at += piece.len() as u64;
            }
            sink.end()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::flows::load::archive::EntryKind;
    use crate::flows::load::archive::tests::{Gathered, image};

    #[test]
    fn the_files_of_an_archive_come_as_they_are() {
        let layers = [vec![1; 70_000], vec![2; 3 << 20]];
        let archive = image(&layers, |tar| {
            let mut link = tar::Header::new_ustar();
            link.set_entry_type(tar::EntryType::Symlink);
            link.set_size(0);
            tar.append_link(&mut link, "second/layer.tar", "../first/layer.tar").unwrap();
        });
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&archive).unwrap();
        let mut archive = OnDisk::open(file, "an archive".into(), ExtractReport::default()).unwrap();
        let shown: Vec<_> =
            archive.entries().iter().map(|entry| (entry.path.as_slice(), entry.stored_bytes, &entry.kind)).collect();
        let link = EntryKind::Link(b"../first/layer.tar".to_vec());
        assert_eq!(shown[0], (&b"manifest.json"[..], 5, &EntryKind::File));
        assert_eq!(shown[1], (&b"layer-0.tar"[..], 70_000, &EntryKind::File));
        assert_eq!(shown[3], (&b"second/layer.tar"[..], 0, &link));
        assert_eq!(archive.small(0).unwrap(), b"[{}]\n");
        archive.small(9).unwrap_err();
        let mut gathered = Gathered::default();
        archive.put_together(&[Wanted::Stored(2), Wanted::Stored(1)], &mut gathered).unwrap();
        assert_eq!(gathered.ended, [(Wanted::Stored(2), layers[1].clone()), (Wanted::Stored(1), layers[0].clone())]);
        archive.put_together(&[Wanted::Plain(0)], &mut gathered).unwrap_err();
    }
}
