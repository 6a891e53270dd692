//! The target on its way out. It is gathered into pieces, so that the sink is not called for each byte.

use std::io;

use crate::error::DeltaError;

/// The number of bytes that are handed on at a time.
const PIECE_BYTES: usize = 64 << 10;

/// The number of bytes from which on a copy is told instead of read. Shorter ones cost less to read than to tell.
pub(crate) const LONG_COPY: u64 = 16 << 10;

/// Takes a target front to back.
pub trait Receiver {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// Any error ends the decoding.
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Takes `len` bytes of the base from `at` on, which are the target's next ones. A receiver that reads them itself
    /// can do so while the decoder goes on.
    ///
    /// # Errors
    /// Any error ends the decoding.
    fn copied(&mut self, at: u64, len: u64) -> io::Result<()>;
}

/// Where the target goes.
pub(crate) enum Sink<'s> {
    /// It goes nowhere, because a patch is written.
    Nowhere,
    /// Only bytes are taken.
    Bytes(&'s mut dyn FnMut(&[u8]) -> io::Result<()>),
    /// Long copies are only told.
    Copies(&'s mut dyn Receiver),
}

/// The gathered target.
pub(crate) struct Pieces<'s> {
    sink: Sink<'s>,
    piece: Box<[u8]>,
    filled: usize,
    /// The number of target bytes so far.
    target_at: u64,
}

impl<'s> Pieces<'s> {
    /// Makes pieces that go nowhere, for a caller that knows the target.
    pub(crate) fn nowhere() -> Self {
        Self::new(Sink::Nowhere)
    }

    pub(crate) fn new(sink: Sink<'s>) -> Self {
        Self { sink, piece: vec![0; PIECE_BYTES].into_boxed_slice(), filled: 0, target_at: 0 }
    }

    pub(crate) fn target_at(&self) -> u64 {
        self.target_at
    }

    /// Appends bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), DeltaError> {
        while !bytes.is_empty() {
            let room = self.room(bytes.len() as u64)?;
            let (now, later) = bytes.split_at(room.len());
            room.copy_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Appends a byte.
    #[inline]
    pub(crate) fn push_byte(&mut self, byte: u8) -> Result<(), DeltaError> {
        if self.filled == PIECE_BYTES {
            self.hand_on()?;
        }
        self.piece[self.filled] = byte;
        self.filled += 1;
        self.target_at += 1;
        Ok(())
    }

    /// Makes room for the next bytes, which the caller fills. It has `wanted` bytes or fewer, but at least one if
    /// one is wanted.
    pub(crate) fn room(&mut self, wanted: u64) -> Result<&mut [u8], DeltaError> {
        if self.filled == PIECE_BYTES {
            self.hand_on()?;
        }
        let left = PIECE_BYTES - self.filled;
        let len = usize::try_from(wanted).unwrap_or(left).min(left);
        let start = self.filled;
        self.filled += len;
        self.target_at += len as u64;
        Ok(&mut self.piece[start..start + len])
    }

    /// Tells a long copy, if the sink takes copies. Otherwise the caller must read it.
    pub(crate) fn tell_copy(&mut self, base_at: u64, len: u64) -> Result<bool, DeltaError> {
        if len < LONG_COPY || !matches!(self.sink, Sink::Copies(_)) {
            return Ok(false);
        }
        if self.filled > 0 {
            self.hand_on()?;
        }
        if let Sink::Copies(receiver) = &mut self.sink {
            receiver.copied(base_at, len).map_err(DeltaError::Sink)?;
        }
        self.target_at += len;
        Ok(true)
    }

    fn hand_on(&mut self) -> Result<(), DeltaError> {
        let bytes = &self.piece[..self.filled];
        match &mut self.sink {
            Sink::Nowhere => Ok(()),
            Sink::Bytes(sink) => sink(bytes),
            Sink::Copies(receiver) => receiver.bytes(bytes),
        }
        .map_err(DeltaError::Sink)?;
        self.filled = 0;
        Ok(())
    }

    /// Hands on the rest.
    pub(crate) fn finish(mut self) -> Result<(), DeltaError> {
        if self.filled == 0 { Ok(()) } else { self.hand_on() }
    }
}
