//! What an update from one image to another costs, and why.

use std::collections::BTreeMap;
use std::path::Path;

use regrow_image::TreeEntry;
use serde::Serialize;

use crate::extract::inspect::UpdateCost;
use crate::pool::Pool;
use crate::tree::{OpenImage, Reading, archive_of, path_of};
use crate::{Location, Network, Progress, SyncError};

/// See the module's documentation.
#[derive(Debug, Clone, Serialize)]
pub struct DiffReport {
    /// Size of the old image.
    pub old_bytes: u64,
    /// Size of the new image.
    pub new_bytes: u64,
    /// Bytes that a machine with the old image downloads, all included.
    pub bytes: u64,
    /// Requests that it makes.
    pub requests: u64,
    /// Of the bytes: the index.
    pub bytes_index: u64,
    /// Of the bytes: the packs' ends, with tables, recipe segments and, up to 4 MiB, skeleton frames.
    pub bytes_tables: u64,
    /// Of the bytes: frames.
    pub bytes_frames: u64,
    /// Distinct chunks that the old image does not have.
    pub chunks: u64,
    /// Their plain bytes.
    pub bytes_plain: u64,
    /// Stored bytes of new contents by archive, largest first.
    pub archives: Vec<PathCost>,
    /// Stored bytes of new contents by path, largest first.
    pub paths: Vec<PathCost>,
    /// Stored bytes of new skeleton: names, times, owners.
    pub bytes_headers: u64,
}

/// What an archive or a path costs.
#[derive(Debug, Clone, Serialize)]
pub struct PathCost {
    /// The path; archives within archives apart by `!`.
    pub path: String,
    /// Its share of the stored bytes.
    pub bytes: u64,
    /// Plain bytes in chunks that are new.
    pub bytes_plain: u64,
}

/// Plans the update from the image of `old` to that of `new`.
///
/// # Errors
/// [`SyncError`] where an index or its store cannot be read.
pub fn diff(
    old: &Location,
    new: &Location,
    stores: &[Location],
    scratch: &Path,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<DiffReport, SyncError> {
    let (old_index, new_index) = (network.load_index(old)?, network.load_index(new)?);
    let pool = Pool::new();
    let mut reading = Reading { stores, network, pool: &pool, scratch, progress };
    let old_image = OpenImage::read(old, &old_index, &mut reading)?;
    let cost = UpdateCost::of(&old_image.inspection, new, &new_index, &mut reading)?;
    let image = OpenImage::read(new, &new_index, &mut reading)?;
    let bytes_index = new_index.encode().len() as u64;
    let paths = paths(&image, &cost);
    Ok(DiffReport {
        old_bytes: old_index.image_bytes,
        new_bytes: new_index.image_bytes,
        bytes: bytes_index + cost.table_bytes + cost.frame_bytes,
        requests: cost.requests,
        bytes_index,
        bytes_tables: cost.table_bytes,
        bytes_frames: cost.frame_bytes,
        chunks: cost.chunks,
        bytes_plain: cost.plain_bytes,
        archives: by_archive(&image.tree, &paths),
        bytes_headers: cost.skeleton.iter().sum(),
        paths: largest_first(paths.into_iter().filter(|path| path.bytes > 0 || path.bytes_plain > 0).collect()),
    })
}

/// The cost of each entry, in the tree's order.
fn paths(image: &OpenImage, cost: &UpdateCost) -> Vec<PathCost> {
    let contents = image.inspection.contents();
    let of_entry = |entry: &TreeEntry| {
        let (mut bytes, mut bytes_plain) = (0, 0);
        let mut at = entry.contents.start;
        while at < entry.contents.end {
            let chunk = contents.chunk_at(at);
            let range = contents.range(chunk);
            let len = range.end.min(entry.contents.end) - at;
            if cost.contents[chunk] > 0 {
                bytes += cost.contents[chunk] * len / (range.end - range.start);
                bytes_plain += len;
            }
            at += len;
        }
        PathCost { path: path_of(entry), bytes, bytes_plain }
    };
    image.tree.iter().map(of_entry).collect()
}

fn by_archive(tree: &[TreeEntry], paths: &[PathCost]) -> Vec<PathCost> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (entry, cost) in tree.iter().zip(paths) {
        let sum = sums.entry(archive_of(entry)).or_default();
        *sum = (sum.0 + cost.bytes, sum.1 + cost.bytes_plain);
    }
    let costs = sums.into_iter().map(|(path, (bytes, bytes_plain))| PathCost { path, bytes, bytes_plain });
    largest_first(costs.collect())
}

fn largest_first(mut costs: Vec<PathCost>) -> Vec<PathCost> {
    costs.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    costs
}
