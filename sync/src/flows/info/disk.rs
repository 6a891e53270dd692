//! The facts that an index tells about a disk image.

use regrow_index::{CodedStretch, DiskCoding, DiskPiece, Index};
use regrow_local::{block_encoder_name, stream_encoder_name};
use serde::Serialize;

/// The facts about a disk image. No signature covers them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskInfo {
    /// Whether the image is seen through, so that its files are known.
    pub divided: bool,
    /// The number of its files, 0 if it is not seen through.
    pub files: u64,
    /// The format with some details, or the reason why the image is not seen through.
    pub words: String,
    /// The image's compressed blocks, by what makes them. The head of an index alone may not tell them.
    pub blocks: Vec<BlocksInfo>,
}

/// The compressed blocks of a disk image that one encoder makes again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BlocksInfo {
    /// The encoder, with its version or level. `None` stands for blocks that no known encoder makes: the index has them as
    /// they are.
    pub encoder: Option<String>,
    /// The number of blocks.
    pub blocks: u64,
    /// The number of bytes that they hold.
    pub plain_bytes: u64,
    /// The number of bytes that they have in the image.
    pub bytes: u64,
    /// The number of blocks among them that the encoder only nearly makes, since another version of it or other options
    /// wrote them. The index corrects them.
    pub corrected: u64,
    /// The number of bytes of these corrections.
    pub corrections_bytes: u64,
}

impl DiskInfo {
    pub(crate) fn of(index: &Index) -> Option<Self> {
        let note = index.units.as_ref()?.disk.as_ref()?;
        let blocks = index.codings.iter().find_map(CodedStretch::disk).map_or_else(Vec::new, blocks_of);
        Some(Self { divided: note.is_divided, files: note.files, words: note.words.clone(), blocks })
    }
}

/// The blocks of a disk image by their encoders, in the order of the first of each.
pub(super) fn blocks_of(coding: &DiskCoding) -> Vec<BlocksInfo> {
    let mut found: Vec<BlocksInfo> = Vec::new();
    for piece in &coding.pieces {
        let Some(more) = blocks_of_piece(piece) else { continue };
        match found.iter_mut().find(|blocks| blocks.encoder == more.encoder) {
            Some(blocks) => blocks.add(&more),
            None => found.push(more),
        }
    }
    found
}

fn blocks_of_piece(piece: &DiskPiece) -> Option<BlocksInfo> {
    let name = |encoder: &[u8]| Some(block_encoder_name(encoder).unwrap_or_else(|| "not known here".to_owned()));
    let (plain_bytes, bytes) = (piece.plain_bytes(), piece.stored_bytes());
    let one = BlocksInfo { blocks: 1, plain_bytes, bytes, ..BlocksInfo::default() };
    match piece {
        DiskPiece::Plain(_) | DiskPiece::Held(_) | DiskPiece::HashTree(_) => None,
        DiskPiece::Run(run) => {
            let gaps_bytes = run.count.saturating_mul(run.gap_bytes.into());
            let plain_bytes = plain_bytes.saturating_sub(gaps_bytes);
            let (encoder, blocks) = (name(&run.encoder), run.count);
            Some(BlocksInfo { encoder, blocks, plain_bytes, bytes: run.coded_bytes, ..one })
        }
        DiskPiece::Filled(run) => {
            let gaps_bytes: u64 = run.groups.iter().map(|group| group.gap_bytes).sum();
            let plain_bytes = plain_bytes.saturating_sub(gaps_bytes);
            let (encoder, blocks) = (name(&run.encoder), run.count);
            Some(BlocksInfo { encoder, blocks, plain_bytes, bytes: run.coded_bytes, ..one })
        }
        DiskPiece::Corrected(block) => {
            let corrections_bytes = block.corrections.len() as u64;
            Some(BlocksInfo { encoder: name(&block.encoder), corrected: 1, corrections_bytes, ..one })
        }
        DiskPiece::Stream(stream) => {
            let encoder = Some(stream_encoder_name(stream).unwrap_or_else(|| "not known here".to_owned()));
            let corrections_bytes = stream.corrections.len() as u64;
            Some(BlocksInfo { encoder, corrected: u64::from(corrections_bytes > 0), corrections_bytes, ..one })
        }
        DiskPiece::Kept(_) => Some(one),
    }
}

impl BlocksInfo {
    fn add(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.plain_bytes = self.plain_bytes.saturating_add(other.plain_bytes);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.corrected += other.corrected;
        self.corrections_bytes = self.corrections_bytes.saturating_add(other.corrections_bytes);
    }
}
