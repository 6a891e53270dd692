//! Writes the entries of a layer. The same entries always make the same bytes.
//!
//! Each entry is a ustar header. Before it comes a pax header with what does not fit: names of more than 100 bytes,
//! numbers of more than seven octal digits, sizes of 8 GiB and more, times with fractions, extended attributes, and the
//! names and sizes of sparse files, whose map is at the front of their data (version 1.0). Names of users and groups
//! stay empty. Two blocks of zeros end the tar.

use std::io::{self, Write};

use super::pax::{XATTR, push_record, time_text};
use super::sparse::map_in_data;
use super::{BLOCK, padding};
use crate::meta::{Contents, DataRun, DeviceNumber, Metadata, Time};

const NAME_BYTES: usize = 100;
/// The largest numbers that fit into fields of eight and of twelve bytes.
const MAX_SHORT: u64 = 0o7_777_777;
const MAX_LONG: u64 = 0o77_777_777_777;

/// The head of an entry.
pub(crate) struct Head<'e> {
    pub(crate) flag: u8,
    /// The path, with a slash at the end for a folder.
    pub(crate) path: &'e [u8],
    pub(crate) link_name: &'e [u8],
    pub(crate) metadata: &'e Metadata,
    pub(crate) device: Option<DeviceNumber>,
}

/// A writer of a tar.
pub(crate) struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes an entry that has no data.
    pub(crate) fn entry(&mut self, head: &Head<'_>) -> io::Result<()> {
        self.head(head, 0, Vec::new(), head.path)
    }

    /// Writes a file. `copy` writes the bytes that are stored.
    pub(crate) fn file(
        &mut self,
        head: &Head<'_>,
        contents: &Contents,
        copy: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let stored = contents.stored_bytes();
        let size = match &contents.runs {
            None => {
                self.head(head, stored, Vec::new(), head.path)?;
                stored
            }
            Some(runs) => self.sparse_head(head, contents.bytes, stored, runs)?,
        };
        let mut counted = Counted { out: &mut self.out, left: stored };
        copy(&mut counted)?;
        if counted.left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.zeros(padding(size))
    }

    /// Writes the head of a sparse file and its map. Returns the size of its data with the map.
    fn sparse_head(&mut self, head: &Head<'_>, bytes: u64, stored: u64, runs: &[DataRun]) -> io::Result<u64> {
        // A map without a last run would not show how the file ends.
        let end = DataRun { at: bytes, bytes: 0 };
        let is_open = runs.last().is_none_or(|run| run.at + run.bytes < bytes);
        let runs: Vec<DataRun> = runs.iter().copied().chain(is_open.then_some(end)).collect();
        let map = map_in_data(&runs);
        let mut records = Vec::new();
        push_record(&mut records, b"GNU.sparse.major", b"1");
        push_record(&mut records, b"GNU.sparse.minor", b"0");
        push_record(&mut records, b"GNU.sparse.name", head.path);
        push_record(&mut records, b"GNU.sparse.realsize", bytes.to_string().as_bytes());
        let size = stored + map.len() as u64;
        self.head(head, size, records, b"GNUSparseFile.0")?;
        self.out.write_all(&map)?;
        Ok(size)
    }

    /// Ends the tar.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.zeros(2 * BLOCK as u64)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn zeros(&mut self, bytes: u64) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK][..bytes as usize])
    }

    /// Writes a header, and before it a pax header with these records and those for what does not fit.
    fn head(&mut self, head: &Head<'_>, size: u64, mut records: Vec<u8>, path: &[u8]) -> io::Result<()> {
        let metadata = head.metadata;
        let mut texts = Vec::new();
        for (key, text) in [(&b"path"[..], path), (b"linkpath", head.link_name)] {
            if text.len() > NAME_BYTES {
                push_record(&mut texts, key, text);
            }
        }
        if std::str::from_utf8(&texts).is_err() {
            push_record(&mut records, b"hdrcharset", b"BINARY");
        }
        records.append(&mut texts);
        let short = [(&b"uid"[..], u64::from(metadata.uid)), (b"gid", u64::from(metadata.gid))];
        for (key, number) in short.into_iter().filter(|(_, number)| *number > MAX_SHORT) {
            push_record(&mut records, key, number.to_string().as_bytes());
        }
        if size > MAX_LONG {
            push_record(&mut records, b"size", size.to_string().as_bytes());
        }
        if !fits(metadata.modified) {
            push_record(&mut records, b"mtime", time_text(metadata.modified).as_bytes());
        }
        for (name, value) in metadata.xattrs.iter().flat_map(|xattrs| xattrs.iter()) {
            push_record(&mut records, &[XATTR, name].concat(), value);
        }
        if !records.is_empty() {
            let plain = Metadata::of_implied();
            let plain = Metadata { mode: 0o644, ..plain };
            self.out.write_all(&block(b'x', b"PaxHeaders.0", b"", &plain, records.len() as u64, None))?;
            self.out.write_all(&records)?;
            self.zeros(padding(records.len() as u64))?;
        }
        self.out.write_all(&block(head.flag, path, head.link_name, metadata, size, head.device))
    }
}

/// Whether a time fits into a header.
fn fits(time: Time) -> bool {
    time.nanos == 0 && u64::try_from(time.seconds).is_ok_and(|seconds| seconds <= MAX_LONG)
}

/// A header block. What does not fit is cut off, and stands in the pax header.
fn block(
    flag: u8,
    path: &[u8],
    link_name: &[u8],
    metadata: &Metadata,
    size: u64,
    device: Option<DeviceNumber>,
) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut text = |at: usize, text: &[u8]| {
        let text = &text[..text.len().min(NAME_BYTES)];
        block[at..at + text.len()].copy_from_slice(text);
    };
    text(0, path);
    text(157, link_name);
    text(257, b"ustar\x0000");
    let (uid, gid) = (u64::from(metadata.uid), u64::from(metadata.gid));
    let seconds = u64::try_from(metadata.modified.seconds).unwrap_or(0);
    let DeviceNumber { major, minor } = device.unwrap_or(DeviceNumber { major: 0, minor: 0 });
    for (at, value) in
        [(100, u64::from(metadata.mode)), (108, uid), (116, gid), (329, u64::from(major)), (337, u64::from(minor))]
    {
        text(at, format!("{:07o}", value.min(MAX_SHORT)).as_bytes());
    }
    text(124, format!("{:011o}", size.min(MAX_LONG)).as_bytes());
    text(136, format!("{:011o}", seconds.min(MAX_LONG)).as_bytes());
    text(148, b"        ");
    text(156, &[flag]);
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// Lets as many bytes through as were announced.
struct Counted<'w, W> {
    out: &'w mut W,
    left: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a file has more bytes than its header says"));
        }
        let written = self.out.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
