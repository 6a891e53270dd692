//! Zstd files (RFC 8878) that arrive in pieces: their frames, and their plain bytes. libzstd decompresses them, with
//! windows of at most 128 MiB and without dictionaries.

use std::ops::Range;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The magic number of a skippable frame, without its first byte.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
const MAGIC_BYTES: usize = 4;
/// The size in bytes of a skippable frame's magic number and size.
const SKIPPABLE_HEADER_BYTES: usize = 8;
/// The logarithm of the largest window.
const MAX_WINDOW_LOG: u32 = regrow_zstd::MAX_WINDOW_LOG as u32;
/// The most plain bytes that are decompressed at a time.
const STEP_BYTES: usize = 128 << 10;

/// The file is damaged, or has a frame that is not read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

/// A frame that has plain bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZstdFrame {
    /// The place of the frame in the file.
    pub(crate) stored: Range<u64>,
    /// The number of plain bytes.
    pub(crate) plain_bytes: u64,
}

/// The result of taking a piece.
pub(crate) struct ZstdStep {
    /// The number of stored bytes that were taken.
    pub(crate) taken: usize,
    /// Whether the last of them ended a frame that has plain bytes.
    pub(crate) ended_frame: bool,
}

/// Takes a zstd file in pieces of any size, and gives its plain bytes.
pub(crate) struct ZstdReader {
    state: State,
    /// The decoder, once there was a frame.
    decoder: Option<Box<Decoder<'static>>>,
    buffer: Vec<u8>,
    /// The number of stored bytes that were taken.
    at: u64,
    /// The place at which the last frame began, and the number of plain bytes that it gave so far.
    frame_at: u64,
    frame_plain: u64,
    frames: Vec<ZstdFrame>,
    keeps_frames: bool,
}

enum State {
    /// Between frames, with the first bytes of the next one.
    Between(Vec<u8>),
    /// In a skippable frame, of which this many bytes are still to come.
    Skippable(u64),
    Frame,
    /// Behind the last frame.
    Tail,
}

impl Default for ZstdReader {
    fn default() -> Self {
        Self {
            state: State::Between(Vec::new()),
            decoder: None,
            buffer: Vec::new(),
            at: 0,
            frame_at: 0,
            frame_plain: 0,
            frames: Vec::new(),
            keeps_frames: true,
        }
    }
}

impl ZstdReader {
    /// A reader for the plain bytes alone. It keeps none of the frames, of which there may be any number.
    pub(crate) fn without_frames() -> Self {
        Self { keeps_frames: false, ..Self::default() }
    }

    /// The frames that have ended.
    pub(crate) fn frames(&self) -> &[ZstdFrame] {
        &self.frames
    }

    /// The place at which the last frame began.
    pub(crate) fn frame_at(&self) -> u64 {
        self.frame_at
    }

    /// The place in the file from which another reader can go on, if this one stands between two frames.
    pub(crate) fn between_at(&self) -> Option<u64> {
        matches!(&self.state, State::Between(held) if held.is_empty()).then_some(self.at)
    }

    /// Whether the file may end here. It may not within a frame.
    pub(crate) fn may_end(&self) -> bool {
        !matches!(self.state, State::Frame)
    }

    /// Takes in bytes up to the end of a frame, or until there are `wanted` more plain bytes, which go to `plain`.
    pub(crate) fn push(&mut self, stored: &[u8], plain: &mut Vec<u8>, wanted: usize) -> Result<ZstdStep, Damaged> {
        let most = plain.len() + wanted;
        let mut taken = 0;
        while plain.len() < most {
            let rest = &stored[taken..];
            let before = (taken, plain.len());
            match &mut self.state {
                State::Between(_) => taken += self.begin(rest)?,
                State::Skippable(left) => {
                    let now = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= now as u64;
                    self.at += now as u64;
                    taken += now;
                    if *left == 0 {
                        self.state = State::Between(Vec::new());
                    }
                }
                State::Frame => {
                    let (now, ended) = self.decompress(rest, plain, most)?;
                    taken += now;
                    if ended && self.frame_plain > 0 {
                        return Ok(ZstdStep { taken, ended_frame: true });
                    }
                }
                State::Tail => {
                    self.at += rest.len() as u64;
                    taken += rest.len();
                }
            }
            if before == (taken, plain.len()) && (rest.is_empty() || !matches!(self.state, State::Frame)) {
                break;
            }
            if taken == stored.len() && !matches!(self.state, State::Frame) {
                break;
            }
        }
        Ok(ZstdStep { taken, ended_frame: false })
    }

    /// Takes the first bytes of a frame, and returns their number.
    fn begin(&mut self, stored: &[u8]) -> Result<usize, Damaged> {
        let State::Between(held) = &mut self.state else { return Ok(0) };
        let needed = if is_skippable(held) { SKIPPABLE_HEADER_BYTES } else { MAGIC_BYTES };
        let now = stored.len().min(needed - held.len());
        held.extend_from_slice(&stored[..now]);
        self.at += now as u64;
        if let Some((_, size)) = held.split_first_chunk::<MAGIC_BYTES>().filter(|_| is_skippable(held)) {
            if let Ok(size) = <[u8; 4]>::try_from(size) {
                self.state = match u32::from_le_bytes(size) {
                    0 => State::Between(Vec::new()),
                    left => State::Skippable(left.into()),
                };
            }
        } else if *held == MAGIC {
            (self.frame_at, self.frame_plain) = (self.at - MAGIC_BYTES as u64, 0);
            self.state = State::Frame;
            self.start()?;
        } else if held.len() == MAGIC_BYTES {
            self.state = State::Tail;
        }
        Ok(now)
    }

    /// Passes the magic number of a frame to the decoder.
    fn start(&mut self) -> Result<(), Damaged> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => {
                let mut decoder = Decoder::new().map_err(|_| Damaged)?;
                decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(|_| Damaged)?;
                self.buffer = vec![0; STEP_BYTES];
                none.insert(Box::new(decoder))
            }
        };
        let mut input = InBuffer::around(&MAGIC);
        decoder.run(&mut input, &mut OutBuffer::around(&mut [0; 0])).map_err(|_| Damaged)?;
        if input.pos() == MAGIC_BYTES { Ok(()) } else { Err(Damaged) }
    }

    /// Passes bytes to the decoder once. The result is the number of bytes that it took, and whether the frame ended.
    fn decompress(&mut self, stored: &[u8], plain: &mut Vec<u8>, most: usize) -> Result<(usize, bool), Damaged> {
        let Some(decoder) = &mut self.decoder else { return Err(Damaged) };
        let mut input = InBuffer::around(stored);
        let room = self.buffer.len().min(most - plain.len());
        let mut output = OutBuffer::around(&mut self.buffer[..room]);
        let hint = decoder.run(&mut input, &mut output).map_err(|_| Damaged)?;
        let given = output.as_slice();
        plain.extend_from_slice(given);
        self.frame_plain += given.len() as u64;
        self.at += input.pos() as u64;
        let ended = hint == 0;
        if ended {
            self.state = State::Between(Vec::new());
            if self.keeps_frames && self.frame_plain > 0 {
                self.frames.push(ZstdFrame { stored: self.frame_at..self.at, plain_bytes: self.frame_plain });
            }
        } else if input.pos() == 0 && given.is_empty() && !stored.is_empty() {
            // The decoder always takes or gives something, or it says that the frame is damaged.
            return Err(Damaged);
        }
        Ok((input.pos(), ended))
    }
}

fn is_skippable(held: &[u8]) -> bool {
    held.len() >= MAGIC_BYTES && held[0] >> 4 == 5 && held[1..].starts_with(&SKIPPABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skippable(bytes: u32) -> Vec<u8> {
        [b"\x57\x2a\x4d\x18".as_slice(), &bytes.to_le_bytes(), &vec![9; bytes as usize]].concat()
    }

    fn frame(plain: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(plain, 3).unwrap()
    }

    /// Reads pieces of `piece` bytes, and takes at most `wanted` plain bytes at a time.
    fn read(file: &[u8], piece: usize, wanted: usize) -> Result<(ZstdReader, Vec<u8>, usize), Damaged> {
        let (mut reader, mut plain, mut ended) = (ZstdReader::default(), Vec::new(), 0);
        for piece in file.chunks(piece) {
            let mut at = 0;
            loop {
                let before = plain.len();
                let step = reader.push(&piece[at..], &mut plain, wanted)?;
                at += step.taken;
                ended += usize::from(step.ended_frame);
                if step.taken == 0 && plain.len() == before {
                    break;
                }
            }
            assert_eq!(at, piece.len());
        }
        Ok((reader, plain, ended))
    }

    #[test]
    fn frames_are_found_however_they_arrive() {
        let (one, two) = (b"one ".repeat(50_000), vec![7; 300_000]);
        let parts = [skippable(5), frame(&one), frame(b""), skippable(0), frame(&two), frame(b"three"), skippable(70)];
        let file = [parts.concat(), b"behind".to_vec()].concat();
        let plain = [one.as_slice(), &two, b"three"].concat();
        let start = |part: usize| parts[..part].iter().map(Vec::len).sum::<usize>() as u64;
        let frames: Vec<Range<u64>> = [1, 4, 5].map(|part| start(part)..start(part + 1)).to_vec();
        for (piece, wanted) in [(1, 100_000), (7, 1000), (64 << 10, 64 << 10), (usize::MAX, usize::MAX >> 1)] {
            let (reader, read, ended) = read(&file, piece, wanted).unwrap();
            assert!(read == plain, "{piece} {wanted}");
            assert_eq!(ended, 3);
            assert_eq!(reader.frames().iter().map(|frame| frame.stored.clone()).collect::<Vec<_>>(), frames);
            assert!(reader.may_end());
            // A reader can start at any frame.
            let (_, rest, _) = self::read(&file[frames[1].start as usize..], piece, wanted).unwrap();
            assert!(rest == plain[one.len()..]);
        }
    }

    #[test]
    fn damaged_and_cut_files_end_there() {
        let (one, two) = (frame(&b"one ".repeat(50_000)), frame(&b"two ".repeat(50_000)));
        let (first, second) = (one.len(), one.len() + skippable(100).len());
        let file = [one, skippable(100), two].concat();
        for (cut, may_end) in
            [(3, true), (20, false), (first - 1, false), (first, true), (second - 1, true), (second + 9, false)]
        {
            let (reader, ..) = read(&file[..cut], 1000, 1 << 20).unwrap();
            assert_eq!(reader.may_end(), may_end, "{cut}");
        }
        let mut window = frame(&vec![1; 1000]);
        window.splice(4..6, [0x00, 0xff]);
        assert!(read(&window, 1000, 1000).is_err());
        let dictionary = [MAGIC.as_slice(), &[0x03, 0x59, 1, 2, 3, 4], &[1; 100]].concat();
        assert!(read(&dictionary, 1000, 1000).is_err());
        let (reader, plain, _) = read(b"no zstd file at all", 3, 1000).unwrap();
        assert!(plain.is_empty() && reader.may_end());
    }
}
