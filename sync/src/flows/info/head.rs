//! The report on what the head of an index says.

use regrow_chunker::Digest;
use regrow_index::{Index, VERSION_1, VERSION_2};
use serde::Serialize;

use super::disk::DiskInfo;
use super::statement::{self, PartInfo, PatchInfo, StatementInfo};
use crate::place::network::{Front, HeadFirst};
use crate::plan::outline::outline;
use crate::{Location, Network, SyncError};

/// The facts that the head of an index tells: what the image is, but not where its chunks lie.
#[derive(Debug, Clone, Serialize)]
pub struct HeadReport {
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
    /// The size of the skeleton stream in bytes.
    pub skeleton_bytes: u64,
    /// The size of the contents stream in bytes.
    pub contents_bytes: u64,
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
    /// The number of requests over a network, retries included.
    pub requests: u64,
    /// The bytes of bodies that came over a network.
    pub bytes_fetched: u64,
}

/// Reads the head of an index, in one small request if it has version 2, and nothing of its store. An index of version
/// 1 is read whole.
///
/// # Errors
/// The index cannot be read.
pub fn info_head(location: &Location, network: &mut Network) -> Result<HeadReport, SyncError> {
    let index = match network.open_front(location, None, HeadFirst::Always)? {
        Front::Index(index) => *index,
        Front::Head(open) => outline(&open.head, Vec::new()),
    };
    let mut report = HeadReport::of(&index);
    report.requests = network.meter().requests();
    report.bytes_fetched = network.meter().body_bytes();
    Ok(report)
}

impl HeadReport {
    fn of(index: &Index) -> Self {
        let patches = statement::patches(index);
        Self {
            format: if index.units.is_some() { VERSION_2 } else { VERSION_1 },
            image_bytes: index.image_bytes,
            image_id: index.image_id().to_string(),
            image_digest: Digest::from_bytes(index.image_digest).to_string(),
            walk_version: index.walk_version,
            chunk_min_bytes: index.params.min_bytes(),
            chunk_avg_bytes: index.params.avg_bytes(),
            chunk_max_bytes: index.params.max_bytes(),
            skeleton_bytes: index.skeleton.bytes,
            contents_bytes: index.contents.bytes,
            disk: DiskInfo::of(index),
            parts: statement::parts(index),
            statement: index.units.as_ref().map(statement::statement),
            patch_bases: patches.iter().map(|patch| patch.base_id.clone()).collect(),
            patches,
            store: index.store.clone(),
            requests: 0,
            bytes_fetched: 0,
        }
    }
}
