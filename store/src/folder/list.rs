//! Listing and pruning of a folder.

use std::collections::HashSet;
use std::fs::{self, DirEntry, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};

use super::{FolderStore, blocking};
use crate::name::{check_name, unnameable};
use crate::{Depth, ListStore, ObjectInfo, PruneStore, StoreError};

impl ListStore for FolderStore {
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>> {
        let (root, folder) = (self.root.clone(), folder.to_owned());
        let found = blocking(move || {
            let mut found = Vec::new();
            walk(&root, &folder, depth, &mut HashSet::new(), &mut found)?;
            Ok(found)
        });
        stream::once(found)
            .flat_map(|found| match found {
                Ok(found) => stream::iter(found).map(Ok).boxed(),
                Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
            })
            .boxed()
    }

    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        Box::pin(async move {
            check_name(&self.shown, name)?;
            let (path, name) = (self.root.join(name), name.to_owned());
            blocking(move || match path.metadata() {
                Ok(metadata) if metadata.is_file() => Ok(Some(info(name, &metadata, &path)?)),
                Ok(_) => Ok(None),
                Err(error) if is_absence(&error) => Ok(None),
                Err(error) => Err(StoreError::io(path)(error)),
            })
            .await
        })
    }
}

impl PruneStore for FolderStore {
    fn delete<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut paths = Vec::with_capacity(names.len());
            for name in names {
                check_name(&self.shown, name)?;
                paths.push(self.root.join(name));
            }
            blocking(move || paths.into_iter().try_for_each(delete)).await
        })
    }
}

fn delete(path: PathBuf) -> Result<(), StoreError> {
    match fs::remove_file(&path) {
        Err(error) if !is_absence(&error) => Err(StoreError::io(path)(error)),
        _ => Ok(()),
    }
}

/// Adds the files of `folder`, relative to `root`. Links are followed, each folder once: the files behind a link
/// belong to the place like any others. Files that vanish meanwhile are passed over.
fn walk(
    root: &Path,
    folder: &str,
    depth: Depth,
    visited: &mut HashSet<(u64, u64)>,
    found: &mut Vec<ObjectInfo>,
) -> Result<(), StoreError> {
    let path = root.join(folder);
    let is_new = path.metadata().is_ok_and(|metadata| visited.insert((metadata.dev(), metadata.ino())));
    if !is_new {
        return Ok(());
    }
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(()),
        Err(error) => return Err(StoreError::io(path)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(StoreError::io(&path))?;
        let metadata = match entry.path().metadata() {
            Ok(metadata) => metadata,
            // The link leads nowhere, or in a circle. Its target may be needed again when a disk is back.
            Err(error) if is_absence(&error) || is_loop(&error) => {
                if entry.path().is_symlink() && is_index_name(&entry) {
                    return Err(StoreError::io(entry.path())(error));
                }
                continue;
            }
            Err(error) => return Err(StoreError::io(entry.path())(error)),
        };
        let Some(name) = name_of(&entry, folder) else {
            if depth == Depth::Tree && (metadata.is_dir() || is_index_name(&entry)) {
                return Err(unnameable(entry.path().display().to_string()));
            }
            continue;
        };
        if metadata.is_dir() && depth == Depth::Tree {
            walk(root, &name, depth, visited, found)?;
        } else if metadata.is_file() {
            found.push(info(name, &metadata, &path)?);
        }
    }
    Ok(())
}

/// Whether a file has the name of an index. A caller that must see all indexes must not pass one over.
fn is_index_name(entry: &DirEntry) -> bool {
    crate::name::is_index_name(&entry.file_name().to_string_lossy())
}

fn name_of(entry: &DirEntry, folder: &str) -> Option<String> {
    let file_name = entry.file_name().into_string().ok()?;
    let name = if folder.is_empty() { file_name } else { format!("{folder}/{file_name}") };
    check_name("", &name).is_ok().then_some(name)
}

fn info(name: String, metadata: &Metadata, path: &Path) -> Result<ObjectInfo, StoreError> {
    let modified = metadata.modified().map_err(StoreError::io(path))?;
    Ok(ObjectInfo { name, bytes: metadata.len(), modified, is_archived: false })
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn is_loop(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
