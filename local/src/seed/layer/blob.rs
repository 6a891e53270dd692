//! A layer in a file, plain or compressed.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use regrow_image::{BLOCK, TarHeader, is_zstd};
use regrow_index::CodedFormat;
use regrow_zstd::{FrameHeader, MAX_HEADER_BYTES};

use super::READ_BYTES;
use crate::coded::{CodedReader, PlainFile, PointCollector, Starts, Unfolded};

const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];
/// The number of bytes at which a zstd file is recognised.
const ZSTD_MARK_BYTES: usize = 4;
/// The mark of a tar's header, with its offset. Headers of old tars have none.
const TAR_MARK: (u64, &[u8; 5]) = (257, b"ustar");
/// The number of bytes at the end of a gzip file that state its size.
const SIZE_BYTES: u64 = 4;

/// A layer in a file.
pub(crate) struct Blob {
    file: PlainFile,
    stored_bytes: u64,
    /// The format that it is compressed in, if it is.
    compressed: Option<CodedFormat>,
    scratch: PathBuf,
}

/// The form of a blob, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlobForm {
    /// It is a tar.
    Tar,
    /// It is compressed by gzip.
    Gzip,
    /// It is compressed by zstd.
    Zstd,
    /// It is something else.
    Other,
}

impl BlobForm {
    /// Looks at the beginning of a file.
    pub(crate) fn of(file: &File) -> Self {
        let begins_at = |at, mark: &[u8]| {
            let mut found = vec![0; mark.len()];
            file.read_exact_at(&mut found, at).is_ok() && found == mark
        };
        let mut block = [0; BLOCK];
        let mut first = [0; ZSTD_MARK_BYTES];
        let is_header = |block| TarHeader::parse(block).is_some();
        if begins_at(TAR_MARK.0, TAR_MARK.1) || (file.read_exact_at(&mut block, 0).is_ok() && is_header(&block)) {
            Self::Tar
        } else if begins_at(0, &GZIP_MARK) {
            Self::Gzip
        } else if file.read_exact_at(&mut first, 0).is_ok() && is_zstd(&first) {
            Self::Zstd
        } else {
            Self::Other
        }
    }
}

impl Blob {
    /// Takes a file, whose form says whether it is read in uncompressed form. `scratch` is a folder for plain bytes that
    /// cannot be read at random otherwise.
    pub(crate) fn new(file: File, form: BlobForm, scratch: &Path) -> io::Result<Self> {
        let stored_bytes = file.metadata()?.len();
        let compressed = match form {
            BlobForm::Gzip => Some(CodedFormat::Gzip),
            BlobForm::Zstd => Some(CodedFormat::Zstd),
            BlobForm::Tar | BlobForm::Other => None,
        };
        let file = PlainFile::new(file, Vec::new());
        Ok(Self { file, stored_bytes, compressed, scratch: scratch.to_owned() })
    }

    /// The same blob, read in uncompressed form from these points.
    pub(in crate::seed) fn with_points(self, unfolded: Unfolded) -> Self {
        let file = PlainFile::new(self.file.into_file(), vec![unfolded]).with_scratch(Some(&self.scratch));
        Self { file, ..self }
    }

    pub(in crate::seed) fn file(&self) -> &File {
        self.file.file()
    }

    pub(in crate::seed) fn compressed(&self) -> Option<CodedFormat> {
        self.compressed
    }

    /// The size of the file.
    pub(in crate::seed) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// The size of the plain bytes as the file states it. This is right if a gzip file has one member, of less than 4 GiB,
    /// and if a zstd file has one frame.
    pub(in crate::seed) fn stated_bytes(&self) -> u64 {
        if self.compressed == Some(CodedFormat::Zstd) {
            let mut header = [0; MAX_HEADER_BYTES];
            let read = self.file().read_exact_at(&mut header, 0).ok();
            return read.and_then(|()| FrameHeader::parse(&header).ok()??.plain_bytes).unwrap_or_default();
        }
        let mut size = [0; SIZE_BYTES as usize];
        let at = self.stored_bytes.saturating_sub(SIZE_BYTES);
        self.file().read_exact_at(&mut size, at).map_or(0, |()| u64::from(u32::from_le_bytes(size)))
    }

    /// Fills `out` with the layer's bytes from `at` on.
    pub(in crate::seed) fn read_exact_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(out, at)
    }

    /// Reads the file as it is, front to back.
    pub(in crate::seed) fn stored_reader(&self) -> StoredReader<'_> {
        StoredReader { file: self.file(), at: 0, bytes: self.stored_bytes }
    }

    /// Reads the plain bytes front to back, and gathers points. More than `most` of them are an error.
    pub(in crate::seed) fn decompressing(&self, format: CodedFormat, most: u64) -> Decompressing<'_> {
        let mut decompressing = Decompressing {
            stored: StoredReader { file: self.file(), at: 0, bytes: self.stored_bytes },
            most,
            reader: CodedReader::new(format),
            points: PointCollector::default(),
            buffer: Vec::new(),
            used: 0,
            plain: Vec::with_capacity(READ_BYTES),
            handed_on: 0,
            given: 0,
            ended: false,
        };
        decompressing.points.look(&decompressing.reader, 0);
        decompressing
    }
}

/// Reads a file of a fixed size front to back, at places of its own.
pub(in crate::seed) struct StoredReader<'a> {
    file: &'a File,
    at: u64,
    bytes: u64,
}

impl Read for StoredReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.bytes.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let len = out.len().min(left);
        let read = self.file.read_at(&mut out[..len], self.at)?;
        if read == 0 && len > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// Reads the plain bytes of a compressed file front to back. Where they are damaged, they end.
pub(in crate::seed) struct Decompressing<'a> {
    stored: StoredReader<'a>,
    most: u64,
    reader: CodedReader,
    points: PointCollector,
    /// Stored bytes that were read, and the number of them that are decompressed.
    buffer: Vec<u8>,
    used: usize,
    /// Plain bytes, and the number of them that were handed on.
    plain: Vec<u8>,
    handed_on: usize,
    /// The number of plain bytes up to the end of `plain`.
    given: u64,
    ended: bool,
}

impl Decompressing<'_> {
    /// The points, once everything was read. The result is `None` if there were no plain bytes.
    pub(in crate::seed) fn finish(self) -> Option<Unfolded> {
        let mut points = self.points.finish();
        points.retain(|point| point.plain_at < self.given);
        let is_readable = self.given > 0 && !points.is_empty();
        is_readable.then_some(Unfolded {
            stored: 0..self.stored.bytes,
            plain: 0..self.given,
            starts: Starts::Points(self.reader.format(), points),
        })
    }

    fn fill(&mut self) -> io::Result<()> {
        self.plain.clear();
        self.handed_on = 0;
        while self.plain.len() < READ_BYTES && !self.ended {
            if self.used == self.buffer.len() {
                self.buffer.resize(READ_BYTES, 0);
                let read = self.stored.read(&mut self.buffer)?;
                self.buffer.truncate(read);
                self.used = 0;
            }
            let before = self.plain.len();
            match self.reader.push(&self.buffer[self.used..], &mut self.plain, READ_BYTES - before) {
                Ok(step) => {
                    self.used += step.taken;
                    if step.ended && self.reader.format() == CodedFormat::Zstd {
                        self.points.look(&self.reader, self.given + self.plain.len() as u64);
                    }
                    self.ended = step.taken == 0 && self.plain.len() == before;
                }
                Err(_) => self.ended = true,
            }
        }
        self.given += self.plain.len() as u64;
        if self.given > self.most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a layer holds more than it may"));
        }
        self.points.look(&self.reader, self.given);
        Ok(())
    }
}

impl Read for Decompressing<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.handed_on == self.plain.len() && !self.ended {
            self.fill()?;
        }
        let len = out.len().min(self.plain.len() - self.handed_on);
        out[..len].copy_from_slice(&self.plain[self.handed_on..self.handed_on + len]);
        self.handed_on += len;
        Ok(len)
    }
}
