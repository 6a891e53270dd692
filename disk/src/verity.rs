//! The hash tree of dm-verity behind a squashfs, as in a bundle of RAUC. It follows from the blocks before it and from a
//! salt, which the signed manifest behind it states. docs/format/disk.md, section 15.

#[cfg(test)]
mod tests;

use std::io;

use sha2::{Digest, Sha256};

use crate::{DiskError, Division, DivisionRules, ReadAt, StoredForm, StoredPiece, StretchKind, StretchList};

/// The bytes of a block, of data or of the tree.
const BLOCK_BYTES: usize = 4096;
/// The bytes of a hash, and the number of them in a block.
const HASH_BYTES: usize = 32;
const HASHES_EACH: u64 = (BLOCK_BYTES / HASH_BYTES) as u64;
/// The most bytes of a salt.
const MAX_SALT_BYTES: usize = 32;
/// The most blocks of data. Their hashes take 16 MiB of memory.
const MAX_DATA_BLOCKS: u64 = 1 << 19;
/// The bytes at the end of a bundle that state the size of its signature, and the most that it has.
const SIZE_BYTES: usize = 8;
const MAX_SIGNATURE_BYTES: u64 = 1 << 20;
/// What stands before the salt, and before the size of the tree, in the manifest.
const SALT: &[u8] = b"verity-salt=";
const TREE_SIZE: &[u8] = b"verity-size=";
/// The bytes that are read at a time.
const READ_BYTES: usize = 64 * BLOCK_BYTES;

/// The tree of hashes of all blocks from the beginning of an image on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTree {
    /// What is hashed before each block.
    pub salt: Vec<u8>,
    /// The number of blocks of data.
    pub data_blocks: u64,
}

impl HashTree {
    /// The bytes of the data.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data_blocks.saturating_mul(BLOCK_BYTES as u64)
    }

    /// The bytes of the tree, unless the number of blocks is too large or too small for one.
    #[must_use]
    pub fn tree_bytes(&self) -> Option<u64> {
        let is_known = (2..=MAX_DATA_BLOCKS).contains(&self.data_blocks) && self.salt.len() <= MAX_SALT_BYTES;
        let levels =
            std::iter::successors(Some(self.data_blocks), |&blocks| (blocks > 1).then(|| blocks.div_ceil(HASHES_EACH)));
        is_known.then(|| levels.skip(1).sum::<u64>() * BLOCK_BYTES as u64)
    }
}

/// Computes a tree from the data, which arrives in pieces of any size.
#[derive(Debug)]
pub struct TreeHasher {
    salt: Vec<u8>,
    /// The blocks of data that are still to come.
    left: u64,
    /// The hash of a block that has begun, and the bytes that it lacks.
    block: Option<(Sha256, usize)>,
    hashes: Vec<u8>,
}

impl TreeHasher {
    /// Begins. `None` stands for a tree that is not computed here.
    #[must_use]
    pub fn new(tree: &HashTree) -> Option<Self> {
        tree.tree_bytes()?;
        let (salt, left, block) = (tree.salt.clone(), tree.data_blocks, None);
        Some(Self { salt, left, block, hashes: Vec::new() })
    }

    /// Takes in the next bytes of the image. Those behind the data are passed over.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.left > 0 {
            let salt = &self.salt;
            let begin = || (Sha256::new_with_prefix(salt), BLOCK_BYTES);
            let (hash, lacking) = self.block.get_or_insert_with(begin);
            let (now, rest) = bytes.split_at(bytes.len().min(*lacking));
            hash.update(now);
            (bytes, *lacking) = (rest, *lacking - now.len());
            if let Some((hash, _)) = self.block.take_if(|(_, lacking)| *lacking == 0) {
                self.hashes.extend_from_slice(&hash.finalize());
                self.left -= 1;
            }
        }
    }

    /// The tree, with the level of one block first; `None` if data is missing.
    #[must_use]
    pub fn finish(self) -> Option<Vec<u8>> {
        if self.left > 0 {
            return None;
        }
        let (mut levels, mut hashes) = (Vec::new(), self.hashes);
        loop {
            hashes.resize(hashes.len().next_multiple_of(BLOCK_BYTES), 0);
            let is_root = hashes.len() == BLOCK_BYTES;
            let above = hashes.chunks(BLOCK_BYTES).flat_map(|block| salted(&self.salt, block));
            let next = if is_root { Vec::new() } else { above.collect() };
            levels.push(std::mem::replace(&mut hashes, next));
            if is_root {
                break;
            }
        }
        levels.reverse();
        Some(levels.concat())
    }
}

fn salted(salt: &[u8], block: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::new_with_prefix(salt).chain_update(block).finalize().into()
}

/// Takes the tree out of the division of a squashfs, if the image is a bundle with one. The tree is looked for where the
/// bundle says, and believed once it was computed.
pub(crate) fn without_tree(image: &dyn ReadAt, division: Division) -> Result<Division, DiskError> {
    let known = image.hash_tree();
    let Some(tree) = (if known.is_some() { known } else { stated(image)? }) else { return Ok(division) };
    let Some(bytes) = tree.tree_bytes() else { return Ok(division) };
    let behind = tree.data_bytes().checked_add(bytes).and_then(|end| image.bytes().checked_sub(end));
    // All of it, and what is behind it, must belong to nobody.
    let (Some(behind), Some(piece), Some(stretch)) = (behind, division.pieces.last(), division.stretches.last()) else {
        return Ok(division);
    };
    let is_free = piece.form == StoredForm::Plain
        && stretch.kind == StretchKind::System
        && piece.bytes.min(stretch.bytes) > bytes + behind;
    if !is_free || behind == 0 || image.hash_tree().is_none() && !is_right(image, &tree)? {
        return Ok(division);
    }
    Ok(taken_out(division, tree, (bytes, behind)))
}

/// The division without a tree of some bytes, behind which there are others.
fn taken_out(mut division: Division, tree: HashTree, (bytes, behind): (u64, u64)) -> Division {
    let plain = |bytes| StoredPiece { bytes, form: StoredForm::Plain };
    let last = division.pieces.pop().map_or(0, |piece| piece.bytes);
    let parts = [plain(last - bytes - behind), StoredPiece { bytes, form: StoredForm::HashTree }, plain(behind)];
    division.pieces.extend(parts);
    if let Some(stretch) = division.stretches.last_mut() {
        stretch.bytes -= bytes;
    }
    let mut list = StretchList::default();
    division.stretches.iter().for_each(|stretch| list.push(stretch.bytes, stretch.kind));
    division.details += "; a hash tree of dm-verity";
    let rules = division.rules.max(DivisionRules::V6);
    Division { stretches: list.finish(), tree: Some(tree), rules, ..division }
}

/// The tree that the manifest in the signature behind an image states.
fn stated(image: &dyn ReadAt) -> Result<Option<HashTree>, DiskError> {
    let mut size = [0; SIZE_BYTES];
    let Some(size_at) = image.bytes().checked_sub(SIZE_BYTES as u64) else { return Ok(None) };
    image.read_exact_at(&mut size, size_at)?;
    let bytes = u64::from_be_bytes(size);
    let Some(signature_at) = size_at.checked_sub(bytes).filter(|_| (1..=MAX_SIGNATURE_BYTES).contains(&bytes)) else {
        return Ok(None);
    };
    let mut signature = vec![0; bytes as usize];
    image.read_exact_at(&mut signature, signature_at)?;
    let Some((salt, tree_bytes)) = salt_of(&signature).zip(tree_size_of(&signature)) else { return Ok(None) };
    let Some(data_bytes) = signature_at.checked_sub(tree_bytes) else { return Ok(None) };
    let tree = HashTree { salt, data_blocks: data_bytes / BLOCK_BYTES as u64 };
    Ok(Some(tree).filter(|tree| tree.data_bytes() == data_bytes && tree.tree_bytes() == Some(tree_bytes)))
}

/// What stands behind a name, up to a byte that does not fit.
fn value<'s>(signature: &'s [u8], name: &[u8], fits: impl Fn(&u8) -> bool) -> Option<&'s [u8]> {
    let at = signature.windows(name.len()).position(|found| found == name)? + name.len();
    let rest = &signature[at..];
    Some(&rest[..rest.iter().position(|byte| !fits(byte)).unwrap_or(rest.len())])
}

fn salt_of(signature: &[u8]) -> Option<Vec<u8>> {
    let digits = std::str::from_utf8(value(signature, SALT, u8::is_ascii_hexdigit)?).ok()?;
    let fits = digits.len() % 2 == 0 && digits.len() <= 2 * MAX_SALT_BYTES;
    let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    fits.then(|| (0..digits.len()).step_by(2).map(byte).collect()).flatten()
}

fn tree_size_of(signature: &[u8]) -> Option<u64> {
    std::str::from_utf8(value(signature, TREE_SIZE, u8::is_ascii_digit)?).ok()?.parse().ok()
}

/// Whether a tree is the one that lies behind its data.
fn is_right(image: &dyn ReadAt, tree: &HashTree) -> io::Result<bool> {
    let Some(mut hasher) = TreeHasher::new(tree) else { return Ok(false) };
    let (mut at, end, mut buffer) = (0, tree.data_bytes(), vec![0; READ_BYTES]);
    while at < end {
        let now = READ_BYTES.min(usize::try_from(end - at).unwrap_or(usize::MAX));
        image.read_exact_at(&mut buffer[..now], at)?;
        hasher.push(&buffer[..now]);
        at += now as u64;
    }
    let made = hasher.finish().unwrap_or_default();
    for piece in made.chunks(READ_BYTES) {
        image.read_exact_at(&mut buffer[..piece.len()], at)?;
        if buffer[..piece.len()] != *piece {
            return Ok(false);
        }
        at += piece.len() as u64;
    }
    Ok(!made.is_empty())
}
