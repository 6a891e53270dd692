//! What frames and blocks begin with (RFC 8878, 3.1).

use crate::error::ZstdError;

/// What a frame begins with.
pub(crate) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What a skippable frame begins with, but for the lowest four bits of the first byte.
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
/// The header of a skippable frame.
pub(crate) const SKIPPABLE_HEADER_BYTES: usize = 8;
/// The longest header of a frame in bytes.
pub const MAX_HEADER_BYTES: usize = 18;
pub(crate) const BLOCK_HEADER_BYTES: usize = 3;
/// The most plain bytes of a block.
pub(crate) const MAX_BLOCK_BYTES: usize = 128 << 10;
/// The largest window that is read, as a power of two: as much as decoders take without being asked to.
pub(crate) const MAX_WINDOW_LOG: u32 = 27;

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The header's own bytes.
    pub bytes: usize,
    /// The bytes back to which the frame may refer.
    pub window: u64,
    /// The frame's plain bytes, if it tells.
    pub plain_bytes: Option<u64>,
    /// The window is the whole frame.
    pub is_single_segment: bool,
    /// The frame ends with a checksum.
    pub has_checksum: bool,
}

impl FrameHeader {
    /// The header of the frame that `bytes` begin with, if all of it is there.
    ///
    /// # Errors
    /// [`ZstdError::Dictionary`] and [`ZstdError::Window`] for a frame that is not read here, and
    /// [`ZstdError::Damaged`].
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, ZstdError> {
        match start(bytes)? {
            Start::Frame(header) => Ok(Some(header)),
            Start::Skippable(_) | Start::Cut | Start::Not => Ok(None),
        }
    }
}

/// What begins at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Frame(FrameHeader),
    /// A skippable frame with this many bytes behind its header.
    Skippable(u32),
    /// More bytes are needed.
    Cut,
    /// Not a frame.
    Not,
}

/// Looks at the beginning of a frame.
pub(crate) fn start(bytes: &[u8]) -> Result<Start, ZstdError> {
    let magic = &bytes[..bytes.len().min(4)];
    let mut skippable = SKIPPABLE;
    skippable[0] |= magic.first().copied().unwrap_or_default() & 0xf;
    if skippable.starts_with(magic) && !magic.is_empty() {
        return Ok(match bytes.first_chunk::<SKIPPABLE_HEADER_BYTES>() {
            Some([_, _, _, _, a, b, c, d]) => Start::Skippable(u32::from_le_bytes([*a, *b, *c, *d])),
            None => Start::Cut,
        });
    }
    if !MAGIC.starts_with(magic) {
        return Ok(Start::Not);
    }
    let Some(&flags) = bytes.get(4) else { return Ok(Start::Cut) };
    if flags & 1 << 3 != 0 {
        return Err(ZstdError::Damaged);
    }
    let (is_single, has_checksum) = (flags & 1 << 5 != 0, flags & 1 << 2 != 0);
    let dictionary_bytes = [0, 1, 2, 4][usize::from(flags & 3)];
    let size_bytes = match flags >> 6 {
        0 => usize::from(is_single),
        code => 1 << code,
    };
    let dictionary_at = 5 + usize::from(!is_single);
    let size_at = dictionary_at + dictionary_bytes;
    let Some(header) = bytes.get(..size_at + size_bytes) else { return Ok(Start::Cut) };
    let dictionary = number(&header[dictionary_at..size_at]);
    if dictionary != 0 {
        return Err(ZstdError::Dictionary(dictionary as u32));
    }
    let size = number(&header[size_at..]) + if size_bytes == 2 { 0x100 } else { 0 };
    let window = if is_single { size } else { window(header[5]) };
    if window > 1 << MAX_WINDOW_LOG {
        return Err(ZstdError::Window(window));
    }
    let plain_bytes = (size_bytes > 0).then_some(size);
    Ok(Start::Frame(FrameHeader {
        bytes: header.len(),
        window,
        plain_bytes,
        is_single_segment: is_single,
        has_checksum,
    }))
}

fn window(descriptor: u8) -> u64 {
    let base = 1u64 << (10 + (descriptor >> 3));
    base + (base >> 3) * u64::from(descriptor & 7)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The kinds of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Raw = 0,
    OneByte = 1,
    Compressed = 2,
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) kind: BlockKind,
    /// The number that stands in the header: of raw or compressed bytes, or of repetitions of one byte.
    pub(crate) size: usize,
    pub(crate) is_last: bool,
}

impl BlockHeader {
    pub(crate) fn parse([a, b, c]: [u8; BLOCK_HEADER_BYTES]) -> Result<Self, ZstdError> {
        let bits = u32::from_le_bytes([a, b, c, 0]);
        let kind = match bits >> 1 & 3 {
            0 => BlockKind::Raw,
            1 => BlockKind::OneByte,
            2 => BlockKind::Compressed,
            _ => return Err(ZstdError::Damaged),
        };
        let size = (bits >> 3) as usize;
        if size > MAX_BLOCK_BYTES {
            return Err(ZstdError::Damaged);
        }
        Ok(Self { kind, size, is_last: bits & 1 == 1 })
    }

    /// The bytes that follow the header.
    pub(crate) fn stored_bytes(&self) -> usize {
        if self.kind == BlockKind::OneByte { 1 } else { self.size }
    }
}
