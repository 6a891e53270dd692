//! Frames, packs, the store's layout, and the places that stores lie in. Knows nothing of images or indexes.

#[cfg(feature = "remote")]
mod bucket;
mod deadline;
mod describe;
mod error;
mod failover;
mod folder;
mod frame;
#[cfg(feature = "remote")]
mod http;
mod layout;
mod limit;
mod memory;
mod name;
mod pack;
mod read;
mod retry;
#[cfg(feature = "remote")]
mod shown;
mod write;

#[cfg(feature = "remote")]
pub use bucket::{Addressing, BucketCredentials, BucketOptions, BucketStore, BucketUrl, Provider};
pub use deadline::Deadline;
pub use describe::{list_packs, open_description, read_description, read_small, read_tail, read_tail_of, take_bounded};
pub use error::{BucketProblem, StoreError};
pub use failover::Failover;
pub use folder::{FolderReader, FolderStore, open_regular, sync_folder, temporary_file};
pub use frame::{Compressor, Decompressor, FRAME_TARGET_BYTES, MAX_FRAME_BYTES, PlainFrame, StoredFrame};
#[cfg(feature = "remote")]
pub use http::{
    Fetched, GivenHeader, HeaderLine, HttpClient, HttpOptions, HttpStore, Redirects, Route, WholeObjects, origin_of,
    parse_header_line, parse_header_lines,
};
pub use layout::{
    PATCHES_FOLDER, STORE_FILE, STORE_VERSION, StoreDescription, pack_name, parse_pack_object, parse_patch_object,
    patch_name,
};
pub use limit::RateLimit;
pub use memory::MemoryStore;
pub use pack::{
    FrameEntry, MAX_TAIL_BYTES, PACK_TARGET_BYTES, PackError, PackSummary, PackTail, PackWriter, Part, SALT_FROM_END,
    TRAILER_BYTES, Trailer,
};
pub use read::{ByteStream, Download, Meter, ReadStore, Span};
pub use retry::{Retry, RetryPolicy};
#[cfg(feature = "remote")]
pub use shown::{shown_malformed, shown_url};
pub use write::{
    Condition, Content, Depth, ListStore, ObjectInfo, ObjectKind, PruneStore, PutOutcome, Store, WriteStore,
};

/// Without the feature `remote` there are none.
#[cfg(not(feature = "remote"))]
#[derive(Debug)]
pub enum BucketStore {}
