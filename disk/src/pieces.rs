//! The pieces of an image as it is stored, and where they lie in the plain image.

use crate::input::Input;
use crate::{BlockCodec, DiskError, StoredForm, StoredPiece};

/// A compressed block of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Block {
    /// Where it begins in the image.
    pub(crate) at: u64,
    /// The number of bytes that it has there.
    pub(crate) bytes: u64,
    /// The number of bytes that it holds.
    pub(crate) plain_bytes: u32,
}

/// The compressed blocks of an image, front to back.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// Each block, and where it begins in the plain image.
    blocks: Vec<(Block, u64)>,
    image_bytes: u64,
    plain_bytes: u64,
}

impl Blocks {
    /// Sorts blocks, which may be there several times. None may overlap another one.
    pub(crate) fn new(input: &Input<'_>, mut blocks: Vec<Block>) -> Result<Self, DiskError> {
        blocks.sort_unstable();
        blocks.dedup();
        let image_bytes = input.image.bytes();
        let (mut at, mut plain_at) = (0, 0u64);
        let mut placed = Vec::with_capacity(blocks.len());
        for block in blocks {
            let end = block.at.checked_add(block.bytes).filter(|&end| end <= image_bytes);
            let end = end.filter(|_| block.at >= at && block.bytes > 0 && block.plain_bytes > 0);
            let end = end.ok_or_else(|| input.damaged("compressed blocks that overlap"))?;
            plain_at = plain_at.saturating_add(block.at - at);
            placed.push((block, plain_at));
            plain_at = plain_at.saturating_add(block.plain_bytes.into());
            at = end;
        }
        let plain_bytes = plain_at.checked_add(image_bytes - at).filter(|&bytes| bytes <= u64::MAX / 4);
        let plain_bytes = plain_bytes.ok_or_else(|| input.damaged("the sizes of blocks"))?;
        Ok(Self { blocks: placed, image_bytes, plain_bytes })
    }

    /// The number of bytes of the plain image.
    pub(crate) fn plain_bytes(&self) -> u64 {
        self.plain_bytes
    }

    /// Where a place of the image that is in no block, or at a block's beginning, lies in the plain image.
    pub(crate) fn plain_at(&self, at: u64) -> u64 {
        let before = self.blocks.partition_point(|(block, _)| block.at <= at);
        match before.checked_sub(1).map(|last| self.blocks[last]) {
            None => at,
            Some((block, plain_at)) if block.at == at => plain_at,
            Some((block, plain_at)) => {
                plain_at + u64::from(block.plain_bytes) + at.saturating_sub(block.at + block.bytes)
            }
        }
    }

    /// The bytes of the block that begins at a place of the image, 0 if none does.
    pub(crate) fn stored_bytes(&self, at: u64) -> u64 {
        let found = self.blocks.binary_search_by_key(&at, |(block, _)| block.at);
        found.map_or(0, |number| self.blocks[number].0.bytes)
    }

    /// Whether plain bytes of the image are just that, with no block among them.
    pub(crate) fn is_plain(&self, at: u64, bytes: u64) -> bool {
        let before = self.blocks.partition_point(|(block, _)| block.at < at.saturating_add(bytes));
        before.checked_sub(1).is_none_or(|last| self.blocks[last].0.at + self.blocks[last].0.bytes <= at)
    }

    /// The image front to back.
    pub(crate) fn pieces(&self, codec: BlockCodec) -> Vec<StoredPiece> {
        let (mut pieces, mut at) = (Vec::new(), 0);
        let plain = |pieces: &mut Vec<StoredPiece>, bytes: u64| {
            pieces.extend((bytes > 0).then_some(StoredPiece { bytes, form: StoredForm::Plain }));
        };
        for &(block, _) in &self.blocks {
            plain(&mut pieces, block.at - at);
            let form = StoredForm::Block { codec, plain_bytes: block.plain_bytes };
            pieces.push(StoredPiece { bytes: block.bytes, form });
            at = block.at + block.bytes;
        }
        plain(&mut pieces, self.image_bytes - at);
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DiskKind;

    #[test]
    fn blocks_lie_in_the_plain_image() {
        let image = [0; 100];
        let image = image.as_slice();
        let input = Input::new(&image, DiskKind::Squashfs);
        let block = |at, bytes, plain_bytes| Block { at, bytes, plain_bytes };
        let blocks = Blocks::new(&input, vec![block(30, 10, 50), block(10, 20, 100), block(10, 20, 100)]);
        let blocks = blocks.expect("apart");
        assert_eq!([0, 10, 30, 40, 99].map(|at| blocks.plain_at(at)), [0, 10, 110, 160, 219]);
        assert_eq!(blocks.plain_bytes(), 220);
        assert!(
            blocks.is_plain(40, 60) && blocks.is_plain(0, 10) && !blocks.is_plain(39, 2) && !blocks.is_plain(0, 11)
        );
        let pieces: Vec<_> = blocks.pieces(BlockCodec::Zlib).iter().map(|piece| piece.bytes).collect();
        assert_eq!(pieces, [10, 20, 10, 60]);
        for wrong in
            [vec![block(10, 20, 9), block(29, 1, 9)], vec![block(10, 20, 9), block(10, 20, 8)], vec![block(90, 11, 9)]]
        {
            assert!(Blocks::new(&input, wrong).is_err());
        }
    }
}
