//! Reads a compressed file in uncompressed form. One thread decompresses while another cuts what it made.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

use bytes::Bytes;
use regrow_index::CodedFormat;

use super::Ingest;
use crate::LocalError;
use crate::coded::{CodedReader, PackedPoint, PointCollector};
use crate::pool::spawn_scoped;

/// The number of plain bytes that are cut at a time.
const PLAIN_BYTES: usize = 1 << 20;
/// The largest number of plain pieces that wait to be cut.
const PLAIN_WAITING: usize = 4;
/// The largest number of stored pieces that wait to be decompressed.
const STORED_WAITING: usize = 2;

/// What the decompressing thread says.
enum Made {
    Plain(Bytes),
    /// It is done with a stored piece.
    Taken,
}

impl Ingest<'_, '_, '_> {
    /// Takes a compressed file's pieces from `next`, and cuts its plain bytes. The result is the points in it, if they are
    /// gathered. A damaged file gives the bytes before the damage.
    pub(super) fn unfold(
        &mut self,
        format: CodedFormat,
        gathers_points: bool,
        next: &mut dyn FnMut(&mut Self) -> Result<Option<Bytes>, LocalError>,
    ) -> Result<Vec<PackedPoint>, LocalError> {
        std::thread::scope(|scope| {
            let (stored, coming) = channel();
            let (made, arriving) = sync_channel(PLAIN_WAITING);
            let decompressing = spawn_scoped(scope, move || decompress(format, gathers_points, &coming, &made));
            let Ok(decompressing) = decompressing else { return self.unfold_here(format, gathers_points, next) };
            let mut waiting = 0;
            while let Some(piece) = next(self)? {
                // A thread that is gone is noticed below.
                let _ = stored.send(piece);
                waiting += 1;
                while waiting > STORED_WAITING {
                    match arriving.recv().map_err(|_| LocalError::Worker)? {
                        Made::Plain(plain) => self.push_plain(plain, gathers_points)?,
                        Made::Taken => waiting -= 1,
                    }
                }
            }
            drop(stored);
            for made in &arriving {
                if let Made::Plain(plain) = made {
                    self.push_plain(plain, gathers_points)?;
                }
            }
            decompressing.join().map_err(|_| LocalError::Worker)
        })
    }

    /// Does the same where the system gives no other thread.
    fn unfold_here(
        &mut self,
        format: CodedFormat,
        gathers_points: bool,
        next: &mut dyn FnMut(&mut Self) -> Result<Option<Bytes>, LocalError>,
    ) -> Result<Vec<PackedPoint>, LocalError> {
        let mut unfolding = Unfolding::new(format, gathers_points);
        while let Some(piece) = next(self)? {
            unfolding.push(&piece, &mut |plain| self.push_plain(plain, gathers_points))?;
        }
        unfolding.finish(&mut |plain| self.push_plain(plain, gathers_points))?;
        Ok(unfolding.points.finish())
    }
}

/// The work of the decompressing thread, which ends early where nobody takes what it makes.
fn decompress(
    format: CodedFormat,
    gathers_points: bool,
    coming: &Receiver<Bytes>,
    made: &SyncSender<Made>,
) -> Vec<PackedPoint> {
    let mut unfolding = Unfolding::new(format, gathers_points);
    let send = |message| made.send(message).map_err(|_| LocalError::Worker);
    let mut work = || {
        for piece in coming {
            unfolding.push(&piece, &mut |plain| send(Made::Plain(plain)))?;
            send(Made::Taken)?;
        }
        unfolding.finish(&mut |plain| send(Made::Plain(plain)))
    };
    match work() {
        Ok(()) => unfolding.points.finish(),
        Err(_) => Vec::new(),
    }
}

/// A compressed file that is read in uncompressed form.
struct Unfolding {
    reader: CodedReader,
    plain: Vec<u8>,
    given: u64,
    gathers_points: bool,
    points: PointCollector,
    /// Whether the file turned out to be damaged. It gives no more bytes then.
    is_broken: bool,
}

impl Unfolding {
    fn new(format: CodedFormat, gathers_points: bool) -> Self {
        let (reader, plain) = (CodedReader::new(format), Vec::with_capacity(PLAIN_BYTES));
        let points = PointCollector::default();
        let mut unfolding = Self { reader, plain, given: 0, gathers_points, points, is_broken: false };
        unfolding.points.look(&unfolding.reader, 0);
        unfolding
    }

    fn push(
        &mut self,
        mut stored: &[u8],
        sink: &mut dyn FnMut(Bytes) -> Result<(), LocalError>,
    ) -> Result<(), LocalError> {
        while !self.is_broken {
            let before = self.plain.len();
            let Ok(step) = self.reader.push(stored, &mut self.plain, PLAIN_BYTES - before) else {
                self.is_broken = true;
                return Ok(());
            };
            stored = &stored[step.taken..];
            // Frames of a zstd file end anywhere, and only there are points.
            if step.ended && self.gathers_points && self.reader.format() == CodedFormat::Zstd {
                self.points.look(&self.reader, self.given + self.plain.len() as u64);
            }
            if self.plain.len() == PLAIN_BYTES {
                self.hand_on(sink)?;
            } else if step.taken == 0 && self.plain.len() == before {
                return Ok(());
            }
        }
        Ok(())
    }

    fn hand_on(&mut self, sink: &mut dyn FnMut(Bytes) -> Result<(), LocalError>) -> Result<(), LocalError> {
        self.given += self.plain.len() as u64;
        if self.gathers_points {
            self.points.look(&self.reader, self.given);
        }
        sink(std::mem::replace(&mut self.plain, Vec::with_capacity(PLAIN_BYTES)).into())
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Bytes) -> Result<(), LocalError>) -> Result<(), LocalError> {
        if self.plain.is_empty() { Ok(()) } else { self.hand_on(sink) }
    }
}
