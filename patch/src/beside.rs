//! Decodes on a thread of its own. The decoder needs all of a core, so everything that is not its model is left to the other
//! thread: what becomes of the bytes, and reading the base for long copies.

use std::io::{self, Read};
use std::sync::mpsc::{SyncSender, sync_channel};

use regrow_delta::{Base, DeltaError, Receiver, decode_into};
use regrow_local::spawn_scoped;

use crate::apply::ApplyError;

/// The most steps that wait between the two threads. Each has 64 KiB at most.
const STEPS_WAITING: usize = 16;
/// The number of bytes of a copy that are read at a time.
const COPY_BYTES: u64 = 128 << 10;

/// What comes next of a target.
enum Step {
    Bytes(Vec<u8>),
    /// Bytes of the base: where they begin, and their number.
    Copied(u64, u64),
}

/// The end that the decoder gives its target to.
struct Steps(SyncSender<Step>);

impl Steps {
    fn send(&self, step: Step) -> io::Result<()> {
        self.0.send(step).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Receiver for Steps {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(Step::Bytes(bytes.to_vec()))
    }

    fn copied(&mut self, at: u64, len: u64) -> io::Result<()> {
        self.send(Step::Copied(at, len))
    }
}

/// Makes a target of this many bytes from a base and a coded body, and gives it to `push` on this thread.
///
/// # Errors
/// That of `push`, if it fails; otherwise that of the decoder.
pub(crate) fn decode_beside(
    base: &(impl Base + Sync),
    body: impl Read + Send,
    target_bytes: u64,
    push: &mut dyn FnMut(&[u8]) -> Result<(), ApplyError>,
) -> Result<(), ApplyError> {
    std::thread::scope(|scope| {
        let (sender, steps) = sync_channel(STEPS_WAITING);
        let decode = move || decode_into(base, body, target_bytes, &mut Steps(sender));
        let decoding = spawn_scoped(scope, decode)?;
        let taken = steps.iter().try_for_each(|step| take(base, step, push));
        // A decoder that still goes on ends at its next step.
        drop(steps);
        let decoded = decoding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and_then(|()| Ok(decoded?))
    })
}

fn take(base: &impl Base, step: Step, push: &mut dyn FnMut(&[u8]) -> Result<(), ApplyError>) -> Result<(), ApplyError> {
    let (mut at, mut left) = match step {
        Step::Bytes(bytes) => return push(&bytes),
        Step::Copied(at, len) => (at, len),
    };
    let mut buffer = vec![0; COPY_BYTES.min(left) as usize];
    while left > 0 {
        let piece = &mut buffer[..COPY_BYTES.min(left) as usize];
        base.read_at(at, piece).map_err(DeltaError::Base)?;
        push(piece)?;
        (at, left) = (at + piece.len() as u64, left - piece.len() as u64);
    }
    Ok(())
}
