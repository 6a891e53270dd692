//! gzip files (RFC 1952) that arrive in pieces: their members, and what these hold.

#[cfg(test)]
mod tests;

use std::ops::Range;

use zlib_rs::crc32::crc32;

use crate::DeflateError;
use crate::inflate::{Checkpoint, Inflater};

/// ID1, ID2, and the one compression method there is.
pub(crate) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// The most bytes of a member's header, and of what follows the last member.
pub const MAX_GZIP_FRINGE_BYTES: usize = 64 << 10;

const FIXED_BYTES: usize = 10;
/// Longer than most headers are.
const SHORT_HEADER_BYTES: usize = 256;
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// The result of looking at the first bytes of a member's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GzipHeader {
    /// The header is whole, and has this many bytes.
    Whole(usize),
    /// More bytes are needed.
    Cut,
    /// The bytes are no header.
    Not,
}

/// Looks at the beginning of a member.
pub(crate) fn header(bytes: &[u8]) -> GzipHeader {
    if !MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) || bytes.get(3).is_some_and(|f| f & RESERVED != 0) {
        return GzipHeader::Not;
    }
    header_bytes(bytes).map_or(GzipHeader::Cut, GzipHeader::Whole)
}

fn header_bytes(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut at = FIXED_BYTES;
    if flags & FEXTRA != 0 {
        let len = bytes.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for text in [FNAME, FCOMMENT] {
        if flags & text != 0 {
            at += bytes.get(at..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    if flags & FHCRC != 0 {
        at += 2;
    }
    (at <= bytes.len()).then_some(at)
}

/// A member of a gzip file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GzipMember {
    /// Its header, as it is.
    pub header: Vec<u8>,
    /// The place in the file where its deflate stream lies.
    pub stream: Range<u64>,
    /// The number of plain bytes that it holds.
    pub plain_bytes: u64,
}

/// A place in a gzip file from which reading can go on without what comes before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GzipPoint {
    /// Offset in the file of the first byte to be read.
    pub stored_at: u64,
    /// The state within a member's stream; `None`: a member begins here.
    pub within: Option<Checkpoint>,
}

/// Takes a gzip file in pieces of any size, and gives what it holds.
#[derive(Debug)]
pub struct GzipReader {
    state: State,
    /// The number of bytes of the file that were taken.
    at: u64,
    members: Vec<GzipMember>,
    /// Whether they are kept; `has_ended` says whether there was one.
    keeps_members: bool,
    has_ended: bool,
    /// The place where the stream that is read began, and the bytes that it gave, and their sum; none if they are not
    /// all known.
    stream_at: u64,
    plain_bytes: u64,
    sum: Option<GzipTrailer>,
    header: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Header,
    Stream(Box<Inflater>),
    Trailer([u8; 8], usize),
    /// The bytes after the last member.
    Tail,
}

/// The result of taking a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GzipStep {
    /// The number of stored bytes that were taken.
    pub taken: usize,
    /// The last of them ended a member, which is the last of [`GzipReader::members`] now.
    pub ended_member: bool,
}

impl Default for GzipReader {
    fn default() -> Self {
        Self {
            state: State::Header,
            at: 0,
            members: Vec::new(),
            keeps_members: true,
            has_ended: false,
            stream_at: 0,
            plain_bytes: 0,
            sum: Some(GzipTrailer::default()),
            header: Vec::new(),
        }
    }
}

impl GzipReader {
    /// A reader for what a file holds alone: it keeps none of the members, of which there may be any number.
    #[must_use]
    pub fn without_members() -> Self {
        Self { keeps_members: false, ..Self::default() }
    }

    /// A reader that goes on from a point, and must be given the file's bytes from there on. Checksums of the member
    /// that it is within are not looked at.
    #[must_use]
    pub fn resume(point: &GzipPoint) -> Self {
        let Some(checkpoint) = &point.within else { return Self { at: point.stored_at, ..Self::default() } };
        let state = State::Stream(Box::new(Inflater::resume(checkpoint)));
        Self { state, at: point.stored_at, sum: None, ..Self::default() }
    }

    /// Takes stored bytes and appends at most `max_out` plain ones to `out`. Stops behind a member's end, at `max_out`,
    /// or where `stored` ends. May be called without stored bytes for plain ones that are still to come.
    ///
    /// # Errors
    /// [`DeflateError`]: these are no gzip file, a checksum is wrong, or more follows the last member than
    /// [`MAX_GZIP_FRINGE_BYTES`].
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>, max_out: usize) -> Result<GzipStep, DeflateError> {
        let mut step = GzipStep { taken: 0, ended_member: false };
        let end = out.len().saturating_add(max_out);
        loop {
            let rest = &stored[step.taken..];
            let (before, given, state) = (step.taken, out.len(), std::mem::discriminant(&self.state));
            match &mut self.state {
                State::Header => step.taken += self.take_header(rest)?,
                State::Stream(_) => step.taken += self.inflate(rest, out, end - out.len())?,
                State::Trailer(..) => {
                    let (taken, is_whole) = self.take_trailer(rest)?;
                    step.taken += taken;
                    step.ended_member = is_whole;
                }
                State::Tail => step.taken += self.take_tail(rest)?,
            }
            self.at += (step.taken - before) as u64;
            let moved = step.taken > before || out.len() > given || state != std::mem::discriminant(&self.state);
            if step.ended_member || !moved {
                return Ok(step);
            }
        }
    }

    fn take_header(&mut self, rest: &[u8]) -> Result<usize, DeflateError> {
        let held = self.header.len();
        // Most headers are short: what follows is looked at only where this one is not whole yet.
        let most = if held == 0 { SHORT_HEADER_BYTES } else { MAX_GZIP_FRINGE_BYTES + 1 - held };
        self.header.extend_from_slice(&rest[..rest.len().min(most)]);
        match header(&self.header) {
            GzipHeader::Whole(len) if len <= MAX_GZIP_FRINGE_BYTES => {
                self.header.truncate(len);
                // A file may have as many members as files: none keeps more than its own bytes.
                self.header.shrink_to_fit();
                self.stream_at = self.at + (len - held) as u64;
                (self.plain_bytes, self.sum) = (0, Some(GzipTrailer::default()));
                self.state = State::Stream(Box::default());
                Ok(len - held)
            }
            GzipHeader::Cut if self.header.len() <= MAX_GZIP_FRINGE_BYTES => Ok(self.header.len() - held),
            // A reader that resumed has no member yet, but came behind one.
            GzipHeader::Not if self.has_ended || self.at > 0 => {
                self.state = State::Tail;
                Ok(self.header.len() - held)
            }
            _ => Err(DeflateError::Damaged),
        }
    }

    fn inflate(&mut self, rest: &[u8], out: &mut Vec<u8>, max_out: usize) -> Result<usize, DeflateError> {
        let State::Stream(inflater) = &mut self.state else { return Ok(0) };
        let given = out.len();
        let step = inflater.inflate(rest, out, max_out)?;
        self.plain_bytes += (out.len() - given) as u64;
        if let Some(sum) = &mut self.sum {
            sum.update(&out[given..]);
        }
        if step.ended {
            let header = std::mem::take(&mut self.header);
            let stream = self.stream_at..self.at + step.taken as u64;
            self.has_ended = true;
            if self.keeps_members {
                self.members.push(GzipMember { header, stream, plain_bytes: self.plain_bytes });
            }
            self.state = State::Trailer([0; 8], 0);
        }
        Ok(step.taken)
    }

    /// Returns how many bytes it took, and whether the trailer is whole, and right.
    fn take_trailer(&mut self, rest: &[u8]) -> Result<(usize, bool), DeflateError> {
        let State::Trailer(bytes, held) = &mut self.state else { return Ok((0, false)) };
        let taken = rest.len().min(bytes.len() - *held);
        bytes[*held..*held + taken].copy_from_slice(&rest[..taken]);
        *held += taken;
        if *held < bytes.len() {
            return Ok((taken, false));
        }
        if self.sum.take().is_some_and(|sum| sum.finish() != *bytes) {
            return Err(DeflateError::Checksum);
        }
        self.state = State::Header;
        Ok((taken, true))
    }

    fn take_tail(&mut self, rest: &[u8]) -> Result<usize, DeflateError> {
        if self.header.len() + rest.len() > MAX_GZIP_FRINGE_BYTES {
            return Err(DeflateError::Trailing(self.header.len() + rest.len()));
        }
        self.header.extend_from_slice(rest);
        Ok(rest.len())
    }

    /// The members that are whole, and perhaps one more whose trailer is not there yet; none, if none are kept.
    #[must_use]
    pub fn members(&self) -> &[GzipMember] {
        &self.members
    }

    /// Header and the place of the stream of the member that is being read.
    #[must_use]
    pub fn current(&self) -> Option<(&[u8], u64)> {
        matches!(self.state, State::Stream(_)).then_some((self.header.as_slice(), self.stream_at))
    }

    /// The number of bytes of the file that were taken.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.at
    }

    /// The place from which reading can go on later; `None` within a header or a trailer, and behind the last member.
    #[must_use]
    pub fn point(&self) -> Option<GzipPoint> {
        match &self.state {
            State::Header if self.header.is_empty() => Some(GzipPoint { stored_at: self.at, within: None }),
            State::Stream(inflater) => {
                let checkpoint = inflater.checkpoint()?;
                // The stream's byte that holds the next bit may have been taken already.
                let ahead = inflater.stored_bytes() - checkpoint.stored_at();
                Some(GzipPoint { stored_at: self.at - ahead, within: Some(checkpoint) })
            }
            _ => None,
        }
    }

    /// The file ends here: its members, and what follows the last.
    ///
    /// # Errors
    /// [`DeflateError::Cut`] where a member is not whole.
    pub fn finish(self) -> Result<(Vec<GzipMember>, Vec<u8>), DeflateError> {
        match self.state {
            State::Header | State::Tail if self.has_ended && self.header.len() <= MAX_GZIP_FRINGE_BYTES => {
                Ok((self.members, self.header))
            }
            _ => Err(DeflateError::Cut),
        }
    }
}

/// The trailer of a member that holds these bytes, which come in pieces.
#[derive(Debug, Default)]
pub struct GzipTrailer {
    sum: u32,
    plain_bytes: u64,
}

impl GzipTrailer {
    /// Takes in the member's next plain bytes.
    pub fn update(&mut self, plain: &[u8]) {
        self.sum = crc32(self.sum, plain);
        self.plain_bytes += plain.len() as u64;
    }

    /// The CRC-32 and the length, modulo 2^32.
    #[must_use]
    pub fn finish(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.sum.to_le_bytes());
        bytes[4..].copy_from_slice(&(self.plain_bytes as u32).to_le_bytes());
        bytes
    }
}
