//! A file that is read while it is written.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How far a file has grown.
pub(crate) struct Growing {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy)]
struct State {
    end: u64,
    /// Whether nothing more comes, and then whether all has come.
    ended: Option<bool>,
}

impl Growing {
    /// A file that has this many bytes now.
    pub(crate) fn from(end: u64) -> Self {
        Self { state: Mutex::new(State { end, ended: None }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until there are bytes at `at`, or nothing more comes, and returns the end of what there is.
    fn wait(&self, at: u64) -> io::Result<u64> {
        let is_waiting = |state: &mut State| state.end <= at && state.ended.is_none();
        let state = *self.changed.wait_while(self.lock(), is_waiting).unwrap_or_else(PoisonError::into_inner);
        match state.ended {
            Some(false) => Err(io::Error::other("the file was given up")),
            _ => Ok(state.end),
        }
    }
}

/// Writes to the end of a growing file. If it is dropped before it is finished, readers fail.
pub(crate) struct Grower<'a> {
    pub(crate) file: &'a File,
    pub(crate) growing: &'a Growing,
}

impl Grower<'_> {
    /// Tells readers that this was all.
    pub(crate) fn finish(self) {
        self.growing.change(|state| state.ended = Some(true));
    }
}

impl Drop for Grower<'_> {
    fn drop(&mut self) {
        self.growing.change(|state| state.ended = state.ended.or(Some(false)));
    }
}

impl Write for Grower<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.file;
        let written = file.write(bytes)?;
        self.growing.change(|state| state.end += written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a growing file from `at` on.
pub(crate) struct GrowingReader<'a> {
    pub(crate) file: &'a File,
    pub(crate) growing: &'a Growing,
    pub(crate) at: u64,
}

impl Read for GrowingReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.growing.wait(self.at)?.saturating_sub(self.at);
        let len = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut out[..len], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_while(write: impl FnOnce(Grower<'_>) + Send) -> io::Result<Vec<u8>> {
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(b"head").unwrap();
        let growing = Growing::from(4);
        std::thread::scope(|scope| {
            scope.spawn(|| write(Grower { file: &file, growing: &growing }));
            let mut read = Vec::new();
            GrowingReader { file: &file, growing: &growing, at: 2 }.read_to_end(&mut read).map(|_| read)
        })
    }

    #[test]
    fn a_reader_gets_all_bytes_or_an_error() {
        let write = |grower: &mut Grower<'_>| (0..50).for_each(|n| grower.write_all(&[n; 3]).unwrap());
        let read = read_while(|mut grower| {
            write(&mut grower);
            grower.finish();
        });
        let all: Vec<u8> = (0..50).flat_map(|n| [n; 3]).collect();
        assert_eq!(read.unwrap(), [&b"ad"[..], &all].concat());
        read_while(|mut grower| write(&mut grower)).unwrap_err();
    }
}
