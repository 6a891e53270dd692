//! Blocks of a disk image that the base of a patch has in the same form. A machine that has the base needs no corrections
//! for them. docs/format/patch-2.md, section 4.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use regrow_disk::codec::BlockEncoder;
use regrow_index::{DiskCoding, DiskPiece, KeptBlock};

use super::builder::Builder;
use super::encoders::block_encoder;
use super::places::{BlockHash, DiskPlaces, PlacedBlock};
use super::tree::placed_tree;
use super::{failed, invalid};
use crate::LocalError;

/// The codings of an image, for blocks that the base of a patch does not hold after all.
pub trait WholeCoding: Sync {
    /// The coding of the disk image with all its corrections, if it can be had.
    fn coding(&self) -> Option<&DiskCoding>;
}

/// A compressed block of a coded disk image.
#[derive(Debug, Clone, Copy)]
struct CodedBlock<'a> {
    plain_at: u64,
    plain_bytes: u32,
    form: BlockForm<'a>,
}

/// What makes a block from its plain bytes. Blocks with the same plain bytes and the same form are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockForm<'a> {
    /// This encoder.
    Made(&'a [u8]),
    /// This encoder and these corrections.
    Corrected(&'a [u8], &'a [u8]),
    /// The block itself, whatever it holds.
    Kept(&'a [u8]),
}

/// The blocks of a disk image, front to back. Blocks that a base holds are left out, and so are filled ones.
fn blocks(coding: &DiskCoding) -> impl Iterator<Item = CodedBlock<'_>> {
    let mut at = 0u64;
    coding.pieces.iter().flat_map(move |piece| {
        let start = at;
        at = at.saturating_add(piece.plain_bytes());
        blocks_of(piece, start)
    })
}

/// Whether an image has blocks or streams that no patch names.
fn has_others(coding: &DiskCoding) -> bool {
    coding.pieces.iter().any(|piece| matches!(piece, DiskPiece::Filled(_) | DiskPiece::Stream(_)))
}

fn blocks_of(piece: &DiskPiece, start: u64) -> Box<dyn Iterator<Item = CodedBlock<'_>> + '_> {
    let one = |plain_bytes, form| Box::new(std::iter::once(CodedBlock { plain_at: start, plain_bytes, form }));
    match piece {
        DiskPiece::Plain(_)
        | DiskPiece::Held(_)
        | DiskPiece::Filled(_)
        | DiskPiece::Stream(_)
        | DiskPiece::HashTree(_) => Box::new(std::iter::empty()),
        DiskPiece::Corrected(block) => one(block.plain_bytes, BlockForm::Corrected(&block.encoder, &block.corrections)),
        DiskPiece::Kept(kept) => one(kept.plain_bytes, BlockForm::Kept(&kept.coded)),
        DiskPiece::Run(run) => {
            let mut at = start;
            Box::new(run.sizes().map(move |plain_bytes| {
                let plain_at = at.saturating_add(run.gap_bytes.into());
                at = plain_at.saturating_add(plain_bytes.into());
                CodedBlock { plain_at, plain_bytes, form: BlockForm::Made(&run.encoder) }
            }))
        }
    }
}

/// Makes the block that lies at this place of the plain image.
pub(super) fn make_block(whole: &dyn WholeCoding, plain_at: u64, plain: &[u8]) -> Result<Vec<u8>, LocalError> {
    let absent = || invalid("the old image lacks blocks that its patch counts on, and their corrections cannot be had");
    let coding = whole.coding().ok_or_else(absent)?;
    let found = blocks(coding).find(|block| block.plain_at == plain_at && block.plain_bytes as usize == plain.len());
    let CodedBlock { plain_bytes, form, .. } = found.ok_or_else(absent)?;
    let known = |encoder| block_encoder(encoder, plain_bytes).map_err(invalid);
    match form {
        BlockForm::Made(encoder) => known(encoder)?.encode(plain).map_err(failed),
        BlockForm::Corrected(encoder, corrections) => {
            known(encoder)?.encode_corrected(plain, corrections).map_err(failed)
        }
        BlockForm::Kept(coded) => Ok(coded.to_vec()),
    }
}

/// The blocks of a base, by the hashes of what they hold. A reader that finds several blocks with the same plain bytes
/// takes the first one.
pub(crate) struct HeldBlocks<'a>(HashMap<BlockHash, BlockForm<'a>>);

impl<'a> HeldBlocks<'a> {
    /// Takes the blocks of a base. `hash` gives the hash of the plain bytes of a block, by its number, its place in the
    /// plain image and its size.
    pub(crate) fn of(
        base: &'a DiskCoding,
        hash: impl Fn(usize, u64, u32) -> Result<BlockHash, LocalError>,
    ) -> Result<Self, LocalError> {
        let mut forms = HashMap::new();
        // The number of a block is that of its place only where no block is filled.
        if has_others(base) {
            return Ok(Self(forms));
        }
        for (number, block) in blocks(base).enumerate() {
            forms.entry(hash(number, block.plain_at, block.plain_bytes)?).or_insert(block.form);
        }
        Ok(Self(forms))
    }

    /// The coding of a target that lies in a file, with its blocks at these places. The result is `None` if they are not
    /// the blocks of its coding, or if some are filled, since their sizes are not known, or if there are streams.
    pub(crate) fn coding(
        &self,
        coding: &DiskCoding,
        places: &DiskPlaces,
        file: &File,
    ) -> Result<Option<DiskCoding>, LocalError> {
        if has_others(coding) {
            return Ok(None);
        }
        let of_target: Vec<CodedBlock<'_>> = blocks(coding).collect();
        let hashed: Vec<_> = places.hashed().collect();
        let is_placed = |(block, (_, placed)): (&CodedBlock<'_>, &(BlockHash, PlacedBlock))| {
            (block.plain_at, block.plain_bytes) == (placed.plain_at, placed.plain_bytes)
        };
        if hashed.len() != of_target.len() || !of_target.iter().zip(&hashed).all(is_placed) {
            return Ok(None);
        }
        let (mut builder, mut end, mut stored) = (Builder::default(), 0, Vec::new());
        for (block, (hash, placed)) in of_target.iter().zip(hashed) {
            builder.plain(placed.plain_at.saturating_sub(end));
            end = placed.plain_at + u64::from(placed.plain_bytes);
            stored.resize(placed.stored_bytes as usize, 0);
            file.read_exact_at(&mut stored, placed.stored_at).map_err(LocalError::io("an image"))?;
            if self.0.get(&hash) == Some(&block.form) {
                builder.held(block.plain_bytes, &stored);
            } else if !block.form.add_to(&mut builder, block.plain_bytes, &stored) {
                return Ok(None);
            }
        }
        if let Some((tree, at)) = placed_tree(&coding.pieces) {
            // Nothing but plain bytes is behind a tree.
            let Some(before) = at.checked_sub(end) else { return Ok(None) };
            builder.plain(before);
            builder.tree(&tree);
            end = at;
        }
        builder.plain(coding.plain_bytes().saturating_sub(end));
        Ok(Some(DiskCoding { pieces: builder.finish() }))
    }
}

impl BlockForm<'_> {
    /// Adds a block as it is. The result is `false` if its encoder is not known here.
    fn add_to(self, builder: &mut Builder, plain_bytes: u32, stored: &[u8]) -> bool {
        let known = |mut encoder| BlockEncoder::take(&mut encoder);
        match self {
            Self::Made(encoder) => known(encoder).map(|known| builder.block(known, plain_bytes, stored)).is_some(),
            Self::Corrected(encoder, corrections) => {
                let corrected = (stored.len() as u32, corrections.to_vec());
                known(encoder).map(|known| builder.corrected(known, plain_bytes, corrected)).is_some()
            }
            Self::Kept(coded) => {
                builder.kept(KeptBlock { plain_bytes, coded: coded.to_vec() });
                true
            }
        }
    }
}
