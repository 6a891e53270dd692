//! Reads a coded disk image at random as it is stored, from its plain image. Blocks are encoded as far as they are asked for,
//! which is cheap for a reader of the file system's tables.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use regrow_disk::codec::{BlockEncoder, FillEncoder};
use regrow_disk::{HashTree, ReadAt};
use regrow_index::{BlockRun, DiskCoding, DiskPiece, FilledRun};

use super::filled::Fill;
use super::tree::tree_among;
use super::{PieceEncoder, piece_encoder};

/// The number of pieces that are kept in their stored form.
const PIECES_KEPT: usize = 8;
/// The most plain bytes of a piece that is encoded.
const MAX_PIECE_BYTES: u64 = 64 << 20;

/// A disk image as it is stored, which is made from its plain image.
pub struct StoredView<'a> {
    plain: &'a dyn ReadAt,
    pieces: &'a [DiskPiece],
    /// The place of each piece in the image as it is stored, and in the plain image, and the ends of both.
    places: Vec<(u64, u64)>,
    /// Pieces in their stored form, the last one that was used at the end.
    kept: Mutex<Vec<(usize, Arc<Vec<u8>>)>>,
}

impl<'a> StoredView<'a> {
    /// A view of the image that this coding makes from a plain image.
    #[must_use]
    pub fn new(plain: &'a dyn ReadAt, coding: &'a DiskCoding) -> Self {
        let mut places = vec![(0, 0)];
        let (mut stored_at, mut plain_at) = (0u64, 0u64);
        for piece in &coding.pieces {
            stored_at = stored_at.saturating_add(piece.stored_bytes());
            plain_at = plain_at.saturating_add(piece.plain_bytes());
            places.push((stored_at, plain_at));
        }
        Self { plain, pieces: &coding.pieces, places, kept: Mutex::default() }
    }

    /// A piece in its stored form.
    fn piece(&self, number: usize) -> io::Result<Arc<Vec<u8>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|(known, _)| *known == number) {
            let found = kept.remove(place);
            kept.push(found.clone());
            return Ok(found.1);
        }
        let made = Arc::new(self.make(number)?);
        if kept.len() == PIECES_KEPT {
            kept.remove(0);
        }
        kept.push((number, Arc::clone(&made)));
        Ok(made)
    }

    fn make(&self, number: usize) -> io::Result<Vec<u8>> {
        let (piece, (_, at)) = (&self.pieces[number], self.places[number]);
        if let DiskPiece::Kept(kept) = piece {
            return Ok(kept.coded.clone());
        }
        if piece.plain_bytes() > MAX_PIECE_BYTES || matches!(piece, DiskPiece::Stream(_) | DiskPiece::HashTree(_)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let bytes = piece.plain_bytes() + piece.behind_bytes();
        let mut plain = vec![0; bytes.min(self.plain.bytes().saturating_sub(at)) as usize];
        self.plain.read_exact_at(&mut plain, at)?;
        let encoder = piece_encoder(piece).map_err(|_| io::ErrorKind::Unsupported)?;
        let made = match (piece, encoder) {
            (DiskPiece::Run(run), Some(PieceEncoder::Block(encoder))) => run_of(run, encoder, &plain),
            (DiskPiece::Filled(run), Some(PieceEncoder::Fill(encoder))) => filled_run_of(run, encoder, &plain),
            (DiskPiece::Corrected(block), Some(PieceEncoder::Block(encoder))) => {
                encoder.encode_corrected(&plain, &block.corrections).ok()
            }
            _ => Some(plain),
        };
        let made = made.filter(|made| made.len() as u64 == piece.stored_bytes());
        made.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// A run in its stored form.
fn run_of(run: &BlockRun, encoder: BlockEncoder, mut plain: &[u8]) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    for size in run.sizes() {
        let (gap, rest) = plain.split_at_checked(run.gap_bytes.into())?;
        let (block, rest) = rest.split_at_checked(size as usize)?;
        made.extend_from_slice(gap);
        made.extend_from_slice(&encoder.encode(block).ok()?);
        plain = rest;
    }
    Some(made)
}

/// A run of filled blocks in its stored form. The plain bytes behind it follow its own.
fn filled_run_of(run: &FilledRun, encoder: FillEncoder, mut plain: &[u8]) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    for group in &run.groups {
        let (gap, rest) = plain.split_at_checked(usize::try_from(group.gap_bytes).ok()?)?;
        let (plain_bytes, behind_bytes) = (group.plain_bytes as usize, group.behind_bytes as usize);
        let fill = Fill { encoder, plain_bytes, behind_bytes, most: run.coded_bytes };
        made.extend_from_slice(gap);
        made.extend_from_slice(&fill.blocks(&rest[..rest.len().min(plain_bytes + behind_bytes)], None).ok()?.0);
        plain = rest.get(plain_bytes..)?;
    }
    Some(made)
}

impl ReadAt for StoredView<'_> {
    fn hash_tree(&self) -> Option<HashTree> {
        tree_among(self.pieces)
    }

    fn bytes(&self) -> u64 {
        self.places.last().map_or(0, |(stored, _)| *stored)
    }

    fn read_exact_at(&self, mut out: &mut [u8], mut at: u64) -> io::Result<()> {
        while !out.is_empty() {
            let number = self.places.partition_point(|(stored, _)| *stored <= at).saturating_sub(1);
            let piece = self.pieces.get(number).ok_or(io::ErrorKind::UnexpectedEof)?;
            let ((stored_at, plain_at), (end, _)) = (self.places[number], self.places[number + 1]);
            let len = out.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let (now, rest) = out.split_at_mut(len);
            let within = at - stored_at;
            if let DiskPiece::Plain(_) = piece {
                self.plain.read_exact_at(now, plain_at + within)?;
            } else {
                let made = self.piece(number)?;
                let start = usize::try_from(within).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                let found = made.get(start..).and_then(|made| made.get(..len));
                now.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            }
            (out, at) = (rest, at + len as u64);
        }
        Ok(())
    }
}
