//! The warnings that a caller may know more about.

/// A warning about which the caller can do something. Flows give it to
/// [`Progress::warn_of`](crate::Progress::warn_of).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncWarning {
    /// No relative path leads from the index to its store, so the index does not name the store.
    #[error("the index cannot say where its store is; extract must be given the store")]
    StoreUnnamed,
    /// Only some packs of the store were listed, and the image may be like images in others.
    #[error("the store has too many packs to list; name a similar image")]
    PacksUnlisted,
    /// Only some of the listed packs were read, and the image may be like images in others.
    #[error("not all packs of the store were looked at; name a similar image")]
    PacksUnread,
    /// No other file can take the place of the output, because something is mounted on it.
    #[error(
        "{}: something is mounted on this file, so the image is put together beside it, and written over it at the end",
        path.display()
    )]
    MountPoint {
        /// The output.
        path: std::path::PathBuf,
    },
    /// The image was asked for in plain form, but make did not see through it.
    #[error("the image is one file that make did not see through, so it is written as it is, compressed or not")]
    NotSeenThrough,
    /// The storage of the engine cannot be read, so its layers are no seeds.
    #[error("{}: the engine's storage cannot be read here, so what its layers hold is fetched", root.display())]
    StorageUnreadable {
        /// The root folder of the storage.
        root: std::path::PathBuf,
    },
    /// The image does not say its name.
    #[error("the image has no name, so the engine knows it by its id alone; give it one")]
    UnnamedImage,
    /// The engine deleted layers while others were put together.
    #[error("the engine has fewer layers than when it was asked; those that it lost are sent as well")]
    LayersLost,
    /// The index came from another machine without encryption, and neither a key nor a digest checks it.
    #[error(
        "{host}: http:// is not encrypted, so whoever can change it on the way decides which image this is; use https://, or a key or digest"
    )]
    Unprotected {
        /// The host.
        host: String,
    },
}
