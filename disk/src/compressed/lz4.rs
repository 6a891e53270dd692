//! lz4 files: frames with blocks that stand alone, and the older form that the Linux kernel reads.

use super::{DAMAGED, Fault, Format, TOO_MUCH, Unpacking};
use crate::codec::decode;
use crate::{BlockCodec, StoredForm};

const MAGIC_BYTES: u64 = 4;
const SIZE_BYTES: u64 = 4;
/// The plain bytes of a block of the older form, of which only the last has fewer.
const LEGACY_BLOCK_BYTES: usize = 8 << 20;
/// The most bytes of such a block: what liblz4 asks for.
const MAX_LEGACY_BYTES: u32 = (LEGACY_BLOCK_BYTES + LEGACY_BLOCK_BYTES / 255 + 16) as u32;
/// The bit of a block's size that says that it is stored as it is.
const IS_STORED: u32 = 1 << 31;
/// The flags of a frame.
const VERSION: u8 = 0x40;
const VERSION_MASK: u8 = 0xc2;
const STANDS_ALONE: u8 = 0x20;
const HAS_BLOCK_SUMS: u8 = 0x10;
const HAS_SIZE: u8 = 8;
const HAS_SUM: u8 = 4;
const HAS_DICTIONARY: u8 = 1;

/// Reads blocks in the older form up to what is none.
pub(super) fn read_legacy(unpacking: &mut Unpacking<'_>) -> Result<(), Fault> {
    unpacking.around(MAGIC_BYTES)?;
    while let Some(size) = unpacking.peek::<{ SIZE_BYTES as usize }>()?.map(u32::from_le_bytes) {
        if !(1..=MAX_LEGACY_BYTES).contains(&size) {
            break;
        }
        unpacking.around(SIZE_BYTES)?;
        let stored = unpacking.next_bytes(size.into())?;
        if stored.len() < size as usize {
            return Err(DAMAGED);
        }
        let plain = block(unpacking, &stored, LEGACY_BLOCK_BYTES)?;
        if plain < LEGACY_BLOCK_BYTES {
            break;
        }
    }
    Ok(())
}

/// Passes a block, and returns the number of its plain bytes.
fn block(unpacking: &mut Unpacking<'_>, stored: &[u8], most: usize) -> Result<usize, Fault> {
    let plain = decode(BlockCodec::Lz4, stored, most).map_err(|_| DAMAGED)?;
    let plain_bytes = u32::try_from(plain.len()).map_err(|_| TOO_MUCH)?;
    if plain_bytes == 0 || stored.first() == Some(&0) {
        unpacking.around(stored.len() as u64)?;
        return Ok(0);
    }
    unpacking.give(&plain)?;
    unpacking.inner(stored.len() as u64, StoredForm::Block { codec: BlockCodec::Lz4, plain_bytes })?;
    Ok(plain.len())
}

/// Reads frames as long as there are some.
pub(super) fn read_frames(unpacking: &mut Unpacking<'_>) -> Result<(), Fault> {
    loop {
        read_frame(unpacking)?;
        match unpacking.peek::<6>()? {
            Some(next) if Format::of(&next) == Some(Format::Lz4Frame) => {}
            _ => return Ok(()),
        }
    }
}

fn read_frame(unpacking: &mut Unpacking<'_>) -> Result<(), Fault> {
    let [.., flags, descriptor] = unpacking.peek::<6>()?.ok_or(DAMAGED)?;
    let log = descriptor >> 4 & 7;
    if flags & VERSION_MASK != VERSION || descriptor & 0x8f != 0 || log < 4 {
        return Err(DAMAGED);
    }
    if flags & HAS_DICTIONARY != 0 {
        return Err(Fault::Refused("with a dictionary"));
    }
    if flags & STANDS_ALONE == 0 {
        return Err(Fault::Refused("with blocks that depend on those before them"));
    }
    let size_bytes = if flags & HAS_SIZE != 0 { 8 } else { 0 };
    unpacking.around(MAGIC_BYTES + 3 + size_bytes)?;
    let sum_bytes = if flags & HAS_BLOCK_SUMS != 0 { 4 } else { 0 };
    let most = 1 << (8 + 2 * log);
    loop {
        let size = u32::from_le_bytes(unpacking.peek()?.ok_or(DAMAGED)?);
        unpacking.around(SIZE_BYTES)?;
        if size == 0 {
            return unpacking.around(if flags & HAS_SUM != 0 { 4 } else { 0 });
        }
        let bytes = u64::from(size & !IS_STORED);
        if bytes > most as u64 {
            return Err(DAMAGED);
        }
        let stored = unpacking.next_bytes(bytes)?;
        if stored.len() as u64 != bytes || bytes == 0 {
            return Err(DAMAGED);
        }
        if size & IS_STORED != 0 {
            unpacking.give(&stored)?;
            unpacking.inner(bytes, StoredForm::Plain)?;
        } else {
            block(unpacking, &stored, most)?;
        }
        unpacking.around(sum_bytes)?;
    }
}
