//! Checks that a file is the image of an index, and that a store is whole.

mod pack;
mod patches;
mod statement;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use futures::TryStreamExt;
use regrow_catalog::Catalog;
use regrow_chunker::{ChunkId, Digest, PackId, SegmentId};
use regrow_disk::ReadAt;
use regrow_image::WalkRules;
use regrow_index::{Index, Segment};
use regrow_local::{
    GzipFiles, Ingested, Input, Pool, Reading, Sha256Names, check_time, file_digest, ingest_named, sized,
};
use regrow_store::{PackTail, ReadStore, STORE_FILE, StoreError, list_packs, read_description};
use serde::Serialize;

use crate::place::network::Opening;
use crate::place::trust::Stated;
use crate::plan::known_names;
use crate::plan::recipe::recipe_of_listed;
use crate::{Location, Network, Progress, Stage, SyncError, Trust};

pub use statement::{StatementReport, verify_statement};

/// The comparison of a file with an index.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// Whether the file is the image, and the names are right that the index states.
    pub ok: bool,
    /// The size of the image as the index states it.
    pub image_bytes: u64,
    /// The BLAKE3 hash of the image as the index states it.
    pub image_digest: String,
    /// The size of the file.
    pub file_bytes: u64,
    /// The BLAKE3 hash of the file.
    pub file_digest: String,
    /// The SHA-256 of the file, if the index states that of its image.
    pub file_sha256: Option<String>,
    /// The names in the index that are not the SHA-256 of what they name, though the file is the image. Parts are
    /// looked at unless the image has coded files.
    pub wrong_names: Vec<String>,
}

/// The state of a store, and of indexes in it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StoreVerifyReport {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// The number of packs that were read.
    pub packs: u64,
    /// The size of those packs in bytes.
    pub bytes: u64,
    /// The number of chunks that were hashed.
    pub chunks: u64,
    /// The number of patches that were read.
    pub patches: u64,
    /// The number of indexes that were checked.
    pub indexes: u64,
    /// The problems. In JSON, each is a line.
    pub problems: Vec<StoreProblem>,
}

/// A problem of a store, in one line that names the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct StoreProblem {
    /// The line.
    pub message: String,
    /// The part of the store that has the problem.
    #[serde(skip)]
    pub part: StorePart,
}

impl StoreProblem {
    fn new(part: StorePart, message: String) -> Self {
        Self { message, part }
    }
}

/// A part of a store that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorePart {
    /// A pack.
    Pack,
    /// An index, which names something that its packs do not hold.
    Index,
    /// A patch.
    Patch,
}

/// What was found out of a file.
struct Found {
    bytes: u64,
    digest: [u8; 32],
    names: Option<Sha256Names>,
}

/// Compares a file with its description in an index. SHA-256 takes one core much longer than BLAKE3 takes all of them, so a
/// catalog remembers the names of images of which both were computed. A file with the digest of such an image has its names.
///
/// # Errors
/// The index or the file cannot be read, or the index is not trusted. A difference is part of the report.
pub fn verify_file(
    location: &Location,
    path: &Path,
    trust: &Trust,
    catalog: Option<&Catalog>,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<VerifyReport, SyncError> {
    let index = network.load_index(location)?;
    trust.check(location, &Stated::by_index(&index), progress)?;
    let file = File::open(path).map_err(SyncError::io(path))?;
    let metadata = file.metadata().map_err(SyncError::io(path))?;
    let kind = metadata.file_type();
    // A device may be larger than the image that was written to it.
    let most = if kind.is_block_device() { index.image_bytes } else { u64::MAX };
    let total = sized(&file).map_err(SyncError::io(path))?.bytes().min(most);
    progress.begin(Stage::Verify, Some(total));
    let known = catalog.and_then(|catalog| known_names::remembered(catalog, (index.image_digest, index.walk_version)));
    let needs_names = index.units.is_some() && known.is_none();
    let found = if needs_names || !(kind.is_file() || kind.is_block_device()) {
        let found = read_named(&index, (file.take(most), path, total), catalog, progress)?;
        if let (Some(catalog), Some(names)) = (catalog, &found.names) {
            known_names::remember(catalog, (found.digest, index.walk_version), names);
        }
        found
    } else {
        let digest = file_digest((&file, path), total, (Stage::Verify, progress))?;
        let names = known.filter(|_| digest == index.image_digest && index.units.is_some());
        Found { bytes: total, digest, names }
    };
    progress.end(Stage::Verify);
    let is_image = (found.bytes, found.digest) == (index.image_bytes, index.image_digest);
    let names = found.names.as_ref();
    let wrong_names = names.filter(|_| is_image).map(|names| wrong_names(&index, names)).unwrap_or_default();
    Ok(VerifyReport {
        ok: is_image && wrong_names.is_empty(),
        image_bytes: index.image_bytes,
        image_digest: Digest::from_bytes(index.image_digest).to_string(),
        file_bytes: found.bytes,
        file_digest: Digest::from_bytes(found.digest).to_string(),
        file_sha256: names.map(|names| Digest::from_bytes(names.image).to_string()),
        wrong_names,
    })
}

/// Reads a file front to back, for its digest and its names.
fn read_named(
    index: &Index,
    (mut reader, name, total): (impl Read, &Path, u64),
    catalog: Option<&Catalog>,
    progress: &dyn Progress,
) -> Result<Found, SyncError> {
    let input = Input { reader: &mut reader, name, size_hint: Some(total), at_random: None };
    let pool = Pool::new();
    let gzip_files = GzipFiles::Contents;
    let rules = WalkRules::of_version(index.walk_version).unwrap_or_default();
    let reading = Reading { rules, params: index.params, pool: &pool, stage: Stage::Verify, progress, gzip_files };
    let Ingested { bytes, digest, names, .. } = ingest_named(input, &reading, catalog)?;
    Ok(Found { bytes, digest, names })
}

/// The names in an index of version 2 that are not those which its image has.
fn wrong_names(index: &Index, found: &Sha256Names) -> Vec<String> {
    let Some(units) = &index.units else { return Vec::new() };
    let mut wrong = Vec::new();
    if units.image_sha256 != found.image {
        let [stated, found] = [units.image_sha256, found.image].map(|hash| Digest::from_bytes(hash).to_string());
        wrong.push(format!("states the SHA-256 {stated} of the image, which is {found}"));
    }
    // The parts of coded files were not read in plain form.
    if index.codings.is_empty() {
        let parts = units.parts.iter().zip(&found.parts).enumerate();
        let parts = parts.filter(|(_, (stated, found))| stated.name != **found);
        let told = parts.map(|(number, (stated, found))| {
            format!("names part {} {}, and its SHA-256 is {found}", number + 1, stated.name)
        });
        wrong.extend(told);
    }
    wrong
}

/// Reads every byte of a store, and checks that the indexes are complete in it. In a folder or a bucket these are
/// all packs, at a URL those that the indexes name. An index that is not trusted is a problem too.
///
/// # Errors
/// An index cannot be read, or the store cannot be reached. Problems of packs are part of the report.
pub fn verify_store(
    store: &Location,
    indexes: &[Location],
    trust: &Trust,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<StoreVerifyReport, SyncError> {
    let opened: Vec<(String, Index)> = indexes
        .iter()
        .map(|location| Ok((location.to_string(), network.load_index(location)?)))
        .collect::<Result<_, SyncError>>()?;
    // A host that cannot be listed is checked as far as the indexes go.
    let mut wanted: BTreeMap<PackId, u64> = match store {
        Location::Url(_) => BTreeMap::new(),
        listed => listed_packs(listed, network)?,
    };
    for pack in opened.iter().flat_map(|(_, index)| &index.packs) {
        wanted.entry(pack.id).or_insert(pack.bytes);
    }
    let needed = opened.iter().flat_map(|(_, index)| index.packs.iter().map(|pack| pack.id)).collect();
    let reader = network.open_store(store)?;
    let mut report = StoreVerifyReport { indexes: opened.len() as u64, ..StoreVerifyReport::default() };
    report.problems.extend(indexes.iter().zip(&opened).filter_map(|(location, (_, index))| {
        let error = trust.check(location, &Stated::by_index(index), progress).err()?;
        Some(StoreProblem::new(StorePart::Index, error.to_string()))
    }));
    let packs = verify_packs(&reader, &wanted, &needed, network, progress, &mut report);
    network.warn_of_hosts(progress);
    let packs = packs?;
    for (name, index) in &opened {
        verify_index(name, index, &packs, &mut report);
    }
    let listed = patches::listed(store, &opened, network)?;
    patches::verify(&listed, reader.as_ref(), network.scratch(), network, &mut report)?;
    report.ok = report.problems.is_empty();
    Ok(report)
}

/// Lists the packs of a store, each with its size.
fn listed_packs(store: &Location, network: &mut Network) -> Result<BTreeMap<PackId, u64>, SyncError> {
    let place = network.open_place(store, Opening::Existing)?;
    let listed = network.block_on(async {
        if read_description(&*place).await?.is_none() {
            let reason = format!("no store here: there is no {STORE_FILE}");
            return Err(StoreError::Location { location: place.location().to_owned(), reason });
        }
        list_packs(&*place).map_ok(|(id, info)| (id, info.bytes)).try_collect().await
    });
    Ok(listed?)
}

fn verify_packs(
    reader: &Arc<dyn ReadStore>,
    wanted: &BTreeMap<PackId, u64>,
    needed: &BTreeSet<PackId>,
    network: &Network,
    progress: &dyn Progress,
    report: &mut StoreVerifyReport,
) -> Result<BTreeMap<PackId, Held>, SyncError> {
    let pool = Pool::new();
    let total = wanted.values().copied().fold(0, u64::saturating_add);
    progress.begin(Stage::Verify, Some(total));
    let mut whole = BTreeMap::new();
    for (id, bytes) in wanted {
        check_time(progress)?;
        let add = |bytes| progress.add(Stage::Verify, bytes);
        let found = network.block_on(pack::verify(reader.as_ref(), (id, *bytes), &pool, add))?;
        // gc may have deleted the pack since the list was made. In that case no index needs it.
        if found.is_absent && !needed.contains(id) {
            continue;
        }
        report.packs += 1;
        report.bytes += found.bytes;
        report.chunks += found.chunks;
        let of_pack = |message| StoreProblem::new(StorePart::Pack, message);
        report.problems.extend(found.problems.into_iter().map(of_pack));
        // Nobody asks for the tables of other packs, and a store may have very many.
        if let Some(tail) = found.tail.filter(|_| needed.contains(id)) {
            whole.insert(*id, Held::of(tail));
        }
    }
    // Parts that were not read in time are no problem of the store.
    check_time(progress)?;
    progress.end(Stage::Verify);
    Ok(whole)
}

/// Checks that each segment and each chunk of an index is in the pack that the index names.
fn verify_index(name: &str, index: &Index, packs: &BTreeMap<PackId, Held>, report: &mut StoreVerifyReport) {
    let of_index = |text: String| StoreProblem::new(StorePart::Index, format!("{name}: {text}"));
    let mut problem = |text| report.problems.push(of_index(text));
    let pack = |number: u32| packs.get(&index.packs[number as usize].id);
    let mut listed = Vec::new();
    let segment_packs = index.segment_runs.iter().flat_map(|run| (0..run.count).map(move |_| run.pack));
    for (wanted, number) in index.segments().zip(segment_packs) {
        match pack(number).and_then(|held| held.segment(&wanted.id)) {
            Some(segment) if segment.records().len() == wanted.records as usize => {
                listed.extend(segment.into_records())
            }
            _ => {
                problem(format!("recipe segment {} is not in pack {}", wanted.id, index.packs[number as usize].id));
                return;
            }
        }
    }
    let recipe = recipe_of_listed(index, listed);
    let chunk_packs = index.chunk_runs.iter().flat_map(|run| (0..run.count).map(move |_| run.pack));
    let records = recipe.skeleton.iter().chain(&recipe.contents);
    let missing =
        records.zip(chunk_packs).filter(|(record, number)| pack(*number).is_none_or(|held| !held.has(&record.id)));
    let missing: Vec<String> =
        missing.map(|(record, number)| format!("{} (pack {})", record.id, index.packs[number as usize].id)).collect();
    if let Some(first) = missing.first() {
        problem(format!("{} chunks are not in the packs it names, the first {first}", missing.len()));
    }
}

/// The table of a pack that indexes need. The chunks are put in order once, since many indexes may name the pack.
struct Held {
    tail: PackTail,
    /// The positions of the chunks, in the order of their ids.
    by_id: Vec<u32>,
}

impl Held {
    fn of(tail: PackTail) -> Self {
        let mut by_id: Vec<u32> = (0..).take(tail.records.len()).collect();
        by_id.sort_unstable_by_key(|&position| tail.records[position as usize].id);
        Self { tail, by_id }
    }

    fn has(&self, chunk: &ChunkId) -> bool {
        self.by_id.binary_search_by_key(chunk, |&position| self.tail.records[position as usize].id).is_ok()
    }

    fn segment(&self, id: &SegmentId) -> Option<Segment> {
        let number = self.tail.segment_ids().position(|found| found == *id)?;
        let segment = Segment::new(self.tail.segment(number).ok()?.1).ok()?;
        (segment.id() == *id).then_some(segment)
    }
}
