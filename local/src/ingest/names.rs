//! SHA-256 of an image that is made, and of its parts. They are named by it, as engines and registries name layers.
//!
//! SHA-256 has to take the bytes in order, so it cannot run on many workers at once. Two threads beside them hash: one
//! the image, the other its parts. Where the system gives no thread, the reading thread does their work. A catalog
//! spares them the beginning that the image shares with one that was made before.

mod hash;
mod known;
mod lane;
mod runs;

use bytes::Bytes;
use regrow_catalog::Catalog;
use regrow_chunker::PartName;
use regrow_image::{BorderChange, PartBorder, Splitter};

use crate::LocalError;

use known::{Known, Lanes, To};
use lane::{Lane, Message};

/// The names that are SHA-256 of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha256Names {
    /// SHA-256 of the image.
    pub image: [u8; 32],
    /// The names of the parts, in their order.
    pub parts: Vec<PartName>,
}

/// Computes the names while the image is read.
pub(super) struct Names<'c> {
    lanes: Lanes,
    /// What spares hashing, if anything is remembered.
    known: Option<Known<'c>>,
    /// The offset in the plain image of the next byte that is hashed.
    at: u64,
    /// The bytes from there on that the splitter holds back.
    held: Vec<u8>,
    is_coded: bool,
    is_forked: bool,
    /// The offset of the candidate for a part that is being hashed.
    part: Option<u64>,
}

impl<'c> Names<'c> {
    /// Begins. With a catalog, what it remembers of images that begin like this one is not hashed again.
    pub(super) fn new(catalog: Option<&'c Catalog>) -> Self {
        Self::on(Lanes { image: Lane::new(), parts: Lane::new() }, catalog)
    }

    fn on(lanes: Lanes, catalog: Option<&'c Catalog>) -> Self {
        let (known, held) = (catalog.filter(|_| hash::CONTINUES).map(Known::new), Vec::new());
        Self { lanes, known, at: 0, held, is_coded: false, is_forked: false, part: None }
    }

    /// Sends a message about this many bytes to a thread.
    fn send(&mut self, to: To, message: Message, bytes: usize) -> Result<(), LocalError> {
        match (&mut self.known, to) {
            (Some(known), _) => known.send((to, message), bytes, &mut self.lanes),
            (None, To::Image) => self.lanes.image.send(message),
            (None, To::Parts) => self.lanes.parts.send(message),
        }
    }

    /// Notes that the next block of the image was read.
    pub(super) fn begin_block(&mut self) -> Result<(), LocalError> {
        let (at, part) = (self.at, self.part);
        self.known.as_mut().map_or(Ok(()), |known| known.begin_block(at, part, &mut self.lanes))
    }

    /// Notes the BLAKE3 hash of the next block, as a subtree of the image's.
    pub(super) fn block_hashed(&mut self, block: [u8; 32]) -> Result<(), LocalError> {
        self.known.as_mut().map_or(Ok(()), |known| known.block_hashed(block, &mut self.lanes))
    }

    /// Takes in bytes that the splitter has taken.
    pub(super) fn push(&mut self, piece: &Bytes, splitter: &mut Splitter) -> Result<(), LocalError> {
        let end = splitter.plain_bytes();
        let borders = splitter.take_part_borders();
        let (held, piece) = self.passed(piece, end);
        self.push_image(&held)?;
        self.push_image(&piece)?;
        self.push_parts([held, piece], &borders)?;
        if self.is_forked && splitter.has_tar_part() {
            self.is_forked = false;
            self.send(To::Image, Message::DropPlain, 0)?;
        }
        Ok(())
    }

    /// Splits off what the splitter has passed on, up to `end`: bytes that it held back before, and of this piece.
    fn passed(&mut self, piece: &Bytes, end: u64) -> (Bytes, Bytes) {
        let passed = (end - self.at).min((self.held.len() + piece.len()) as u64) as usize;
        let old = passed.min(self.held.len());
        let held: Vec<u8> = self.held.drain(..old).collect();
        let piece_passed = piece.slice(..passed - old);
        self.held.extend_from_slice(&piece[passed - old..]);
        (held.into(), piece_passed)
    }

    fn push_image(&mut self, bytes: &Bytes) -> Result<(), LocalError> {
        match (self.is_coded, self.is_forked) {
            _ if bytes.is_empty() => Ok(()),
            (false, _) => self.send(To::Image, Message::Both(bytes.clone()), bytes.len()),
            (true, true) => self.send(To::Image, Message::Plain(bytes.clone()), bytes.len()),
            (true, false) => Ok(()),
        }
    }

    /// Takes in bytes that follow one another, with the borders in them.
    fn push_parts(&mut self, pieces: [Bytes; 2], borders: &[PartBorder]) -> Result<(), LocalError> {
        let mut borders = borders.iter().peekable();
        for mut piece in pieces {
            loop {
                let border = borders.next_if(|border| border.plain_at <= self.at + piece.len() as u64);
                let until = border.map_or(piece.len(), |border| border.plain_at.saturating_sub(self.at) as usize);
                let now = piece.split_to(until);
                self.at += now.len() as u64;
                if self.part.is_some() && !now.is_empty() {
                    let bytes = now.len();
                    self.send(To::Parts, Message::Part(now), bytes)?;
                }
                let Some(border) = border else { break };
                self.pass(*border)?;
            }
        }
        Ok(())
    }

    /// Begins or ends a candidate for a part.
    fn pass(&mut self, border: PartBorder) -> Result<(), LocalError> {
        let start = self.part.take();
        if border.change == BorderChange::Begins {
            self.part = Some(border.plain_at);
            return Ok(());
        }
        let is_part = border.change == BorderChange::Ends;
        if let (Some(known), Some(start), true) = (&mut self.known, start, is_part) {
            known.end_part(start, border.plain_at);
        }
        self.send(To::Parts, Message::EndPart { is_part }, 0)
    }

    /// Forgets what the splitter held back, since it stands at a candidate for a coded file, whose bytes come again.
    pub(super) fn at_candidate(&mut self) {
        self.held.clear();
    }

    /// Begins a coded file.
    pub(super) fn begin_coded(&mut self, splitter: &Splitter) -> Result<(), LocalError> {
        self.is_coded = true;
        if let Some(known) = &mut self.known {
            known.give_up(&mut self.lanes)?;
        }
        if !self.is_forked && !splitter.has_tar_part() {
            self.is_forked = true;
            self.send(To::Image, Message::Fork, 0)?;
        }
        Ok(())
    }

    /// Takes in bytes of the coded file as it is stored.
    pub(super) fn push_stored(&mut self, bytes: &Bytes) -> Result<(), LocalError> {
        self.send(To::Image, Message::Stored(bytes.clone()), bytes.len())
    }

    /// Ends the coded file.
    pub(super) fn end_coded(&mut self, splitter: &mut Splitter) -> Result<(), LocalError> {
        self.push(&Bytes::new(), splitter)?;
        self.is_coded = false;
        Ok(())
    }

    /// Ends the image, with the last borders. `has_tar` says whether there is a tar among the candidates. If not, the
    /// whole plain image is the only part.
    pub(super) fn finish(mut self, borders: &[PartBorder], has_tar: bool) -> Result<Sha256Names, LocalError> {
        if let Some(known) = &mut self.known {
            known.end_image(self.at, self.part, &mut self.lanes)?;
        }
        let held = Bytes::from(std::mem::take(&mut self.held));
        self.push_image(&held)?;
        self.push_parts([held, Bytes::new()], borders)?;
        let (image, hashed) = (self.lanes.image.finish()?, self.lanes.parts.finish()?);
        if let Some(known) = self.known {
            known.remember(&image, &hashed);
        }
        let whole = image.image.finish();
        let plain = image.plain.map_or(whole, hash::Sha256::finish);
        let parts = if has_tar { hashed.parts } else { vec![PartName::from_bytes(plain)] };
        Ok(Sha256Names { image: whole, parts })
    }
}

#[cfg(test)]
mod tests;
