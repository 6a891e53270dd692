//! Points in a compressed file at which a reader can start: about one for each MiB of plain bytes, if it is a gzip file,
//! at most one for each frame, if it is a zstd file, and each block, if it is a disk image.

use std::ops::Range;

use regrow_chunker::varint;
use regrow_deflate::{Checkpoint, GzipPoint};
use regrow_index::CodedFormat;

use super::CodedReader;
use super::disk::DiskPlaces;

/// The number of plain bytes between two points, at first.
const SPACING_BYTES: u64 = 1 << 20;
/// The most plain bytes between two points of a zstd file that are decompressed together into memory.
const MAX_SPAN_BYTES: u64 = 4 << 20;
/// With more points than these, every second one is dropped and the spacing is doubled. A point takes 10 to 32 KiB
/// of memory.
const MAX_POINTS: usize = 2048;
/// An upper bound for the encoded form of a checkpoint.
const MAX_CHECKPOINT_BYTES: usize = 64 << 10;
/// The numbers of the formats in the catalog.
const GZIP: u8 = 0;
const ZSTD: u8 = 1;
const DISK: u8 = 2;
/// A fast level, which is good enough for windows of 32 KiB.
const ZSTD_LEVEL: i32 = 1;

/// A point whose state is compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedPoint {
    /// The offset among the plain bytes.
    pub(crate) plain_at: u64,
    /// The offset in the compressed file.
    stored_at: u64,
    /// The compressed state of the reader. It is empty at the beginning of a member or frame.
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

    /// Unpacks the point. The result is `None` if it is damaged.
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

/// A compressed file that was found in another file, and that is read in uncompressed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfolded {
    /// The place of the compressed file in the other file.
    pub(crate) stored: Range<u64>,
    /// The place of its plain bytes in the plain image, as far as they could be read.
    pub(crate) plain: Range<u64>,
    /// The places at which readers start.
    pub(crate) starts: Starts,
}

/// The places in a compressed file at which readers start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Starts {
    /// The points in a gzip or zstd file, in ascending order. There is at least one, at the beginning. Those of a zstd
    /// file are beginnings of frames.
    Points(CodedFormat, Vec<PackedPoint>),
    /// The compressed blocks of a disk image.
    Blocks(DiskPlaces),
}

/// Gathers points while a compressed file is read front to back.
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
    /// Considers a point after the reader has given `plain_at` bytes.
    pub(crate) fn look(&mut self, reader: &CodedReader, plain_at: u64) {
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
    /// The format of a gzip or zstd file.
    pub(crate) fn format(&self) -> Option<CodedFormat> {
        match &self.starts {
            Starts::Points(format, _) => Some(*format),
            Starts::Blocks(_) => None,
        }
    }

    /// The points in a gzip or zstd file.
    pub(crate) fn points(&self) -> &[PackedPoint] {
        match &self.starts {
            Starts::Points(_, points) => points,
            Starts::Blocks(_) => &[],
        }
    }

    /// A reader that goes on at the last point that is not behind this offset among the plain bytes, the place of the
    /// point in the compressed file, and its offset among the plain bytes. The result is `None` if the point is damaged.
    pub(super) fn reader_from(&self, plain_at: u64) -> Option<(CodedReader, u64, u64)> {
        let point = self.points().get(self.point_before(plain_at))?;
        let from = point.unpack()?;
        Some((CodedReader::resume(self.format()?, &from), self.stored.start + from.stored_at, point.plain_at))
    }

    /// The position of the last point that is not behind this offset among the plain bytes.
    pub(super) fn point_before(&self, plain_at: u64) -> usize {
        self.points().partition_point(|point| point.plain_at <= plain_at).saturating_sub(1)
    }

    /// The offset among the plain bytes at which the span that begins with this point ends.
    pub(super) fn span_end(&self, point: usize) -> u64 {
        self.points().get(point + 1).map_or(self.plain.end - self.plain.start, |next| next.plain_at)
    }

    /// Whether the plain bytes between two points take too much memory to be kept there.
    pub(super) fn has_long_spans(&self) -> bool {
        let points = self.points();
        let ends = points.iter().skip(1).map(|point| point.plain_at).chain([self.plain.end - self.plain.start]);
        self.format() == Some(CodedFormat::Zstd)
            && points.iter().zip(ends).any(|(point, end)| end.saturating_sub(point.plain_at) > MAX_SPAN_BYTES)
    }

    /// Encodes the compressed file for the catalog.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self.format() {
            Some(CodedFormat::Gzip) => GZIP,
            Some(CodedFormat::Zstd) => ZSTD,
            None => DISK,
        });
        for number in [self.stored.start, self.stored.end, self.plain.start, self.plain.end] {
            varint::put(out, number);
        }
        let points = match &self.starts {
            Starts::Points(_, points) => points,
            Starts::Blocks(places) => return places.encode(out),
        };
        varint::put(out, points.len() as u64);
        for point in points {
            for number in [point.plain_at, point.stored_at, point.within.len() as u64] {
                varint::put(out, number);
            }
            out.extend_from_slice(&point.within);
        }
    }

    /// Decodes the form that [`Unfolded::encode`] writes. The result is `None` for anything else.
    pub(crate) fn decode(blob: &mut &[u8]) -> Option<Self> {
        let (&format, rest) = blob.split_first()?;
        *blob = rest;
        let format = match format {
            GZIP => CodedFormat::Gzip,
            ZSTD => CodedFormat::Zstd,
            DISK => {
                let (stored, plain) = (take_range(blob)?, take_range(blob)?);
                return Some(Self { stored, plain, starts: Starts::Blocks(DiskPlaces::decode(blob)?) });
            }
            _ => return None,
        };
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
        ends.then_some(Self { stored, plain, starts: Starts::Points(format, points) })
    }
}

fn take_range(blob: &mut &[u8]) -> Option<Range<u64>> {
    let range = varint::take(blob)?..varint::take(blob)?;
    (range.start < range.end).then_some(range)
}
