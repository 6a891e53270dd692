//! Finds the ways in which libzstd may have written a frame.

use super::{Libzstd, LibzstdEncoder};
use crate::FrameHeader;
use crate::format::MAX_HEADER_BYTES;

/// The number of plain bytes that are encoded before what came of them is compared.
const STEP_BYTES: usize = (128 << 10) + 1;

/// The encoders that make a frame's beginning from the beginning of its plain bytes, the likelier ones first. Some of
/// them agree so far and differ later. `is_whole` says whether these are all plain bytes of the frame.
pub(crate) fn recognise<'a>(
    header: FrameHeader,
    frame: &'a [u8],
    plain: &'a [u8],
    is_whole: bool,
) -> impl Iterator<Item = Libzstd> + use<'a> {
    let plain_bytes = if is_whole { Some(plain.len() as u64) } else { header.plain_bytes };
    let tried = Tried { header, frame, plain, plain_bytes };
    Libzstd::candidates(header, plain_bytes).flat_map(move |group| {
        let is_likely = Libzstd::representatives(&group).any(|known| tried.may_be_of(known));
        let group = if is_likely { group } else { Vec::new() };
        // With all plain bytes at hand, each encoder is tried on all of them.
        group.into_iter().filter(move |&known| !is_whole || tried.is_of(known))
    })
}

/// The beginning of a frame.
#[derive(Clone, Copy)]
struct Tried<'a> {
    header: FrameHeader,
    frame: &'a [u8],
    /// The plain bytes may be more, or fewer, than those of this beginning.
    plain: &'a [u8],
    plain_bytes: Option<u64>,
}

impl Tried<'_> {
    fn encoder(&self, known: Libzstd) -> LibzstdEncoder {
        LibzstdEncoder::new(known, self.plain_bytes.unwrap_or(u64::MAX))
    }

    /// Whether an encoder may have written the frame, by its beginning.
    fn may_be_of(&self, known: Libzstd) -> bool {
        let (mut encoder, mut made) = (self.encoder(known), Vec::new());
        for piece in self.plain.chunks(STEP_BYTES) {
            encoder.write(piece, &mut made);
            if self.agreed(&made) < made.len().min(self.frame.len()) {
                return false;
            }
        }
        if made.len() <= MAX_HEADER_BYTES {
            return self.ends_like(encoder);
        }
        self.agreed(&made) > MAX_HEADER_BYTES.max(made.len().min(self.frame.len()) / 2)
    }

    /// Whether most of what an encoder gives only at the end agrees with the frame.
    fn ends_like(&self, mut encoder: LibzstdEncoder) -> bool {
        let mut made = Vec::new();
        encoder.flush(&mut made);
        // The first block's header may say that it is the last.
        let start = self.header.bytes + 1;
        let (made, stored) = (made.get(start..).unwrap_or_default(), self.frame.get(start..).unwrap_or_default());
        let agreed = made.iter().zip(stored).take_while(|(made, stored)| made == stored).count();
        agreed >= made.len().min(stored.len()) / 2
    }

    /// Whether an encoder makes the frame of all its plain bytes.
    fn is_of(&self, known: Libzstd) -> bool {
        let (mut encoder, mut made) = (self.encoder(known), Vec::new());
        encoder.write(self.plain, &mut made);
        encoder.finish(&mut made);
        !made.is_empty() && self.frame.get(..made.len()) == Some(&made)
    }

    /// The number of bytes that agree with the frame.
    fn agreed(&self, made: &[u8]) -> usize {
        made.iter().zip(self.frame).take_while(|(made, stored)| made == stored).count()
    }
}
