//! What an index holds.

use std::path::Path;

use regrow_chunker::ChunkId;
use regrow_deflate::encoders::Known;
use regrow_image::TreeEntry;
use regrow_index::Coding;
use regrow_local::Pool;
use regrow_store::StoreError;
use serde::Serialize;

use crate::plan::inspect::Inspection;
use crate::plan::tree::{ArchiveNumbers, Reading, archive_of, path_of};
use crate::{Location, Network, Progress, SyncError};

/// See the module's documentation.
#[derive(Debug, Clone, Serialize)]
pub struct InfoReport {
    /// Size of the image.
    pub image_bytes: u64,
    /// Its id.
    pub image_id: String,
    /// BLAKE3 of the image.
    pub image_digest: String,
    /// Version of the walking rules.
    pub walk_version: u32,
    /// Smallest, average and largest chunk.
    pub chunk_min_bytes: u32,
    /// See `chunk_min_bytes`.
    pub chunk_avg_bytes: u32,
    /// See `chunk_min_bytes`.
    pub chunk_max_bytes: u32,
    /// Chunks of both streams, repetitions included.
    pub chunks: u64,
    /// Chunks and bytes of the skeleton stream.
    pub skeleton_chunks: u64,
    /// See `skeleton_chunks`.
    pub skeleton_bytes: u64,
    /// Chunks and bytes of the contents stream.
    pub contents_chunks: u64,
    /// See `contents_chunks`.
    pub contents_bytes: u64,
    /// Recipe segments.
    pub segments: u64,
    /// Names and sizes of the packs.
    pub packs: Vec<PackInfo>,
    /// Gzip files of the image that are made again of what they hold.
    pub coded: Vec<CodedInfo>,
    /// Image ids that patches to this image were made from, as far as the index says.
    pub patch_bases: Vec<String>,
    /// Where the store lies relative to the index.
    pub store: String,
    /// Frames of the packs and their stored bytes; `None` if the store could not be read.
    pub frames: Option<u64>,
    /// See `frames`.
    pub frame_bytes: Option<u64>,
    /// The archives in the image, the image itself first; empty if it is none, or the store could not be read.
    pub archives: Vec<ArchiveInfo>,
    /// Why the store could not be read.
    pub store_error: Option<String>,
}

/// A pack that an index names.
#[derive(Debug, Clone, Serialize)]
pub struct PackInfo {
    /// Its name.
    pub id: String,
    /// Its size.
    pub bytes: u64,
}

/// A gzip file in an image that is made again of what it holds.
#[derive(Debug, Clone, Serialize)]
pub struct CodedInfo {
    /// Its path, empty for the image itself; `None` if the store could not be read.
    pub path: Option<String>,
    /// Its size in the image.
    pub bytes: u64,
    /// The bytes that it holds.
    pub plain_bytes: u64,
    /// Its gzip members.
    pub members: u64,
    /// The encoders that wrote them, each once.
    pub encoders: Vec<String>,
    /// What it costs in the index to say how it is made.
    pub index_bytes: u64,
}

/// An archive in an image, such as a layer.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveInfo {
    /// Its path, empty for the image itself.
    pub path: String,
    /// Entries of all kinds.
    pub entries: u64,
    /// Entries with contents.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// Reads an index, and from its store what it says of the image.
///
/// # Errors
/// [`SyncError`] where the index cannot be read; a store that cannot be read is part of the report.
pub fn info(
    location: &Location,
    stores: &[Location],
    scratch: &Path,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<InfoReport, SyncError> {
    let index = network.load_index(location)?;
    let pool = Pool::new();
    let mut reading = Reading { stores, network, pool: &pool, scratch, progress };
    let opened = Inspection::of(location, &index, &mut reading).and_then(|inspection| {
        let mut found = Found::default();
        inspection.for_each_entry(location, &mut |entry| found.add(&entry))?;
        Ok((inspection, found))
    });
    let mut report = InfoReport {
        image_bytes: index.image_bytes,
        image_id: index.image_id().to_string(),
        image_digest: ChunkId(index.image_digest).to_string(),
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
        patch_bases: index.patch_bases.iter().map(ToString::to_string).collect(),
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
            for (coded, path) in report.coded.iter_mut().zip(found.coded_paths) {
                coded.path = Some(path);
            }
        }
        Err(error @ SyncError::Store(StoreError::TimeUp { .. })) => return Err(error),
        Err(error) => report.store_error = Some(error.to_string()),
    }
    Ok(report)
}

fn coded(coding: &Coding) -> CodedInfo {
    let mut encoders: Vec<String> = Vec::new();
    for member in &coding.members {
        let name =
            Known::take(&mut &*member.encoder).map_or_else(|| "not known here".to_owned(), |known| known.to_string());
        if !encoders.contains(&name) {
            encoders.push(name);
        }
    }
    CodedInfo {
        path: None,
        bytes: coding.stored_bytes(),
        plain_bytes: coding.plain_bytes(),
        members: coding.members.len() as u64,
        encoders,
        index_bytes: coding.cost_bytes(),
    }
}

/// What an image's entries tell.
#[derive(Default)]
struct Found {
    archives: Vec<ArchiveInfo>,
    numbers: ArchiveNumbers,
    /// Paths of the coded files, in the image's order.
    coded_paths: Vec<String>,
}

impl Found {
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
