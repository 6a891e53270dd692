use bytes::Bytes;
use regrow_chunker::{ChunkId, PackId, Record, SegmentId};

use super::*;
use crate::frame::{Compressor, Decompressor, PlainFrame};

fn chunk(n: u32) -> (Record, Vec<u8>) {
    let bytes = format!("chunk {n} ").repeat(20 + n as usize % 7).into_bytes();
    (Record { id: ChunkId::of(&bytes), len: bytes.len() as u32 }, bytes)
}

fn sample() -> (Vec<u8>, PackSummary) {
    let mut compressor = Compressor::new(3).unwrap();
    let mut pack = PackWriter::new(Vec::new()).unwrap();
    for (part, numbers) in [(Part::Contents, 0..10), (Part::Skeleton, 10..13), (Part::Contents, 13..20)] {
        let mut frame = PlainFrame::default();
        for n in numbers {
            let (record, bytes) = chunk(n);
            frame.push(record, &bytes);
        }
        pack.add_frame(part, frame.compress(&mut compressor).unwrap()).unwrap();
    }
    pack.add_segment(SegmentId::from_bytes([1; 32]), [3, 4, 5, 100, 101, 15, 10].map(|n| chunk(n).0).to_vec());
    pack.add_segment(SegmentId::from_bytes([2; 32]), [200].map(|n| chunk(n).0).to_vec());
    assert!(!pack.is_empty());
    pack.finish().unwrap()
}

#[test]
fn round_trips() {
    let (bytes, summary) = sample();
    assert_eq!(summary.id, PackId::of(&bytes));
    assert_eq!(summary.bytes, bytes.len() as u64);
    let whole = Bytes::from(bytes);
    for from in [0, summary.skeleton_at, summary.tail_at] {
        let tail = PackTail::decode(&whole.slice(from as usize..), summary.bytes).unwrap();
        assert_eq!((tail.trailer.skeleton_at, tail.trailer.tail_at), (summary.skeleton_at, summary.tail_at));
        let order: Vec<u32> = (0..10).chain(13..20).chain(10..13).collect();
        assert_eq!(tail.records, order.iter().map(|&n| chunk(n).0).collect::<Vec<_>>());
        let mut decompressor = Decompressor::new().unwrap();
        for frame in &tail.frames {
            let stored = &whole[frame.stored.start as usize..frame.stored.end as usize];
            let plain = decompressor.decompress(stored, frame.plain_bytes).unwrap();
            let wanted: Vec<u8> = order[frame.chunks.clone()].iter().flat_map(|&n| chunk(n).1).collect();
            assert_eq!(plain, wanted);
        }
        assert_eq!(tail.segments(), 2);
        let wanted = [3, 4, 5, 100, 101, 15, 10].map(|n| chunk(n).0).to_vec();
        assert_eq!(tail.segment(0).unwrap(), (SegmentId::from_bytes([1; 32]), wanted));
        assert_eq!(tail.segment(1).unwrap().1, [chunk(200).0]);
    }
}

#[test]
fn cut_or_flipped_is_an_error() {
    let (bytes, summary) = sample();
    let whole = Bytes::from(bytes.clone());
    for end in 0..bytes.len() {
        assert!(PackTail::decode(&whole.slice(..end), end as u64).is_err(), "cut at {end}");
    }
    for start in summary.tail_at as usize + 1..bytes.len() {
        assert!(PackTail::decode(&whole.slice(start..), summary.bytes).is_err(), "from {start}");
    }
    for at in summary.tail_at as usize..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        let result = PackTail::decode(&Bytes::from(bad), summary.bytes);
        // 20 bytes of the trailer have no meaning yet.
        let reserved = (bytes.len() - 28..bytes.len() - 8).contains(&at);
        assert_eq!(result.is_ok(), reserved, "flipped at {at}");
    }
}

/// The checksum is made right again, so that the code behind it is reached.
#[test]
fn sealed_nonsense_does_no_harm() {
    let (bytes, summary) = sample();
    let tail = summary.tail_at as usize..bytes.len() - TRAILER_BYTES as usize;
    for at in tail.clone() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let hash = *blake3::hash(&bad[tail.clone()]).as_bytes();
            bad[tail.end + 32..tail.end + 64].copy_from_slice(&hash);
            if let Ok(tail) = PackTail::decode(&Bytes::from(bad), summary.bytes) {
                (0..tail.segments()).for_each(|n| drop(tail.segment(n)));
                assert!(tail.frames.iter().all(|f| f.stored.end <= summary.tail_at));
            }
        }
    }
}

/// The end of a pack whose only frame has these records, stored in this many bytes.
fn tail_of(records: Vec<Record>, stored_bytes: usize) -> Result<PackTail, PackError> {
    let mut pack = PackWriter::new(Vec::new()).unwrap();
    pack.add_frame(Part::Contents, crate::frame::StoredFrame { records, bytes: vec![0; stored_bytes] }).unwrap();
    let (bytes, summary) = pack.finish().unwrap();
    PackTail::decode(&Bytes::from(bytes), summary.bytes)
}

#[test]
fn frames_that_no_writer_makes() {
    let record = |first: u8, last: u8| {
        let mut id = [first; 32];
        id[31] = last;
        Record { id: ChunkId::from_bytes(id), len: 1000 }
    };
    // Ids that only begin alike are different.
    assert!(tail_of(vec![record(1, 1), record(2, 1), record(1, 2)], 100).is_ok());
    let twice = tail_of(vec![record(1, 1), record(2, 1), record(1, 1)], 100);
    assert_eq!(twice.err(), Some(PackError::Damaged("a chunk is twice in a frame")));
    let most = 3000 + 3000 / 128 + 1024;
    let records = || vec![record(1, 1), record(2, 1), record(3, 1)];
    assert!(tail_of(records(), most).is_ok());
    assert_eq!(tail_of(records(), most + 1).err(), Some(PackError::Damaged("a frame is longer than its chunks")));
}

/// Bytes that cannot be compressed keep to the bound on stored bytes.
#[test]
fn noise_keeps_to_the_bound() {
    for bytes in [1, 100, 5000, 200_000, 3 << 20] {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        for level in [1, 3, 9, 19] {
            let mut frame = PlainFrame::default();
            frame.push(Record { id: ChunkId::of(&noise), len: bytes as u32 }, &noise);
            let stored = frame.compress(&mut Compressor::new(level).unwrap()).unwrap();
            assert!(stored.bytes.len() as u64 <= regrow_chunker::bounds::max_stored_frame_bytes(bytes as u64));
        }
    }
}
