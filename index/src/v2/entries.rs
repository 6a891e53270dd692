//! Signatures and announced patches: lists of entries with a kind, of which a reader skips those that it does not
//! know. docs/format/index-2.md, sections 3 and 5.

use regrow_chunker::{ImageId, varint};

use crate::primitives::{end, put_bytes, take, take_array, take_bytes, take_count, take_u8};
use crate::{AnnouncedPatch, IndexError, MAX_PATCHES, MAX_SIGNATURES, Signature, SignatureKind};

/// The largest size of an entry in bytes. Lists of the largest entries still fit into a head.
const MAX_SIGNATURE_ENTRY_BYTES: usize = 8 << 10;
const MAX_PATCH_ENTRY_BYTES: usize = 256;
/// The kind of patches that were made from an image.
const FROM_IMAGE: u8 = 1;

/// A list's entries: the known ones, and the others as they are.
pub(super) struct Entries<T> {
    pub(super) known: Vec<T>,
    pub(super) kept: Vec<Vec<u8>>,
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self { known: Vec::new(), kept: Vec::new() }
    }
}

pub(super) fn put_signatures(out: &mut Vec<u8>, signatures: &[Signature], kept: &[Vec<u8>]) {
    let known = signatures
        .iter()
        .map(|signature| [[signature.kind.number()].as_slice(), &signature.key_id, &signature.signature].concat());
    put_entries(out, known, kept);
}

pub(super) fn put_patches(out: &mut Vec<u8>, patches: &[AnnouncedPatch], kept: &[Vec<u8>]) {
    let known = patches.iter().map(|patch| {
        let mut entry = vec![FROM_IMAGE];
        entry.extend_from_slice(patch.base.as_bytes());
        varint::put(&mut entry, patch.bytes.unwrap_or_default());
        entry
    });
    put_entries(out, known, kept);
}

fn put_entries(out: &mut Vec<u8>, known: impl ExactSizeIterator<Item = Vec<u8>>, kept: &[Vec<u8>]) {
    varint::put(out, (known.len() + kept.len()) as u64);
    known.for_each(|entry| put_bytes(out, &entry));
    kept.iter().for_each(|entry| put_bytes(out, entry));
}

/// Decodes the list of signatures. One that is malformed is an error: nobody should take a signed image for an
/// unsigned one.
pub(super) fn decode_signatures(section: Option<&[u8]>) -> Result<Entries<Signature>, IndexError> {
    let limits = (MAX_SIGNATURES, MAX_SIGNATURE_ENTRY_BYTES);
    section.map_or_else(|| Ok(Entries::default()), |input| decode_entries(input, limits, decode_signature))
}

/// Decodes the list of patches. It is only a hint, so one that is malformed counts as empty.
pub(super) fn decode_patches(section: Option<&[u8]>) -> Entries<AnnouncedPatch> {
    let limits = (MAX_PATCHES, MAX_PATCH_ENTRY_BYTES);
    section.and_then(|input| decode_entries(input, limits, decode_patch).ok()).unwrap_or_default()
}

fn decode_entries<T>(
    mut input: &[u8],
    (most, most_bytes): (usize, usize),
    decode: impl Fn(u8, &[u8]) -> Result<Option<T>, IndexError>,
) -> Result<Entries<T>, IndexError> {
    let count = take_count(&mut input, 2)?;
    if count > most {
        return Err(IndexError::Malformed("too many signatures or patches"));
    }
    let mut entries = Entries::default();
    for _ in 0..count {
        let entry = take_bytes(&mut input, most_bytes, "a signature or a patch is too long")?;
        let mut fields = entry;
        let kind = take_u8(&mut fields)?;
        match decode(kind, fields)? {
            Some(known) => entries.known.push(known),
            None => entries.kept.push(entry.to_vec()),
        }
    }
    end(input)?;
    Ok(entries)
}

fn decode_signature(kind: u8, mut fields: &[u8]) -> Result<Option<Signature>, IndexError> {
    let Some(kind) = SignatureKind::from_number(kind) else { return Ok(None) };
    let signature = Signature { kind, key_id: take_array(&mut fields)?, signature: take_array(&mut fields)? };
    end(fields)?;
    Ok(Some(signature))
}

fn decode_patch(kind: u8, mut fields: &[u8]) -> Result<Option<AnnouncedPatch>, IndexError> {
    if kind != FROM_IMAGE {
        return Ok(None);
    }
    let (base, bytes) = (ImageId::from_bytes(take_array(&mut fields)?), take(&mut fields)?);
    end(fields)?;
    Ok(Some(AnnouncedPatch { base, bytes: Some(bytes).filter(|&bytes| bytes > 0), parts: Vec::new() }))
}
