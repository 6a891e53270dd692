//! Skeletons and recipes that are others from the ground up: chunks, segments, pack and index are made of them as a maker
//! would, so that nothing tells before the image is put together.

use regrow_chunker::{ChunkId, Record};
use regrow_image::{Splitter, StreamKind};
use regrow_index::{Index, PackRef, Run, SegmentCutter, SegmentRef, StreamHead};
use regrow_store::{Compressor, PackWriter, Part, PlainFrame, pack_name};

use super::chance::Chance;
use super::index::Site;
use super::judge::Judge;

/// Stores chunks in frames, and their recipe in segments.
fn store(writer: &mut PackWriter<Vec<u8>>, part: Part, chunks: &[Vec<u8>]) -> StreamHead {
    let (mut cutter, mut head, mut segments) = (SegmentCutter::default(), StreamHead::default(), Vec::new());
    let mut stored = std::collections::HashSet::new();
    for group in chunks.chunks(50) {
        let mut frame = PlainFrame::default();
        for chunk in group {
            let record = Record { id: ChunkId::of(chunk), len: chunk.len() as u32 };
            if stored.insert(record.id) {
                frame.push(record, chunk);
            }
            head.bytes += u64::from(record.len);
            head.chunks += 1;
            segments.extend(cutter.push(record));
        }
        if !frame.is_empty() {
            writer.add_frame(part, frame.compress(&mut Compressor::new(3).unwrap()).unwrap()).unwrap();
        }
    }
    segments.extend(cutter.finish());
    for segment in segments {
        head.segments.push(SegmentRef { id: segment.id(), records: segment.records().len() as u32 });
        writer.add_segment(segment.id(), segment.into_records());
    }
    head
}

/// The index of these streams, and the pack that holds them.
fn forge(like: &Index, skeleton: &[Vec<u8>], contents: &[Vec<u8>]) -> (Index, Vec<u8>) {
    let mut writer = PackWriter::new(Vec::new()).unwrap();
    let contents = store(&mut writer, Part::Contents, contents);
    let skeleton = store(&mut writer, Part::Skeleton, skeleton);
    let (pack, summary) = writer.finish().unwrap();
    let mut index = Index { skeleton, contents, ..like.clone() };
    let segments = (index.skeleton.segments.len() + index.contents.segments.len()) as u64;
    let run = |count| if count > 0 { vec![Run { count, pack: 0 }] } else { Vec::new() };
    (index.chunk_runs, index.segment_runs) = (run(index.chunks()), run(segments));
    index.packs = vec![PackRef {
        id: summary.id,
        bytes: summary.bytes,
        skeleton_at: summary.skeleton_at,
        tail_at: summary.tail_at,
    }];
    (index.fresh_packs, index.patch_bases) = (Vec::new(), Vec::new());
    (index, pack)
}

/// Cuts a stream into chunks of one size, which may be small.
fn cut(stream: &[u8], chance: &mut Chance) -> Vec<Vec<u8>> {
    let len = [1, 7, 64, 500, 4096, 40_000][chance.below(6)].max(stream.len() / 3000);
    stream.chunks(len.max(1)).map(<[u8]>::to_vec).collect()
}

#[test]
fn streams() {
    for is_coded in [false, true] {
        let site = Site::new(is_coded);
        let index = Index::decode(&site.env.read("app.rgx")).unwrap();
        let mut splitter = Splitter::new(index.params);
        splitter.push(bytes::Bytes::copy_from_slice(&site.image));
        let mut chunks = splitter.take();
        chunks.extend(splitter.finish());
        let stream = |kind| {
            let of_kind = chunks.iter().filter(|chunk| chunk.stream == kind);
            of_kind.flat_map(|chunk| chunk.bytes.iter().copied()).collect::<Vec<u8>>()
        };
        let (skeleton, contents) = (stream(StreamKind::Skeleton), stream(StreamKind::Contents));
        let kind = if is_coded { "coded stream" } else { "stream" };
        Judge::all(kind, &site.env, |judge, chance| {
            let (mut skeleton, mut contents) = (skeleton.clone(), contents.clone());
            chance.mutate(&mut skeleton);
            if chance.one_in(3) {
                let many = vec![[5, 6, 0, 0x15, 4, 10][chance.below(6)]; 1 << chance.below(19)];
                skeleton = [many, skeleton].concat();
            }
            if chance.one_in(4) {
                chance.mutate(&mut contents);
            }
            let (skeleton, contents) = (cut(&skeleton, chance), cut(&contents, chance));
            let (mut forged, pack) = forge(&index, &skeleton, &contents);
            if chance.one_in(2) {
                chance.change(&mut forged.image_bytes);
            }
            let name = format!("store/{}", pack_name(&forged.packs[0].id));
            site.env.write(&name, &pack);
            site.env.write("app.rgx", &forged.encode());
            site.read_all(judge, chance);
            site.env.remove(&name);
        });
    }
}
