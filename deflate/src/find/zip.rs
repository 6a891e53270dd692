//! Zip entries, PKWARE's APPNOTE.TXT: sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (its end).

use std::ops::Range;

use super::{Finder, MAX_DEPTH, u16_at, u32_at};
use crate::find::trailer::Trailer;

pub(super) const LOCAL_MAGIC: [u8; 4] = *b"PK\x03\x04";
const CENTRAL_MAGIC: [u8; 4] = *b"PK\x01\x02";
const END_MAGIC: [u8; 4] = *b"PK\x05\x06";
const DESCRIPTOR_MAGIC: [u8; 4] = *b"PK\x07\x08";

const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
const MAX_COMMENT_BYTES: usize = 0xffff;

const ENCRYPTED: usize = 1;
const DESCRIPTOR_FOLLOWS: usize = 1 << 3;
const METHOD_STORED: usize = 0;
const METHOD_DEFLATED: usize = 8;
/// Stands where the number is in a zip64 field.
const IN_ZIP64: u32 = u32::MAX;

/// Finds what the entries of the zip at `range` hold.
pub(super) fn find(finder: &mut Finder<'_>, range: Range<usize>, depth: u32) {
    match central_entries(&finder.file[range.clone()]) {
        Some(entries) => by_central_directory(finder, range, depth, &entries),
        None => by_local_headers(finder, range),
    }
}

/// An entry that may be looked into, as the central directory describes it.
struct Entry {
    /// The place of the local header, counted from the zip's start.
    header_at: usize,
    stored_bytes: usize,
    deflated: bool,
}

/// Entries in order of place. One that reaches over the next one's header is not looked into: none do in a real zip,
/// and so the same bytes are never inflated twice, however hostile the directory.
fn by_central_directory(finder: &mut Finder<'_>, range: Range<usize>, depth: u32, entries: &[Entry]) {
    for (number, entry) in entries.iter().enumerate() {
        let zip = &finder.file[range.clone()];
        let bound = entries.get(number + 1).map_or(zip.len(), |next| next.header_at);
        let Some(data) = local_data_start(zip, entry.header_at) else { continue };
        let Some(end) = data.checked_add(entry.stored_bytes).filter(|&end| end <= bound) else { continue };
        let data = range.start + data..range.start + end;
        if entry.deflated {
            finder.filling_stream(data);
        } else if depth < MAX_DEPTH {
            finder.look_into(data, depth + 1);
        }
    }
}

/// From header to header, as far as that goes: where the directory is cut off.
fn by_local_headers(finder: &mut Finder<'_>, range: Range<usize>) {
    let mut at = 0;
    loop {
        let zip = &finder.file[range.clone()];
        let Some(data) = local_data_start(zip, at) else { return };
        let (Some(flags), Some(method), Some(stored_bytes)) =
            (u16_at(zip, at + 6), u16_at(zip, at + 8), u32_at(zip, at + 18))
        else {
            return;
        };
        let end = if method == METHOD_DEFLATED && flags & ENCRYPTED == 0 {
            match finder.stream(range.start + data..range.end, Trailer::None) {
                Some(end) => end - range.start,
                None => return,
            }
        } else if flags & DESCRIPTOR_FOLLOWS == 0 && stored_bytes != IN_ZIP64 {
            // Past the end, no header is found.
            data.saturating_add(stored_bytes as usize)
        } else {
            return;
        };
        at = end + descriptor_bytes(&finder.file[range.clone()], end, flags);
    }
}

/// A deflated entry, as its local header describes it.
pub(super) struct Deflated {
    /// The place where its data begins.
    pub(super) data: usize,
    /// The length of its data. If it is `None`, a descriptor behind the data has it.
    pub(super) stored_bytes: Option<usize>,
}

/// The deflated entry whose local header is at `at`.
pub(super) fn deflated_at(zip: &[u8], at: usize) -> Option<Deflated> {
    let data = local_data_start(zip, at)?;
    let (flags, stored_bytes) = (u16_at(zip, at + 6)?, u32_at(zip, at + 18)?);
    if flags & ENCRYPTED != 0 || u16_at(zip, at + 8)? != METHOD_DEFLATED || stored_bytes == IN_ZIP64 {
        return None;
    }
    let is_known = flags & DESCRIPTOR_FOLLOWS == 0;
    Some(Deflated { data, stored_bytes: is_known.then_some(stored_bytes as usize) })
}

/// Whether a descriptor with its magic is at `at`.
pub(super) fn is_descriptor_at(zip: &[u8], at: usize) -> bool {
    starts_with_at(zip, at, &DESCRIPTOR_MAGIC)
}

/// CRC-32 and both lengths, with or without a magic (4.3.9).
fn descriptor_bytes(zip: &[u8], at: usize, flags: usize) -> usize {
    match (flags & DESCRIPTOR_FOLLOWS != 0, starts_with_at(zip, at, &DESCRIPTOR_MAGIC)) {
        (false, _) => 0,
        (true, false) => 12,
        (true, true) => 16,
    }
}

/// The place where the data of the entry begins whose local header is at `at`.
fn local_data_start(zip: &[u8], at: usize) -> Option<usize> {
    if !starts_with_at(zip, at, &LOCAL_MAGIC) {
        return None;
    }
    let data = at.checked_add(LOCAL_BYTES + u16_at(zip, at + 26)? + u16_at(zip, at + 28)?)?;
    (data <= zip.len()).then_some(data)
}

/// All that may be looked into, in order of place; `None` where there is no whole directory.
fn central_entries(zip: &[u8]) -> Option<Vec<Entry>> {
    let end_at = central_end(zip)?;
    let count = u16_at(zip, end_at + 10)?;
    let mut at = usize::try_from(u32_at(zip, end_at + 16)?).ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        if !starts_with_at(zip, at, &CENTRAL_MAGIC) {
            return None;
        }
        entries.extend(central_entry(zip, at));
        at = at.checked_add(CENTRAL_BYTES + u16_at(zip, at + 28)? + u16_at(zip, at + 30)? + u16_at(zip, at + 32)?)?;
    }
    entries.sort_unstable_by_key(|entry| entry.header_at);
    Some(entries)
}

fn central_entry(zip: &[u8], at: usize) -> Option<Entry> {
    let (flags, method) = (u16_at(zip, at + 8)?, u16_at(zip, at + 10)?);
    let (stored_bytes, header_at) = (u32_at(zip, at + 20)?, u32_at(zip, at + 42)?);
    let wanted = flags & ENCRYPTED == 0
        && matches!(method, METHOD_STORED | METHOD_DEFLATED)
        && stored_bytes != IN_ZIP64
        && header_at != IN_ZIP64;
    wanted.then_some(Entry {
        header_at: header_at as usize,
        stored_bytes: stored_bytes as usize,
        deflated: method == METHOD_DEFLATED,
    })
}

/// The last place where the end of a central directory may be: a comment of up to 64 KiB follows it.
fn central_end(zip: &[u8]) -> Option<usize> {
    let last = zip.len().checked_sub(END_BYTES)?;
    (last.saturating_sub(MAX_COMMENT_BYTES)..=last).rev().find(|&at| starts_with_at(zip, at, &END_MAGIC))
}

fn starts_with_at(zip: &[u8], at: usize, magic: &[u8]) -> bool {
    zip.get(at..).is_some_and(|rest| rest.starts_with(magic))
}
