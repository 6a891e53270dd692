//! Encoders that are known exactly: given the plain bytes, each makes the very stream that the original makes.
//!
//! [`recognise()`] says which of them wrote a stream, by its beginning; [`Encoder`] makes the stream. Memory is bounded
//! by the encoder's own tables and window, whatever the length of the stream.

mod bits;
mod go;
mod recognise;

#[cfg(test)]
mod tests;

pub use go::GoGeneration;
pub(crate) use go::code_lengths as go_code_lengths;
pub use recognise::recognise;

/// An encoder that is known exactly.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Known {
    /// `compress/flate` of Go's standard library, and so its `compress/gzip` and `compress/zlib`.
    Go {
        /// Which of its implementations.
        generation: GoGeneration,
        /// 0 to 9, or -2 for `HuffmanOnly`; Go's default, -1, is 6.
        level: i8,
    },
}

/// Where the numbers of Go's encoders begin; numbers below are free for other families.
const GO_NUMBERS: u16 = 0x100;

impl Known {
    /// The number that stands for it in files: never changes, never means another.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Go { generation, level } => GO_NUMBERS + go::number(generation, level),
        }
    }

    /// The encoder that a number stands for, if there is one.
    #[must_use]
    pub fn of_number(number: u16) -> Option<Self> {
        Self::all().find(|known| known.number() == number)
    }

    /// All of them, the likeliest first.
    pub fn all() -> impl Iterator<Item = Self> {
        go::all().map(|(generation, level)| Self::Go { generation, level })
    }
}

/// Makes the raw deflate stream (RFC 1951) of plain bytes that arrive in pieces. How they are cut makes no difference.
pub struct Encoder {
    of_kind: OfKind,
}

enum OfKind {
    Go(go::Encoder),
}

impl Encoder {
    /// An encoder at the start of a stream. A level that `known` does not have is taken for its default.
    #[must_use]
    pub fn new(known: Known) -> Self {
        let of_kind = match known {
            Known::Go { generation, level } => OfKind::Go(go::Encoder::new(generation, level)),
        };
        Self { of_kind }
    }

    /// Takes the next plain bytes, and appends to `out` what of the stream is settled.
    pub fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        match &mut self.of_kind {
            OfKind::Go(encoder) => encoder.write(plain, out),
        }
    }

    /// Appends the rest of the stream.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.of_kind {
            OfKind::Go(encoder) => encoder.finish(out),
        }
    }
}
