//! Writing of a pack front to back, so that it can go anywhere that takes bytes.

use std::collections::HashMap;
use std::io::{self, Write};

use regrow_chunker::{ChunkId, PackId, Record, SegmentId, varint};

use super::{HEADER_BYTES, KIND_ZSTD, MAGIC, TRAILER_MAGIC, VERSION};
use crate::frame::StoredFrame;

/// The part of a pack that a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The part of the contents frames, which are written at once.
    Contents,
    /// The part of the skeleton frames. They are kept until the pack ends, so that one read of its end gives them
    /// together with the table.
    Skeleton,
}

/// A finished pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackSummary {
    /// The pack's id: BLAKE3 of all its bytes.
    pub id: PackId,
    /// The pack's size in bytes.
    pub bytes: u64,
    /// The offset of the skeleton frames.
    pub skeleton_at: u64,
    /// The offset of the segments.
    pub tail_at: u64,
}

/// The size of the header, the trailer and the table's two counts.
const FIXED_BYTES: u64 = HEADER_BYTES + super::TRAILER_BYTES + 20;
/// The largest size of a record in a table: an id, and the length of a chunk of at most 4 MiB.
const RECORD_BYTES: u64 = 36;

/// The most bytes that a frame adds to a pack: its own, and its part of the table.
#[must_use]
pub fn frame_cost(frame: &StoredFrame) -> u64 {
    frame.bytes.len() as u64 + 16 + RECORD_BYTES * frame.records.len() as u64
}

/// The most bytes that a segment adds to a pack: its name, and its stored form if each record is a run of its own.
#[must_use]
pub fn segment_cost(records: &[Record]) -> u64 {
    42 + (RECORD_BYTES + 2) * records.len() as u64
}

/// A writer of one pack.
pub struct PackWriter<W: Write> {
    out: Hashed<W>,
    contents: Vec<TableFrame>,
    skeleton: Vec<StoredFrame>,
    skeleton_bytes: u64,
    segments: Vec<(SegmentId, Vec<Record>)>,
    most_bytes: u64,
}

struct TableFrame {
    records: Vec<Record>,
    bytes: u64,
}

struct Hashed<W> {
    out: W,
    hasher: blake3::Hasher,
    at: u64,
}

impl<W: Write> Hashed<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Write> PackWriter<W> {
    /// Begins a pack.
    ///
    /// # Errors
    /// This and the other methods return the errors of `out`.
    pub fn new(out: W) -> io::Result<Self> {
        let mut out = Hashed { out, hasher: blake3::Hasher::new(), at: 0 };
        out.put(&MAGIC)?;
        out.put(&VERSION.to_le_bytes())?;
        out.put(&[0; 4])?;
        let (contents, skeleton, segments) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { out, contents, skeleton, skeleton_bytes: 0, segments, most_bytes: FIXED_BYTES })
    }

    /// Appends a frame to its part.
    pub fn add_frame(&mut self, part: Part, frame: StoredFrame) -> io::Result<()> {
        self.most_bytes += frame_cost(&frame);
        match part {
            Part::Contents => {
                self.out.put(&frame.bytes)?;
                self.contents.push(TableFrame { bytes: frame.bytes.len() as u64, records: frame.records });
            }
            Part::Skeleton => {
                self.skeleton_bytes += frame.bytes.len() as u64;
                self.skeleton.push(frame);
            }
        }
        Ok(())
    }

    /// Adds a recipe segment by its id and records.
    pub fn add_segment(&mut self, id: SegmentId, records: Vec<Record>) {
        self.most_bytes += segment_cost(&records);
        self.segments.push((id, records));
    }

    /// The number of bytes of frames so far.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        self.out.at - HEADER_BYTES + self.skeleton_bytes
    }

    /// An upper bound of the pack's size if it ended now.
    #[must_use]
    pub fn most_bytes(&self) -> u64 {
        self.most_bytes
    }

    /// Whether the pack holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frame_bytes() == 0 && self.segments.is_empty()
    }

    /// Writes the rest, and returns the writer and a summary of the pack.
    pub fn finish(mut self) -> io::Result<(W, PackSummary)> {
        let skeleton_at = self.out.at;
        for frame in &self.skeleton {
            self.out.put(&frame.bytes)?;
        }
        let tail_at = self.out.at;
        let (stored_segments, table) = self.encode_table();
        let table_at = tail_at + stored_segments.len() as u64;
        let tail = [stored_segments, table].concat();
        let bytes = tail_at + tail.len() as u64 + super::TRAILER_BYTES;
        self.out.put(&tail)?;
        let mut trailer = Vec::with_capacity(super::TRAILER_BYTES as usize);
        for number in [skeleton_at, tail_at, table_at, bytes] {
            trailer.extend_from_slice(&number.to_le_bytes());
        }
        trailer.extend_from_slice(blake3::hash(&tail).as_bytes());
        trailer.extend_from_slice(&VERSION.to_le_bytes());
        trailer.extend_from_slice(&[0; 20]);
        trailer.extend_from_slice(&TRAILER_MAGIC);
        self.out.put(&trailer)?;
        let id = PackId::of_hashed(&self.out.hasher);
        Ok((self.out.out, PackSummary { id, bytes, skeleton_at, tail_at }))
    }

    /// Encodes the segments' stored forms, and the table.
    fn encode_table(&self) -> (Vec<u8>, Vec<u8>) {
        let mut table = Vec::new();
        let mut places = HashMap::new();
        varint::put(&mut table, (self.contents.len() + self.skeleton.len()) as u64);
        let contents = self.contents.iter().map(|frame| (&frame.records, frame.bytes));
        let skeleton = self.skeleton.iter().map(|frame| (&frame.records, frame.bytes.len() as u64));
        for (records, bytes) in contents.chain(skeleton) {
            table.push(KIND_ZSTD);
            varint::put(&mut table, bytes);
            varint::put(&mut table, records.len() as u64);
            for record in records {
                let place = places.len() as u64;
                places.entry(record.id).or_insert(place);
                put_record(&mut table, record);
            }
        }
        let mut stored = Vec::new();
        varint::put(&mut table, self.segments.len() as u64);
        for (id, records) in &self.segments {
            let before = stored.len();
            put_segment(&mut stored, records, &places);
            table.extend_from_slice(id.as_bytes());
            varint::put(&mut table, (stored.len() - before) as u64);
        }
        (stored, table)
    }
}

fn put_record(out: &mut Vec<u8>, record: &Record) {
    out.extend_from_slice(record.id.as_bytes());
    varint::put(out, u64::from(record.len));
}

/// Appends a segment's stored form: runs of records, or of positions in the table.
fn put_segment(out: &mut Vec<u8>, records: &[Record], places: &HashMap<ChunkId, u64>) {
    let mut at = 0;
    while at < records.len() {
        let rest = &records[at..];
        match places.get(&rest[0].id) {
            Some(&place) => {
                let run = rest
                    .iter()
                    .zip(place..)
                    .take_while(|(record, place)| places.get(&record.id) == Some(place))
                    .count();
                varint::put(out, (run as u64) << 1 | 1);
                varint::put(out, place);
                at += run;
            }
            None => {
                let run = rest.iter().take_while(|record| !places.contains_key(&record.id)).count();
                varint::put(out, (run as u64) << 1);
                rest[..run].iter().for_each(|record| put_record(out, record));
                at += run;
            }
        }
    }
}
