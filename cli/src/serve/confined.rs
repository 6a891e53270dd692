//! The files of one folder, and nothing outside of it.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tower_http::services::fs::Backend;

use super::tagged::{Tagged, TaggedFile};

/// A reader of the files in a folder. Three things count as absent: names that begin with a dot, links that lead
/// out of the folder or to such names, and anything that is neither file nor folder.
///
/// A user that can write in the folder can swap a file for a link between the look and the opening. That user is
/// free to do so.
#[derive(Debug, Clone)]
pub(super) struct Confined {
    root: Arc<Path>,
}

type Promised<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl Confined {
    /// Makes a reader for a folder whose path is canonical.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    async fn opened(self, path: PathBuf) -> io::Result<TaggedFile> {
        let open = move || TaggedFile::open(&self.resolve(&path)?);
        tokio::task::spawn_blocking(open).await.map_err(io::Error::other)?
    }

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let absent = || io::Error::from(io::ErrorKind::NotFound);
        // A name leads nowhere for whatever reason: the client has no use for it.
        let found = if self.shows(path) { path.canonicalize().map_err(|_| absent())? } else { return Err(absent()) };
        if !self.shows(&found) {
            return Err(absent());
        }
        let metadata = found.metadata()?;
        if metadata.is_file() || metadata.is_dir() { Ok(found) } else { Err(absent()) }
    }

    fn shows(&self, path: &Path) -> bool {
        let is_plain = |part: Component<'_>| match part {
            Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
            _ => false,
        };
        path.strip_prefix(&self.root).is_ok_and(|inside| inside.components().all(is_plain))
    }
}

impl Backend for Confined {
    type File = TaggedFile;
    type Metadata = Tagged;
    type OpenFuture = Promised<TaggedFile>;
    type MetadataFuture = Promised<Tagged>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        Box::pin(self.clone().opened(path))
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let folder = self.clone();
        Box::pin(async move { Ok(folder.opened(path).await?.tagged()) })
    }
}
