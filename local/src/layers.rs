//! Images as the layers that they consist of, and the layer that makes one image's root file system of another's.
//!
//! Nothing is unpacked: layers are read once, front to back, and checked against the digests in the image's
//! configuration. Contents are copied from layer to layer.

mod contents;
mod documents;
mod read;

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use regrow_rootfs::{Difference, DifferenceOptions, LayerSummary, RootfsError, Tree, Why, write_layer};
use serde_json::Value;

use crate::normalize::archive::Archive;
use crate::normalize::digests::Digests;
use crate::progress::check_time;
use crate::{LayersFault, LocalError, Progress, Stage, WatchedFile};

use contents::LayerContents;
use documents::Documents;
use read::{Checked, checked};

const BUFFER_BYTES: usize = 1 << 20;

/// The form of a layer's stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerForm {
    /// A tar.
    Plain,
    /// A tar that gzip compressed.
    Gzip,
    /// A tar that zstd compressed.
    Zstd,
}

/// A layer of an image archive.
#[derive(Debug, Clone)]
pub struct LayerBlob {
    /// The name of its entry.
    pub name: String,
    /// The place of its stored bytes in the archive.
    pub at: u64,
    /// The number of stored bytes.
    pub bytes: u64,
    /// The form of the stored bytes.
    pub form: LayerForm,
    /// The digest of its plain bytes.
    pub diff_id: String,
}

/// An image archive that was opened.
pub struct LayeredImage {
    /// The archive.
    pub file: File,
    /// The archive's name, for messages.
    pub path: PathBuf,
    /// The bytes of its configuration.
    pub config: Vec<u8>,
    /// Its layers, the lowest first.
    pub layers: Vec<LayerBlob>,
    /// Its names.
    pub tags: Vec<String>,
    watched: WatchedFile<File>,
}

impl LayeredImage {
    /// Reads the documents of an archive, in the form of `docker save` or of the OCI. `path` is for errors.
    ///
    /// # Errors
    /// The file is no archive of one image, or its documents are damaged.
    pub fn open(mut file: File, path: &Path) -> Result<Self, LocalError> {
        let watched = WatchedFile::new(file.try_clone().map_err(LocalError::io(path))?);
        let archive = Archive::read(&mut file, path)?;
        let mut documents = Documents { archive: &archive, file: &mut file, path };
        let named = documents.find()?;
        let config = documents.bytes(&named.config)?;
        let config = config.ok_or_else(|| documents.fault(LayersFault::Missing(named.config.clone())))?;
        if let Some(system) = system(&config).filter(|system| system != "linux") {
            return Err(documents.fault(LayersFault::System(system)));
        }
        let diff_ids = diff_ids(&config);
        let diff_ids = diff_ids.ok_or_else(|| documents.fault(LayersFault::Malformed(named.config.clone())))?;
        if diff_ids.len() != named.layers.len() {
            let (named, present) = (diff_ids.len(), named.layers.len());
            return Err(documents.fault(LayersFault::Count { named, present }));
        }
        let layers = named.layers.iter().zip(diff_ids).map(|(name, diff_id)| {
            let entry = archive.linked_entry(name);
            let entry = entry.ok_or_else(|| documents.fault(LayersFault::Missing(name.clone())))?;
            let form = form_of(documents.file, entry.at, entry.bytes).map_err(LocalError::io(path))?;
            let form = form.map_err(|form| documents.fault(LayersFault::Compression { layer: name.clone(), form }))?;
            Ok(LayerBlob { name: name.clone(), at: entry.at, bytes: entry.bytes, form, diff_id })
        });
        let layers = layers.collect::<Result<Vec<_>, LocalError>>()?;
        Ok(Self { path: path.to_owned(), config, layers, tags: named.tags, watched, file })
    }

    /// Fails if somebody wrote to the archive since it was opened.
    ///
    /// # Errors
    /// [`LocalError::Changed`].
    pub fn check_unchanged(&self) -> Result<(), LocalError> {
        self.watched.check_unchanged(&self.path)
    }

    fn fault(&self, fault: LayersFault) -> LocalError {
        LocalError::Layers { path: self.path.clone(), fault }
    }
}

/// The digests of the layers' plain bytes, from an image's configuration.
fn diff_ids(config: &[u8]) -> Option<Vec<String>> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let ids = config.get("rootfs")?.get("diff_ids")?.as_array()?;
    ids.iter().map(|id| id.as_str().map(str::to_owned)).collect()
}

/// The system that an image is for, if its configuration says so.
fn system(config: &[u8]) -> Option<String> {
    let config: Value = serde_json::from_slice(config).ok()?;
    config.get("os")?.as_str().filter(|system| !system.is_empty()).map(str::to_owned)
}

/// The form of a layer by its first bytes, or the name of one that engines do not read.
fn form_of(file: &File, at: u64, bytes: u64) -> io::Result<Result<LayerForm, &'static str>> {
    let mut magic = [0; 8];
    let known = magic.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
    file.read_exact_at(&mut magic[..known], at)?;
    Ok(match &magic {
        [0x1f, 0x8b, ..] => Ok(LayerForm::Gzip),
        magic if regrow_image::is_zstd(magic) => Ok(LayerForm::Zstd),
        magic if regrow_image::is_xz(magic) => Err("xz"),
        [b'B', b'Z', b'h', ..] => Err("bzip2"),
        _ => Ok(LayerForm::Plain),
    })
}

/// A layer, the archive that holds it, and the archive's name.
struct NumberedLayer<'a> {
    file: &'a File,
    path: &'a Path,
    blob: &'a LayerBlob,
}

/// Two images, and where temporary files go.
pub struct Between<'a> {
    /// The image whose layers stay.
    pub old: &'a LayeredImage,
    /// The image whose root file system is wanted.
    pub new: &'a LayeredImage,
    /// What counts as a difference.
    pub options: DifferenceOptions,
    /// The folder for temporary files.
    pub scratch: &'a Path,
}

/// The layer between two images.
pub struct MadeLayer {
    /// The layer, a tar, in a file without a name. `None` if nothing differs.
    pub layer: Option<File>,
    /// The number of its bytes.
    pub bytes: u64,
    /// The digest of its bytes.
    pub diff_id: String,
    /// What it holds.
    pub summary: LayerSummary,
    /// The number of paths that differ elsewhere, where one path alone was compared.
    pub elsewhere: u64,
    /// The digests of the old image's layers as they are stored.
    pub old_digests: Vec<String>,
    /// The number of layers that both images have, the lowest first.
    pub shared_layers: usize,
    /// The plain bytes of the new image's other layers.
    pub bytes_new_layers: u64,
}

/// Makes the layer that makes the root file system of the new image of the old one's, and checks it.
///
/// # Errors
/// A layer cannot be read, is damaged, or holds what engines refuse.
pub fn layer_between(between: &Between<'_>, progress: &dyn Progress) -> Result<MadeLayer, LocalError> {
    let Between { old, new, options, scratch } = between;
    let pairs = old.layers.iter().zip(&new.layers);
    let shared = pairs.take_while(|(old, new)| old.diff_id == new.diff_id).count();
    let layers: Vec<NumberedLayer<'_>> = numbered(old, 0).chain(numbered(new, shared)).collect();
    let total = layers.iter().map(|layer| layer.blob.bytes).sum();
    progress.begin(Stage::Compare, Some(total));
    let old_count = old.layers.len();
    let mut old_tree = Tree::new();
    let mut reading = Reading { layers: &layers, progress, checked: Vec::new() };
    reading.apply(&mut old_tree, 0..shared)?;
    let mut new_tree = old_tree.clone();
    reading.apply(&mut old_tree, shared..old_count)?;
    reading.apply(&mut new_tree, old_count..layers.len())?;
    let Reading { checked, .. } = reading;
    progress.end(Stage::Compare);
    if !old_tree.has(&options.below) && !new_tree.has(&options.below) {
        let path = format!("/{}", String::from_utf8_lossy(options.below.as_bytes()));
        return Err(new.fault(LayersFault::NoPath(path)));
    }
    let difference = Difference::new(&old_tree, &new_tree, options.clone());
    let elsewhere = elsewhere(&old_tree, &new_tree, options);
    let mut contents = LayerContents::prepare(&layers, &difference, scratch, progress)?;
    let (mut file, summary, written) = write(&difference, &mut contents, scratch)?;
    drop(difference);
    if !summary.is_empty() {
        file.rewind().map_err(LocalError::io(*scratch))?;
        let read = BufReader::with_capacity(BUFFER_BYTES, &file);
        let is_made = match old_tree.apply(read, layers.len() as u32) {
            Err(RootfsError::Io(error)) => return Err(LocalError::io(*scratch)(error)),
            applied => applied.is_ok(),
        };
        let is_made = is_made && Difference::new(&old_tree, &new_tree, options.clone()).is_empty();
        old.check_unchanged()?;
        new.check_unchanged()?;
        if !is_made {
            return Err(new.fault(LayersFault::NotMade));
        }
        file.rewind().map_err(LocalError::io(*scratch))?;
    }
    Ok(MadeLayer {
        layer: (!summary.is_empty()).then_some(file),
        bytes: written.bytes,
        diff_id: written.digests.of_kind(None),
        summary,
        elsewhere,
        old_digests: checked[..old_count].iter().map(|layer| layer.digest.clone()).collect(),
        shared_layers: shared,
        bytes_new_layers: checked[old_count..].iter().map(|layer| layer.plain_bytes).sum(),
    })
}

/// The layers of an image from one on.
fn numbered(image: &LayeredImage, from: usize) -> impl Iterator<Item = NumberedLayer<'_>> {
    image.layers[from..].iter().map(|blob| NumberedLayer { file: &image.file, path: &image.path, blob })
}

/// The layers on their way into trees.
struct Reading<'a> {
    layers: &'a [NumberedLayer<'a>],
    progress: &'a dyn Progress,
    checked: Vec<Checked>,
}

impl Reading<'_> {
    fn apply(&mut self, tree: &mut Tree, numbers: std::ops::Range<usize>) -> Result<(), LocalError> {
        for number in numbers {
            check_time(self.progress)?;
            let NumberedLayer { file, path, blob } = self.layers[number];
            let read = checked(file, blob, self.progress, |plain| tree.apply(plain, number as u32));
            let read = read.map_err(|fault| LocalError::Layers { path: path.to_owned(), fault })?;
            self.checked.push(read);
        }
        Ok(())
    }
}

/// The number of paths that differ outside the one that is compared.
fn elsewhere(old: &Tree, new: &Tree, options: &DifferenceOptions) -> u64 {
    if options.below.is_root() {
        return 0;
    }
    let everywhere = DifferenceOptions { below: regrow_rootfs::FsPath::default(), ..options.clone() };
    let mut count = 0;
    let Ok(()) = Difference::new(old, new, everywhere).for_each(|path, change| {
        let is_within = path.is_at_or_below(&options.below);
        count += u64::from(!is_within && change.why() != Some(Why::Within));
        Ok::<(), std::convert::Infallible>(())
    });
    count
}

/// Bytes that are hashed and counted on their way into a file.
struct Written<W> {
    out: W,
    digests: Digests,
    bytes: u64,
}

impl<W: Write> Write for Written<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.digests.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes the layer to a file without a name.
fn write(
    difference: &Difference<'_>,
    contents: &mut LayerContents<'_>,
    scratch: &Path,
) -> Result<(File, LayerSummary, Written<()>), LocalError> {
    let file = tempfile::tempfile_in(scratch).map_err(LocalError::io(scratch))?;
    let handle = file.try_clone().map_err(LocalError::io(scratch))?;
    let mut written =
        Written { out: BufWriter::with_capacity(BUFFER_BYTES, handle), digests: Digests::like(&[]), bytes: 0 };
    let failed = |error| match error {
        RootfsError::Io(error) => LocalError::io(scratch)(error),
        other => LocalError::io(scratch)(io::Error::other(other.to_string())),
    };
    let summary = write_layer(difference, contents, &mut written).map_err(failed)?;
    let Written { digests, bytes, .. } = written;
    Ok((file, summary, Written { out: (), digests, bytes }))
}
