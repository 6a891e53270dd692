//! The recipe while it grows: the image's chunks, where each of them is stored, and the segments.

use regrow_chunker::{ChunkId, PackId, Params, Record, SegmentId};
use regrow_image::{OpDecoder, OpError, OpOrLiteral, StreamKind, WalkRules};
use regrow_index::{Claims, Index, KeptEntries, PackRef, Part, Run, Segment, SegmentRef, StreamHead, Unit, Units};
use regrow_local::{Hashed, Ingested, UnitRecipes};
use regrow_store::PackSummary;

use super::contents::{IdMap, KnownChunk, Place, StoreContents};
use super::cutters::Cutters;
use super::packer::{ItemNumber, Packed, Packer};
use crate::SyncError;

/// The number and the plain bytes of the chunks that the store did not have.
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

/// The place where a distinct chunk is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkSource {
    /// An old pack has the chunk: the number of the copy.
    Copy(u32),
    /// This run writes the chunk: the number of its frame.
    New(ItemNumber),
}

struct Stream {
    kind: StreamKind,
    head: StreamHead,
    cutters: Cutters,
    /// The stream's chunks, in order, as positions in [`RecipeBuilder::used`].
    chunks: Vec<u32>,
    /// The stream's records, in order, if segments are cut by unit.
    records: Vec<Record>,
    /// The places of the segments that the head lists.
    segments: Vec<Place>,
    /// The segments that the head lists, if they are kept.
    kept: Option<Vec<Segment>>,
}

impl Stream {
    fn new(kind: StreamKind, rules: WalkRules) -> Self {
        let (chunks, records, segments) = (Vec::new(), Vec::new(), Vec::new());
        Self { kind, head: StreamHead::default(), cutters: Cutters::new(rules), chunks, records, segments, kept: None }
    }

    /// Adds the next segment to the head's list, and stores it unless the store has it.
    fn list(&mut self, segment: Segment, known: &mut StoreContents, packer: &mut Packer<'_>) -> Result<(), SyncError> {
        let records = segment.records().len() as u32;
        self.kept.iter_mut().for_each(|kept| kept.push(segment.clone()));
        let (id, place) = store(self.kind, segment, known, packer)?;
        self.head.segments.push(SegmentRef { id, records });
        self.segments.push(place);
        Ok(())
    }
}

/// Builds the recipe, and then the index.
pub(crate) struct RecipeBuilder {
    rules: WalkRules,
    pub(crate) known: StoreContents,
    /// The image's distinct chunks, in the order of first use.
    pub(crate) used: Vec<UsedChunk>,
    skeleton: Stream,
    contents: Stream,
    /// The image's units, once they are known.
    units: Option<(Unit, Vec<Part>)>,
    new: NewCounts,
    /// The bytes of the image's distinct chunks that the store has.
    old_bytes: u64,
    /// A decoder of the skeleton, which serves to count its operations.
    decoder: OpDecoder,
    operations: u64,
}

impl RecipeBuilder {
    pub(crate) fn new(known: StoreContents, rules: WalkRules) -> Self {
        Self {
            rules,
            known,
            used: Vec::new(),
            skeleton: Stream::new(StreamKind::Skeleton, rules),
            contents: Stream::new(StreamKind::Contents, rules),
            units: None,
            new: NewCounts::default(),
            old_bytes: 0,
            decoder: OpDecoder::default(),
            operations: 0,
        }
    }

    /// Keeps the segments that the index will list for [`Self::take_segments`], if `is_wanted`.
    pub(crate) fn keep_segments_if(&mut self, is_wanted: bool) {
        let kept = is_wanted.then(Vec::new);
        [&mut self.skeleton, &mut self.contents].into_iter().for_each(|stream| stream.kept.clone_from(&kept));
    }

    /// Takes the segments that were kept.
    pub(crate) fn take_segments(&mut self) -> Vec<Segment> {
        [&mut self.skeleton, &mut self.contents].into_iter().filter_map(|stream| stream.kept.take()).flatten().collect()
    }

    /// Adds the next chunk of a stream, and stores it unless the store has it.
    pub(crate) fn add(&mut self, chunk: &Hashed, packer: &mut Packer<'_>) -> Result<(), SyncError> {
        let number = self.number_of(chunk, packer)?;
        let stream = match chunk.stream {
            StreamKind::Skeleton => {
                let count = |found: OpOrLiteral<'_>| {
                    self.operations += u64::from(matches!(found, OpOrLiteral::Op(_)));
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
        for segment in stream.cutters.push(chunk.record, chunk.unit).into_iter().flatten() {
            match self.rules {
                WalkRules::V2 => stream.list(segment, &mut self.known, packer)?,
                _ => {
                    store(stream.kind, segment, &mut self.known, packer)?;
                }
            }
        }
        if self.rules.have_parts() {
            stream.records.push(chunk.record);
        }
        Ok(())
    }

    /// The number of a chunk among the distinct ones.
    fn number_of(&mut self, chunk: &Hashed, packer: &mut Packer<'_>) -> Result<u32, SyncError> {
        let (id, len) = (chunk.record.id, chunk.record.len);
        let number = self.used.len() as u32;
        let copy = match self.known.chunks.insert(id, KnownChunk::Used(number)) {
            Some(KnownChunk::Used(known)) => {
                self.known.chunks.insert(id, KnownChunk::Used(known));
                return Ok(known);
            }
            // A table that gives another length is wrong about the chunk.
            Some(KnownChunk::Copy(first)) => self.known.copies_from(first).find(|(_, copy)| copy.len == len),
            None => None,
        };
        let source = match copy {
            Some((copy, _)) => {
                self.old_bytes += u64::from(len);
                ChunkSource::Copy(copy)
            }
            None => {
                packer.pack_as_update(self.old_bytes > self.new.bytes);
                self.new.chunks += 1;
                self.new.bytes += u64::from(len);
                ChunkSource::New(packer.add_chunk(chunk.stream, chunk.record, &chunk.bytes)?)
            }
        };
        self.used.push(UsedChunk { len, source });
        Ok(number)
    }

    /// The number of operations in the skeleton so far.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Ends both streams of the image that was read, and adds the segments that are not there yet.
    pub(crate) fn finish_segments(
        &mut self,
        params: &Params,
        image: &Ingested,
        packer: &mut Packer<'_>,
    ) -> Result<(), SyncError> {
        let Self { rules, known, skeleton, contents, .. } = self;
        let walk_version = rules.version(image.walk_findings());
        let Some(names) = &image.names else {
            for stream in [skeleton, contents] {
                if let Some(segment) = stream.cutters.finish() {
                    stream.list(segment, known, packer)?;
                }
            }
            return Ok(());
        };
        let records = [&mut *skeleton, &mut *contents].map(|stream| std::mem::take(&mut stream.records));
        let recipes = UnitRecipes::new(&records[0], &records[1], &image.parts);
        for stream in [skeleton, contents] {
            for unit in 0..recipes.count() {
                recipes.segments(unit, stream.kind).try_for_each(|segment| stream.list(segment, known, packer))?;
            }
        }
        self.units = Some(recipes.to_index(walk_version, params, &names.parts));
        Ok(())
    }

    /// The numbers and ids of the image's distinct chunks, in any order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (u32, ChunkId)> {
        self.known.chunks.iter().filter_map(|(id, known)| match known {
            KnownChunk::Used(number) => Some((*number, *id)),
            KnownChunk::Copy(_) => None,
        })
    }

    /// Makes the index, now that all packs have names. The written packs from number `new_packs` on hold only rewritten
    /// chunks, which old packs have too.
    pub(crate) fn into_index(
        self,
        params: Params,
        image: Ingested,
        written: &Packed,
        new_packs: usize,
        store: String,
    ) -> (Index, NewCounts) {
        let Self { rules, known, used, skeleton, contents, units, new, .. } = self;
        let mut packs = PackNumbers { known: &known.packs, written, numbers: IdMap::default(), packs: Vec::new() };
        let place = |chunk: &u32| match used[*chunk as usize].source {
            ChunkSource::Copy(copy) => Place::Old(known.frames[known.copies[copy as usize].frame as usize].pack),
            ChunkSource::New(item) => Place::New(item),
        };
        let chunk_runs = packs.runs(skeleton.chunks.iter().chain(&contents.chunks).map(place));
        let segment_runs = packs.runs(skeleton.segments.iter().chain(&contents.segments).copied());
        let fresh_packs = packs.fresh(new_packs);
        let mut index = Index {
            walk_version: rules.version(image.walk_findings()),
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
            patches: Vec::new(),
            units: None,
        };
        let plain_bytes = index.plain_bytes();
        index.units = image.names.zip(units).map(|(names, (wrapper, parts))| Units {
            image_sha256: names.image,
            plain_bytes,
            claims: Claims::default(),
            wrapper,
            parts,
            files: image.files,
            disk: image.disk,
            signatures: Vec::new(),
            kept: KeptEntries::default(),
        });
        (index, new)
    }
}

/// Stores a segment unless the store has it. Returns its id and its place.
fn store(
    kind: StreamKind,
    segment: Segment,
    known: &mut StoreContents,
    packer: &mut Packer<'_>,
) -> Result<(SegmentId, Place), SyncError> {
    let id = segment.id();
    let place = match known.segments.get(&id) {
        Some(&place) => place,
        None => {
            let place = Place::New(packer.add_segment(kind, id, segment.into_records())?);
            known.segments.insert(id, place);
            place
        }
    };
    Ok((id, place))
}

/// Numbers the packs of the index, in the order of first use.
struct PackNumbers<'a> {
    known: &'a [PackRef],
    written: &'a Packed,
    numbers: IdMap<PackId, u32>,
    packs: Vec<PackRef>,
}

impl PackNumbers<'_> {
    /// The numbers of the packs with new chunks, which a machine with an older image needs. The list is empty if it
    /// would name all packs or more than 64.
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
