//! Rewrites an image archive so that layers which cannot be rebuilt are stored uncompressed. It takes OCI archives
//! and those of `docker save`. The config stays, and with it the image id that Docker knows. The manifests name the
//! layers' new digests. See OCI image-spec 1.1 (descriptors, manifests, index) and docker-archive's manifest.json.

pub(crate) mod archive;
pub(crate) mod digests;
mod layers;
mod manifests;

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use regrow_image::WalkRules;

use crate::pool::Pool;
use crate::{LocalError, Progress, WatchedFile};

use archive::Archive;
use layers::Replaced;

/// A rewritten archive.
pub struct Normalized {
    /// The archive with its layers as plain tars. It is a file without a name, positioned at its start.
    pub file: File,
    /// The number of layers that are now uncompressed.
    pub layers: u64,
}

/// Rewrites the archive in `file` to another file in `scratch`. The result is `None` if no layer has to change.
/// The image will be made by `rules`. `name` is for errors.
///
/// # Errors
/// [`LocalError::NoArchive`] or [`LocalError::Usage`] if the file is no image archive, [`LocalError::Changed`] if
/// somebody writes to it meanwhile, and [`LocalError::Io`].
pub fn normalize(
    file: &mut File,
    name: &Path,
    scratch: &Path,
    rules: WalkRules,
    progress: &dyn Progress,
) -> Result<Option<Normalized>, LocalError> {
    let watched = WatchedFile::new(file.try_clone().map_err(LocalError::io(name))?);
    let normalized = write_again(file, name, scratch, rules, progress);
    // A file that was written to explains every other error.
    watched.check_unchanged(name)?;
    normalized
}

fn write_again(
    file: &mut File,
    path: &Path,
    scratch: &Path,
    rules: WalkRules,
    progress: &dyn Progress,
) -> Result<Option<Normalized>, LocalError> {
    let archive = Archive::read(file, path)?;
    let pool = Pool::new();
    let mut images = manifests::Images::find(&archive, file)?;
    let mut replaced = Vec::new();
    for layer in images.layers() {
        let Some(entry) = archive.entry(&layer.name) else { continue };
        if layers::is_to_change(file, entry, scratch, rules, &pool)? {
            match Replaced::of(file, entry, &layer, scratch)? {
                Some(layer) => {
                    progress.warn(&format!("{}: {} is stored uncompressed", path.display(), layer.old_name));
                    replaced.push(layer);
                }
                None => progress.warn(&format!(
                    "{}: {} stays compressed: its contents do not match the image's config",
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
