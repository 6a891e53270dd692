//! SHA-256 on a thread of its own, as messages tell it.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use regrow_chunker::PartName;

use super::hash::{HashState, Sha256};
use crate::LocalError;

/// The number of pieces, of at most a block each, that may wait for a thread.
const PIECES_WAITING: usize = 4;

/// Work for a hashing thread.
pub(super) enum Message {
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
    /// The state here is remembered.
    Mark,
    /// The state here, and the names so far, are wanted at once.
    Report(SyncSender<(Marked, Vec<PartName>)>),
    /// Hashing continues from a known state, as if all bytes before it had been hashed.
    Resume(Box<Hashes>),
}

/// The state of a thread's hashes at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) image: HashState,
    pub(super) part: HashState,
}

/// The hashes of one thread.
#[derive(Default)]
pub(super) struct Hashes {
    pub(super) image: Sha256,
    /// The plain image, if it differs from the image and may be a part.
    pub(super) plain: Option<Sha256>,
    pub(super) part: Sha256,
    pub(super) parts: Vec<PartName>,
    pub(super) marks: Vec<Marked>,
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
                let name = std::mem::take(&mut self.part).finish();
                self.parts.extend(is_part.then(|| PartName::from_bytes(name)));
            }
            Message::Mark => self.marks.push(self.marked()),
            Message::Report(wanted) => drop(wanted.send((self.marked(), self.parts.clone()))),
            Message::Resume(hashes) => *self = *hashes,
        }
    }

    fn marked(&self) -> Marked {
        Marked { image: self.image.state(), part: self.part.state() }
    }
}

/// Where messages are worked on, in their order.
pub(super) enum Lane {
    Thread(SyncSender<Message>, JoinHandle<Hashes>),
    Here(Box<Hashes>),
}

impl Lane {
    pub(super) fn new() -> Self {
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

    pub(super) fn send(&mut self, message: Message) -> Result<(), LocalError> {
        match self {
            Self::Thread(messages, _) => messages.send(message).map_err(|_| LocalError::Worker),
            Self::Here(hashes) => {
                hashes.take(message);
                Ok(())
            }
        }
    }

    /// The state after all messages that were sent, and the names so far.
    pub(super) fn report(&mut self) -> Result<(Marked, Vec<PartName>), LocalError> {
        let (wanted, arriving) = sync_channel(1);
        self.send(Message::Report(wanted))?;
        arriving.recv().map_err(|_| LocalError::Worker)
    }

    pub(super) fn finish(self) -> Result<Hashes, LocalError> {
        match self {
            Self::Thread(messages, thread) => {
                drop(messages);
                thread.join().map_err(|_| LocalError::Worker)
            }
            Self::Here(hashes) => Ok(*hashes),
        }
    }
}
