//! The tables that say where the guest's clusters are: a table of tables (L1), and tables of a cluster each (L2).

use super::header::Header;
use crate::DiskError;
use crate::input::{Input, NumberSet, u64_be_at};

const ENTRY_BYTES: u64 = 8;
const SECTOR_BYTES: u64 = 512;
/// The bits of an entry that are a place in the image.
const PLACE: u64 = 0x00ff_ffff_ffff_fe00;
const IS_COMPRESSED: u64 = 1 << 62;
/// The bits of a compressed cluster's entry that tell where it is.
const COMPRESSED: u64 = IS_COMPRESSED - 1;
/// The cluster is all zeros, whatever its place has.
const IS_ZERO: u64 = 1;
/// The most clusters that an image has, without those that are holes.
const MAX_CLUSTERS: usize = 1 << 22;

/// A cluster of the guest that the image has.
#[derive(Debug)]
pub(super) struct Mapped {
    /// Where it is in the guest's disk.
    pub(super) guest_at: u64,
    /// Where it begins in the image.
    pub(super) at: u64,
    /// Its bytes there, of a compressed cluster the most.
    pub(super) bytes: u64,
    pub(super) is_compressed: bool,
}

/// The guest's clusters, in the guest's order.
pub(super) fn read(input: &Input<'_>, header: &Header) -> Result<Vec<Mapped>, DiskError> {
    let tables = input.read(header.l1_at, u64::from(header.l1_entries) * ENTRY_BYTES, "the L1 table")?;
    let table_clusters = header.cluster_bytes / ENTRY_BYTES;
    let mut reader = Reader { input, header, mapped: Vec::new() };
    let mut met = NumberSet::new(input.image.bytes() >> header.cluster_log);
    for (number, entry) in (0u64..).zip(tables.chunks_exact(ENTRY_BYTES as usize)) {
        let at = u64_be_at(entry, 0) & PLACE;
        let guest_at = number.checked_mul(table_clusters).and_then(|first| first.checked_mul(header.cluster_bytes));
        let Some(guest_at) = guest_at.filter(|&guest_at| guest_at < header.guest_bytes) else { break };
        if at == 0 {
            continue;
        }
        // None has two uses, so that reading them takes time in proportion to the image.
        if !at.is_multiple_of(header.cluster_bytes) || !met.insert(at >> header.cluster_log) {
            return Err(input.damaged("the place of an L2 table"));
        }
        reader.table(&input.read(at, header.cluster_bytes, "an L2 table")?, guest_at)?;
    }
    Ok(reader.mapped)
}

struct Reader<'i> {
    input: &'i Input<'i>,
    header: &'i Header,
    mapped: Vec<Mapped>,
}

impl Reader<'_> {
    /// Reads a table, whose clusters begin at a place of the guest's disk.
    fn table(&mut self, table: &[u8], mut guest_at: u64) -> Result<(), DiskError> {
        for entry in table.chunks_exact(ENTRY_BYTES as usize) {
            if guest_at >= self.header.guest_bytes {
                break;
            }
            let entry = u64_be_at(entry, 0);
            let found = if entry & IS_COMPRESSED == 0 { self.plain(entry) } else { self.compressed(entry).map(Some) };
            let is_compressed = entry & IS_COMPRESSED != 0;
            if let Some((at, bytes)) = found? {
                if self.mapped.len() == MAX_CLUSTERS {
                    let limit = MAX_CLUSTERS as u64;
                    return Err(DiskError::TooLarge { kind: self.input.kind, limit, what: "clusters" });
                }
                self.mapped.push(Mapped { guest_at, at, bytes, is_compressed });
            }
            // The largest disk and a table are far below the largest number.
            guest_at += self.header.cluster_bytes;
        }
        Ok(())
    }

    /// The place and the bytes of a cluster that is not compressed, unless it is a hole.
    fn plain(&self, entry: u64) -> Result<Option<(u64, u64)>, DiskError> {
        let at = entry & PLACE;
        if at == 0 || entry & IS_ZERO != 0 {
            return Ok(None);
        }
        let bytes = self.header.cluster_bytes.min(self.input.image.bytes().saturating_sub(at));
        if !at.is_multiple_of(self.header.cluster_bytes) || bytes == 0 {
            return Err(self.input.damaged("the place of a cluster"));
        }
        Ok(Some((at, bytes)))
    }

    /// The place of a compressed cluster, and its bytes up to the end of its last sector.
    fn compressed(&self, entry: u64) -> Result<(u64, u64), DiskError> {
        let place_bits = 70 - self.header.cluster_log;
        let (entry, place) = (entry & COMPRESSED, (1 << place_bits) - 1);
        let (at, sectors) = (entry & place, (entry >> place_bits) + 1);
        // Both are far below the largest number.
        let end = (at / SECTOR_BYTES + sectors) * SECTOR_BYTES;
        let bytes = end.min(self.input.image.bytes()).saturating_sub(at);
        if at == 0 || bytes == 0 {
            return Err(self.input.damaged("the place of a compressed cluster"));
        }
        Ok((at, bytes))
    }
}
