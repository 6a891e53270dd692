//! What an index of version 2 says of an image's parts, and what its publisher claims.

use std::collections::HashSet;

use regrow_chunker::{Digest, PartKind};
use regrow_index::{AnnouncedPatch, BasePart, Index, Units};
use regrow_patch::NOTHING;
use serde::Serialize;

use crate::plan::inspect::Inspection;

/// A part of an image, such as a layer.
#[derive(Debug, Clone, Serialize)]
pub struct PartInfo {
    /// The kind of the part: `tar` or `file`.
    pub kind: &'static str,
    /// The part's name, which is the SHA-256 of its plain bytes. For a layer this is the diff id.
    pub name: String,
    /// The part's id.
    pub id: String,
    /// The number of its plain bytes.
    pub plain_bytes: u64,
    /// Whether the part lies in a gzip or zstd file that is made again; `None` if the store could not be read.
    pub coded: Option<bool>,
    /// The format of that file.
    pub coded_format: Option<&'static str>,
}

/// The claims about an image, and its SHA-256. Times are in seconds since 1970.
#[derive(Debug, Clone, Serialize)]
pub struct StatementInfo {
    /// The SHA-256 of the image.
    pub image_sha256: String,
    /// The channel that the image belongs to, or nothing.
    pub channel: String,
    /// The number that grows with each image of the channel, or 0.
    pub counter: u64,
    /// The time of signing, or `None` if it is not known.
    pub signed_at: Option<u64>,
    /// The time after which the statement is no longer valid, if there is one.
    pub expires_at: Option<u64>,
    /// The number of signatures. They have not been checked.
    pub signatures: usize,
}

/// A patch that an index announces.
#[derive(Debug, Clone, Serialize)]
pub struct PatchInfo {
    /// The image id of the patch's base.
    pub base_id: String,
    /// The size of the patch, if the index tells it.
    pub bytes: Option<u64>,
    /// The number of parts that the patch starts from. With 0 it starts from the base image itself.
    pub base_parts: u64,
    /// The number of those parts that this image has too. The patch sends nothing for them.
    pub base_parts_kept: u64,
}

impl PatchInfo {
    /// Whether the patch starts from nothing: it is the whole image in one object.
    #[must_use]
    pub fn is_from_nothing(&self) -> bool {
        self.base_id == NOTHING.to_string()
    }
}

/// The patches that an index announces.
pub(super) fn patches(index: &Index) -> Vec<PatchInfo> {
    let own: HashSet<BasePart> = index.units.iter().flat_map(Units::base_parts).collect();
    let info = |patch: &AnnouncedPatch| PatchInfo {
        base_id: patch.base.to_string(),
        bytes: patch.bytes,
        base_parts: patch.parts.len() as u64,
        base_parts_kept: patch.parts.iter().filter(|part| own.contains(part)).count() as u64,
    };
    index.patches.iter().map(info).collect()
}

pub(super) fn parts(index: &Index) -> Vec<PartInfo> {
    let parts = index.units.iter().flat_map(|units| &units.parts);
    let info = parts.map(|part| PartInfo {
        kind: match part.kind {
            PartKind::Tar => "tar",
            PartKind::File => "file",
        },
        name: part.name.to_string(),
        id: part.unit.id.to_string(),
        plain_bytes: part.plain_bytes,
        coded: None,
        coded_format: None,
    });
    info.collect()
}

/// Notes which parts lie in coded files.
pub(super) fn find_coded(parts: &mut [PartInfo], inspection: &Inspection, index: &Index) {
    for (info, format) in parts.iter_mut().zip(inspection.coded_parts(index)) {
        info.coded = Some(format.is_some());
        info.coded_format = format;
    }
}

pub(super) fn statement(units: &Units) -> StatementInfo {
    let claims = &units.claims;
    let time = |time| Some(time).filter(|&time| time > 0);
    StatementInfo {
        image_sha256: Digest::from_bytes(units.image_sha256).to_string(),
        channel: claims.channel.clone(),
        counter: claims.counter,
        signed_at: time(claims.signed_at),
        expires_at: time(claims.expires_at),
        signatures: units.signatures.len(),
    }
}
