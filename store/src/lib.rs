//! Frames, packs, the store's layout, and the places that stores lie in. Knows nothing of images or indexes.

mod error;
mod folder_reader;
mod folder_writer;
mod frame;
mod layout;
mod pack;
mod read;

pub use error::StoreError;
pub use folder_reader::FolderReader;
pub use folder_writer::{FolderWriter, OpenPack, sync_folder, temporary_file};
pub use frame::{Compressor, Decompressor, FRAME_TARGET_BYTES, MAX_FRAME_BYTES, PlainFrame, StoredFrame};
pub use layout::{STORE_FILE, STORE_VERSION, StoreDescription, pack_name};
pub use pack::{
    FrameEntry, MAX_TAIL_BYTES, PACK_TARGET_BYTES, PackError, PackSummary, PackTail, PackWriter, Part, TRAILER_BYTES,
    Trailer,
};
pub use read::{ByteStream, Download, Meter, ReadStore, Span};

mod folder;
mod http;
mod name;
mod retry;

pub use folder::FolderStore;
pub use http::{HttpClient, HttpOptions, HttpStore};
pub use retry::{Retry, RetryPolicy};
