//! The clusters of a compressed file: which bytes of it are in which blocks. docs/format/disk.md, section 7.
//!
//! There is an entry for each block of the file's own bytes, a *logical cluster*. An entry is the head of a physical
//! cluster, which begins within it, or says how far away the head is. Entries are full, of 8 bytes each, or compact: packs of
//! 8 bytes with 2 entries, or of 32 bytes with 16.

use super::Superblock;
use super::inode::{Inode, Layout};
use crate::DiskError;
use crate::input::{Input, u16_at, u32_at};

const HEADER_BYTES: u64 = 8;
/// Full entries stand behind this many bytes that are not used.
const RESERVED_BYTES: u64 = 8;
const FULL_BYTES: usize = 8;

const ADVISE_COMPACT_2B: u16 = 1;
const ADVISE_BIG_1: u16 = 2;
const ADVISE_BIG_2: u16 = 4;
const ADVISE_INLINE: u16 = 8;
const ADVISE_INTERLACED: u16 = 0x10;
const ADVISE_FRAGMENT: u16 = 0x20;
/// All of the file is in the inode of fragments.
const ALL_IN_FRAGMENTS: u8 = 0x80;
/// Only part of what the cluster holds is the file's.
const PARTIAL: u16 = 0x8000;

const PLAIN: u16 = 0;
const HEAD_1: u16 = 1;
const NOT_HEAD: u16 = 2;
/// The distance of an entry from its head is the number of blocks of the physical cluster instead.
const IS_COUNT: u32 = 1 << 11;
/// The most plain bytes of a block of LZ4 for each of its bytes.
const MOST_EXPANSION: u64 = 255;

/// A physical cluster, and the bytes of the file that are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cluster {
    /// The bytes of the file.
    pub(super) bytes: u64,
    /// Where the cluster is in the image, and its size there.
    pub(super) at: u64,
    pub(super) stored_bytes: u64,
    pub(super) form: Form,
}

/// How a cluster is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As the bytes are.
    Plain,
    /// As the bytes are, but turned within their block: they begin at this place of it, and go on at its beginning.
    Turned(u64),
    /// As a block of LZ4 with zeros before it.
    Lz4,
}

/// The clusters of a file, in order, and where their table is.
#[derive(Debug)]
pub(super) struct Clusters {
    pub(super) table_at: u64,
    pub(super) table_bytes: u64,
    pub(super) clusters: Vec<Cluster>,
}

/// An entry that is a head.
struct Head {
    kind: u16,
    /// Where it begins in the file.
    file_at: u64,
    block: u64,
    /// The number of blocks, if an entry tells it.
    blocks: Option<u64>,
}

/// What the header before the table says.
struct Header {
    advise: u16,
    algorithms: u8,
}

impl Header {
    fn read(input: &Input<'_>, superblock: &Superblock, at: u64) -> Result<Self, DiskError> {
        let raw = input.near(at, HEADER_BYTES as usize, "the head of a compressed file")?;
        let header = Self { advise: u16_at(&raw, 4), algorithms: raw[6] };
        if raw[7] & ALL_IN_FRAGMENTS != 0 || header.advise & ADVISE_FRAGMENT != 0 {
            return Err(input.unsupported("fragments"));
        }
        if header.advise & ADVISE_INLINE != 0 {
            return Err(input.unsupported("ztailpacking"));
        }
        if raw[7] & 7 != 0 {
            return Err(input.unsupported("logical clusters that are larger than blocks"));
        }
        if superblock.incompat & super::INCOMPAT_ZEROS_FIRST == 0 {
            return Err(input.unsupported("compressed blocks of the oldest form"));
        }
        Ok(header)
    }

    fn is_big(&self, kind: u16) -> bool {
        self.advise & if kind == HEAD_1 { ADVISE_BIG_1 } else { ADVISE_BIG_2 } != 0
    }
}

/// Reads the clusters of a compressed file. Its table is in the image, and there are at most `most` clusters.
pub(super) fn read(
    input: &Input<'_>,
    superblock: &Superblock,
    inode: &Inode,
    most: u64,
) -> Result<Clusters, DiskError> {
    let header_at = inode.data_at.next_multiple_of(8);
    let header = Header::read(input, superblock, header_at)?;
    let block_bytes = superblock.block_bytes;
    let count = inode.bytes.div_ceil(block_bytes);
    let damaged = || input.damaged("the clusters of a file");
    let (table_bytes, heads) = if inode.layout == Layout::CompressedFull {
        let bytes = count.checked_mul(FULL_BYTES as u64).ok_or_else(damaged)?;
        let bytes = bytes.checked_add(RESERVED_BYTES).ok_or_else(damaged)?;
        let table = input.read(header_at + HEADER_BYTES, bytes, "the clusters of a file")?;
        (bytes, full(&table[RESERVED_BYTES as usize..], &header, block_bytes, most))
    } else {
        if !(9..=14).contains(&block_bytes.trailing_zeros()) {
            return Err(input.unsupported("compact clusters of an unknown size"));
        }
        let packs = Packs::new(header_at + HEADER_BYTES, count, &header, block_bytes);
        let table = input.read(header_at + HEADER_BYTES, packs.bytes(), "the clusters of a file")?;
        (packs.bytes(), packs.heads(&table, &header, block_bytes, most))
    };
    let heads = heads.ok_or_else(damaged)?;
    let clusters = clusters(input, &header, inode.bytes, block_bytes, &heads)?;
    Ok(Clusters { table_at: header_at, table_bytes: HEADER_BYTES + table_bytes, clusters })
}

/// The heads among full entries. The result is `None` if they are damaged, or too many.
fn full(table: &[u8], header: &Header, block_bytes: u64, most: u64) -> Option<Vec<Head>> {
    let mut heads: Vec<Head> = Vec::new();
    for (entry, cluster_at) in table.chunks_exact(FULL_BYTES).zip((0..).step_by(block_bytes as usize)) {
        let (kind, partial) = (u16_at(entry, 0) & 3, u16_at(entry, 0) & PARTIAL != 0);
        if kind == NOT_HEAD {
            let (count, head) = (u32::from(u16_at(entry, 4)), heads.last_mut()?);
            // The entry behind the head of a large cluster has the number of blocks.
            let is_first = head.file_at / block_bytes + 1 == cluster_at / block_bytes;
            if is_first && header.is_big(head.kind) {
                head.blocks = Some(u64::from(count & !IS_COUNT)).filter(|_| count & IS_COUNT != 0);
                head.blocks?;
            } else if count & IS_COUNT != 0 {
                return None;
            }
            continue;
        }
        let offset = u64::from(u16_at(entry, 2));
        if partial || offset >= block_bytes || heads.len() as u64 > most {
            return None;
        }
        heads.push(Head { kind, file_at: cluster_at + offset, block: u32_at(entry, 4).into(), blocks: None });
    }
    Some(heads)
}

/// The order of compact entries: some in small packs, so that the large ones are aligned, then large packs, then small ones
/// again.
struct Packs {
    first: u64,
    large: u64,
    last: u64,
}

const SMALL: (u64, u64) = (2, 8);
const LARGE: (u64, u64) = (16, 32);

impl Packs {
    fn new(at: u64, count: u64, header: &Header, block_bytes: u64) -> Self {
        let first = (LARGE.1 - at % LARGE.1) / 4 % 8;
        let has_large = header.advise & ADVISE_COMPACT_2B != 0 && first < count && block_bytes <= 4096;
        match has_large {
            true => {
                let large = (count - first) / LARGE.0;
                Self { first, large, last: count - first - large * LARGE.0 }
            }
            false => Self { first: 0, large: 0, last: count },
        }
    }

    fn bytes(&self) -> u64 {
        (self.first / SMALL.0 + self.last.div_ceil(SMALL.0)) * SMALL.1 + self.large * LARGE.1
    }

    /// The heads among the entries of this table.
    fn heads(&self, table: &[u8], header: &Header, block_bytes: u64, most: u64) -> Option<Vec<Head>> {
        let mut entries = Entries { heads: Vec::new(), number: 0, block_bytes, most };
        let (first, rest) = table.split_at_checked((self.first / SMALL.0 * SMALL.1) as usize)?;
        let (large, last) = rest.split_at_checked((self.large * LARGE.1) as usize)?;
        first.chunks_exact(SMALL.1 as usize).try_for_each(|pack| entries.pack(pack, SMALL.0, header))?;
        large.chunks_exact(LARGE.1 as usize).try_for_each(|pack| entries.pack(pack, LARGE.0, header))?;
        let mut left = self.last;
        for pack in last.chunks_exact(SMALL.1 as usize) {
            let now = left.min(SMALL.0);
            entries.pack(pack, now, header)?;
            left -= now;
        }
        Some(entries.heads)
    }
}

/// Compact entries that are read in order.
struct Entries {
    heads: Vec<Head>,
    /// The number of entries so far.
    number: u64,
    block_bytes: u64,
    most: u64,
}

impl Entries {
    /// Reads the first `count` entries of a pack. At its end is the number of the block before its first head's or, if
    /// clusters have several blocks, of the first head's block. Physical clusters follow each other from there on.
    fn pack(&mut self, pack: &[u8], count: u64, header: &Header) -> Option<()> {
        let bits = if pack.len() as u64 == LARGE.1 { 14 } else { 16 };
        let low_bits = self.block_bytes.trailing_zeros().max(IS_COUNT.trailing_zeros() + 1);
        let is_big = header.is_big(HEAD_1);
        let mut block = u64::from(u32_at(pack, pack.len() - 4)) + u64::from(!is_big);
        // Whether the last head of this pack is followed by another one, as far as is known.
        let mut is_open = false;
        for entry in 0..count {
            let place = (entry * bits) as usize;
            // An entry lies in three bytes, and four bytes of a block's number stand behind all of them.
            let value = u32_at(pack, place / 8) >> (place % 8);
            let (low, kind) = (value & ((1 << low_bits) - 1), (value >> low_bits & 3) as u16);
            if kind == NOT_HEAD {
                if is_big && low & IS_COUNT != 0 {
                    let blocks = u64::from(low & !IS_COUNT);
                    let head =
                        self.heads.last_mut().filter(|head| head.file_at / self.block_bytes + 1 == self.number)?;
                    head.blocks = Some(blocks);
                    block += blocks;
                } else if is_big && is_open {
                    // The number of blocks is missing.
                    return None;
                }
                is_open = false;
            } else {
                if is_open {
                    block += 1;
                }
                if u64::from(low) >= self.block_bytes || self.heads.len() as u64 > self.most {
                    return None;
                }
                let file_at = self.number * self.block_bytes + u64::from(low);
                self.heads.push(Head { kind, file_at, block, blocks: None });
                is_open = is_big;
                block += u64::from(!is_big);
            }
            self.number += 1;
        }
        Some(())
    }
}

/// The clusters between heads. The last head may be where the file ends.
fn clusters(
    input: &Input<'_>,
    header: &Header,
    file_bytes: u64,
    block_bytes: u64,
    heads: &[Head],
) -> Result<Vec<Cluster>, DiskError> {
    let damaged = || input.damaged("the clusters of a file");
    let ends = heads.iter().skip(1).map(|head| head.file_at).chain([file_bytes]);
    let mut clusters = Vec::with_capacity(heads.len());
    for (number, (head, end)) in heads.iter().zip(ends).enumerate() {
        let bytes = end.checked_sub(head.file_at).filter(|_| (number == 0) == (head.file_at == 0));
        let bytes = bytes.ok_or_else(damaged)?;
        if bytes == 0 {
            continue;
        }
        let stored_bytes = head.blocks.unwrap_or(1).checked_mul(block_bytes).filter(|&bytes| bytes > 0);
        let stored_bytes = stored_bytes.ok_or_else(damaged)?;
        let at = head.block.checked_mul(block_bytes).ok_or_else(damaged)?;
        at.checked_add(stored_bytes).filter(|&end| end <= input.image.bytes()).ok_or_else(damaged)?;
        let turned_by = head.file_at % block_bytes;
        let (form, most) = match head.kind {
            PLAIN if header.advise & ADVISE_INTERLACED == 0 || turned_by == 0 => (Form::Plain, stored_bytes),
            PLAIN if stored_bytes != block_bytes => return Err(input.unsupported("turned clusters of several blocks")),
            PLAIN => (Form::Turned(turned_by), stored_bytes),
            kind => {
                let algorithm = if kind == HEAD_1 { header.algorithms & 0xf } else { header.algorithms >> 4 };
                if algorithm != 0 {
                    return Err(input.unsupported(algorithm_name(algorithm)));
                }
                (Form::Lz4, stored_bytes.saturating_mul(MOST_EXPANSION))
            }
        };
        if bytes > most {
            return Err(damaged());
        }
        clusters.push(Cluster { bytes, at, stored_bytes, form });
    }
    if clusters.is_empty() { Err(damaged()) } else { Ok(clusters) }
}

/// The name of the algorithm with this number.
pub(super) fn algorithm_name(number: u8) -> &'static str {
    match number {
        0 => "lz4 compression",
        1 => "lzma compression",
        2 => "deflate compression",
        3 => "zstd compression",
        _ => "an unknown compression",
    }
}
