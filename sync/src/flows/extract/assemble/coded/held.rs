//! Takes coded files from seeds that hold them in compressed form, which spares making them again.

use regrow_index::{CodedStretch, Index};
use regrow_local::StoredPart;

use super::super::Shared;
use crate::SyncError;

/// The number of bytes that are copied at a time.
const COPY_BYTES: u64 = 1 << 20;

/// Copies those coded files to their places in the image that seems to be held by seeds in the same form: a part with the
/// same id and of the same size. Only the image's digest tells whether they are right. The result are the numbers of their
/// coded stretches, in order, without those in `made`.
///
/// # Errors
/// The output cannot be written.
pub(super) fn copy(shared: &Shared, index: &Index, made: &[usize]) -> Result<Vec<usize>, SyncError> {
    let mut copied = Vec::new();
    let Some(units) = index.units.as_ref().filter(|_| made.len() < index.codings.len()) else { return Ok(copied) };
    let held = shared.seeds.stored_parts(index.params);
    if held.is_empty() {
        return Ok(copied);
    }
    let parts = shared.target.parted(index).parts;
    let (mut plain_end, mut image_at) = (0, 0);
    for (number, (plain, coding)) in shared.target.coded().zip(&index.codings).enumerate() {
        image_at += plain.start - plain_end;
        plain_end = plain.end;
        let part = parts.iter().position(|part| part.plain == plain).and_then(|part| units.parts.get(part));
        let wanted = |held: &&StoredPart<'_>| {
            let is_same = part.is_some_and(|part| (held.id, held.plain_bytes) == (part.unit.id, part.plain_bytes));
            is_same && held.stored_bytes() == coding.stored_bytes() && begins_alike(held, coding)
        };
        if made.binary_search(&number).is_err()
            && let Some(held) = held.iter().find(wanted)
            && copy_file(shared, held, image_at)?
        {
            copied.push(number);
        }
        image_at += coding.stored_bytes();
    }
    Ok(copied)
}

/// Whether the file begins with the header that the coding states. A gzip header has the time of its making.
fn begins_alike(held: &StoredPart<'_>, coding: &CodedStretch) -> bool {
    let Some(first) = coding.file().and_then(|file| file.members.first()) else { return false };
    let mut header = vec![0; first.header.len()];
    held.read_exact_at(&mut header, 0).is_ok() && *header == *first.header
}

/// Copies a file to this place in the image. The result is `false` if the seed does not give it.
fn copy_file(shared: &Shared, held: &StoredPart<'_>, image_at: u64) -> Result<bool, SyncError> {
    let mut buffer = vec![0; COPY_BYTES.min(held.stored_bytes()) as usize];
    let mut at = 0;
    while at < held.stored_bytes() {
        let piece = &mut buffer[..COPY_BYTES.min(held.stored_bytes() - at) as usize];
        if held.read_exact_at(piece, at).is_err() {
            // What was written is found to be wrong later.
            return Ok(at > 0);
        }
        shared.output.write_image(image_at + at, piece)?;
        at += piece.len() as u64;
    }
    Ok(true)
}
