//! gzip files (RFC 1952): members, one after the other.

use regrow_deflate::GzipReader;

use super::{DAMAGED, Fault, Format, Unpacking};
use crate::{StoredForm, StreamCodec};

const TRAILER_BYTES: u64 = 8;

/// Reads members as long as there are some.
pub(super) fn read(unpacking: &mut Unpacking<'_>) -> Result<(), Fault> {
    loop {
        let mut reader = GzipReader::default();
        let (stored_bytes, plain_bytes) = unpacking.read_stream(|stored, plain, wanted| {
            let step = reader.push(stored, plain, wanted).ok()?;
            Some((step.taken, step.ended_member))
        })?;
        let member = reader.members().last().ok_or(DAMAGED)?;
        let stream = member.stream.clone();
        unpacking.around(stream.start)?;
        if plain_bytes > 0 {
            let form = StoredForm::Stream { codec: StreamCodec::Deflate, plain_bytes };
            unpacking.inner(stream.end - stream.start, form)?;
        } else {
            unpacking.around(stream.end - stream.start)?;
        }
        unpacking.around(TRAILER_BYTES)?;
        debug_assert_eq!(stored_bytes, stream.end + TRAILER_BYTES);
        match unpacking.peek::<6>()? {
            Some(next) if Format::of(&next) == Some(Format::Gzip) => {}
            _ => return Ok(()),
        }
    }
}
