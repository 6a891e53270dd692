//! Places in a gzip file from which it can be read: one for about each MiB that it holds.

use std::ops::Range;

use regrow_chunker::varint;
use regrow_deflate::{Checkpoint, GzipPoint, GzipReader};

/// Bytes that the file holds between two points, to begin with.
const SPACING_BYTES: u64 = 1 << 20;
/// With more points than these every second is dropped, and the spacing doubled: a point takes 10 to 32 KiB of memory.
const MAX_POINTS: usize = 2048;
/// More than a checkpoint's encoded form may be.
const MAX_CHECKPOINT_BYTES: usize = 64 << 10;
/// Fast, and good enough for windows of 32 KiB.
const ZSTD_LEVEL: i32 = 1;

/// A point, its state compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedPoint {
    /// Where it is in what the file holds.
    pub(crate) plain_at: u64,
    /// Offset in the gzip file.
    stored_at: u64,
    /// Empty where a member begins.
    within: Box<[u8]>,
}

impl PackedPoint {
    fn pack(plain_at: u64, point: &GzipPoint) -> Option<Self> {
        let within = match &point.within {
            Some(checkpoint) => zstd::bulk::compress(&checkpoint.encode(), ZSTD_LEVEL).ok()?,
            None => Vec::new(),
        };
        Some(Self { plain_at, stored_at: point.stored_at, within: within.into() })
    }

    /// The point itself; `None` for a damaged one.
    pub(crate) fn unpack(&self) -> Option<GzipPoint> {
        let within = match &*self.within {
            [] => None,
            packed => {
                let encoded = zstd::bulk::decompress(packed, MAX_CHECKPOINT_BYTES).ok()?;
                Some(Checkpoint::decode(&encoded)?)
            }
        };
        Some(GzipPoint { stored_at: self.stored_at, within })
    }
}

/// A gzip file that was found in another file, and that is read as what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfolded {
    /// Where in the file it lies.
    pub(crate) stored: Range<u64>,
    /// Where in the plain image is what it holds, as far as it could be read.
    pub(crate) plain: Range<u64>,
    /// At least one, at the beginning; ascending.
    pub(crate) points: Vec<PackedPoint>,
}

/// Gathers points while a gzip file is read front to back.
pub(crate) struct PointCollector {
    points: Vec<PackedPoint>,
    spacing: u64,
    next_at: u64,
}

impl Default for PointCollector {
    fn default() -> Self {
        Self { points: Vec::new(), spacing: SPACING_BYTES, next_at: 0 }
    }
}

impl PointCollector {
    /// Looks at the reader after it has given `plain_at` bytes.
    pub(crate) fn look(&mut self, reader: &GzipReader, plain_at: u64) {
        if plain_at < self.next_at {
            return;
        }
        let Some(packed) = reader.point().and_then(|point| PackedPoint::pack(plain_at, &point)) else { return };
        if self.points.len() == MAX_POINTS {
            let mut number = 0;
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.spacing *= 2;
        }
        self.points.push(packed);
        self.next_at = plain_at + self.spacing;
    }

    pub(crate) fn finish(self) -> Vec<PackedPoint> {
        self.points
    }
}

impl Unfolded {
    /// For the catalog.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.stored.start, self.stored.end, self.plain.start, self.plain.end, self.points.len() as u64] {
            varint::put(out, number);
        }
        for point in &self.points {
            for number in [point.plain_at, point.stored_at, point.within.len() as u64] {
                varint::put(out, number);
            }
            out.extend_from_slice(&point.within);
        }
    }

    /// `None` for anything that [`Unfolded::encode`] did not write.
    pub(crate) fn decode(blob: &mut &[u8]) -> Option<Self> {
        let (stored, plain) = (take_range(blob)?, take_range(blob)?);
        let count = varint::take(blob).filter(|&count| count > 0 && count <= blob.len() as u64 / 3)?;
        let mut points: Vec<PackedPoint> = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let (plain_at, stored_at) = (varint::take(blob)?, varint::take(blob)?);
            let bytes = varint::take(blob).filter(|&bytes| bytes <= blob.len() as u64)?;
            let (within, rest) = blob.split_at(bytes as usize);
            *blob = rest;
            if points.last().map_or(plain_at != 0, |last| last.plain_at >= plain_at) {
                return None;
            }
            points.push(PackedPoint { plain_at, stored_at, within: within.into() });
        }
        let ends = points.last().is_some_and(|last| last.plain_at < plain.end - plain.start);
        ends.then_some(Self { stored, plain, points })
    }
}

fn take_range(blob: &mut &[u8]) -> Option<Range<u64>> {
    let range = varint::take(blob)?..varint::take(blob)?;
    (range.start < range.end).then_some(range)
}
