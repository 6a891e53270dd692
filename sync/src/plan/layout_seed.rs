//! A folder in the OCI image layout as seeds. Its blobs are layers, plain or compressed, each in a file of its own, so
//! each of them is a seed that is seen through.

use std::path::{Path, PathBuf};

use regrow_local::{SeedContext, Seeds};

/// The file that every OCI image layout has (OCI image specification, "Image Layout").
const MARK: &str = "oci-layout";
const BLOBS: &str = "blobs/sha256";
/// The most blobs that are seeds, since each of them stays open. A folder with more is a folder like any other.
const MOST_BLOBS: usize = 256;

/// Opens a folder in the OCI image layout. Returns `false` if it is none. A blob that cannot be read is passed over with
/// a warning.
pub(crate) fn open_layout(seeds: &mut Seeds, folder: &Path, context: &SeedContext<'_>) -> bool {
    let Some(blobs) = blobs(folder, context.params.large_file_bytes()) else { return false };
    for blob in blobs {
        if let Err(error) = seeds.open(&blob, context) {
            context.progress.warn(&format!("seed: {error}"));
        }
    }
    true
}

/// The blobs of a layout that have at least this many bytes, by their names. Links are none.
fn blobs(folder: &Path, smallest_bytes: u64) -> Option<Vec<PathBuf>> {
    if !folder.join(MARK).is_file() {
        return None;
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.join(BLOBS)).ok()?.flatten() {
        let is_large = entry.metadata().is_ok_and(|blob| blob.is_file() && blob.len() >= smallest_bytes);
        found.extend(is_large.then(|| entry.path()));
    }
    found.sort_unstable();
    (!found.is_empty() && found.len() <= MOST_BLOBS).then_some(found)
}
