//! Which encoder wrote a stream, by its beginning.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Klauspost, KlauspostEncoder, MAX_BLOCK_BYTES, MIN_BLOCK_BYTES, Version};

/// The bytes that end a block of pgzip.
const FLUSH: [u8; 4] = [0, 0, 0xFF, 0xFF];
/// The bytes that pgzip writes after that at the end of a stream.
const END_AFTER_FLUSH: [u8; 2] = [3, 0];
const DEFAULT_BLOCK_BYTES: u32 = 1 << 20;
/// The levels, the likelier ones first: 5 is the default.
const LEVELS: [i8; 11] = [5, 9, 1, 6, 7, 8, 4, 3, 2, -2, 0];
/// The plain bytes that are encoded between two comparisons.
const STEP_BYTES: usize = 1 << 16;

/// Which encoders wrote a deflate stream that begins like this, the likelier ones first: those that make the stored
/// bytes of the plain ones, as far as both go. Each is tried when it is asked for. Of versions that write the same at a
/// level, the first is named, level 5 for -1.
pub fn recognise<'a>(stored_prefix: &'a [u8], plain_prefix: &'a [u8]) -> impl Iterator<Item = Klauspost> + 'a {
    let seen = Seen::of(stored_prefix, plain_prefix);
    let block_bytes = seen.block_bytes;
    let kinds = move |level| {
        Version::ALL.into_iter().filter(move |version| version.is_first_at(level)).flat_map(move |version| {
            let pgzip = block_bytes.map(|block_bytes| Klauspost::Pgzip { level, version, block_bytes });
            [pgzip, Some(Klauspost::Gzip { level, version })].into_iter().flatten()
        })
    };
    LEVELS.into_iter().flat_map(kinds).filter(move |&kind| seen.may_be_by(kind))
}

/// The beginning of a stream.
struct Seen<'a> {
    stored: &'a [u8],
    plain: &'a [u8],
    is_whole: bool,
    /// The length of pgzip's blocks, if the stream is pgzip's.
    block_bytes: Option<u32>,
}

impl<'a> Seen<'a> {
    fn of(stored: &'a [u8], plain: &'a [u8]) -> Self {
        let mut inflater = Inflater::new(plain.len() as u64);
        inflater.go_to(stored, stored.len());
        // Bytes that follow the stream are none of it.
        let stored = if inflater.ended { &stored[..inflater.inflater.total_in() as usize] } else { stored };
        let is_whole = inflater.ended && inflater.plain_bytes() == plain.len() as u64;
        let block_bytes = match first_flush(stored, plain.len() as u64) {
            // A block that is not full tells no size.
            Some((bytes, end)) if stored[end..] == END_AFTER_FLUSH && bytes < u64::from(DEFAULT_BLOCK_BYTES) => {
                Some(DEFAULT_BLOCK_BYTES)
            }
            Some((bytes, _)) => {
                u32::try_from(bytes).ok().filter(|bytes| (MIN_BLOCK_BYTES..=MAX_BLOCK_BYTES).contains(bytes))
            }
            None => (!inflater.ended).then_some(DEFAULT_BLOCK_BYTES),
        };
        Self { stored, plain, is_whole, block_bytes }
    }

    fn may_be_by(&self, kind: Klauspost) -> bool {
        let mut encoder = KlauspostEncoder::new(kind);
        let (mut out, mut compared) = (Vec::new(), 0);
        for plain in self.plain.chunks(STEP_BYTES) {
            encoder.write(plain, &mut out);
            if !self.agrees(&out, &mut compared) {
                return false;
            }
            if compared == self.stored.len() {
                return true;
            }
        }
        if self.is_whole {
            encoder.finish(&mut out);
            return out == self.stored;
        }
        // Nothing that is made of a beginning alone says anything against it, nor for it.
        compared > 0
    }

    fn agrees(&self, out: &[u8], compared: &mut usize) -> bool {
        let end = out.len().min(self.stored.len());
        let agrees = out[*compared..end] == self.stored[*compared..end];
        *compared = end;
        agrees
    }
}

/// The number of plain bytes before the first flush, and the place where that ends.
fn first_flush(stored: &[u8], max_plain_bytes: u64) -> Option<(u64, usize)> {
    let mut inflater = Inflater::new(max_plain_bytes);
    let alike = stored.windows(FLUSH.len()).enumerate().filter(|(_, bytes)| *bytes == FLUSH);
    alike.map(|(at, _)| at).find_map(|at| {
        inflater.go_to(stored, at);
        let before = inflater.plain_bytes();
        inflater.go_to(stored, at + FLUSH.len());
        // Bytes that only look like a flush hold plain bytes.
        let is_flush = inflater.plain_bytes() == before && !inflater.has_stopped();
        is_flush.then_some((before, at + FLUSH.len()))
    })
}

/// Tells how many plain bytes a stream's beginning holds.
struct Inflater {
    inflater: Decompress,
    /// It stops when there are more, so that no bomb takes long.
    max_plain_bytes: u64,
    plain: Vec<u8>,
    ended: bool,
}

impl Inflater {
    fn new(max_plain_bytes: u64) -> Self {
        let plain = Vec::with_capacity(STEP_BYTES);
        Self { inflater: Decompress::new(false), max_plain_bytes, plain, ended: false }
    }

    fn has_stopped(&self) -> bool {
        self.plain_bytes() > self.max_plain_bytes
    }

    fn plain_bytes(&self) -> u64 {
        self.inflater.total_out()
    }

    /// Inflates what comes before `end`.
    fn go_to(&mut self, stored: &[u8], end: usize) {
        while !self.has_stopped() {
            self.plain.clear();
            let before = (self.inflater.total_in(), self.inflater.total_out());
            let stored = &stored[(before.0 as usize).min(end)..end];
            match self.inflater.decompress_vec(stored, &mut self.plain, FlushDecompress::Sync) {
                Ok(Status::StreamEnd) => {
                    self.ended = true;
                    return;
                }
                Ok(_) if before != (self.inflater.total_in(), self.inflater.total_out()) => (),
                _ => return,
            }
        }
    }
}
