//! The recipe as it grows: which chunks, where each is, and the segments.

use regrow_chunker::Params;
use regrow_image::{Found, OpDecoder, OpError, StreamKind, WALK_VERSION, WALK_VERSION_CODED};
use regrow_index::{Index, PackRef, Run, Segment, SegmentCutter, SegmentRef, StreamHead};
use regrow_local::{Hashed, Ingested};
use regrow_store::PackSummary;

use super::contents::{IdMap, Place, StoreContents};
use super::packer::Packer;
use crate::SyncError;

/// Chunks that the store did not hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NewCounts {
    pub(crate) chunks: u64,
    pub(crate) bytes: u64,
}

/// Things in a row that are at the same place.
#[derive(Default)]
struct PlaceRuns(Vec<(Place, u64)>);

impl PlaceRuns {
    fn push(&mut self, place: Place) {
        match self.0.last_mut() {
            Some((last, count)) if *last == place => *count += 1,
            _ => self.0.push((place, 1)),
        }
    }
}

#[derive(Default)]
struct Stream {
    head: StreamHead,
    cutter: SegmentCutter,
    chunks: PlaceRuns,
    segments: PlaceRuns,
}

/// See the module's documentation.
pub(crate) struct RecipeBuilder {
    known: StoreContents,
    skeleton: Stream,
    contents: Stream,
    new: NewCounts,
    /// Reads the skeleton, to count its operations.
    decoder: OpDecoder,
    operations: u64,
}

impl RecipeBuilder {
    pub(crate) fn new(known: StoreContents) -> Self {
        Self {
            known,
            skeleton: Stream::default(),
            contents: Stream::default(),
            new: NewCounts::default(),
            decoder: OpDecoder::default(),
            operations: 0,
        }
    }

    /// Takes in the next chunk of a stream; stores it unless the store holds it.
    pub(crate) fn add(&mut self, chunk: &Hashed, packer: &mut Packer<'_>) -> Result<(), SyncError> {
        let place = match self.known.chunks.get(&chunk.record.id) {
            Some(&place) => place,
            None => {
                let place = Place::New(packer.pack_number());
                self.known.chunks.insert(chunk.record.id, place);
                self.new.chunks += 1;
                self.new.bytes += u64::from(chunk.record.len);
                packer.add_chunk(chunk.stream, chunk.record, &chunk.bytes)?;
                place
            }
        };
        let stream = match chunk.stream {
            StreamKind::Skeleton => {
                let count = |found: Found<'_>| {
                    self.operations += u64::from(matches!(found, Found::Op(_)));
                    Ok::<_, OpError>(())
                };
                self.decoder
                    .push(&chunk.bytes, count)
                    .map_err(|error| SyncError::layout("the skeleton")(error.into()))?;
                &mut self.skeleton
            }
            StreamKind::Contents => &mut self.contents,
        };
        stream.head.bytes += u64::from(chunk.record.len);
        stream.head.chunks += 1;
        stream.chunks.push(place);
        if let Some(segment) = stream.cutter.push(chunk.record) {
            add_segment(stream, &mut self.known, segment, packer)?;
        }
        Ok(())
    }

    /// Operations of the skeleton so far.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Both streams end.
    pub(crate) fn finish_segments(&mut self, packer: &mut Packer<'_>) -> Result<(), SyncError> {
        for stream in [&mut self.skeleton, &mut self.contents] {
            if let Some(segment) = stream.cutter.finish() {
                add_segment(stream, &mut self.known, segment, packer)?;
            }
        }
        Ok(())
    }

    /// The index, now that the packs have their names.
    pub(crate) fn into_index(
        self,
        params: Params,
        image: Ingested,
        written: &[PackSummary],
        store: String,
    ) -> (Index, NewCounts) {
        let Self { known, skeleton, contents, new, .. } = self;
        let mut packs = PackNumbers { known: &known.packs, written, numbers: IdMap::default(), packs: Vec::new() };
        let chunk_runs = packs.runs(&[&skeleton.chunks, &contents.chunks]);
        let segment_runs = packs.runs(&[&skeleton.segments, &contents.segments]);
        let fresh_packs = packs.fresh();
        let index = Index {
            walk_version: if image.codings.is_empty() { WALK_VERSION } else { WALK_VERSION_CODED },
            params,
            image_bytes: image.bytes,
            image_digest: image.digest,
            skeleton: skeleton.head,
            contents: contents.head,
            packs: packs.packs,
            chunk_runs,
            segment_runs,
            store,
            codings: image.codings,
            fresh_packs,
            patch_bases: Vec::new(),
        };
        (index, new)
    }
}

fn add_segment(
    stream: &mut Stream,
    known: &mut StoreContents,
    segment: Segment,
    packer: &mut Packer<'_>,
) -> Result<(), SyncError> {
    let id = segment.id();
    stream.head.segments.push(SegmentRef { id, records: segment.records().len() as u32 });
    let place = match known.segments.get(&id) {
        Some(&place) => place,
        None => {
            let place = Place::New(packer.pack_number());
            known.segments.insert(id, place);
            packer.add_segment(id, segment.into_records())?;
            place
        }
    };
    stream.segments.push(place);
    Ok(())
}

/// Gives packs their numbers in the index, in the order of first use.
struct PackNumbers<'a> {
    known: &'a [PackRef],
    written: &'a [PackSummary],
    numbers: IdMap<u32>,
    packs: Vec<PackRef>,
}

impl PackNumbers<'_> {
    /// Those that were written now; of a whole new store's, which anyone needs, none are named.
    fn fresh(&self) -> Vec<u32> {
        let fresh: Vec<u32> =
            self.written.iter().filter_map(|written| self.numbers.get(&written.id).copied()).collect();
        if fresh.len() == self.packs.len() || fresh.len() > 64 { Vec::new() } else { fresh }
    }

    fn runs(&mut self, parts: &[&PlaceRuns]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for &(place, count) in parts.iter().flat_map(|part| &part.0) {
            let pack = self.number(place);
            match runs.last_mut() {
                Some(last) if last.pack == pack => last.count += count,
                _ => runs.push(Run { count, pack }),
            }
        }
        runs
    }

    fn number(&mut self, place: Place) -> u32 {
        let pack = match place {
            Place::Old(number) => self.known[number as usize],
            Place::New(number) => {
                let written = &self.written[number as usize];
                let PackSummary { id, bytes, skeleton_at, tail_at } = *written;
                PackRef { id, bytes, skeleton_at, tail_at }
            }
        };
        *self.numbers.entry(pack.id).or_insert_with(|| {
            self.packs.push(pack);
            self.packs.len() as u32 - 1
        })
    }
}
