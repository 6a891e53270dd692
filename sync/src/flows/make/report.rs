//! The report of a make. Its fields are the keys of the JSON that `regrow make` prints.

use std::time::Duration;

use regrow_chunker::Digest;
use regrow_index::{CodedFormat, CodedStretch, Coding, Index};
use regrow_store::Meter;
use serde::Serialize;

use super::IndexFormat;
use crate::flows::info::DiskInfo;
use crate::flows::patch::PatchReport;
use crate::flows::seconds::as_seconds;

/// The result of a make.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MakeReport {
    /// The size of the image.
    pub image_bytes: u64,
    /// The digest of the manifest or index, as `sha256:HEX`, of an image that was no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<String>,
    /// The id of the image.
    pub image_id: String,
    /// The BLAKE3 digest of the image.
    pub image_digest: String,
    /// The number of chunks in the image, repetitions included.
    pub chunks: u64,
    /// The number of distinct chunks that the store did not have.
    pub chunks_new: u64,
    /// The plain bytes of those new chunks.
    pub bytes_new: u64,
    /// The number of chunks that the store had but that were written again, so that a first install need not fetch the
    /// dead chunks around them.
    pub chunks_rewritten: u64,
    /// The plain bytes of the chunks that were written again.
    pub bytes_rewritten: u64,
    /// The bytes that were written into the store.
    pub bytes_stored: u64,
    /// The number of packs that were written.
    pub packs_written: u64,
    /// The number of packs that were made but found in the store, because an interrupted run had written them.
    pub packs_present: u64,
    /// The number of requests over a network, retries included.
    pub requests: u64,
    /// The number of those requests that write.
    pub requests_write: u64,
    /// The bytes of bodies that came over the network.
    pub bytes_fetched: u64,
    /// The bytes of bodies that were sent over the network.
    pub bytes_sent: u64,
    /// The number of coded files: gzip and zstd files that are stored as their plain bytes.
    pub coded: u64,
    /// The number of zstd files among them.
    pub coded_zstd: u64,
    /// The bytes of the coded files in the image.
    pub coded_bytes: u64,
    /// The plain bytes of the coded files.
    pub coded_plain_bytes: u64,
    /// The facts about the image, if it is a disk image.
    pub disk: Option<DiskInfo>,
    /// The version of the index's format.
    pub format: u32,
    /// The size of the index.
    pub index_bytes: u64,
    /// The patches that were made.
    pub patches: Vec<PatchReport>,
    /// The number of patches to older images that were deleted after that.
    pub patches_deleted: u64,
    /// The time that the run took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

impl MakeReport {
    /// The facts that the new index and the requests tell.
    pub(super) fn of(index: &Index, meter: &Meter) -> Self {
        let is_zstd = |coding: &&Coding| coding.format == CodedFormat::Zstd;
        Self {
            image_bytes: index.image_bytes,
            image_id: index.image_id().to_string(),
            image_digest: Digest::from_bytes(index.image_digest).to_string(),
            chunks: index.chunks(),
            requests: meter.requests(),
            requests_write: meter.writes(),
            bytes_fetched: meter.body_bytes(),
            bytes_sent: meter.sent_bytes(),
            format: if index.units.is_some() { IndexFormat::V2 } else { IndexFormat::V1 }.number(),
            disk: DiskInfo::of(index),
            coded: index.codings.len() as u64,
            coded_zstd: index.codings.iter().filter_map(CodedStretch::file).filter(is_zstd).count() as u64,
            coded_bytes: index.codings.iter().map(CodedStretch::stored_bytes).sum(),
            coded_plain_bytes: index.codings.iter().map(CodedStretch::plain_bytes).sum(),
            ..Self::default()
        }
    }
}
