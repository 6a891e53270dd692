//! Zstd files that are read at random. A frame cannot be entered in its middle without all that its window holds, which
//! is megabytes. So a file of long frames is decompressed as a whole once, into a file without a name. If there is no
//! room for that, it is decompressed again and again, from the frame's beginning or from where the last reader ended.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::{CodedReader, Unfolded};

const READ_BYTES: usize = 128 << 10;
const PLAIN_BYTES: usize = 1 << 20;
/// The number of bytes that stay free on the disk.
const SPARE_BYTES: u64 = 64 << 20;

/// The plain bytes of one zstd file.
#[derive(Default)]
pub(super) struct Spooled {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// Nothing was read yet.
    #[default]
    Unread,
    /// All plain bytes are in a file.
    Whole(Arc<File>),
    /// There is no room for them.
    InOrder(Option<Box<InOrder>>),
}

impl Spooled {
    /// Fills `out` with plain bytes from `at` on. `scratch` is a folder for all of them.
    pub(super) fn read_exact_at(
        &self,
        (file, unfolded): (&File, &Unfolded),
        scratch: Option<&Path>,
        out: &mut [u8],
        at: u64,
    ) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Unread) {
            *state = match scratch.and_then(|scratch| whole(file, unfolded, scratch)) {
                Some(whole) => State::Whole(Arc::new(whole)),
                None => State::InOrder(None),
            };
        }
        match &mut *state {
            State::Whole(whole) => {
                let whole = Arc::clone(whole);
                drop(state);
                whole.read_exact_at(out, at)
            }
            State::InOrder(reader) => {
                let mut reading = match reader.take() {
                    Some(reading) if reading.plain_at <= at && reading.is_nearest(unfolded, at) => reading,
                    _ => Box::new(InOrder::from_point(unfolded, at)?),
                };
                // If reading fails, the next one begins again.
                reading.read(file, unfolded, out, at)?;
                *reader = Some(reading);
                Ok(())
            }
            State::Unread => Err(io::ErrorKind::Other.into()),
        }
    }
}

/// Decompresses all of a zstd file into a file without a name, if there is room for it.
fn whole(file: &File, unfolded: &Unfolded, scratch: &Path) -> Option<File> {
    let plain_bytes = unfolded.plain.end - unfolded.plain.start;
    let room = rustix::fs::statvfs(scratch).ok()?;
    if room.f_bavail.saturating_mul(room.f_frsize) < plain_bytes.saturating_add(SPARE_BYTES) {
        return None;
    }
    let whole = tempfile::tempfile_in(scratch).ok()?;
    let mut reading = InOrder::from_point(unfolded, 0).ok()?;
    let (mut at, mut piece) = (0, vec![0; PLAIN_BYTES]);
    while at < plain_bytes {
        let len = PLAIN_BYTES.min(usize::try_from(plain_bytes - at).unwrap_or(usize::MAX));
        reading.read(file, unfolded, &mut piece[..len], at).ok()?;
        whole.write_all_at(&piece[..len], at).ok()?;
        at += len as u64;
    }
    Some(whole)
}

/// A reader that goes forward only.
struct InOrder {
    reader: CodedReader,
    /// The place of the next stored byte.
    stored_at: u64,
    /// Stored bytes that were read but not taken.
    held: Vec<u8>,
    /// Plain bytes that were made but not given, and the offset of the first of them.
    plain: Vec<u8>,
    plain_at: u64,
}

impl InOrder {
    /// A reader from the last point that is not behind `at`.
    fn from_point(unfolded: &Unfolded, at: u64) -> io::Result<Self> {
        let (reader, stored_at, plain_at) = unfolded.reader_from(at).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { reader, stored_at, held: Vec::new(), plain: Vec::new(), plain_at })
    }

    /// Whether no point lies nearer before `at` than this reader stands.
    fn is_nearest(&self, unfolded: &Unfolded, at: u64) -> bool {
        let point = unfolded.points().get(unfolded.point_before(at));
        point.map_or(0, |point| point.plain_at) <= self.plain_at + self.plain.len() as u64
    }

    fn read(&mut self, file: &File, unfolded: &Unfolded, mut out: &mut [u8], at: u64) -> io::Result<()> {
        while !out.is_empty() {
            let skipped = usize::try_from(at.saturating_sub(self.plain_at)).unwrap_or(usize::MAX);
            let skipped = skipped.min(self.plain.len());
            self.plain.drain(..skipped);
            self.plain_at += skipped as u64;
            if self.plain_at < at || self.plain.is_empty() {
                self.fill(file, unfolded)?;
                continue;
            }
            let len = out.len().min(self.plain.len());
            let (now, rest) = out.split_at_mut(len);
            now.copy_from_slice(&self.plain[..len]);
            self.plain.drain(..len);
            self.plain_at += len as u64;
            out = rest;
        }
        Ok(())
    }

    /// Makes more plain bytes.
    fn fill(&mut self, file: &File, unfolded: &Unfolded) -> io::Result<()> {
        if self.held.is_empty() {
            let left = usize::try_from(unfolded.stored.end - self.stored_at).unwrap_or(usize::MAX);
            self.held.resize(READ_BYTES.min(left), 0);
            file.read_exact_at(&mut self.held, self.stored_at)?;
            self.stored_at += self.held.len() as u64;
        }
        let before = self.plain.len();
        let step =
            self.reader.push(&self.held, &mut self.plain, PLAIN_BYTES).map_err(|_| io::ErrorKind::InvalidData)?;
        if step.taken == 0 && self.plain.len() == before {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.held.drain(..step.taken);
        Ok(())
    }
}
