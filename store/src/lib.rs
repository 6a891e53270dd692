//! Stores: frames, packs, the layout of a store, and the places in which stores lie.
//!
//! A store is a set of immutable packs, named by their contents. A [pack](PackWriter) holds frames of compressed
//! chunks, and at its end a [table](PackTail) of them; so a reader fetches the end of a pack, then the ranges that
//! it needs. Any place that can serve ranges of files can be a store.
//!
//! The contract is four traits, since few users need all of them: [`ReadStore`], [`ListStore`], [`WriteStore`] and
//! [`PruneStore`]. A folder ([`FolderStore`]), memory ([`MemoryStore`]) and buckets implement all four; HTTP only
//! reads. [`Retry`] wraps a store and asks again after errors that may pass. The crate knows nothing of images or
//! indexes.
//!
//! ```
//! use bytes::Bytes;
//! use regrow_chunker::{ChunkId, Record};
//! use regrow_store::{Compressor, Decompressor, PackTail, PackWriter, Part, PlainFrame};
//!
//! let chunk = b"the bytes of a chunk".as_slice();
//! let record = Record { id: ChunkId::of(chunk), len: chunk.len() as u32 };
//! let mut frame = PlainFrame::default();
//! frame.push(record, chunk);
//! let mut writer = PackWriter::new(Vec::new())?;
//! writer.add_frame(Part::Contents, frame.compress(&mut Compressor::new(9)?)?)?;
//! let (pack, summary) = writer.finish()?;
//!
//! let pack = Bytes::from(pack);
//! let tail = PackTail::decode(&pack.slice(summary.tail_at as usize..), summary.bytes)?;
//! let entry = &tail.frames[0];
//! let stored = &pack[entry.stored.start as usize..entry.stored.end as usize];
//! let plain = Decompressor::new()?.decompress(stored, entry.plain_bytes).expect("the frame is sound");
//! assert_eq!(ChunkId::of(&plain), tail.records[0].id);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "http")]
mod bucket;
mod deadline;
mod describe;
mod durable;
mod error;
mod failover;
mod folder;
mod frame;
#[cfg(feature = "http")]
mod http;
mod layout;
mod limit;
mod memory;
mod name;
mod pack;
mod read;
#[cfg(feature = "http")]
mod registry;
mod retry;
#[cfg(feature = "http")]
mod shown;
#[cfg(any(feature = "buckets", feature = "registries"))]
mod source;
mod write;

#[cfg(feature = "buckets")]
pub use bucket::BucketStore;
#[cfg(feature = "http")]
pub use bucket::{Addressing, BucketCredentials, BucketOptions, BucketUrl, Provider};
pub use deadline::Deadline;
pub use describe::{list_packs, open_description, read_description, read_small, read_tail, read_tail_of, take_bounded};
pub use durable::{sync_folder, temporary_file};
pub use error::{BucketProblem, Distrust, RedirectRefusal, StoreError};
pub use failover::Failover;
pub use folder::{FolderReader, FolderStore, open_regular};
pub use frame::{Compressor, Decompressor, FRAME_TARGET_BYTES, MAX_FRAME_BYTES, PlainFrame, RawFrame, StoredFrame};
#[cfg(feature = "http")]
pub use http::{
    Fetched, FetchedPart, GivenHeader, HeaderLine, HttpClient, HttpOptions, HttpStore, KnownObject, Packing, Redirects,
    Route, WholeObjects, origin_of, parse_header_line, parse_header_lines,
};
pub use layout::{
    PATCHES_FOLDER, STORE_FILE, STORE_VERSION, StoreDescription, pack_name, parse_pack_object, parse_patch_object,
    patch_name,
};
pub use limit::RateLimit;
pub use memory::MemoryStore;
pub use pack::{
    FrameEntry, MAX_TAIL_BYTES, PACK_TARGET_BYTES, PackError, PackSummary, PackTail, PackWriter, Part, SALT_FROM_END,
    TRAILER_BYTES, Trailer, frame_cost, segment_cost,
};
pub use read::{ByteStream, Download, Meter, ReadStore, Span};
#[cfg(feature = "http")]
pub use registry::{
    BlobDigest, BlobHasher, Descriptor, FetchedManifest, MANIFEST_TYPES, Manifest, Platform, Reference, RegistryClient,
    RegistryLogins, RegistryOptions, RegistryStore, RegistryUrl, Rights, Transport,
};
pub use retry::{Retry, RetryPolicy};
#[cfg(feature = "http")]
pub use shown::{shown_malformed, shown_url};
pub use write::{
    Condition, Content, Depth, IndexContent, ListStore, ObjectInfo, ObjectKind, PruneStore, PutOutcome, Store,
    WriteStore,
};
