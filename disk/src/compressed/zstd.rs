//! zstd files (RFC 8878): frames, one after the other.

use regrow_zstd::ZstdReader;

use super::{Fault, Format, Unpacking};
use crate::{StoredForm, StreamCodec};

/// Reads frames as long as there are some. Those that hold nothing stand around the others.
pub(super) fn read(unpacking: &mut Unpacking<'_>) -> Result<(), Fault> {
    loop {
        let mut reader = ZstdReader::default();
        let (stored_bytes, plain_bytes) = unpacking.read_stream(|stored, plain, wanted| {
            let step = reader.push(stored, plain, wanted).ok()?;
            Some((step.taken, step.ended_part))
        })?;
        if plain_bytes > 0 {
            unpacking.inner(stored_bytes, StoredForm::Stream { codec: StreamCodec::Zstd, plain_bytes })?;
        } else {
            unpacking.around(stored_bytes)?;
        }
        match unpacking.peek::<6>()? {
            Some(next) if Format::of(&next) == Some(Format::Zstd) => {}
            _ => return Ok(()),
        }
    }
}
