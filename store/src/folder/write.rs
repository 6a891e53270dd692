//! Writing into a folder: tmp/, fsync, rename, fsync of the folder. Several processes may write to one store at
//! once.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use super::arrive::arrive;
use super::tidy::{COPY_PREFIX, STAGING_FOLDER, check_free, is_store, remove_abandoned, remove_abandoned_beside};
use super::{FolderStore, blocking, links};
use crate::durable::{create_folders, sync_folder, temporary_file};
use crate::name::check_name;
use crate::{Condition, Content, ObjectKind, PutOutcome, StoreError, WriteStore};

impl FolderStore {
    /// Opens the store in `root`, and makes the folder if it is not there. Files that dead writers left in it are
    /// removed.
    ///
    /// # Errors
    /// [`StoreError::Occupied`] for a folder that is no store and holds other files; [`StoreError::Io`].
    pub fn create(root: PathBuf) -> Result<Self, StoreError> {
        if !is_store(&root) {
            check_free(&root)?;
        }
        Self::create_among_files(root)
    }

    /// Opens the store in `root`, whatever else the folder holds.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn create_among_files(root: PathBuf) -> Result<Self, StoreError> {
        let tmp = links::follow(&root.join(STAGING_FOLDER))?;
        create_folders(&tmp)?;
        remove_abandoned(&root);
        Ok(Self::new(root))
    }
}

impl WriteStore for FolderStore {
    fn staging(&self) -> &Path {
        &self.staging
    }

    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Content,
        _kind: ObjectKind,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        Box::pin(async move {
            check_name(&self.shown, name)?;
            let (root, staging, path) = (self.root.clone(), self.staging.clone(), self.root.join(name));
            blocking(move || put(&root, &staging, &path, content, &condition)).await
        })
    }
}

fn put(
    root: &Path,
    staging: &Path,
    path: &Path,
    content: Content,
    condition: &Condition,
) -> Result<PutOutcome, StoreError> {
    // The target of a link is replaced, and the link stays a link. It may lead to another disk, which a rename does
    // not reach.
    let (path, root) = (&links::follow(path)?, &links::follow(root)?);
    let staging = &links::follow(staging)?;
    let staging = if path.starts_with(root) { staging } else { path.parent().unwrap_or(staging) };
    let file = match content {
        Content::File(file) => file,
        Content::Bytes(bytes) => {
            create_folders(staging)?;
            if staging == root {
                remove_abandoned_beside(root);
            }
            let mut file = temporary_file(staging, COPY_PREFIX).map_err(StoreError::io(staging))?;
            file.write_all(&bytes).map_err(StoreError::io(staging))?;
            file
        }
    };
    file.as_file().sync_all().map_err(StoreError::io(path))?;
    let folder = path.parent().unwrap_or(root);
    create_folders(folder)?;
    let outcome = arrive(file, path, root, condition)?;
    sync_folder(folder)?;
    Ok(outcome)
}

/// The version of the file at `path`, which tells its states apart.
pub(super) fn version_at(path: &Path) -> Option<String> {
    path.metadata().ok().as_ref().map(version_of)
}

/// The version of the file with this metadata.
pub(super) fn version_of(metadata: &fs::Metadata) -> String {
    format!("{:x}-{:x}-{:x}-{:x}", metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec())
}
