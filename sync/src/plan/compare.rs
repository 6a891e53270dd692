//! Compares an image with others, to tell from which of them a patch would be the smallest.
//!
//! Chunks that both have cost nothing. Of the others, samples tell how much of their contents a base has in chunks that
//! differ. For that these chunks are read from the store.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use regrow_chunker::{ChunkId, Record, VerifiedRuns};
use regrow_index::Index;
use regrow_local::{Recipe, StreamChunks};

use super::inspect::with_fetcher;
use super::overlap::KnownSegments;
use super::recipe::recipe_of_listed;
use super::sampled::{Sample, Sampler, bytes_of};
use super::target::packs_of;
use super::tree::Reading;
use crate::transfer::delivery::{Delivery, Placed};
use crate::transfer::packs::Packs;
use crate::{Location, SyncError};

/// The most plain bytes that are read from a store on this machine, and from another one.
const MOST_LOCAL_BYTES: u64 = 512 << 20;
const MOST_REMOTE_BYTES: u64 = 64 << 20;
/// An image, with the location of its index.
pub(crate) type Described<'a> = (&'a Location, &'a Index);

/// Two estimates of a patch's cost, in bytes that are not compressed. Each is the geometric mean of the bytes in chunks
/// that the base lacks, and of the share of them that is new by samples. Chunks that differ in a byte count like new
/// ones, and so do samples of compressed files, which patches see through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Costs {
    /// By windows that the base lacks.
    pub(crate) plain: u64,
    /// The same for programs of which nearly all windows have changed a little: chunks that the base has in part count
    /// for little.
    pub(crate) changed: u64,
    /// Whether the base was sampled. Otherwise both are the bytes in chunks that it lacks.
    pub(crate) is_sampled: bool,
}

/// Compares an image with some bases.
pub(crate) struct Comparison<'a> {
    segments: &'a KnownSegments,
    sampler: Sampler,
    samples: HashMap<ChunkId, Vec<Sample>>,
}

impl<'a> Comparison<'a> {
    /// Compares the target with as many of the bases as the limits allow, and returns their estimated costs. The
    /// segments of all images must be known. `failed` gets the errors of bases that cannot be read.
    ///
    /// # Errors
    /// The target cannot be read.
    pub(crate) fn costs(
        segments: &'a KnownSegments,
        target: Described<'a>,
        bases: &[Described<'_>],
        reading: &mut Reading<'_>,
        failed: &mut dyn FnMut(&SyncError),
    ) -> Result<Vec<Option<Costs>>, SyncError> {
        let is_local = reading.stores.iter().all(|store| matches!(store, Location::Path(_)));
        let most_bytes = if is_local { MOST_LOCAL_BYTES } else { MOST_REMOTE_BYTES };
        let (mut wanted, mut of_target, mut bytes) = (Vec::new(), HashSet::new(), 0);
        let mut seen = HashSet::new();
        for (_, base) in bases {
            let missing: Vec<Record> = segments.missing(target.1, base).copied().collect();
            let fresh: Vec<Record> = segments.missing(base, target.1).copied().collect();
            bytes += bytes_of(missing.iter().filter(|record| of_target.insert(record.id)));
            bytes += bytes_of(fresh.iter().filter(|record| seen.insert(record.id)));
            if bytes > most_bytes {
                break;
            }
            wanted.push((missing, fresh));
        }
        let missing: HashSet<ChunkId> =
            wanted.iter().flat_map(|(missing, _)| missing).map(|record| record.id).collect();
        let sampler = Sampler::for_bytes(bytes.min(most_bytes));
        let mut comparison = Self { segments, sampler, samples: HashMap::new() };
        comparison.read(target, &missing, reading)?;
        let mut costs = Vec::new();
        for (base, (missing, fresh)) in bases.iter().zip(&wanted) {
            let fresh =
                fresh.iter().map(|record| record.id).filter(|id| !comparison.samples.contains_key(id)).collect();
            costs.push(match comparison.read(*base, &fresh, reading) {
                Ok(()) => Some(comparison.costs_of(missing, base.1)),
                Err(error) => {
                    failed(&error);
                    None
                }
            });
        }
        // The others are more expensive by what is known of them.
        let others = bases.iter().skip(wanted.len()).map(|(_, base)| segments.missing_bytes(target.1, Some(base)));
        costs.extend(others.map(|bytes| Some(Costs { plain: bytes, changed: bytes, is_sampled: false })));
        Ok(costs)
    }

    /// The estimated costs of the chunks that a base lacks.
    fn costs_of(&self, missing: &[Record], base: &Index) -> Costs {
        let samples = |record: &Record| self.samples.get(&record.id).map(Vec::as_slice).unwrap_or_default();
        let (mut long, mut short) = (HashSet::new(), HashSet::new());
        for sample in self.segments.records(base).flat_map(samples) {
            long.insert(sample.long);
            short.insert(sample.short);
        }
        let (mut bytes, mut plain, mut changed) = (0.0, 0.0, 0.0);
        for record in missing {
            let samples = samples(record);
            let new_share = |is_known: &dyn Fn(&Sample) -> bool| {
                let new = samples.iter().filter(|sample| !is_known(sample)).count();
                // A chunk without samples counts as half new.
                (new as f64 + 0.25) / (samples.len() as f64 + 0.5)
            };
            let len = f64::from(record.len);
            bytes += len;
            plain += len * new_share(&|sample| long.contains(&sample.long));
            changed += len * new_share(&|sample| short.contains(&sample.short)).powi(4);
        }
        let mean = |estimate: f64| (estimate * bytes).sqrt() as u64;
        Costs { plain: mean(plain), changed: mean(changed), is_sampled: true }
    }

    /// Reads chunks of an image, and keeps their samples.
    fn read(
        &mut self,
        (location, index): Described<'_>,
        wanted: &HashSet<ChunkId>,
        reading: &mut Reading<'_>,
    ) -> Result<(), SyncError> {
        let Recipe { skeleton, contents } = recipe_of_listed(index, self.segments.records(index).copied().collect());
        let packs = packs_of(&index.chunk_runs, 0, index.chunks());
        let mut seen = HashSet::new();
        let (records, packs): (Vec<Record>, Vec<u32>) = skeleton
            .into_iter()
            .chain(contents)
            .zip(packs)
            .filter(|(record, _)| wanted.contains(&record.id) && seen.insert(record.id))
            .unzip();
        let tables: BTreeSet<u32> = packs.iter().copied().collect();
        let tables: Vec<(u32, bool)> = tables.into_iter().map(|pack| (pack, false)).collect();
        let stream = Arc::new(StreamChunks::new(false, records));
        let samples = Arc::new(Mutex::new(HashMap::new()));
        let (sampler, kept, of_chunks) = (self.sampler, Arc::clone(&samples), Arc::clone(&stream));
        let sink = Arc::new(move |plain: &VerifiedRuns<Bytes>, placed: &[Placed]| {
            for (chunk, range) in placed {
                let bytes = plain.get(range.clone()).ok_or(SyncError::Worker)?;
                let taken = sampler.sample(bytes.bytes());
                kept.lock().unwrap_or_else(PoisonError::into_inner).insert(of_chunks.record(*chunk).id, taken);
            }
            Ok(())
        });
        with_fetcher(location, index, reading, |fetcher, _| {
            let mut tails = Packs::new(index);
            tails.fetch_tails(fetcher, &tables, |_| ())?;
            let frame = |(chunk, pack): (u32, u32)| {
                let frame = tails.table(pack)?.frame_of(&stream.record(chunk as usize).id)?;
                Some((chunk, (pack, frame)))
            };
            let chunks = (0..).zip(packs).filter_map(frame).collect();
            Delivery { fetcher, packs: &tails, stream: Arc::clone(&stream), sink }.run(chunks)
        })?;
        self.samples.extend(std::mem::take(&mut *samples.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(())
    }
}
