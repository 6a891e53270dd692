//! Keeps ops compactly until they are coded. They stay in memory up to some size, and then go to a file without a
//! name.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use regrow_chunker::varint;
use regrow_delta::{Change, Op, Statistics};
use regrow_local::LocalError;

/// The number of bytes that stay in memory. When there are more, they are written in one go.
const MEMORY_BYTES: usize = 32 << 20;

/// A list of ops in compact form.
pub(crate) struct OpLog {
    folder: PathBuf,
    memory: Vec<u8>,
    memory_bytes: usize,
    spilled: Option<File>,
    spilled_bytes: u64,
    statistics: Statistics,
    /// The offset in the base at which the last copy ended.
    base_at: u64,
    moves: Vec<Move>,
}

/// A change of places in the base: from `from` up to the next move, they are smaller by `back`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) from: u64,
    pub(super) back: u64,
}

impl OpLog {
    /// Makes an empty list, which spills into a file in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self::with_memory(folder, MEMORY_BYTES)
    }

    fn with_memory(folder: &Path, memory_bytes: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            memory: Vec::new(),
            memory_bytes,
            spilled: None,
            spilled_bytes: 0,
            statistics: Statistics::default(),
            base_at: 0,
            moves: Vec::new(),
        }
    }

    /// Makes an empty list that spills into the same folder.
    pub(crate) fn fresh(&self) -> Self {
        Self::with_memory(&self.folder, self.memory_bytes)
    }

    /// The counts of the ops' parts.
    pub(crate) fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Appends an op.
    pub(crate) fn push(&mut self, op: &Op) -> Result<(), LocalError> {
        self.statistics.add(op);
        let out = &mut self.memory;
        varint::put(out, op.literal.len() as u64);
        out.extend_from_slice(&op.literal);
        varint::put(out, op.len);
        varint::put(out, zigzag(op.base_at.wrapping_sub(self.base_at) as i64));
        self.base_at = op.base_at + op.len;
        varint::put(out, op.changes.len() as u64);
        let mut at = 0;
        for change in &op.changes {
            varint::put(out, change.at - at);
            out.push(change.byte);
            at = change.at;
        }
        if out.len() >= self.memory_bytes { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), LocalError> {
        if self.spilled.is_none() {
            self.spilled = Some(tempfile::tempfile_in(&self.folder).map_err(LocalError::io(&self.folder))?);
        }
        if let Some(file) = &mut self.spilled {
            file.write_all(&self.memory).map_err(LocalError::io("temporary file"))?;
        }
        self.spilled_bytes += self.memory.len() as u64;
        self.memory.clear();
        Ok(())
    }

    /// Changes the places in the base by these moves, which must be sorted.
    pub(super) fn move_base(&mut self, moves: Vec<Move>) {
        self.moves = moves;
    }

    /// Reads the ops in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Result<Op, LocalError>> + '_ {
        let spilled = self.spilled.as_ref().map(|file| FileFrom { file, at: 0, end: self.spilled_bytes });
        let mut reader = OpReader {
            input: BufReader::with_capacity(1 << 20, Spilled(spilled).chain(self.memory.as_slice())),
            base_at: 0,
        };
        (0..self.statistics.ops).map(move |_| {
            let op = reader.next().map_err(LocalError::io("temporary file"))?;
            Ok(Op { base_at: self.moved(op.base_at), ..op })
        })
    }

    fn moved(&self, at: u64) -> u64 {
        let next = self.moves.partition_point(|known| known.from <= at);
        next.checked_sub(1).map_or(at, |last| at - self.moves[last].back)
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads a range of a file without moving its position.
struct FileFrom<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

struct Spilled<'f>(Option<FileFrom<'f>>);

impl Read for Spilled<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(from) = &mut self.0 else { return Ok(0) };
        let left = usize::try_from(from.end - from.at).unwrap_or(usize::MAX);
        let len = out.len().min(left);
        let read = from.file.read_at(&mut out[..len], from.at)?;
        from.at += read as u64;
        Ok(read)
    }
}

struct OpReader<R> {
    input: R,
    base_at: u64,
}

impl<R: Read> OpReader<R> {
    fn next(&mut self) -> io::Result<Op> {
        let mut literal = vec![0; self.number()? as usize];
        self.input.read_exact(&mut literal)?;
        let len = self.number()?;
        let base_at = self.base_at.wrapping_add(unzigzag(self.number()?) as u64);
        self.base_at = base_at.wrapping_add(len);
        let count = self.number()?;
        let (mut changes, mut at) = (Vec::with_capacity(count as usize), 0);
        for _ in 0..count {
            at += self.number()?;
            changes.push(Change { at, byte: self.byte()? });
        }
        Ok(Op { literal, base_at, len, changes })
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    /// Reads a varint that [`OpLog::push`] wrote.
    fn number(&mut self) -> io::Result<u64> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            if shift > 63 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_ops() -> Vec<Op> {
        let op = |n: u64| Op {
            literal: (0..n % 7).map(|byte| byte as u8).collect(),
            base_at: n * 7919 % 1000,
            len: n % 300 + 1,
            changes: (0..n % 5).map(|k| Change { at: k * 3, byte: k as u8 }).collect(),
        };
        (0..500).map(op).collect()
    }

    #[test]
    fn ops_come_back_from_memory_and_from_the_file() {
        for memory_bytes in [0, 100, 1000, MEMORY_BYTES] {
            let mut log = OpLog::with_memory(&std::env::temp_dir(), memory_bytes);
            some_ops().iter().for_each(|op| log.push(op).unwrap());
            for _ in 0..2 {
                assert_eq!(log.iter().map(Result::unwrap).collect::<Vec<_>>(), some_ops());
            }
            assert_eq!(log.statistics().ops, 500);
            assert_eq!(log.statistics().changed, some_ops().iter().map(|op| op.changes.len() as u64).sum::<u64>());
        }
    }

    #[test]
    fn places_are_moved() {
        let mut log = OpLog::new(&std::env::temp_dir());
        some_ops().iter().for_each(|op| log.push(op).unwrap());
        log.move_base(vec![Move { from: 100, back: 50 }, Move { from: 500, back: 300 }]);
        for (op, old) in log.iter().zip(some_ops()) {
            let back = if old.base_at >= 500 { 300 } else { u64::from(old.base_at >= 100) * 50 };
            assert_eq!(op.unwrap().base_at, old.base_at - back);
        }
    }
}
