//! An image archive with compressed layers, written again with those layers uncompressed that cannot be made again of what they hold: OCI
//! archives and `docker save`'s. The config, and so the image id that Docker knows, stays; manifests name the layers' other digests.
//! OCI image-spec 1.1 (descriptors, manifests, index), and docker-archive's manifest.json.

mod archive;
mod digests;
mod layers;
mod manifests;

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use crate::pool::Pool;
use crate::{LocalError, Progress, WatchedFile};

use archive::Archive;
use layers::Replaced;

/// What was changed.
pub struct Normalized {
    /// The archive, with layers as plain tars; a file without a name, at its start.
    pub file: File,
    /// Layers that are uncompressed now.
    pub layers: u64,
}

/// Writes the archive in a file again, in another one in `scratch`; `None` where no layer has to be changed. `name` is for errors.
///
/// # Errors
/// [`LocalError::NoArchive`] and [`LocalError::Usage`] for what is no image archive; [`LocalError::Changed`] if somebody writes to
/// it; [`LocalError::Io`].
pub fn normalize(
    file: &mut File,
    name: &Path,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Option<Normalized>, LocalError> {
    let watched = WatchedFile::new(file.try_clone().map_err(LocalError::io(name))?);
    let normalized = write_again(file, name, scratch, progress);
    // A file that was written to explains every other error.
    watched.check_unchanged(name)?;
    normalized
}

fn write_again(
    file: &mut File,
    path: &Path,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Option<Normalized>, LocalError> {
    let archive = Archive::read(file, path)?;
    let pool = Pool::new();
    let mut images = manifests::Images::find(&archive, file)?;
    let mut replaced = Vec::new();
    for layer in images.layers() {
        let Some(entry) = archive.entry(&layer.name) else { continue };
        if layers::is_to_change(file, entry, scratch, &pool)? {
            match Replaced::of(file, entry, &layer, scratch)? {
                Some(layer) => {
                    progress.warn(&format!("{}: {} is stored uncompressed", path.display(), layer.old_name));
                    replaced.push(layer);
                }
                None => progress.warn(&format!(
                    "{}: {} stays compressed: what it holds is not what the image's config says",
                    path.display(),
                    layer.name
                )),
            }
        }
    }
    if replaced.is_empty() {
        return Ok(None);
    }
    let changed = images.rewrite(&replaced, path)?;
    let out = tempfile::tempfile_in(scratch).map_err(LocalError::io(scratch))?;
    let mut writer = BufWriter::with_capacity(1 << 20, out);
    archive.write(file, &replaced, &changed, &mut writer).map_err(LocalError::io(scratch))?;
    writer.flush().map_err(LocalError::io(scratch))?;
    let mut out = writer.into_inner().map_err(|error| LocalError::io(scratch)(error.into_error()))?;
    out.rewind().map_err(LocalError::io(scratch))?;
    Ok(Some(Normalized { file: out, layers: replaced.len() as u64 }))
}
