//! Writes files with holes. Bytes that are zero already are not written, so an image takes no more room on disk than
//! its data needs.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use regrow_chunker::is_zero;
use rustix::fs::FallocateFlags;

/// The size of the blocks that are checked for zeros. File systems have no smaller holes.
const BLOCK_BYTES: usize = 4 << 10;
/// The bytes that are looked at at a time where zeros belong.
const COMPARED_BYTES: usize = 64 << 10;
/// The fewest bytes that are given back to the disk instead of being written as zeros.
const MIN_PUNCHED_BYTES: usize = 64 << 10;

/// Writes bytes to a file that holds zeros wherever nothing was written to it.
pub(super) fn write_new(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    for (run, is_hole) in Runs::new(at, bytes) {
        if !is_hole {
            file.write_all_at(&bytes[run.clone()], at + run.start as u64)?;
        }
    }
    Ok(())
}

/// Writes bytes to a file that may hold anything. Zeros are written only over other bytes, which are found by reading.
/// In some file systems, SEEK_DATA gave wrong answers for bytes that were not on the disk yet. Long stretches of zeros are
/// given back to the disk (TRIM, on flash memory), which then has them free.
pub(super) fn write_over(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    let mut found = [0; COMPARED_BYTES];
    for (run, is_hole) in Runs::new(at, bytes) {
        let write = |run: Range<usize>| file.write_all_at(&bytes[run.clone()], at + run.start as u64);
        if !is_hole {
            write(run)?;
            continue;
        }
        // Stretches next to each other that hold something else are overwritten together.
        let (mut start, mut other) = (run.start, run.start..run.start);
        while start < run.end {
            let end = run.end.min(start + COMPARED_BYTES);
            let held = &mut found[..end - start];
            if file.read_exact_at(held, at + start as u64).is_err() || !is_zero(held) {
                other = if other.end == start { other.start..end } else { start..end };
            }
            if end == run.end || other.end != end {
                zero(file, at, std::mem::replace(&mut other, end..end), &write)?;
            }
            start = end;
        }
    }
    Ok(())
}

/// Makes a range of the bytes from `at` on zeros. Whole blocks of it are given back to the disk, if the disk promises zeros
/// in their place. `write` writes zeros over a range.
fn zero(file: &File, at: u64, range: Range<usize>, write: &dyn Fn(Range<usize>) -> io::Result<()>) -> io::Result<()> {
    let aligned = |place: usize, up: u64| {
        let block = BLOCK_BYTES as u64;
        ((at + place as u64 + up) / block * block).saturating_sub(at) as usize
    };
    let (first, last) = (aligned(range.start, BLOCK_BYTES as u64 - 1), aligned(range.end, 0));
    let is_long = last.checked_sub(first).is_some_and(|bytes| bytes >= MIN_PUNCHED_BYTES);
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if !is_long || rustix::fs::fallocate(file, flags, at + first as u64, (last - first) as u64).is_err() {
        return if range.is_empty() { Ok(()) } else { write(range) };
    }
    [range.start..first, last..range.end].into_iter().filter(|rest| !rest.is_empty()).try_for_each(write)
}

/// Divides bytes into runs of zeros and runs of other bytes. Each run ends where a block of the file ends.
struct Runs<'a> {
    bytes: &'a [u8],
    /// The offset at which the first block ends.
    first: usize,
    at: usize,
}

impl<'a> Runs<'a> {
    fn new(at: u64, bytes: &'a [u8]) -> Self {
        Self { bytes, first: BLOCK_BYTES - (at % BLOCK_BYTES as u64) as usize, at: 0 }
    }

    /// The end of the block that begins at `at`, and whether the block is zero.
    fn block(&self, at: usize) -> (usize, bool) {
        let end = if at < self.first { self.first } else { at + BLOCK_BYTES };
        let end = end.min(self.bytes.len());
        (end, is_zero(&self.bytes[at..end]))
    }
}

impl Iterator for Runs<'_> {
    type Item = (Range<usize>, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        if start >= self.bytes.len() {
            return None;
        }
        let (mut end, is_zero) = self.block(start);
        while end < self.bytes.len() {
            let (next, next_is_zero) = self.block(end);
            if next_is_zero != is_zero {
                break;
            }
            end = next;
        }
        self.at = end;
        Some((start..end, is_zero))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Runs of data and of zeros, of many lengths, aligned and unaligned.
    fn pieces() -> Vec<(u64, Vec<u8>)> {
        let mut at = 0;
        let lens = [1, 4095, 4096, 5000, 100_000, 8192, 3, 300_000, 12_288, 70_001];
        let piece = |number: usize| {
            let len: usize = lens[number % lens.len()];
            let byte = if number.is_multiple_of(3) { 7 } else { 0 };
            at += len as u64;
            (at - len as u64, vec![byte; len])
        };
        (0..40).map(piece).collect()
    }

    #[test]
    fn what_is_written_is_there() {
        let whole: Vec<u8> = pieces().into_iter().flat_map(|(_, bytes)| bytes).collect();
        let (new, over) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        new.set_len(whole.len() as u64).unwrap();
        over.write_all_at(&vec![9; whole.len()], 0).unwrap();
        for (at, bytes) in pieces() {
            write_new(&new, at, &bytes).unwrap();
            write_over(&over, at, &bytes).unwrap();
        }
        for file in [new, over] {
            let mut found = vec![1; whole.len()];
            file.read_exact_at(&mut found, 0).unwrap();
            assert!(found == whole);
        }
    }

    #[test]
    fn zeros_over_other_bytes_are_given_back() {
        let bytes = 4 << 20;
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![9; bytes], 0).unwrap();
        // Zeros that end within a block, and some that are there already.
        file.write_all_at(&vec![0; 300_000], 1_500_000).unwrap();
        write_over(&file, 1000, &vec![0; 3_000_000]).unwrap();
        let mut found = vec![1; bytes];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found[..1000] == [9; 1000] && is_zero(&found[1000..3_001_000]));
        assert!(found[3_001_000..] == vec![9; bytes - 3_001_000]);
        // A file system without holes keeps the room.
        let blocks = file.metadata().unwrap().blocks() * 512;
        assert!(blocks <= bytes as u64 && (blocks < 1_500_000 || blocks == bytes as u64), "{blocks}");
    }

    #[test]
    fn zeros_take_no_room() {
        let (file, bytes) = (tempfile::tempfile().unwrap(), 16 << 20);
        file.set_len(bytes).unwrap();
        // These pieces do not begin at blocks.
        for at in (5..bytes).step_by(65_537) {
            let zeros = vec![0; 65_537.min((bytes - at) as usize)];
            write_new(&file, at, &zeros).unwrap();
            write_over(&file, at, &zeros).unwrap();
        }
        assert_eq!(file.metadata().unwrap().blocks(), 0);
    }
}
