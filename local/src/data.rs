//! The data of a file that consists mostly of holes, such as a log that is indexed by user id, or a disk that is
//! nearly empty.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};

use regrow_chunker::Params;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// Files whose holes are smaller than this in total are read as they are.
const MIN_HOLES_BYTES: u64 = 16 << 20;
/// A file with more stretches of data than this is read as it is.
const MAX_STRETCHES: usize = 1 << 16;
/// The mark by which a tar is recognised, with its offset.
const TAR_MARK: (u64, &[u8; 5]) = (257, b"ustar");

/// The stretches of a file that hold its data, in order and apart from each other. Between them are only zeros.
pub(crate) struct Data {
    stretches: Vec<Range<u64>>,
    /// The number of data bytes before each stretch.
    before: Vec<u64>,
}

impl Data {
    /// The data of a file, unless the file is best read as it is. The beginning of each hole counts as data. It is
    /// long enough for a chunk that begins in front of the hole to end, and for the next chunk, which is all zeros.
    /// A tar is read whole, since its holes are part of its structure.
    pub(crate) fn of(file: &File, params: &Params) -> Option<Self> {
        let metadata = file.metadata().ok()?;
        let bytes = metadata.len();
        if !has_holes(&metadata) {
            return None;
        }
        let mut mark = [0; TAR_MARK.1.len()];
        if file.read_exact_at(&mut mark, TAR_MARK.0).is_ok() && &mark == TAR_MARK.1 {
            return None;
        }
        let stretches = stretches(file, bytes, 2 * u64::from(params.max_bytes()));
        // The search for holes moves the position from which the file is read.
        seek(file, SeekFrom::Start(0)).ok()?;
        let stretches = stretches?;
        let lens = stretches.iter().map(|stretch| stretch.end - stretch.start);
        let before = lens.scan(0, |sum, len| Some(std::mem::replace(sum, *sum + len))).collect();
        let data = Self { stretches, before };
        (data.bytes().saturating_add(MIN_HOLES_BYTES) <= bytes).then_some(data)
    }

    /// The number of data bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.end - stretch.start).sum()
    }

    /// The place in the file of a range of the data, if the range lies there in one piece.
    pub(crate) fn in_file(&self, range: Range<u64>) -> Option<u64> {
        let number = self.before.partition_point(|&before| before <= range.start).checked_sub(1)?;
        let place = self.stretches[number].start + (range.start - self.before[number]);
        (place + (range.end - range.start) <= self.stretches[number].end).then_some(place)
    }

    /// Reads the data front to back.
    pub(crate) fn reader<'a>(&'a self, file: &'a File) -> impl Read + 'a {
        DataReader { file, left: self.stretches.clone().into_iter(), now: 0..0 }
    }

    /// A key for the catalog that tells this data from other data of the same file, since holes can change while
    /// the file stays the same.
    pub(crate) fn rules(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for stretch in &self.stretches {
            hasher.update(&stretch.start.to_le_bytes()).update(&stretch.end.to_le_bytes());
        }
        format!(" data {}", hasher.finalize().to_hex())
    }
}

/// Whether much of a file is holes. Only regular files have holes that can be found.
fn has_holes(metadata: &Metadata) -> bool {
    metadata.is_file() && (metadata.blocks() * 512).saturating_add(MIN_HOLES_BYTES) <= metadata.len()
}

/// The stretches of data in a file of this many bytes, each extended by `behind` bytes. The result is `None` if the
/// file system does not say, or if there are too many.
fn stretches(file: &File, bytes: u64, behind: u64) -> Option<Vec<Range<u64>>> {
    let mut stretches: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    loop {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // There is no more data.
            Err(Errno::NXIO) => return Some(stretches),
            Err(_) => return None,
        };
        at = seek(file, SeekFrom::Hole(start)).ok().filter(|&end| end > start)?;
        let end = bytes.min(at.saturating_add(behind));
        match stretches.last_mut() {
            Some(last) if last.end >= start => last.end = end,
            _ => stretches.push(start..end),
        }
        if stretches.len() > MAX_STRETCHES {
            return None;
        }
    }
}

/// Reads a file front to back. If it has many holes, they are not read, and zeros stand for them.
pub(crate) fn reader_over_holes(file: &File) -> Option<impl Read + '_> {
    let metadata = file.metadata().ok().filter(has_holes)?;
    Some(HolesReader { file, bytes: metadata.len(), at: 0, data: 0..0 })
}

struct HolesReader<'a> {
    file: &'a File,
    bytes: u64,
    at: u64,
    /// The stretch of data that is being read, or the next one.
    data: Range<u64>,
}

impl HolesReader<'_> {
    /// The stretch of data at the current position, or the next one.
    fn next_data(&self) -> Range<u64> {
        let start = match seek(self.file, SeekFrom::Data(self.at)) {
            Ok(start) => start.max(self.at),
            // There is no more data.
            Err(Errno::NXIO) => self.bytes,
            Err(_) => return self.at..u64::MAX,
        };
        start..seek(self.file, SeekFrom::Hole(start)).ok().filter(|&end| end > start).unwrap_or(u64::MAX)
    }
}

impl Read for HolesReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.data.end {
            self.data = self.next_data();
        }
        let is_hole = self.at < self.data.start;
        let end = if is_hole { self.data.start } else { self.data.end };
        let len = out.len().min(usize::try_from(end - self.at).unwrap_or(usize::MAX));
        let read = if is_hole {
            out[..len].fill(0);
            len
        } else {
            self.file.read_at(&mut out[..len], self.at)?
        };
        self.at += read as u64;
        Ok(read)
    }
}

struct DataReader<'a> {
    file: &'a File,
    left: std::vec::IntoIter<Range<u64>>,
    /// The rest of the current stretch.
    now: Range<u64>,
}

impl Read for DataReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            match self.left.next() {
                Some(next) => self.now = next,
                None => return Ok(0),
            }
        }
        let len = out.len().min(usize::try_from(self.now.end - self.now.start).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut out[..len], self.now.start)?;
        if read == 0 && len > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.now.start += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;

    #[test]
    fn data_is_found_and_read() {
        let params = Params::default();
        let max = u64::from(params.max_bytes());
        let file = tempfile::tempfile().unwrap();
        let bytes = 100 << 20;
        file.set_len(bytes).unwrap();
        assert_eq!(Data::of(&file, &params).unwrap().bytes(), 0);
        for (at, byte) in [(1 << 20, 1), (40 << 20, 2), (bytes - 4096, 3)] {
            file.write_all_at(&[byte; 4096], at).unwrap();
        }
        let data = Data::of(&file, &params).unwrap();
        let mut found = Vec::new();
        data.reader(&file).read_to_end(&mut found).unwrap();
        assert_eq!(found.len() as u64, data.bytes());
        // The blocks' size depends on the file system, but each byte that is not zero must be there, at the right
        // place.
        for byte in 1..=3 {
            assert_eq!(found.iter().filter(|&&found| found == byte).count(), 4096);
            let first = found.iter().position(|&found| found == byte).unwrap() as u64;
            let mut there = [0; 4096];
            file.read_exact_at(&mut there, data.in_file(first..first + 4096).unwrap()).unwrap();
            assert_eq!(there, [byte; 4096]);
        }
        let first_end = found.iter().position(|&found| found == 2).unwrap() as u64;
        assert_eq!(data.in_file(first_end - max..first_end + 1), None, "it lies in two pieces");
        assert_eq!(data.in_file(data.bytes()..data.bytes() + 1), None);
    }

    #[test]
    fn zeros_stand_for_holes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 9000], 0).unwrap();
        assert!(reader_over_holes(&file).is_none());
        for bytes in [40 << 20, (50 << 20) + 77] {
            file.set_len(bytes).unwrap();
            file.write_all_at(&[8; 9000], 31 << 20).unwrap();
            for end in [bytes, bytes - 1] {
                file.write_all_at(&[9], end - 1).unwrap();
                let (mut read, mut found) = (Vec::new(), Vec::new());
                file.rewind().unwrap();
                file.read_to_end(&mut read).unwrap();
                reader_over_holes(&file).unwrap().read_to_end(&mut found).unwrap();
                assert!(found == read);
            }
        }
    }

    #[test]
    fn other_files_are_read_as_they_are() {
        let params = Params::default();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![1; 100_000], 0).unwrap();
        assert!(Data::of(&file, &params).is_none(), "no holes");
        file.set_len(MIN_HOLES_BYTES).unwrap();
        assert!(Data::of(&file, &params).is_none(), "small holes");
        file.set_len(100 << 20).unwrap();
        assert!(Data::of(&file, &params).is_some());
        assert_eq!(file.stream_position().unwrap(), 0, "it is still read from the beginning");
        file.write_all_at(TAR_MARK.1, TAR_MARK.0).unwrap();
        assert!(Data::of(&file, &params).is_none(), "a tar");
    }
}
