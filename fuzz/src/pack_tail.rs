//! `PackTail::decode` on hostile ends of packs, and each segment of those that it accepts. Half of the inputs get a
//! correct trailer: offsets that fit the frames' lengths, and the hash.

use bytes::Bytes;
use regrow_chunker::{ChunkId, MAX_CHUNK_BYTES, Record, varint};
use regrow_index::{MAX_SEGMENT_RECORDS, Segment};
use regrow_store::{MAX_FRAME_BYTES, PackTail, PackWriter, Part, StoredFrame, TRAILER_BYTES, Trailer};

use crate::input::Input;

/// The first byte says how to take the rest: 0 as a pack's end, any other value as one that needs a trailer. Then
/// come one byte for the number of contents frames, and two for the length of the segments' part.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let (end, bytes) = match input.byte() {
        0 => (input.0.to_vec(), input.0.len() as u64),
        _ => {
            let (contents_frames, segments_len) = (input.byte(), input.number());
            seal(input.0, contents_frames, segments_len.into())
        }
    };
    let split = end.len().saturating_sub(TRAILER_BYTES as usize);
    let _ = Trailer::decode(&end[split..], bytes);
    let Ok(tail) = PackTail::decode(&Bytes::from(end), bytes) else { return };
    check(&tail);
}

fn check(tail: &PackTail) {
    let mut next = 0;
    for frame in &tail.frames {
        assert_eq!(frame.chunks.start, next, "frames share or skip chunks");
        next = frame.chunks.end;
        let plain: u64 = tail.records[frame.chunks.clone()].iter().map(|record| u64::from(record.len)).sum();
        assert_eq!(plain, frame.plain_bytes);
        assert!(plain <= MAX_FRAME_BYTES && frame.stored.end <= tail.trailer.tail_at);
    }
    assert_eq!(next, tail.records.len());
    assert!(tail.records.iter().all(|record| (1..=MAX_CHUNK_BYTES).contains(&record.len)));
    assert_eq!(tail.segment_ids().count(), tail.segments());
    for number in 0..tail.segments() {
        if let Ok((_, records)) = tail.segment(number) {
            assert!(records.len() <= MAX_SEGMENT_RECORDS);
            let _ = Segment::new(records).map(|segment| segment.id());
        }
    }
    assert!(tail.segment(tail.segments()).is_err());
}

/// Makes a pack's end with a trailer that fits `tail`. The first `segments_len` bytes of `tail` are the segments,
/// and the rest is the table.
fn seal(tail: &[u8], contents_frames: u8, segments_len: usize) -> (Vec<u8>, u64) {
    let segments_len = segments_len.min(tail.len());
    let (skeleton_at, tail_at) = parts(&tail[segments_len..], contents_frames).unwrap_or((16, 16));
    let table_at = tail_at.saturating_add(segments_len as u64);
    let bytes = tail_at.saturating_add(tail.len() as u64 + TRAILER_BYTES);
    let mut end = tail.to_vec();
    for number in [skeleton_at, tail_at, table_at, bytes] {
        end.extend_from_slice(&number.to_le_bytes());
    }
    end.extend_from_slice(blake3::hash(tail).as_bytes());
    end.extend_from_slice(&1u32.to_le_bytes());
    end.extend_from_slice(&[0; 20]);
    end.extend_from_slice(b"\x89RGT\r\n\x1a\n");
    (end, bytes)
}

/// The offsets of the skeleton frames and of the tail, as a table states them.
fn parts(mut table: &[u8], contents_frames: u8) -> Option<(u64, u64)> {
    let (mut skeleton_at, mut at) = (16u64, 16u64);
    for number in 0..varint::take(&mut table)? {
        table = table.get(1..)?;
        at = at.checked_add(varint::take(&mut table)?)?;
        if number < u64::from(contents_frames) {
            skeleton_at = at;
        }
        for _ in 0..varint::take(&mut table)? {
            table = table.get(32..)?;
            varint::take(&mut table)?;
        }
    }
    Some((skeleton_at, at))
}

/// Seeds: ends of packs of several shapes, whole and without their trailers.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for frames in [0usize, 1, 3, 20] {
        let (pack, tail_at) = sample(frames);
        let end = &pack[tail_at as usize..];
        let table_at = u64::from_le_bytes(pack[pack.len() - 80..pack.len() - 72].try_into().expect("8 bytes"));
        seeds.push([&[0], pack.as_slice()].concat());
        let segments_len = ((table_at - tail_at) as u16).to_le_bytes();
        seeds.push([&[1, (frames - frames / 2) as u8], segments_len.as_slice(), &end[..end.len() - 96]].concat());
    }
    seeds
}

fn sample(frames: usize) -> (Vec<u8>, u64) {
    let mut pack = PackWriter::new(Vec::new()).expect("memory");
    let mut all = Vec::new();
    for frame in 0..frames {
        let record = |n: usize| Record { id: ChunkId::of(format!("{frame}.{n}").as_bytes()), len: 1000 + n as u32 };
        let records: Vec<_> = (0..=frame).map(record).collect();
        all.extend_from_slice(&records);
        let part = if frame % 2 == 0 { Part::Contents } else { Part::Skeleton };
        pack.add_frame(part, StoredFrame { records, bytes: vec![frame as u8; 10 + frame] }).expect("memory");
    }
    all.push(Record { id: ChunkId::from_bytes([9; 32]), len: 5 });
    for records in all.chunks(17) {
        let segment = Segment::new(records.to_vec()).expect("few");
        pack.add_segment(segment.id(), segment.into_records());
    }
    let (pack, summary) = pack.finish().expect("memory");
    (pack, summary.tail_at)
}
