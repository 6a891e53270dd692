//! A store in a folder, for who writes it. Several makers may write one at once: packs are named by their content and
//! renamed into place when they are complete. FORMAT.md, section 8.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use regrow_chunker::ChunkId;
use tempfile::{NamedTempFile, TempPath};

use crate::StoreError;
use crate::folder_reader::{FolderReader, read_description};
use crate::layout::{STORE_FILE, StoreDescription, pack_name};
use crate::pack::{PackSummary, PackTail, PackWriter};

/// Files in `tmp/` that are older were left by a maker that died.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// See the module's documentation.
#[derive(Debug)]
pub struct FolderWriter {
    root: PathBuf,
}

/// A pack that is being written.
pub type OpenPack = PackWriter<BufWriter<NamedTempFile>>;

impl FolderWriter {
    /// Opens the store in `root`, or makes it there. `wanted`: parameters that it must have; where they are `None`, any, and
    /// `default` for a new one. Returns the store's description too.
    ///
    /// # Errors
    /// [`StoreError::Parameters`] where the store has others, [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn open(
        root: &Path,
        wanted: Option<StoreDescription>,
        default: StoreDescription,
    ) -> Result<(Self, StoreDescription), StoreError> {
        fs::create_dir_all(root.join("packs")).map_err(StoreError::io(root))?;
        fs::create_dir_all(root.join("tmp")).map_err(StoreError::io(root))?;
        let found = match read_description(root)? {
            Some(found) => found,
            None => write_description(root, wanted.unwrap_or(default))?,
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(StoreError::Parameters {
                store: root.display().to_string(),
                reason: format!(
                    "the store has chunks of {} bytes on average, not {}; leave out --avg-size or use another store",
                    found.chunk_avg, wanted.chunk_avg
                ),
            });
        }
        remove_abandoned(&root.join("tmp"));
        Ok((Self { root: root.to_owned() }, found))
    }

    /// The packs that the store holds, in no order.
    pub fn packs(&self) -> Result<Vec<ChunkId>, StoreError> {
        FolderReader::new(&self.root).packs()
    }

    /// Reads the end of a pack.
    pub fn tail(&self, id: &ChunkId) -> Result<PackTail, StoreError> {
        FolderReader::new(&self.root).tail(id)
    }

    /// Begins a pack.
    pub fn begin_pack(&self) -> Result<OpenPack, StoreError> {
        let tmp = self.root.join("tmp");
        let file = temporary_file(&tmp, "pack-").map_err(StoreError::io(&tmp))?;
        PackWriter::new(BufWriter::with_capacity(1 << 20, file)).map_err(StoreError::io(&tmp))
    }

    /// Completes a pack: writes its end, makes it durable and gives it its name.
    pub fn commit(&self, pack: OpenPack) -> Result<PackSummary, StoreError> {
        let tmp = self.root.join("tmp");
        let (writer, summary) = pack.finish().map_err(StoreError::io(&tmp))?;
        let file =
            writer.into_inner().map_err(|error| StoreError::Io { path: tmp.clone(), source: error.into_error() })?;
        file.as_file().sync_all().map_err(StoreError::io(&tmp))?;
        self.place(file.into_temp_path(), &summary)?;
        Ok(summary)
    }

    fn place(&self, file: TempPath, summary: &PackSummary) -> Result<(), StoreError> {
        let path = self.root.join(pack_name(&summary.id));
        // pack_name always has folders.
        let folder = path.parent().unwrap_or(&self.root);
        let made = !folder.is_dir();
        fs::create_dir_all(folder).map_err(StoreError::io(folder))?;
        // An existing pack of this name is these bytes, unless it is damaged; either way replacing it is right.
        file.persist(&path).map_err(|error| StoreError::Io { path: path.clone(), source: error.error })?;
        sync_folder(folder)?;
        if made {
            sync_folder(&self.root.join("packs"))?;
        }
        Ok(())
    }
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(StoreError::io(folder))
}

/// Writes `regrow.json` unless another maker was first; returns what stands there then.
fn write_description(root: &Path, description: StoreDescription) -> Result<StoreDescription, StoreError> {
    let path = root.join(STORE_FILE);
    let io = |source| StoreError::Io { path: path.clone(), source };
    let text = serde_json::to_vec(&description).map_err(|error| io(error.into()))?;
    let mut file = temporary_file(&root.join("tmp"), "store-").map_err(io)?;
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    match file.persist_noclobber(&path) {
        Ok(_) => sync_folder(root)?,
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io(error.error)),
    }
    read_description(root)?.ok_or_else(|| io(ErrorKind::NotFound.into()))
}

/// A file in `folder` under a temporary name with `prefix`, removed when dropped. Unlike tempfile's default, it is for
/// all to read as the umask allows: it becomes a store's or a user's file.
pub fn temporary_file(folder: &Path, prefix: &str) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Removes what makers that died have left. Best effort.
fn remove_abandoned(tmp: &Path) {
    let Ok(entries) = fs::read_dir(tmp) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > ABANDONED_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
