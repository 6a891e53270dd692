//! The report on an index.

mod disk;
mod head;
mod statement;

use regrow_chunker::Digest;
use regrow_image::{TreeEntry, WalkRules};
use regrow_index::{CodedStretch, MemberCoding, VERSION_1, VERSION_2};
use regrow_local::{CodedEncoder, Pool, disk_memory_bytes};
use regrow_store::StoreError;
use serde::Serialize;

use crate::plan::inspect::Inspection;
use crate::plan::tree::{ArchiveNumbers, Reading, archive_of, path_of};
use crate::{Location, Network, Progress, SyncError};

pub use disk::{BlocksInfo, DiskInfo};
pub use head::{HeadReport, info_head};
pub use statement::{PartInfo, PatchInfo, StatementInfo};

/// The facts about an index and its image.
#[derive(Debug, Clone, Serialize)]
pub struct InfoReport {
    /// The version of the index's format.
    pub format: u32,
    /// The size of the image in bytes.
    pub image_bytes: u64,
    /// The image's id.
    pub image_id: String,
    /// The BLAKE3 hash of the image.
    pub image_digest: String,
    /// The version of the walking rules.
    pub walk_version: u32,
    /// The smallest chunk size in bytes.
    pub chunk_min_bytes: u32,
    /// The average chunk size in bytes.
    pub chunk_avg_bytes: u32,
    /// The largest chunk size in bytes.
    pub chunk_max_bytes: u32,
    /// The number of chunks in both streams, repetitions included.
    pub chunks: u64,
    /// The number of chunks in the skeleton stream.
    pub skeleton_chunks: u64,
    /// The size of the skeleton stream in bytes.
    pub skeleton_bytes: u64,
    /// The number of chunks in the contents stream.
    pub contents_chunks: u64,
    /// The size of the contents stream in bytes.
    pub contents_bytes: u64,
    /// The number of recipe segments.
    pub segments: u64,
    /// The names and sizes of the packs.
    pub packs: Vec<PackInfo>,
    /// The gzip and zstd files of the image that are made again from their plain bytes.
    pub coded: Vec<CodedInfo>,
    /// The facts about the image, if it is a disk image. An index of version 1 tells none.
    pub disk: Option<DiskInfo>,
    /// The parts of the image. An index of version 1 tells none.
    pub parts: Vec<PartInfo>,
    /// The claims about the image. An index of version 1 has none.
    pub statement: Option<StatementInfo>,
    /// The image ids of the bases of patches to this image, as far as the index names them.
    pub patch_bases: Vec<String>,
    /// The same patches, with their sizes.
    pub patches: Vec<PatchInfo>,
    /// The store's location relative to the index.
    pub store: String,
    /// The number of frames in the packs, or `None` if the store could not be read.
    pub frames: Option<u64>,
    /// The stored bytes of those frames, or `None` if the store could not be read.
    pub frame_bytes: Option<u64>,
    /// The archives in the image, the image itself first. The list is empty if the image is no archive, or if the
    /// store could not be read.
    pub archives: Vec<ArchiveInfo>,
    /// The reason why the store could not be read.
    pub store_error: Option<String>,
}

/// A pack that an index names.
#[derive(Debug, Clone, Serialize)]
pub struct PackInfo {
    /// The pack's id.
    pub id: String,
    /// The pack's size in bytes.
    pub bytes: u64,
}

/// A gzip or zstd file in an image that is made again from its plain bytes.
#[derive(Debug, Clone, Serialize)]
pub struct CodedInfo {
    /// The file's path, empty for the image itself; `None` if the store could not be read.
    pub path: Option<String>,
    /// The file's size in the image.
    pub bytes: u64,
    /// The number of its plain bytes.
    pub plain_bytes: u64,
    /// The format of the file: `gzip` or `zstd`.
    pub format: &'static str,
    /// The number of its gzip members or zstd frames.
    pub members: u64,
    /// The encoders that wrote them, each once.
    pub encoders: Vec<String>,
    /// The corrections of what the encoders make, in bytes; 0: they make exactly the file.
    pub corrections_bytes: u64,
    /// The number of bytes of the index that say how the file is made.
    pub index_bytes: u64,
    /// About how many bytes of memory the encoder takes that takes most.
    pub memory_bytes: u64,
}

/// An archive in an image, such as a layer.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveInfo {
    /// The archive's path, empty for the image itself.
    pub path: String,
    /// The number of entries of all kinds.
    pub entries: u64,
    /// The number of entries with contents.
    pub files: u64,
    /// The bytes of their contents.
    pub bytes: u64,
}

/// Reads an index, and the parts of its store that describe the image.
///
/// # Errors
/// The index cannot be read. A store that cannot be read is part of the report.
pub fn info(
    location: &Location,
    stores: &[Location],
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<InfoReport, SyncError> {
    let index = network.load_index(location)?;
    let pool = Pool::new();
    let scratch = network.scratch().to_owned();
    let mut reading = Reading { stores, network, pool: &pool, scratch: &scratch, progress };
    let is_divided = WalkRules::of_version(index.walk_version).is_some_and(WalkRules::state_division);
    let opened = Inspection::of(location, &index, &mut reading).and_then(|inspection| {
        let mut found = EntryFacts::default();
        if is_divided {
            // A disk image has no entries. If it is coded, that is all of it.
            found.coded_paths = vec![String::new()];
            return Ok((inspection, found));
        }
        inspection.for_each_entry(location, &mut |entry| found.add(&entry))?;
        Ok((inspection, found))
    });
    let mut report = InfoReport {
        format: if index.units.is_some() { VERSION_2 } else { VERSION_1 },
        image_bytes: index.image_bytes,
        image_id: index.image_id().to_string(),
        image_digest: Digest::from_bytes(index.image_digest).to_string(),
        walk_version: index.walk_version,
        chunk_min_bytes: index.params.min_bytes(),
        chunk_avg_bytes: index.params.avg_bytes(),
        chunk_max_bytes: index.params.max_bytes(),
        chunks: index.chunks(),
        skeleton_chunks: index.skeleton.chunks,
        skeleton_bytes: index.skeleton.bytes,
        contents_chunks: index.contents.chunks,
        contents_bytes: index.contents.bytes,
        segments: index.segments().count() as u64,
        packs: index.packs.iter().map(|pack| PackInfo { id: pack.id.to_string(), bytes: pack.bytes }).collect(),
        coded: index.codings.iter().map(coded).collect(),
        disk: DiskInfo::of(&index),
        parts: statement::parts(&index),
        statement: index.units.as_ref().map(statement::statement),
        patches: statement::patches(&index),
        patch_bases: index.patches.iter().map(|patch| patch.base.to_string()).collect(),
        store: index.store.clone(),
        frames: None,
        frame_bytes: None,
        archives: Vec::new(),
        store_error: None,
    };
    match opened {
        Ok((inspection, found)) => {
            let (frames, bytes) = inspection.frames();
            (report.frames, report.frame_bytes) = (Some(frames), Some(bytes));
            report.archives = found.archives;
            statement::find_coded(&mut report.parts, &inspection, &index);
            for (coded, path) in report.coded.iter_mut().zip(found.coded_paths) {
                coded.path = Some(path);
            }
        }
        Err(error @ SyncError::Store(StoreError::TimeUp { .. })) => return Err(error),
        Err(error) => report.store_error = Some(error.to_string()),
    }
    Ok(report)
}

fn coded(coding: &CodedStretch) -> CodedInfo {
    let (members, names, corrections_bytes): (u64, Vec<String>, u64) = match coding {
        CodedStretch::File(file) => {
            let name = |member: &MemberCoding| CodedEncoder::name(file.format, &member.encoder);
            let names = file.members.iter().map(|member| name(member).unwrap_or_else(|| "not known here".to_owned()));
            let corrections = file.members.iter().map(|member| member.corrections.len() as u64);
            (file.members.len() as u64, names.collect(), corrections.sum())
        }
        CodedStretch::Disk(disk) => {
            let blocks = disk::blocks_of(disk);
            let name = |blocks: &BlocksInfo| blocks.encoder.clone().unwrap_or_else(|| "no known encoder".to_owned());
            let corrections = blocks.iter().map(|blocks| blocks.corrections_bytes);
            (disk.blocks().0, blocks.iter().map(name).collect(), corrections.sum())
        }
    };
    let mut encoders: Vec<String> = Vec::new();
    for name in names {
        if !encoders.contains(&name) {
            encoders.push(name);
        }
    }
    let memory_bytes = match coding {
        CodedStretch::File(file) => {
            let known = |member: &MemberCoding| CodedEncoder::of(file.format, member).ok();
            let bytes = |member| Some(known(member)?.memory_bytes(!member.corrections.is_empty()));
            file.members.iter().filter_map(bytes).max().unwrap_or(0)
        }
        CodedStretch::Disk(disk) => disk_memory_bytes(&disk.pieces),
    };
    CodedInfo {
        path: None,
        format: coding.name(),
        bytes: coding.stored_bytes(),
        plain_bytes: coding.plain_bytes(),
        members,
        encoders,
        corrections_bytes,
        index_bytes: coding.cost_bytes(),
        memory_bytes,
    }
}

/// The facts that an image's entries tell.
#[derive(Default)]
struct EntryFacts {
    archives: Vec<ArchiveInfo>,
    numbers: ArchiveNumbers,
    /// The paths of the coded files, in the image's order.
    coded_paths: Vec<String>,
}

impl EntryFacts {
    fn add(&mut self, entry: &TreeEntry) {
        let number = self.numbers.of(entry);
        if number == self.archives.len() {
            self.archives.push(ArchiveInfo { path: archive_of(entry), entries: 0, files: 0, bytes: 0 });
        }
        let archive = &mut self.archives[number];
        archive.entries += 1;
        archive.files += u64::from(!entry.contents.is_empty());
        archive.bytes += entry.contents.end - entry.contents.start;
        if entry.is_coded {
            self.coded_paths.push(path_of(entry));
        }
    }
}
