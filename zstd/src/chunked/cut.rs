//! Cuts a tar into the plain bytes of frames: headers apart from contents, and contents where a rolling sum, or a hole,
//! says so.

use super::header::{self, BLOCK_BYTES, Block, Entry, Extended};

/// A run of this many zeros is a hole, a frame of its own.
const HOLE_BYTES: u64 = 1 << 10;
/// Contents are cut where this many bits of the rolling sum are set: every 64 KiB, about.
const SPLIT_MASK: u32 = 0xffff;
const WINDOW_BYTES: usize = 64;
const CHAR_OFFSET: u32 = 31;
const ZEROS: [u8; HOLE_BYTES as usize] = [0; HOLE_BYTES as usize];

/// What a tar is cut into, in order.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// An entry's header has ended; its contents follow.
    Entry(Entry),
    /// Headers and padding, in the open frame.
    Bytes(&'a [u8]),
    /// Contents, in the open frame.
    Contents(&'a [u8]),
    /// The frame ends. If it has no bytes, there is none.
    End(Frame),
    /// The entry's contents have ended, if it has any.
    EndEntry,
    /// The tar has ended. What follows is behind it.
    EndTar,
}

/// What a frame has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// Headers and padding.
    Headers,
    /// Contents.
    Data,
    /// A hole.
    Zeros,
}

type Sink<'s> = &'s mut dyn FnMut(Piece<'_>);

/// Cuts a tar that arrives in pieces.
#[derive(Debug)]
pub(super) struct Cutter {
    state: State,
    extended: Extended,
    /// The last block was zero.
    is_after_zero: bool,
}

#[derive(Debug)]
enum State {
    /// In a header block, or an extended header.
    Header(Vec<u8>),
    /// In an extended header of this type and this many bytes, behind which there is padding.
    Extended(u8, u64, Vec<u8>),
    Contents(Box<Contents>),
    /// This many bytes are left of the padding.
    Padding(u64),
    /// Behind the end of the tar.
    Tail,
    /// This is no tar that is read here.
    Failed,
}

impl Default for Cutter {
    fn default() -> Self {
        Self { state: State::Header(Vec::new()), extended: Extended::default(), is_after_zero: false }
    }
}

impl Cutter {
    /// Whether the bytes so far were a tar that is read here.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed)
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8], sink: Sink<'_>) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Header(held) => {
                    let taken = bytes.len().min(BLOCK_BYTES - held.len());
                    held.extend_from_slice(&bytes[..taken]);
                    sink(Piece::Bytes(&bytes[..taken]));
                    if let Some(block) = held.as_slice().first_chunk::<BLOCK_BYTES>().copied() {
                        self.block(&block, sink);
                    }
                    taken
                }
                State::Extended(flag, left, held) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    held.extend_from_slice(&bytes[..taken]);
                    sink(Piece::Bytes(&bytes[..taken]));
                    *left -= taken as u64;
                    if *left == 0 {
                        let (flag, held) = (*flag, std::mem::take(held));
                        self.state = match self.extended.add(flag, &held) {
                            Some(()) => padding_of(held.len() as u64),
                            None => State::Failed,
                        };
                    }
                    taken
                }
                State::Contents(contents) => {
                    let taken = bytes.len().min(usize::try_from(contents.left).unwrap_or(usize::MAX));
                    contents.push(&bytes[..taken], sink);
                    if contents.left == 0 {
                        contents.finish(sink);
                        self.state = padding_of(contents.bytes);
                    }
                    taken
                }
                State::Padding(left) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    sink(Piece::Bytes(&bytes[..taken]));
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::Header(Vec::new());
                    }
                    taken
                }
                State::Tail => {
                    sink(Piece::Bytes(bytes));
                    bytes.len()
                }
                State::Failed => return,
            };
            bytes = &bytes[taken..];
        }
    }

    /// Ends the tar.
    pub(super) fn finish(&mut self, sink: Sink<'_>) {
        match &self.state {
            State::Tail => {}
            // A tar may end without zeros, or with one block of them.
            State::Header(held) if held.is_empty() => sink(Piece::EndTar),
            _ => self.state = State::Failed,
        }
        sink(Piece::End(Frame::Headers));
    }

    fn block(&mut self, block: &[u8; BLOCK_BYTES], sink: Sink<'_>) {
        let was_zero = std::mem::take(&mut self.is_after_zero);
        self.state = match header::read(block, &mut self.extended) {
            Some(Block::Zero) if was_zero => {
                sink(Piece::EndTar);
                State::Tail
            }
            Some(Block::Zero) => {
                self.is_after_zero = true;
                State::Header(Vec::new())
            }
            _ if was_zero => State::Failed,
            Some(Block::Extended(flag, bytes @ 1..)) => State::Extended(flag, bytes, Vec::new()),
            Some(Block::Extended(flag, 0)) if self.extended.add(flag, &[]).is_some() => State::Header(Vec::new()),
            Some(Block::Entry(entry)) => {
                let bytes = entry.payload_bytes();
                sink(Piece::Entry(entry));
                match bytes {
                    0 => State::Header(Vec::new()),
                    _ => State::Contents(Box::new(Contents::new(bytes))),
                }
            }
            _ => State::Failed,
        };
    }
}

/// The padding behind this many bytes.
fn padding_of(bytes: u64) -> State {
    match bytes.next_multiple_of(BLOCK_BYTES as u64) - bytes {
        0 => State::Header(Vec::new()),
        padding => State::Padding(padding),
    }
}

/// The contents of a file.
#[derive(Debug)]
struct Contents {
    bytes: u64,
    left: u64,
    sum: RollingSum,
    /// Zeros that may be the beginning of a hole; behind [`HOLE_BYTES`] of them, whether this is one.
    zeros: u64,
    /// Whether a frame of contents is open.
    has_begun: bool,
}

impl Contents {
    fn new(bytes: u64) -> Self {
        Self { bytes, left: bytes, sum: RollingSum::default(), zeros: 0, has_begun: false }
    }

    fn push(&mut self, mut bytes: &[u8], sink: Sink<'_>) {
        self.left -= bytes.len() as u64;
        if !self.has_begun {
            self.has_begun = true;
            sink(Piece::End(Frame::Headers));
        }
        while !bytes.is_empty() {
            let is_zero = bytes[0] == 0;
            let end = bytes.iter().position(|byte| (*byte == 0) != is_zero).unwrap_or(bytes.len());
            let (run, rest) = bytes.split_at(end);
            if is_zero {
                self.zeros(run.len() as u64, sink);
            } else {
                self.end_zeros(sink);
                self.data(run, sink);
            }
            bytes = rest;
        }
    }

    fn finish(&mut self, sink: Sink<'_>) {
        self.end_zeros(sink);
        sink(Piece::End(Frame::Data));
        sink(Piece::EndEntry);
    }

    /// Takes zeros. As soon as there are enough of them, they are a hole.
    fn zeros(&mut self, count: u64, sink: Sink<'_>) {
        let before = self.zeros;
        self.zeros += count;
        let new = match (before < HOLE_BYTES, self.zeros >= HOLE_BYTES) {
            (_, false) => return,
            (true, true) => {
                sink(Piece::End(Frame::Data));
                self.zeros
            }
            (false, true) => count,
        };
        self.sum.roll_zeros(new);
        put_zeros(new, sink);
    }

    fn end_zeros(&mut self, sink: Sink<'_>) {
        match std::mem::take(&mut self.zeros) {
            0 => {}
            HOLE_BYTES.. => sink(Piece::End(Frame::Zeros)),
            few => self.data(&ZEROS[..few as usize], sink),
        }
    }

    fn data(&mut self, bytes: &[u8], sink: Sink<'_>) {
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if self.sum.roll(*byte) {
                sink(Piece::Contents(&bytes[start..=at]));
                sink(Piece::End(Frame::Data));
                start = at + 1;
            }
        }
        sink(Piece::Contents(&bytes[start..]));
    }
}

fn put_zeros(mut count: u64, sink: Sink<'_>) {
    while count > 0 {
        let now = count.min(HOLE_BYTES);
        sink(Piece::Contents(&ZEROS[..now as usize]));
        count -= now;
    }
}

/// The sum of the last 64 bytes, as bup and librsync have it.
#[derive(Debug)]
struct RollingSum {
    sum: u32,
    sum_of_sums: u32,
    window: [u8; WINDOW_BYTES],
    at: usize,
}

impl Default for RollingSum {
    fn default() -> Self {
        let window = WINDOW_BYTES as u32;
        Self {
            sum: window * CHAR_OFFSET,
            sum_of_sums: window * (window - 1) * CHAR_OFFSET,
            window: [0; WINDOW_BYTES],
            at: 0,
        }
    }
}

impl RollingSum {
    /// Takes a byte, and says whether there is a cut behind it.
    fn roll(&mut self, byte: u8) -> bool {
        let dropped = u32::from(std::mem::replace(&mut self.window[self.at], byte));
        self.at = (self.at + 1) % WINDOW_BYTES;
        self.sum = self.sum.wrapping_add(byte.into()).wrapping_sub(dropped);
        let without = (WINDOW_BYTES as u32).wrapping_mul(dropped + CHAR_OFFSET);
        self.sum_of_sums = self.sum_of_sums.wrapping_add(self.sum).wrapping_sub(without);
        self.sum_of_sums & SPLIT_MASK == SPLIT_MASK
    }

    fn roll_zeros(&mut self, count: u64) {
        let rolled = count.min(WINDOW_BYTES as u64);
        (0..rolled).for_each(|_| {
            self.roll(0);
        });
        // The window has nothing but zeros now, and each one more adds the same.
        let each = self.sum.wrapping_sub(WINDOW_BYTES as u32 * CHAR_OFFSET);
        self.sum_of_sums = self.sum_of_sums.wrapping_add(each.wrapping_mul((count - rolled) as u32));
        self.at = (self.at + ((count - rolled) % WINDOW_BYTES as u64) as usize) % WINDOW_BYTES;
    }
}
