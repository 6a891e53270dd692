//! The weights of chunks: what each of them adds to the frame that it lies in. Bytes that compress well weigh little.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use regrow_chunker::VerifiedRuns;
use regrow_local::StreamChunks;

use crate::SyncError;
use crate::transfer::delivery::{Delivery, Placed};
use crate::transfer::fetch::Fetcher;
use crate::transfer::packs::Packs;

/// The zstd level at which chunks are weighed: make's default, at which most frames were made.
const LEVEL: i32 = 9;

/// Fetches frames and weighs the chunks in them. Each chunk comes with its pack and its frame.
pub(crate) fn weigh(
    fetcher: &Fetcher<'_>,
    packs: &Packs,
    stream: &Arc<StreamChunks>,
    chunks: Vec<(u32, (u32, u32))>,
) -> Result<HashMap<u32, u64>, SyncError> {
    if chunks.is_empty() {
        return Ok(HashMap::new());
    }
    let weights = Arc::new(Mutex::new(HashMap::new()));
    let kept = Arc::clone(&weights);
    let sink = Arc::new(move |plain: &VerifiedRuns<Bytes>, placed: &[Placed]| {
        let mut placed = placed.to_vec();
        placed.sort_unstable_by_key(|(_, range)| range.start);
        let bytes = |(_, range): &Placed| Some(plain.get(range.clone())?.bytes());
        let bytes: Option<Vec<&[u8]>> = placed.iter().map(bytes).collect();
        let added = added(&bytes.ok_or(SyncError::Worker)?);
        let mut weights = kept.lock().unwrap_or_else(PoisonError::into_inner);
        weights.extend(placed.iter().map(|(chunk, _)| *chunk as u32).zip(added));
        Ok(())
    });
    Delivery { fetcher, packs, stream: Arc::clone(stream), sink }.run(chunks)?;
    let weights = std::mem::take(&mut *weights.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(weights)
}

/// The number of bytes that each piece adds to the compressed form of those before it. It is at least 1.
fn added(pieces: &[&[u8]]) -> Vec<u64> {
    let by_length = || pieces.iter().map(|piece| piece.len() as u64).collect();
    let sizes = || -> std::io::Result<Vec<u64>> {
        let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
        let mut sizes = Vec::with_capacity(pieces.len());
        let mut before = 0;
        for piece in pieces {
            encoder.write_all(piece)?;
            // The flush costs a few bytes for each piece, which is the same for all.
            encoder.flush()?;
            let now = encoder.get_ref().len();
            sizes.push(((now - before) as u64).clamp(1, (piece.len() as u64).max(1)));
            before = now;
        }
        Ok(sizes)
    };
    sizes().unwrap_or_else(|_| by_length())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compresses_well_weighs_little() {
        let mut noise = vec![0; 16_384];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let text = b"the same words again, ".repeat(800);
        let weights = added(&[&text, &noise, &text, &noise, b""]);
        assert!(weights[0] < 200 && weights[2] < 60 && weights[3] < 60, "{weights:?}");
        assert_eq!((weights[1], weights[4]), (noise.len() as u64, 1));
    }
}
