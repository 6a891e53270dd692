//! The plain image that a patch makes, which is read front to back.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};

use bytes::Bytes;
use regrow_chunker::PartKind;
use regrow_image::{ImagePiece, Layout, WalkRules};
use regrow_local::{LocalError, PlainPiece, PlainSource, Spool};
use regrow_patch::{LeftOut, TargetSink};

/// The bytes of the image that are put together at a time.
const BLOCK_BYTES: u64 = 1 << 20;

/// A piece of the image, sent by the decoder's thread.
pub(super) enum Piece {
    Skeleton(Box<Skeleton>),
    Contents(Vec<u8>),
}

/// The skeleton with its layout, and the parts that are left out.
pub(super) struct Skeleton {
    spool: Spool,
    layout: Layout,
    left_out: Vec<LeftOut>,
}

/// The sending end, which the decoder writes to.
pub(super) struct Pieces {
    sender: SyncSender<Piece>,
    left_out: Vec<LeftOut>,
}

impl Pieces {
    pub(super) fn new(sender: SyncSender<Piece>) -> Self {
        Self { sender, left_out: Vec::new() }
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        self.sender.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl TargetSink for Pieces {
    fn left_out(&mut self, parts: Vec<LeftOut>) -> io::Result<()> {
        self.left_out = parts;
        Ok(())
    }

    fn skeleton(&mut self, spool: Spool, layout: Layout) -> io::Result<()> {
        let left_out = std::mem::take(&mut self.left_out);
        self.send(Piece::Skeleton(Box::new(Skeleton { spool, layout, left_out })))
    }

    fn contents(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.send(Piece::Contents(bytes.to_vec())) }
    }
}

/// The receiving end, which gives the plain image in order.
pub(super) struct PatchedImage<'a> {
    arriving: Receiver<Piece>,
    /// The name of the image in errors.
    name: &'a Path,
    skeleton: Option<Box<Skeleton>>,
    /// Whether the image is one that its operations divide, which was not said yet.
    says_divided: bool,
    /// The kinds of the image's parts.
    kinds: Vec<PartKind>,
    /// The parts that do not come, in order.
    left_out: VecDeque<LeftOut>,
    /// The coded files that have not ended yet, in order. `in_coded` tells whether the first of them has begun.
    coded: VecDeque<Range<u64>>,
    in_coded: bool,
    /// The contents that arrived last, and the number of their bytes that are used.
    contents: (Vec<u8>, usize),
    /// The position of the next piece in the image.
    at: u64,
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the patch yields no more")
}

impl<'a> PatchedImage<'a> {
    /// Makes the receiving end. `name` is the image's name in errors, `kinds` are those of its parts, and `rules` are
    /// those that its index states.
    pub(super) fn new(arriving: Receiver<Piece>, name: &'a Path, kinds: Vec<PartKind>, rules: WalkRules) -> Self {
        let (coded, left_out, contents) = (VecDeque::new(), VecDeque::new(), Default::default());
        let says_divided = rules.state_division();
        Self { arriving, name, skeleton: None, says_divided, kinds, left_out, coded, in_coded: false, contents, at: 0 }
    }

    /// Takes the skeleton, which arrives before all contents.
    fn skeleton(&mut self) -> io::Result<Box<Skeleton>> {
        if let Some(skeleton) = self.skeleton.take() {
            return Ok(skeleton);
        }
        match self.arriving.recv() {
            Ok(Piece::Skeleton(mut skeleton)) => {
                self.coded = skeleton.layout.coded().collect();
                self.left_out = std::mem::take(&mut skeleton.left_out).into();
                Ok(skeleton)
            }
            _ => Err(ended()),
        }
    }

    /// The mark of a coded file that begins or ends at the current position.
    fn mark(&mut self) -> Option<PlainPiece> {
        let coded = self.coded.front()?;
        if !self.in_coded && coded.start == self.at {
            self.in_coded = true;
            return Some(PlainPiece::BeginCoded);
        }
        if self.in_coded && coded.end == self.at {
            self.in_coded = false;
            self.coded.pop_front();
            return Some(PlainPiece::EndCoded);
        }
        None
    }

    /// The part that begins at the current position and does not come.
    fn part(&mut self) -> Option<PlainPiece> {
        if self.left_out.front().is_none_or(|part| part.image.start != self.at) {
            return None;
        }
        let LeftOut { part, image } = self.left_out.pop_front()?;
        self.at = image.end;
        Some(PlainPiece::Part { kind: *self.kinds.get(part)?, bytes: image.end - image.start })
    }

    /// The position at which the next piece ends.
    fn next_end(&self, layout: &Layout) -> u64 {
        let mark = self.coded.front().map(|coded| if self.in_coded { coded.end } else { coded.start });
        let part = self.left_out.front().map(|part| part.image.start);
        let most = mark.unwrap_or(u64::MAX).min(part.unwrap_or(u64::MAX));
        layout.image_bytes().min(self.at + BLOCK_BYTES).min(most)
    }

    /// Puts the next block together.
    fn fill(&mut self, Skeleton { spool, layout, .. }: &Skeleton, end: u64) -> io::Result<Bytes> {
        let mut block = vec![0; (end - self.at) as usize];
        for piece in layout.pieces(self.at..end) {
            match piece {
                ImagePiece::Skeleton { image, skeleton_at } => {
                    let place = (image.start - self.at) as usize..(image.end - self.at) as usize;
                    spool.read(skeleton_at, &mut block[place])?;
                }
                ImagePiece::Contents { image, .. } => {
                    let place = (image.start - self.at) as usize..(image.end - self.at) as usize;
                    self.take_contents(&mut block[place])?;
                }
            }
        }
        self.at = end;
        Ok(block.into())
    }

    fn take_contents(&mut self, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            let (bytes, used) = &mut self.contents;
            if *used == bytes.len() {
                match self.arriving.recv() {
                    Ok(Piece::Contents(next)) => self.contents = (next, 0),
                    _ => return Err(ended()),
                }
                continue;
            }
            let now = out.len().min(bytes.len() - *used);
            let (piece, rest) = std::mem::take(&mut out).split_at_mut(now);
            piece.copy_from_slice(&bytes[*used..*used + now]);
            *used += now;
            out = rest;
        }
        Ok(())
    }
}

impl PlainSource for PatchedImage<'_> {
    fn next(&mut self) -> Result<Option<PlainPiece>, LocalError> {
        let skeleton = self.skeleton().map_err(LocalError::io(self.name))?;
        if std::mem::take(&mut self.says_divided) {
            let ops = skeleton.layout.ops().collect();
            self.skeleton = Some(skeleton);
            return Ok(Some(PlainPiece::Divided(ops)));
        }
        if let Some(piece) = self.mark().or_else(|| self.part()) {
            self.skeleton = Some(skeleton);
            return Ok(Some(piece));
        }
        let end = self.next_end(&skeleton.layout);
        let block =
            if self.at < end { Some(self.fill(&skeleton, end).map_err(LocalError::io(self.name))?) } else { None };
        self.skeleton = Some(skeleton);
        Ok(block.map(PlainPiece::Bytes))
    }
}
