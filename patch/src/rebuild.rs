//! Makes the target's contents from its expanded contents: rebuilds the streams of members from their plain bytes.
//! Held parts are left out of both, and so are the pieces of joined files, which are made in the same way.

use std::io;
use std::ops::Range;

use regrow_image::{Layout, StreamKind};

use crate::apply::ApplyError;
use crate::base::PatchBase;
use crate::held::HeldParts;
use crate::joined::JoinedFiles;
use crate::making::Making;
use crate::members::{ListsError, TargetMember};
use crate::waiting::Waiting;

/// A member, with the range of its file in the contents.
type Placed = (TargetMember, Range<u64>);

/// Takes expanded contents in pieces, and passes on contents.
pub(crate) struct Rebuilder {
    members: std::vec::IntoIter<Placed>,
    /// The next member, with the range in the contents from its stream's beginning to its file's end.
    next: Option<(TargetMember, Range<u64>)>,
    /// The plain bytes gathered so far of that member.
    plain: Vec<u8>,
    /// The number of bytes of contents so far.
    at: u64,
    /// The position of the last member's file, and the offset in the contents at which that member ended.
    last: Option<(u64, u64)>,
    /// Streams of .xz files that are being made, and what follows them.
    making: Making,
}

fn unfit(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl Rebuilder {
    /// Begins with members that ascend by file, in an image of this layout that has these held parts.
    pub(crate) fn new(
        members: Vec<TargetMember>,
        layout: &Layout,
        (held, waiting): (&HeldParts, &Waiting),
        base: &PatchBase<'_>,
    ) -> Result<Self, ApplyError> {
        Self::of_placed(place(members, layout, (held, waiting), base)?)
    }

    /// Begins with members of joined files, that ascend by file. The contents are these files, end to end.
    pub(crate) fn of_joined(members: Vec<TargetMember>, files: &JoinedFiles) -> Result<Self, ApplyError> {
        let place = |member: TargetMember| {
            let file = files.file(member.file).ok_or_else(|| unfit("a member of a file that does not exist"))?;
            Ok((member, file))
        };
        Self::of_placed(members.into_iter().map(place).collect::<io::Result<_>>()?)
    }

    fn of_placed(members: Vec<Placed>) -> Result<Self, ApplyError> {
        let mut rebuilder = Self {
            members: members.into_iter(),
            next: None,
            plain: Vec::new(),
            at: 0,
            last: None,
            making: Making::default(),
        };
        rebuilder.advance()?;
        Ok(rebuilder)
    }

    /// Finds the place of the next member.
    fn advance(&mut self) -> io::Result<()> {
        self.plain.clear();
        self.next = None;
        let Some((member, file)) = self.members.next() else { return Ok(()) };
        let from = self.last.filter(|(number, _)| *number == member.file).map_or(file.start, |(_, end)| end);
        let start = from.checked_add(member.gap).filter(|&start| start <= file.end);
        let start = start.ok_or_else(|| unfit("a member beyond its file's end"))?;
        self.next = Some((member, start..file.end));
        Ok(())
    }

    /// Takes in the next bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        loop {
            let Some((member, place)) = &self.next else {
                self.making.finish(sink)?;
                self.at += bytes.len() as u64;
                return sink(bytes);
            };
            let before = (place.start - self.at).min(bytes.len() as u64) as usize;
            if before > 0 {
                self.making.pass(&bytes[..before], sink)?;
                self.at += before as u64;
                bytes = &bytes[before..];
            }
            if self.at < place.start {
                return Ok(());
            }
            let wanted = (member.plain_bytes - self.plain.len() as u64).min(bytes.len() as u64) as usize;
            self.plain.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if (self.plain.len() as u64) < member.plain_bytes {
                return Ok(());
            }
            self.rebuild(sink)?;
        }
    }

    /// Rebuilds the member, whose plain bytes are now complete.
    fn rebuild(&mut self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let Some((member, place)) = self.next.take() else { return Ok(()) };
        if let Some(form) = member.xz {
            let bytes = form.bytes(member.plain_bytes);
            if bytes > place.end - place.start {
                return Err(unfit("a member that is larger than its file"));
            }
            self.making.make(form, std::mem::take(&mut self.plain), sink)?;
            return self.passed(member.file, bytes, sink);
        }
        let trailer = member.trailer.of(&self.plain);
        let room = (place.end - place.start).checked_sub(trailer.len() as u64);
        let room = usize::try_from(room.ok_or_else(|| unfit("a member that is larger than its file"))?);
        let stored = regrow_deflate::rebuild(&self.plain, &member.corrections, room.unwrap_or(usize::MAX));
        let stored = stored.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.making.pass(&stored, sink)?;
        self.making.pass(&trailer, sink)?;
        self.passed(member.file, (stored.len() + trailer.len()) as u64, sink)
    }

    /// Goes on behind a member of a file, which has this many bytes.
    fn passed(&mut self, file: u64, bytes: u64, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.at += bytes;
        self.last = Some((file, self.at));
        self.advance()?;
        // Nothing waits behind the last member.
        if self.next.is_none() { self.making.finish(sink) } else { Ok(()) }
    }

    /// Whether all members have come.
    pub(crate) fn is_complete(&self) -> bool {
        self.next.is_none()
    }
}

/// Finds the files in which members lie. Their ranges are those in the contents without the held parts and without pieces
/// of joined files.
fn place(
    members: Vec<TargetMember>,
    layout: &Layout,
    (held, waiting): (&HeldParts, &Waiting),
    base: &PatchBase<'_>,
) -> Result<Vec<Placed>, ApplyError> {
    let pieces = waiting.places(StreamKind::Contents).iter().map(|(range, _)| range);
    let (mut pieces, mut pieces_bytes) = (pieces.peekable(), 0);
    let (mut files, mut file) = (layout.files(), 0..0);
    let (mut held, mut held_bytes) = (held.laid().peekable(), 0);
    // The number of the file behind the present one.
    let mut next = 0u64;
    let mut placed = Vec::with_capacity(members.len());
    for member in members {
        while next <= member.file {
            file = files.next().ok_or_else(|| unfit("a member of a file that does not exist"))?;
            while let Some(part) = held.next_if(|part| part.at + part.bytes <= file.start) {
                held_bytes += part.bytes;
            }
            let tar = held.peek().filter(|part| part.at == file.start).and_then(|part| part.tar);
            next = next.saturating_add(tar.map_or(Ok(1), |part| base.files_of(part))?);
        }
        if held.peek().is_some_and(|part| part.at < file.end) {
            return Err(ListsError::MemberInHeldPart.into());
        }
        let own = file.start - held_bytes..file.end - held_bytes;
        while let Some(piece) = pieces.next_if(|piece| piece.end <= own.start) {
            pieces_bytes += piece.end - piece.start;
        }
        if pieces.peek().is_some_and(|piece| piece.start < own.end) {
            return Err(ListsError::Pieces.into());
        }
        placed.push((member, own.start - pieces_bytes..own.end - pieces_bytes));
    }
    Ok(placed)
}
