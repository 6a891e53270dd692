//! One stream through LZMA2 without a container. It is flushed at each block's end, and the dictionary is kept.

use liblzma::stream::{Action, Filters, LzmaOptions, Stream};

use super::{CONTEXT_BITS, DICTIONARIES, STREAMS};
use crate::error::DeltaError;

fn filters(stream: usize, level: u8) -> Result<Filters, liblzma::stream::Error> {
    let mut options = LzmaOptions::new_preset(u32::from(level.clamp(1, 9)))?;
    let (lc, pb) = CONTEXT_BITS[stream];
    options.dict_size(DICTIONARIES[stream]).literal_context_bits(lc).literal_position_bits(0).position_bits(pb);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    Ok(filters)
}

/// A compressor of one stream.
pub(super) struct Packer(Stream);

impl Packer {
    pub(super) fn new(stream: usize, level: u8) -> Result<Self, DeltaError> {
        let made = filters(stream, level).and_then(|filters| Stream::new_raw_encoder(&filters));
        made.map(Self).map_err(|error| DeltaError::Coder(error.into()))
    }

    /// Makes a compressor for each stream.
    pub(super) fn for_all(level: u8) -> Result<[Self; STREAMS], DeltaError> {
        let packers: Result<Vec<_>, _> = (0..STREAMS).map(|stream| Self::new(stream, level)).collect();
        // Invariant: there is one for each stream.
        Ok(packers?.try_into().ok().expect("a packer for each stream"))
    }

    /// Appends the compressed form of `plain` to `out`.
    pub(super) fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), DeltaError> {
        if plain.is_empty() {
            return Ok(());
        }
        let start = self.0.total_in();
        loop {
            let done = (self.0.total_in() - start) as usize;
            out.reserve(64 << 10);
            let status = self.0.process_vec(&plain[done..], out, Action::SyncFlush);
            match status.map_err(|error| DeltaError::Coder(error.into()))? {
                liblzma::stream::Status::StreamEnd => return Ok(()),
                _ => continue,
            }
        }
    }
}

/// A decompressor of one stream.
pub(super) struct Unpacker(Stream);

impl Unpacker {
    pub(super) fn new(stream: usize) -> Result<Self, DeltaError> {
        let made = filters(stream, 6).and_then(|filters| Stream::new_raw_decoder(&filters));
        made.map(Self).map_err(|error| DeltaError::Coder(error.into()))
    }

    /// Fills `out` with the bytes that `packed` stands for. If they are not exactly `plain` bytes, the stream is
    /// damaged.
    pub(super) fn unpack(&mut self, packed: &[u8], plain: usize, out: &mut Vec<u8>) -> Result<(), DeltaError> {
        const OTHER: DeltaError = DeltaError::Damaged("a stream does not have its stated size");
        let (start_in, start_out) = (self.0.total_in(), self.0.total_out());
        // One byte more than stated, so that a stream that makes too much is noticed.
        out.clear();
        out.resize(plain + 1, 0);
        loop {
            let (read, made) = ((self.0.total_in() - start_in) as usize, (self.0.total_out() - start_out) as usize);
            if read == packed.len() && made == plain {
                out.truncate(plain);
                return Ok(());
            }
            if made > plain {
                return Err(OTHER);
            }
            self.0.process(&packed[read..], &mut out[made..], Action::Run).map_err(|_| OTHER)?;
            if (self.0.total_in() - start_in) as usize == read && (self.0.total_out() - start_out) as usize == made {
                return Err(OTHER);
            }
        }
    }
}
