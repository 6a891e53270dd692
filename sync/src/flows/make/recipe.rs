//! The recipe as it grows: which chunks, where each is, and the segments.

use regrow_chunker::{ChunkId, Params};
use regrow_image::{Found, OpDecoder, OpError, StreamKind, WALK_VERSION, WALK_VERSION_CODED};
use regrow_index::{Index, PackRef, Run, Segment, SegmentCutter, SegmentRef, StreamHead};
use regrow_local::{Hashed, Ingested};
use regrow_store::PackSummary;

use super::contents::{IdMap, Known, Place, StoreContents};
use super::packer::{ItemNumber, Packed, Packer};
use crate::SyncError;

/// Chunks that the store did not hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NewCounts {
    pub(crate) chunks: u64,
    pub(crate) bytes: u64,
}

/// A distinct chunk of the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UsedChunk {
    pub(crate) len: u32,
    pub(crate) source: ChunkSource,
}

/// Where a chunk of the image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkSource {
    /// In an old pack: the number of a copy.
    Copy(u32),
    /// In a frame that this run writes.
    New(ItemNumber),
}

#[derive(Default)]
struct Stream {
    head: StreamHead,
    cutter: SegmentCutter,
    /// The numbers of its chunks among the distinct ones.
    chunks: Vec<u32>,
    segments: Vec<Place>,
}

/// See the module's documentation.
pub(crate) struct RecipeBuilder {
    pub(crate) known: StoreContents,
    /// The image's distinct chunks, in the order of first use.
    pub(crate) used: Vec<UsedChunk>,
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
            used: Vec::new(),
            skeleton: Stream::default(),
            contents: Stream::default(),
            new: NewCounts::default(),
            decoder: OpDecoder::default(),
            operations: 0,
        }
    }

    /// Takes in the next chunk of a stream; stores it unless the store holds it.
    pub(crate) fn add(&mut self, chunk: &Hashed, packer: &mut Packer<'_>) -> Result<(), SyncError> {
        let number = self.number_of(chunk, packer)?;
        let kind = chunk.stream;
        let stream = match kind {
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
        stream.chunks.push(number);
        if let Some(segment) = stream.cutter.push(chunk.record) {
            add_segment((kind, stream), &mut self.known, segment, packer)?;
        }
        Ok(())
    }

    /// The number of a chunk among the distinct ones.
    fn number_of(&mut self, chunk: &Hashed, packer: &mut Packer<'_>) -> Result<u32, SyncError> {
        let (id, len) = (chunk.record.id, chunk.record.len);
        let number = self.used.len() as u32;
        let entry = self.known.chunks.entry(id).or_insert(Known::Used(number));
        let source = match *entry {
            Known::Used(known) if known < number => return Ok(known),
            Known::Copy(copy) => {
                *entry = Known::Used(number);
                ChunkSource::Copy(copy)
            }
            Known::Used(_) => {
                self.new.chunks += 1;
                self.new.bytes += u64::from(len);
                ChunkSource::New(packer.add_chunk(chunk.stream, chunk.record, &chunk.bytes)?)
            }
        };
        self.used.push(UsedChunk { len, source });
        Ok(number)
    }

    /// Operations of the skeleton so far.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Both streams end.
    pub(crate) fn finish_segments(&mut self, packer: &mut Packer<'_>) -> Result<(), SyncError> {
        let streams = [(StreamKind::Skeleton, &mut self.skeleton), (StreamKind::Contents, &mut self.contents)];
        for (kind, stream) in streams {
            if let Some(segment) = stream.cutter.finish() {
                add_segment((kind, stream), &mut self.known, segment, packer)?;
            }
        }
        Ok(())
    }

    /// The image's distinct chunks: their numbers and ids, in any order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (u32, ChunkId)> {
        self.known.chunks.iter().filter_map(|(id, known)| match known {
            Known::Used(number) => Some((*number, *id)),
            Known::Copy(_) => None,
        })
    }

    /// The index, now that the packs have their names. Packs from the `new_packs`th on hold only what old packs hold too.
    pub(crate) fn into_index(
        self,
        params: Params,
        image: Ingested,
        written: &Packed,
        new_packs: usize,
        store: String,
    ) -> (Index, NewCounts) {
        let Self { known, used, skeleton, contents, new, .. } = self;
        let mut packs = PackNumbers { known: &known.packs, written, numbers: IdMap::default(), packs: Vec::new() };
        let place = |chunk: &u32| match used[*chunk as usize].source {
            ChunkSource::Copy(copy) => Place::Old(known.frames[known.copies[copy as usize].frame as usize].pack),
            ChunkSource::New(item) => Place::New(item),
        };
        let chunk_runs = packs.runs(skeleton.chunks.iter().chain(&contents.chunks).map(place));
        let segment_runs = packs.runs(skeleton.segments.iter().chain(&contents.segments).copied());
        let fresh_packs = packs.fresh(new_packs);
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
    (kind, stream): (StreamKind, &mut Stream),
    known: &mut StoreContents,
    segment: Segment,
    packer: &mut Packer<'_>,
) -> Result<(), SyncError> {
    let id = segment.id();
    stream.head.segments.push(SegmentRef { id, records: segment.records().len() as u32 });
    let place = match known.segments.get(&id) {
        Some(&place) => place,
        None => {
            let place = Place::New(packer.add_segment(kind, id, segment.into_records())?);
            known.segments.insert(id, place);
            place
        }
    };
    stream.segments.push(place);
    Ok(())
}

/// Gives packs their numbers in the index, in the order of first use.
struct PackNumbers<'a> {
    known: &'a [PackRef],
    written: &'a Packed,
    numbers: IdMap<u32>,
    packs: Vec<PackRef>,
}

impl PackNumbers<'_> {
    /// The packs of what is new, which a machine with an older image needs; none if all packs are such.
    fn fresh(&self, new_packs: usize) -> Vec<u32> {
        let new = self.written.packs.iter().take(new_packs);
        let fresh: Vec<u32> = new.filter_map(|written| self.numbers.get(&written.id).copied()).collect();
        if fresh.len() == self.packs.len() || fresh.len() > 64 { Vec::new() } else { fresh }
    }

    fn runs(&mut self, places: impl Iterator<Item = Place>) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut last = None;
        for place in places {
            match (&mut last, runs.last_mut()) {
                (Some(last), Some(run)) if *last == place => run.count += 1,
                _ => {
                    let pack = self.number(place);
                    last = Some(place);
                    match runs.last_mut() {
                        Some(run) if run.pack == pack => run.count += 1,
                        _ => runs.push(Run { count: 1, pack }),
                    }
                }
            }
        }
        runs
    }

    fn number(&mut self, place: Place) -> u32 {
        let pack = match place {
            Place::Old(number) => self.known[number as usize],
            Place::New(item) => {
                let written = &self.written.packs[self.written.pack_of(item) as usize];
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
