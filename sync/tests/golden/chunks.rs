//! The chunks of an image, a line each: what another implementation must arrive at too.

use bytes::Bytes;
use regrow_chunker::{ChunkId, Params};
use regrow_image::{RawChunk, Splitter, StreamKind};

/// Stream, offset in it, length, id.
pub(crate) fn list_chunks(image: &[u8], params: Params) -> String {
    let mut splitter = Splitter::new(params);
    splitter.push(Bytes::copy_from_slice(image));
    let mut chunks = splitter.take();
    chunks.extend(splitter.finish());
    let mut out = String::new();
    for (kind, name) in [(StreamKind::Skeleton, "skeleton"), (StreamKind::Contents, "contents")] {
        let mut at = 0;
        let in_stream = |chunk: &&RawChunk| chunk.stream == kind;
        for chunk in chunks.iter().filter(in_stream) {
            out += &format!("{name} {at} {} {}\n", chunk.bytes.len(), ChunkId::of(&chunk.bytes));
            at += chunk.bytes.len();
        }
    }
    out
}
