//! The beginning of a frame, by which its encoder is recognised.

use crate::format::FrameHeader;
use crate::reader::{ZstdPart, ZstdReader};

/// The plain bytes that are looked at, at first.
const PLAIN_BYTES: usize = 1 << 20;
/// If plain bytes are very repetitive, the first MiB of them says little: more are looked at as long as they take fewer
/// stored bytes than this.
const TELLING_BYTES: usize = 32 << 10;
const MAX_PLAIN_BYTES: usize = 16 << 20;
/// The beginning of a frame, with what it holds.
#[derive(Debug)]
pub struct Beginning<'a> {
    pub(crate) stored: &'a [u8],
    pub(crate) header: FrameHeader,
    pub(crate) plain: Vec<u8>,
    /// The plain bytes of each whole block.
    pub(crate) blocks: Vec<usize>,
    /// The plain bytes are all that the frame holds.
    pub(crate) is_whole: bool,
}

impl<'a> Beginning<'a> {
    /// Reads the frame with which `stored` begins: its first MiB, say, or all there is. `None`: this is not the
    /// beginning of a sound frame that holds plain bytes.
    #[must_use]
    pub fn of(stored: &'a [u8]) -> Option<Self> {
        let (mut reader, mut plain, mut at, mut most) = (ZstdReader::default(), Vec::new(), 0, PLAIN_BYTES);
        let is_whole = loop {
            let wanted = most - plain.len();
            let step = reader.push(&stored[at..], &mut plain, wanted).ok()?;
            at += step.taken;
            if step.ended_part || at == stored.len() && plain.len() < most {
                break step.ended_part;
            }
            if plain.len() == most {
                if at >= TELLING_BYTES || most >= MAX_PLAIN_BYTES {
                    break false;
                }
                most += PLAIN_BYTES;
            }
        };
        let header = *reader.header()?;
        let stored = match reader.parts() {
            [ZstdPart::Frame { stored: range, .. }] => stored.get(..range.end as usize)?,
            [] => stored,
            _ => return None,
        };
        Some(Self { stored, header, blocks: reader.blocks().to_vec(), plain, is_whole })
    }

    /// The plain bytes at the frame's beginning, as many as are looked at.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }
}
