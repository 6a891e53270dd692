//! A layer in a file, plain or compressed by gzip.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use regrow_deflate::GzipReader;
use regrow_image::{BLOCK, TarHeader};
use regrow_index::CodedFormat;

use super::READ_BYTES;
use crate::coded::{PlainFile, PointCollector, Unfolded};

const GZIP_MARK: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MARK: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The mark of a tar's header, with its offset. Headers of old tars have none.
const TAR_MARK: (u64, &[u8; 5]) = (257, b"ustar");
/// The number of bytes at the end of a gzip file that state its size.
const SIZE_BYTES: u64 = 4;

/// A layer in a file.
pub(crate) struct Blob {
    file: PlainFile,
    stored_bytes: u64,
    is_gzip: bool,
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
        let is_header = |block| TarHeader::parse(block).is_some();
        if begins_at(TAR_MARK.0, TAR_MARK.1) || (file.read_exact_at(&mut block, 0).is_ok() && is_header(&block)) {
            Self::Tar
        } else if begins_at(0, &GZIP_MARK) {
            Self::Gzip
        } else if begins_at(0, &ZSTD_MARK) {
            Self::Zstd
        } else {
            Self::Other
        }
    }
}

impl Blob {
    /// Takes a file, whose form says whether it is read in uncompressed form.
    pub(crate) fn new(file: File, form: BlobForm) -> io::Result<Self> {
        let stored_bytes = file.metadata()?.len();
        Ok(Self { file: PlainFile::new(file, Vec::new()), stored_bytes, is_gzip: form == BlobForm::Gzip })
    }

    /// The same blob, read in uncompressed form from these points.
    pub(in crate::seed) fn with_points(self, unfolded: Unfolded) -> Self {
        Self { file: PlainFile::new(self.file.into_file(), vec![unfolded]), ..self }
    }

    pub(in crate::seed) fn file(&self) -> &File {
        self.file.file()
    }

    pub(in crate::seed) fn is_gzip(&self) -> bool {
        self.is_gzip
    }

    /// The size of the file.
    pub(in crate::seed) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// The size of the plain bytes as the end of the file states it. This is right if the file has one member, of less
    /// than 4 GiB.
    pub(in crate::seed) fn stated_bytes(&self) -> u64 {
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
    pub(in crate::seed) fn inflating(&self, most: u64) -> Inflating<'_> {
        let mut inflating = Inflating {
            stored: StoredReader { file: self.file(), at: 0, bytes: self.stored_bytes },
            most,
            reader: GzipReader::without_members(),
            points: PointCollector::default(),
            buffer: Vec::new(),
            used: 0,
            plain: Vec::with_capacity(READ_BYTES),
            handed_on: 0,
            given: 0,
            ended: false,
        };
        inflating.points.look(&inflating.reader, 0);
        inflating
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

/// Reads the plain bytes of a gzip file front to back. Where they are damaged, they end.
pub(in crate::seed) struct Inflating<'a> {
    stored: StoredReader<'a>,
    most: u64,
    reader: GzipReader,
    points: PointCollector,
    /// Stored bytes that were read, and the number of them that are inflated.
    buffer: Vec<u8>,
    used: usize,
    /// Plain bytes, and the number of them that were handed on.
    plain: Vec<u8>,
    handed_on: usize,
    /// The number of plain bytes up to the end of `plain`.
    given: u64,
    ended: bool,
}

impl Inflating<'_> {
    /// The points, once everything was read. The result is `None` if there were no plain bytes.
    pub(in crate::seed) fn finish(self) -> Option<Unfolded> {
        let mut points = self.points.finish();
        points.retain(|point| point.plain_at < self.given);
        let is_readable = self.given > 0 && !points.is_empty();
        is_readable.then_some(Unfolded {
            format: CodedFormat::Gzip,
            stored: 0..self.stored.bytes,
            plain: 0..self.given,
            points,
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

impl Read for Inflating<'_> {
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
