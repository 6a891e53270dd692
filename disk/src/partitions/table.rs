//! The tables of partitions.

use crate::DiskError;
use crate::input::{Input, u16_at, u32_at, u64_at};

const SIGNATURE: u16 = 0xaa55;
const ENTRIES_AT: usize = 446;
const ENTRY_BYTES: usize = 16;
const EXTENDED: [u8; 3] = [0x5, 0xf, 0x85];
const PROTECTIVE: u8 = 0xee;
/// The most partitions in an extended one.
const MAX_LOGICAL: u32 = 128;
const GPT_MAGIC: &[u8; 8] = b"EFI PART";
/// The most bytes of a table of GPT, which has 16 KiB as a rule.
const MAX_GPT_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) number: u32,
    pub(super) at: u64,
    pub(super) bytes: u64,
}

/// A table of partitions.
#[derive(Debug)]
pub(super) struct Table {
    /// GPT or MBR.
    pub(super) name: &'static str,
    /// In the order of their places. None overlaps another one.
    pub(super) partitions: Vec<Partition>,
}

impl Table {
    /// `None` stands for an image that has none.
    pub(super) fn read(input: &Input<'_>) -> Result<Option<Self>, DiskError> {
        if input.image.bytes() < 1024 {
            return Ok(None);
        }
        let sector = input.read(0, 512, "the first sector")?;
        let entries = MbrEntry::all(&sector);
        // What is made to be a disc and a disk at once has a partition that begins with the table itself.
        let is_sound = |entry: &MbrEntry| matches!(entry.status, 0 | 0x80) && (entry.kind == 0 || entry.start > 0);
        let known = entries.iter().all(is_sound) && entries.iter().any(|entry| entry.kind != 0);
        if u16_at(&sector, 510) != SIGNATURE || !known {
            return Ok(None);
        }
        let (name, mut partitions) = if entries.iter().any(|entry| entry.kind == PROTECTIVE) {
            ("GPT", gpt(input)?)
        } else {
            ("MBR", mbr(input, &entries)?)
        };
        partitions.retain(|partition| partition.bytes > 0);
        partitions.sort_by_key(|partition| partition.at);
        let mut at = 0;
        for partition in &partitions {
            let end = partition.at.checked_add(partition.bytes).filter(|&end| end <= input.image.bytes());
            let end = end.filter(|_| partition.at >= at && partition.at > 0);
            at = end.ok_or_else(|| input.damaged("partitions that overlap or leave the image"))?;
        }
        Ok((!partitions.is_empty()).then_some(Self { name, partitions }))
    }
}

/// An entry of an MBR.
#[derive(Debug, Clone, Copy)]
struct MbrEntry {
    status: u8,
    kind: u8,
    /// In sectors.
    start: u64,
    sectors: u64,
}

impl MbrEntry {
    fn all(sector: &[u8]) -> Vec<Self> {
        let entries = sector[ENTRIES_AT..].chunks_exact(ENTRY_BYTES).take(4);
        let read = |raw: &[u8]| Self {
            status: raw[0],
            kind: raw[4],
            start: u32_at(raw, 8).into(),
            sectors: u32_at(raw, 12).into(),
        };
        entries.map(read).collect()
    }

    fn partition(self, number: u32, base: u64) -> Partition {
        Partition { number, at: (base + self.start) * 512, bytes: self.sectors * 512 }
    }
}

fn mbr(input: &Input<'_>, entries: &[MbrEntry]) -> Result<Vec<Partition>, DiskError> {
    let mut found = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        if EXTENDED.contains(&entry.kind) {
            logical(input, entry.start, &mut found)?;
        } else if entry.kind != 0 {
            found.push(entry.partition(number, 0));
        }
    }
    Ok(found)
}

/// The partitions in an extended one: a chain of tables, each with a partition and the place of the next.
fn logical(input: &Input<'_>, start: u64, found: &mut Vec<Partition>) -> Result<(), DiskError> {
    let mut at = start;
    for number in 5..5 + MAX_LOGICAL {
        let sector = input.read(at * 512, 512, "an extended partition")?;
        let entries = MbrEntry::all(&sector);
        if u16_at(&sector, 510) != SIGNATURE {
            return Err(input.damaged("an extended partition"));
        }
        if entries[0].kind != 0 {
            found.push(entries[0].partition(number, at));
        }
        if !EXTENDED.contains(&entries[1].kind) {
            return Ok(());
        }
        let next = start + entries[1].start;
        if next <= at {
            return Err(input.damaged("an extended partition"));
        }
        at = next;
    }
    Err(DiskError::TooLarge { kind: input.kind, limit: MAX_LOGICAL.into(), what: "logical partitions" })
}

fn gpt(input: &Input<'_>) -> Result<Vec<Partition>, DiskError> {
    let has_magic = |sector_bytes: &u64| {
        let there = *sector_bytes + 512 <= input.image.bytes();
        there && input.read(*sector_bytes, 8, "the header").is_ok_and(|magic| magic == GPT_MAGIC)
    };
    let sector_bytes = [512, 4096].into_iter().find(has_magic).ok_or_else(|| input.damaged("the header of GPT"))?;
    let header = input.read(sector_bytes, 92, "the header of GPT")?;
    let (count, each) = (u64::from(u32_at(&header, 80)), u64::from(u32_at(&header, 84)));
    let bytes = count * each;
    if each < 128 || bytes > MAX_GPT_BYTES {
        return Err(input.damaged("the header of GPT"));
    }
    let at = u64_at(&header, 72).checked_mul(sector_bytes).ok_or_else(|| input.damaged("the header of GPT"))?;
    let entries = input.read(at, bytes, "the table of GPT")?;
    let mut found = Vec::new();
    for (number, raw) in (1..).zip(entries.chunks_exact(each as usize)) {
        if raw[..16] == [0; 16] {
            continue;
        }
        let (first, last) = (u64_at(raw, 32), u64_at(raw, 40));
        let sectors = last.checked_sub(first).and_then(|sectors| sectors.checked_add(1));
        let bytes = sectors.and_then(|sectors| sectors.checked_mul(sector_bytes));
        let (Some(at), Some(bytes)) = (first.checked_mul(sector_bytes), bytes) else {
            return Err(input.damaged("the table of GPT"));
        };
        found.push(Partition { number, at, bytes });
    }
    Ok(found)
}
