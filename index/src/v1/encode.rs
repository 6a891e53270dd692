//! Encoding of an index of version 1.

use regrow_chunker::varint;

use super::codings::put_codings;
use super::{
    CHUNK_RUNS, CODINGS, FRESH_PACKS, IMAGE, PACKS, PARAMETERS, PATCH_BASES, SEGMENT_RUNS, STORE, STREAM_CONTENTS,
    STREAM_SKELETON, STREAMS,
};
use crate::primitives::{put_fresh_packs, put_packs, put_params, put_runs, put_section, put_segment};
use crate::{Index, MAGIC, StreamHead, VERSION_1};

/// Encodes an index as the bytes of a file.
pub(crate) fn encode(index: &Index) -> Vec<u8> {
    let mut body = Vec::new();
    put_section(&mut body, PARAMETERS, |out| put_params(out, index.walk_version, &index.params));
    put_section(&mut body, IMAGE, |out| {
        varint::put(out, index.image_bytes);
        out.extend_from_slice(&index.image_digest);
        out.extend_from_slice(index.image_id().as_bytes());
    });
    put_section(&mut body, STREAMS, |out| {
        put_stream(out, STREAM_SKELETON, &index.skeleton);
        put_stream(out, STREAM_CONTENTS, &index.contents);
    });
    put_section(&mut body, PACKS, |out| put_packs(out, &index.packs));
    put_section(&mut body, CHUNK_RUNS, |out| put_runs(out, &index.chunk_runs));
    put_section(&mut body, SEGMENT_RUNS, |out| put_runs(out, &index.segment_runs));
    put_section(&mut body, STORE, |out| out.extend_from_slice(index.store.as_bytes()));
    if !index.codings.is_empty() {
        put_section(&mut body, CODINGS, |out| put_codings(out, &index.codings));
    }
    if !index.fresh_packs.is_empty() {
        put_section(&mut body, FRESH_PACKS, |out| put_fresh_packs(out, &index.fresh_packs));
    }
    if !index.patches.is_empty() {
        put_section(&mut body, PATCH_BASES, |out| {
            index.patches.iter().for_each(|patch| out.extend_from_slice(patch.base.as_bytes()));
        });
    }
    seal(&body)
}

/// Adds head and checksum to a body.
fn seal(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 48);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION_1.to_le_bytes());
    // A body over 4 GiB exceeds MAX_INDEX_BYTES too, and is refused when it is read.
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(body);
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

fn put_stream(out: &mut Vec<u8>, kind: u8, stream: &StreamHead) {
    out.push(kind);
    for number in [stream.bytes, stream.chunks, stream.segments.len() as u64] {
        varint::put(out, number);
    }
    stream.segments.iter().for_each(|segment| put_segment(out, segment));
}
