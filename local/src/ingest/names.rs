//! SHA-256 of an image that is made, and of its parts. They are named by it, as engines and registries name layers.
//!
//! SHA-256 has to take the bytes in order, so it cannot run on many workers at once. Two threads beside them hash: one
//! the image, the other its parts. Where the system gives no thread, the reading thread does their work.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use regrow_chunker::PartName;
use regrow_image::{BorderChange, PartBorder, Splitter};
use ring::digest::{Context, SHA256};

use crate::LocalError;

/// The number of pieces, of at most a block each, that may wait for a thread.
const PIECES_WAITING: usize = 4;

/// The names that are SHA-256 of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha256Names {
    /// SHA-256 of the image.
    pub image: [u8; 32],
    /// The names of the parts, in their order.
    pub parts: Vec<PartName>,
}

/// Work for a hashing thread.
enum Message {
    /// Bytes of the image that stand in the plain image as they are.
    Both(Bytes),
    /// Bytes of a coded file.
    Stored(Bytes),
    /// Bytes that a coded file holds.
    Plain(Bytes),
    /// From here on, the plain image differs from the image.
    Fork,
    /// The plain image's name is not needed.
    DropPlain,
    /// Bytes of a candidate for a part.
    Part(Bytes),
    /// The candidate ends.
    EndPart { is_part: bool },
}

/// The hashes of one thread.
struct Hashes {
    image: Context,
    /// The plain image, if it differs from the image and may be a part.
    plain: Option<Context>,
    part: Context,
    parts: Vec<PartName>,
}

impl Default for Hashes {
    fn default() -> Self {
        Self { image: Context::new(&SHA256), plain: None, part: Context::new(&SHA256), parts: Vec::new() }
    }
}

impl Hashes {
    fn take(&mut self, message: Message) {
        match message {
            Message::Both(bytes) => {
                self.image.update(&bytes);
                self.plain.iter_mut().for_each(|plain| plain.update(&bytes));
            }
            Message::Stored(bytes) => self.image.update(&bytes),
            Message::Plain(bytes) => self.plain.iter_mut().for_each(|plain| plain.update(&bytes)),
            Message::Fork => self.plain = Some(self.image.clone()),
            Message::DropPlain => self.plain = None,
            Message::Part(bytes) => self.part.update(&bytes),
            Message::EndPart { is_part } => {
                let part = std::mem::replace(&mut self.part, Context::new(&SHA256));
                self.parts.extend(is_part.then(|| PartName::from_bytes(finish(part))));
            }
        }
    }
}

fn finish(hash: Context) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    bytes
}

/// Where messages are worked on, in their order.
enum Lane {
    Thread(SyncSender<Message>, JoinHandle<Hashes>),
    Here(Box<Hashes>),
}

impl Lane {
    fn new() -> Self {
        let (messages, waiting) = sync_channel::<Message>(PIECES_WAITING);
        let work = move || {
            let mut hashes = Hashes::default();
            waiting.iter().for_each(|message| hashes.take(message));
            hashes
        };
        match Builder::new().name("regrow-sha256".into()).spawn(work) {
            Ok(thread) => Self::Thread(messages, thread),
            Err(_) => Self::Here(Box::default()),
        }
    }

    fn send(&mut self, message: Message) -> Result<(), LocalError> {
        match self {
            Self::Thread(messages, _) => messages.send(message).map_err(|_| LocalError::Worker),
            Self::Here(hashes) => {
                hashes.take(message);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Hashes, LocalError> {
        match self {
            Self::Thread(messages, thread) => {
                drop(messages);
                thread.join().map_err(|_| LocalError::Worker)
            }
            Self::Here(hashes) => Ok(*hashes),
        }
    }
}

/// Computes the names while the image is read.
pub(super) struct Names {
    image: Lane,
    parts: Lane,
    /// The offset in the plain image of the next byte that is hashed.
    at: u64,
    /// The bytes from there on that the splitter holds back.
    held: Vec<u8>,
    is_coded: bool,
    is_forked: bool,
    is_in_part: bool,
}

impl Names {
    pub(super) fn new() -> Self {
        let (image, parts) = (Lane::new(), Lane::new());
        Self { image, parts, at: 0, held: Vec::new(), is_coded: false, is_forked: false, is_in_part: false }
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
            self.image.send(Message::DropPlain)?;
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
            (false, _) => self.image.send(Message::Both(bytes.clone())),
            (true, true) => self.image.send(Message::Plain(bytes.clone())),
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
                if self.is_in_part && !now.is_empty() {
                    self.parts.send(Message::Part(now))?;
                }
                let Some(border) = border else { break };
                self.is_in_part = border.change == BorderChange::Begins;
                if !self.is_in_part {
                    self.parts.send(Message::EndPart { is_part: border.change == BorderChange::Ends })?;
                }
            }
        }
        Ok(())
    }

    /// Forgets what the splitter held back, since it stands at a candidate for a coded file, whose bytes come again.
    pub(super) fn at_candidate(&mut self) {
        self.held.clear();
    }

    /// Begins a coded file.
    pub(super) fn begin_coded(&mut self, splitter: &Splitter) -> Result<(), LocalError> {
        self.is_coded = true;
        if !self.is_forked && !splitter.has_tar_part() {
            self.is_forked = true;
            self.image.send(Message::Fork)?;
        }
        Ok(())
    }

    /// Takes in bytes of the coded file as it is stored.
    pub(super) fn push_stored(&mut self, bytes: &Bytes) -> Result<(), LocalError> {
        self.image.send(Message::Stored(bytes.clone()))
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
        let held = Bytes::from(std::mem::take(&mut self.held));
        self.push_image(&held)?;
        self.push_parts([held, Bytes::new()], borders)?;
        let (image, hashed) = (self.image.finish()?, self.parts.finish()?.parts);
        let whole = finish(image.image);
        let plain = image.plain.map_or(whole, finish);
        Ok(Sha256Names { image: whole, parts: if has_tar { hashed } else { vec![PartName::from_bytes(plain)] } })
    }
}

#[cfg(test)]
mod tests;
