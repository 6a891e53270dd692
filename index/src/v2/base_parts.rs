//! The parts that announced patches start from. docs/format/index-2.md, section 3.1.

use std::collections::HashMap;

use regrow_chunker::varint;

use crate::primitives::{end, take, take_array, take_count};
use crate::{AnnouncedPatch, BasePart, IndexError, MAX_BASE_PARTS};

/// The largest size of the section in bytes.
const MAX_SECTION_BYTES: usize = 24 << 10;
/// The largest number of parts that the image itself does not have.
const MAX_FOREIGN_PARTS: usize = 1024;
/// The size in bytes of a foreign part.
const FOREIGN_BYTES: usize = 16;

/// The numbers of the parts: first those of the image itself, then the foreign ones.
struct Numbers {
    known: HashMap<BasePart, u64>,
    own: u64,
    foreign: Vec<BasePart>,
}

impl Numbers {
    fn new(own: &[BasePart]) -> Self {
        let mut known = HashMap::with_capacity(own.len());
        for (number, part) in own.iter().enumerate() {
            known.entry(*part).or_insert(number as u64);
        }
        Self { known, own: own.len() as u64, foreign: Vec::new() }
    }

    fn of(&mut self, part: BasePart) -> u64 {
        let next = self.own + self.foreign.len() as u64;
        let number = *self.known.entry(part).or_insert(next);
        if number == next {
            self.foreign.push(part);
        }
        number
    }

    /// Forgets all foreign parts but the first `count`.
    fn truncate(&mut self, count: usize) {
        for part in self.foreign.drain(count..) {
            self.known.remove(&part);
        }
    }
}

/// The list of a patch: ranges of numbers.
fn put_ranges(out: &mut Vec<u8>, parts: &[BasePart], numbers: &mut Numbers) {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for part in parts {
        let number = numbers.of(*part);
        match ranges.last_mut() {
            Some((start, count)) if *start + *count == number => *count += 1,
            _ => ranges.push((number, 1)),
        }
    }
    varint::put(out, ranges.len() as u64);
    for (start, count) in ranges {
        varint::put(out, start);
        varint::put(out, count);
    }
}

/// The lists of the first patches, as long as there is room, and the number of those patches.
fn lists(patches: &[AnnouncedPatch], own: &[BasePart]) -> (Numbers, Vec<u8>, usize) {
    let (mut numbers, mut lists) = (Numbers::new(own), Vec::new());
    for (count, patch) in patches.iter().enumerate() {
        let (bytes, foreign) = (lists.len(), numbers.foreign.len());
        put_ranges(&mut lists, &patch.parts, &mut numbers);
        let foreign_now = numbers.foreign.len();
        // The count of the foreign parts takes two bytes at most.
        let is_full = foreign_now > MAX_FOREIGN_PARTS
            || 2 + foreign_now * FOREIGN_BYTES + lists.len() > MAX_SECTION_BYTES
            || patch.parts.len() > MAX_BASE_PARTS;
        if is_full && !patch.parts.is_empty() {
            lists.truncate(bytes);
            numbers.truncate(foreign);
            return (numbers, lists, count);
        }
    }
    (numbers, lists, patches.len())
}

/// The number of the first patches that there is room for, in an image of these parts.
pub(super) fn fitting(patches: &[AnnouncedPatch], own: &[BasePart]) -> usize {
    lists(patches, own).2
}

/// The patches that there is room for, and the section for them. There is none if no patch starts from parts.
pub(super) fn encode<'a>(patches: &'a [AnnouncedPatch], own: &[BasePart]) -> (&'a [AnnouncedPatch], Option<Vec<u8>>) {
    if patches.iter().all(|patch| patch.parts.is_empty()) {
        return (patches, None);
    }
    let (numbers, lists, count) = lists(patches, own);
    let mut out = Vec::new();
    varint::put(&mut out, numbers.foreign.len() as u64);
    for part in &numbers.foreign {
        out.extend_from_slice(&part.id);
        out.extend_from_slice(&part.name);
    }
    out.extend(lists);
    (&patches[..count], Some(out))
}

/// Adds the parts to the patches. The section is only a hint, so one that is malformed counts as none.
pub(super) fn decode(section: &[u8], own: Vec<BasePart>, patches: &mut [AnnouncedPatch]) {
    if let Ok(lists) = decode_lists(section, own, patches.len()) {
        for (patch, parts) in patches.iter_mut().zip(lists) {
            patch.parts = parts;
        }
    }
}

fn decode_lists(mut input: &[u8], mut parts: Vec<BasePart>, patches: usize) -> Result<Vec<Vec<BasePart>>, IndexError> {
    let malformed = IndexError::Malformed("base parts");
    if input.len() > MAX_SECTION_BYTES {
        return Err(malformed);
    }
    let foreign = take_count(&mut input, FOREIGN_BYTES)?;
    if foreign > MAX_FOREIGN_PARTS {
        return Err(malformed);
    }
    for _ in 0..foreign {
        parts.push(BasePart { id: take_array(&mut input)?, name: take_array(&mut input)? });
    }
    let mut lists = Vec::with_capacity(patches);
    for _ in 0..patches {
        let mut list = Vec::new();
        for _ in 0..take_count(&mut input, 2)? {
            let (start, count) = (take(&mut input)?, take(&mut input)?);
            let range = usize::try_from(start).ok().zip(start.checked_add(count).and_then(|end| end.try_into().ok()));
            let range = range.and_then(|(start, end): (usize, usize)| parts.get(start..end));
            let range = range.filter(|range| !range.is_empty() && list.len() + range.len() <= MAX_BASE_PARTS);
            list.extend_from_slice(range.ok_or(malformed.clone())?);
        }
        lists.push(list);
    }
    end(input)?;
    Ok(lists)
}
