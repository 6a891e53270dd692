//! The image that a patch makes, as something to read front to back.

use std::io::{self, Read};

use crossbeam_channel::{Receiver, Sender};
use regrow_image::{ImagePiece, Layout};

use crate::patch::apply::TargetSink;
use crate::spool::Spool;

/// How much of the image is put together at a time.
const BLOCK_BYTES: u64 = 1 << 20;

/// What comes from the decoder's thread.
pub(super) enum Piece {
    Skeleton(Box<(Spool, Layout)>),
    Contents(Vec<u8>),
}

/// The decoder's end.
pub(super) struct Pieces(pub(super) Sender<Piece>);

impl Pieces {
    fn send(&self, piece: Piece) -> io::Result<()> {
        self.0.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl TargetSink for Pieces {
    fn skeleton(&mut self, spool: Spool, layout: Layout) -> io::Result<()> {
        self.send(Piece::Skeleton(Box::new((spool, layout))))
    }

    fn contents(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.send(Piece::Contents(bytes.to_vec())) }
    }
}

/// The other end: the image's bytes in order.
pub(super) struct PatchedImage {
    arriving: Receiver<Piece>,
    skeleton: Option<Box<(Spool, Layout)>>,
    /// Contents that arrived, and how much of them is used.
    contents: (Vec<u8>, usize),
    /// Bytes of the image that are put together, how much of them was read, and where they end.
    block: (Vec<u8>, usize),
    at: u64,
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the patch yields no more")
}

impl PatchedImage {
    pub(super) fn new(arriving: Receiver<Piece>) -> Self {
        Self { arriving, skeleton: None, contents: Default::default(), block: Default::default(), at: 0 }
    }

    /// Puts the next block together; an empty one at the end.
    fn fill(&mut self) -> io::Result<()> {
        let skeleton = match self.skeleton.take() {
            Some(skeleton) => skeleton,
            None => match self.arriving.recv() {
                Ok(Piece::Skeleton(skeleton)) => skeleton,
                _ => return Err(ended()),
            },
        };
        let (spool, layout) = &*skeleton;
        let end = layout.image_bytes().min(self.at + BLOCK_BYTES);
        let mut block = std::mem::take(&mut self.block.0);
        block.clear();
        block.resize((end - self.at) as usize, 0);
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
        (self.block, self.at, self.skeleton) = ((block, 0), end, Some(skeleton));
        Ok(())
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

impl Read for PatchedImage {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.block.1 == self.block.0.len() {
            self.fill()?;
        }
        let (block, used) = &mut self.block;
        let now = out.len().min(block.len() - *used);
        out[..now].copy_from_slice(&block[*used..*used + now]);
        *used += now;
        Ok(now)
    }
}
