//! Encoding of an index. FORMAT.md, section 6: magic (8 bytes), version (u32), body length (u32), sections (tag u8,
//! length varint, payload), BLAKE3 of all bytes before it.

use regrow_chunker::varint;

use crate::coding::put_codings;
use crate::segment::KIND_RECORDS;
use crate::{Index, MAGIC, Run, StreamHead, VERSION};

pub(crate) const PARAMETERS: u8 = 1;
pub(crate) const IMAGE: u8 = 2;
pub(crate) const STREAMS: u8 = 3;
pub(crate) const PACKS: u8 = 4;
pub(crate) const CHUNK_RUNS: u8 = 5;
pub(crate) const SEGMENT_RUNS: u8 = 6;
pub(crate) const STORE: u8 = 7;
pub(crate) const CODINGS: u8 = 8;
/// Tags from 128 on: a reader that does not know them skips them.
pub(crate) const FRESH_PACKS: u8 = 128;
pub(crate) const PATCH_BASES: u8 = 129;
pub(crate) const STREAM_SKELETON: u8 = 1;
pub(crate) const STREAM_CONTENTS: u8 = 2;

impl Index {
    /// Encodes the index as the bytes of a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        section(&mut body, PARAMETERS, |out| {
            varint::put(out, u64::from(self.walk_version));
            for bytes in [self.params.min_bytes(), self.params.avg_bytes(), self.params.max_bytes()] {
                varint::put(out, u64::from(bytes));
            }
        });
        section(&mut body, IMAGE, |out| {
            varint::put(out, self.image_bytes);
            out.extend_from_slice(&self.image_digest);
            out.extend_from_slice(self.image_id().as_bytes());
        });
        section(&mut body, STREAMS, |out| {
            put_stream(out, STREAM_SKELETON, &self.skeleton);
            put_stream(out, STREAM_CONTENTS, &self.contents);
        });
        section(&mut body, PACKS, |out| {
            varint::put(out, self.packs.len() as u64);
            for pack in &self.packs {
                out.extend_from_slice(pack.id.as_bytes());
                for number in [pack.bytes, pack.skeleton_at, pack.tail_at] {
                    varint::put(out, number);
                }
            }
        });
        section(&mut body, CHUNK_RUNS, |out| put_runs(out, &self.chunk_runs));
        section(&mut body, SEGMENT_RUNS, |out| put_runs(out, &self.segment_runs));
        section(&mut body, STORE, |out| out.extend_from_slice(self.store.as_bytes()));
        if !self.codings.is_empty() {
            section(&mut body, CODINGS, |out| put_codings(out, &self.codings));
        }
        if !self.fresh_packs.is_empty() {
            section(&mut body, FRESH_PACKS, |out| {
                self.fresh_packs.iter().for_each(|&pack| varint::put(out, u64::from(pack)));
            });
        }
        if !self.patch_bases.is_empty() {
            section(&mut body, PATCH_BASES, |out| {
                self.patch_bases.iter().for_each(|base| out.extend_from_slice(base.as_bytes()));
            });
        }
        seal(&body)
    }
}

/// Adds head and checksum to a body.
fn seal(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 48);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    // A body over 4 GiB exceeds MAX_INDEX_BYTES too, and is refused when it is read.
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(body);
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

fn section(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    fill(&mut payload);
    out.push(tag);
    varint::put(out, payload.len() as u64);
    out.extend_from_slice(&payload);
}

fn put_stream(out: &mut Vec<u8>, kind: u8, stream: &StreamHead) {
    out.push(kind);
    for number in [stream.bytes, stream.chunks, stream.segments.len() as u64] {
        varint::put(out, number);
    }
    for segment in &stream.segments {
        out.push(KIND_RECORDS);
        out.extend_from_slice(segment.id.as_bytes());
        varint::put(out, u64::from(segment.records));
    }
}

fn put_runs(out: &mut Vec<u8>, runs: &[Run]) {
    varint::put(out, runs.len() as u64);
    for run in runs {
        varint::put(out, run.count);
        varint::put(out, u64::from(run.pack));
    }
}
