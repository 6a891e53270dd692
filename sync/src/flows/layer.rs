//! Makes an image archive that has the old image's layers, and one small layer more that makes the new image's files of
//! them.

mod archive;
mod config;
mod source;

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use regrow_local::{Between, LayeredImage, MadeLayer, ScratchFolder, layer_between};
use regrow_rootfs::DifferenceOptions;
pub use regrow_rootfs::FsPath;
use serde::Serialize;

use crate::flows::seconds::as_seconds;
use crate::place::location::folder_of;
use crate::{ImageName, Location, Network, Progress, SourceOptions, Stage, SyncError};

use archive::NewImage;
use source::Opening;

pub use source::LayerImage;

const BUFFER_BYTES: usize = 1 << 20;

/// The images, and how they are compared.
#[derive(Debug)]
pub struct LayerOptions {
    /// The image that machines have.
    pub old: LayerImage,
    /// The image that they will get.
    pub new: LayerImage,
    /// The platform, for images that are there for several, and the address of the Docker daemon.
    pub sources: SourceOptions,
    /// The names of the image that is made. If there are none, it has those of the new image.
    pub names: Vec<ImageName>,
    /// The stores to read from, for indexes. If there are none, those that the indexes name are used.
    pub stores: Vec<Location>,
    /// Compare only what lies at this path. Everything else stays as the old image has it.
    pub path: FsPath,
    /// Take files that differ by nothing but their times as equal.
    pub ignore_times: bool,
}

/// The place for the archive.
pub enum LayerOutput {
    /// This file. Only a complete archive replaces it.
    File(PathBuf),
    /// A pipe, which gets the archive front to back.
    Pipe(Box<dyn Write + Send>),
}

/// The result of making a layer.
#[derive(Debug, Clone, Serialize)]
pub struct LayerReport {
    /// The digest of the configuration, which is the image's id.
    pub image_id: String,
    /// The digest of the manifest.
    pub manifest: String,
    /// The size of the archive in bytes.
    pub bytes: u64,
    /// The number of the old image's layers, all of which the archive has.
    pub old_layers: u64,
    /// The number of the new image's own layers, which the old image lacks. The new layer stands for all of them.
    pub new_layers: u64,
    /// The plain bytes of those layers.
    pub bytes_new_layers: u64,
    /// The size of the new layer in bytes. If it is 0, there is none, since nothing differs.
    pub bytes_layer: u64,
    /// The digest of the new layer, if there is one.
    pub layer: Option<String>,
    /// The bytes of files in it.
    pub bytes_contents: u64,
    /// The number of entries that hide something which is gone.
    pub whiteouts: u64,
    /// The number of other entries.
    pub entries: u64,
    /// The number of entries that are new, or of another kind than before.
    pub entries_new: u64,
    /// The number of entries whose contents changed.
    pub entries_contents: u64,
    /// The number of entries of which only the mode, the owner, attributes or hard links changed.
    pub entries_metadata: u64,
    /// The number of entries of which only the time changed.
    pub entries_times: u64,
    /// The number of folders that are there only because something in them changed.
    pub entries_within: u64,
    /// The number of differences outside the path that was compared. They are not in the layer.
    pub differences_elsewhere: u64,
    /// The time that it took.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub elapsed: Duration,
}

/// Makes the archive.
///
/// # Errors
/// An image cannot be read, is damaged, or holds what engines refuse; or the output cannot be written.
pub fn layer(
    options: &LayerOptions,
    output: LayerOutput,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<LayerReport, SyncError> {
    let started = Instant::now();
    // Temporary files may be as large as the images, so they lie where the archive will.
    let above = match &output {
        LayerOutput::File(path) => folder_of(path).to_owned(),
        LayerOutput::Pipe(_) => network.scratch().to_owned(),
    };
    let scratch = ScratchFolder::new(&above).map_err(SyncError::io(&above))?;
    let mut opening = Opening {
        stores: &options.stores,
        sources: &options.sources,
        scratch: scratch.path(),
        network,
        progress,
        last: None,
    };
    let (old, new) = (opening.image(&options.old)?, opening.image(&options.new)?);
    let compared = DifferenceOptions { below: options.path.clone(), ignore_times: options.ignore_times };
    let between = Between { old: &old, new: &new, options: compared, scratch: scratch.path() };
    let made = layer_between(&between, progress)?;
    if made.elsewhere > 0 {
        let path = String::from_utf8_lossy(options.path.as_bytes());
        let (old, new, count) = (old.path.display(), new.path.display(), made.elsewhere);
        let (paths, differ) = if count == 1 { ("path", "differs") } else { ("paths", "differ") };
        progress.warn(&format!("{new}: {count} {paths} outside /{path} {differ} too, and will be as in {old}"));
    }
    let names = match options.names.is_empty() {
        true => new.tags.clone(),
        false => options.names.iter().map(ImageName::familiar).collect(),
    };
    let image = NewImage::new(&old, &new, &made, &names)?;
    progress.begin(Stage::Write, Some(image.bytes()));
    write(&image, output, scratch.path(), progress)?;
    progress.end(Stage::Write);
    Ok(report(&image, &old, &new, &made, started))
}

/// Writes the archive, and gives it its name at the end.
fn write(image: &NewImage<'_>, output: LayerOutput, scratch: &Path, progress: &dyn Progress) -> Result<(), SyncError> {
    let path = match output {
        LayerOutput::Pipe(pipe) => {
            let failed = || SyncError::io("standard output");
            let mut out = BufWriter::with_capacity(BUFFER_BYTES, pipe);
            image.write(&mut out, progress).map_err(failed())?;
            return out.flush().map_err(failed());
        }
        // The file that a link leads to is replaced, and not the link.
        LayerOutput::File(path) => path.canonicalize().unwrap_or(path),
    };
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(SyncError::NoFile { path });
    }
    let failed = || SyncError::io(&path);
    let temporary = scratch.join("archive");
    let file = OpenOptions::new().write(true).create_new(true).mode(0o666).open(&temporary).map_err(failed())?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, &file);
    image.write(&mut out, progress).and_then(|()| out.flush()).map_err(failed())?;
    drop(out);
    file.sync_all().map_err(failed())?;
    image.check_unchanged()?;
    std::fs::rename(&temporary, &path).map_err(failed())?;
    let folder = std::fs::File::open(folder_of(&path)).map_err(failed())?;
    regrow_paths::sync_open_folder(&folder).map_err(failed())
}

fn report(
    image: &NewImage<'_>,
    old: &LayeredImage,
    new: &LayeredImage,
    made: &MadeLayer,
    started: Instant,
) -> LayerReport {
    let has_layer = made.layer.is_some();
    let summary = made.summary;
    LayerReport {
        image_id: image.config_digest().to_owned(),
        manifest: image.manifest_digest().to_owned(),
        bytes: image.bytes(),
        old_layers: old.layers.len() as u64,
        new_layers: (new.layers.len() - made.shared_layers) as u64,
        bytes_new_layers: made.bytes_new_layers,
        bytes_layer: if has_layer { made.bytes } else { 0 },
        layer: has_layer.then(|| made.diff_id.clone()),
        bytes_contents: summary.bytes_contents,
        whiteouts: summary.whiteouts,
        entries: summary.entries,
        entries_new: summary.new,
        entries_contents: summary.contents,
        entries_metadata: summary.metadata,
        entries_times: summary.times,
        entries_within: summary.within,
        differences_elsewhere: made.elsewhere,
        elapsed: started.elapsed(),
    }
}
