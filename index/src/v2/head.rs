//! The head of an index: what the image is, and where the rest lies. docs/format/index-2.md, section 3.

use std::ops::Range;

use regrow_chunker::Digest;

use super::codings::decode_codings;
use super::entries::{decode_patches, decode_signatures, put_patches, put_signatures};
use super::{base_parts, disk_note};
use crate::check::check_coded_files;
use crate::coding::plain_image_bytes;
use crate::primitives::{CHECKSUM_BYTES, Sections, decode_store, end, put_section, start, take, take_array};
use crate::{
    AnnouncedPatch, Claims, CodedStretch, DiskNote, HEAD_BYTES, Index, IndexError, KeptEntries, MAGIC, MAX_INDEX_BYTES,
    Signature, Statement, Units, VERSION_1, VERSION_2, v1,
};

/// The largest size of a head's sections in bytes.
pub const MAX_HEAD_BYTES: usize = 256 << 10;
/// The most bytes of codings that a writer puts into the head.
const MAX_INLINE_BYTES: usize = 512;

const STATEMENT: u8 = 1;
const STORE: u8 = 2;
const BLOCKS: u8 = 3;
const CODINGS: u8 = 4;
const SIGNATURES: u8 = 128;
const PATCHES: u8 = 129;
const BASE_PARTS: u8 = 130;
const FILES: u8 = 131;
const DISK: u8 = 132;
const PIECES: u8 = 133;
/// The largest size in bytes of the section of the parts' files.
const MAX_FILES_BYTES: usize = 4 << 10;

/// The head of an index of version 2. It is complete in itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What the image is.
    pub statement: Statement,
    /// The store's location relative to the index (see [`Index::store`]).
    pub store: String,
    /// Signatures of the statement, at most [`crate::MAX_SIGNATURES`].
    pub signatures: Vec<Signature>,
    /// Patches to this image, at most [`crate::MAX_PATCHES`].
    pub patches: Vec<AnnouncedPatch>,
    /// The number of files of each part (see [`Units::files`]).
    files: Vec<u64>,
    /// The facts about a disk image (see [`Units::disk`]).
    disk: Option<DiskNote>,
    kept: KeptEntries,
    /// The codings that the head itself has, as they are. There may be kinds that this version does not know.
    inline_codings: Vec<u8>,
    codings_block: Option<Block>,
    recipe_block: Block,
    /// The size in bytes of the head in the file that it was read from.
    bytes: u64,
}

/// What the beginning of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadRead {
    /// The head goes on. This many bytes from the file's start are enough to read it, or to learn its size.
    NeedsMore(u64),
    /// The index has version 1, which has no head that is complete in itself. The whole file has this many bytes.
    Whole(u64),
    /// The head.
    Head(Box<Head>),
}

/// A block as a head names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    bytes: u64,
    hash: Digest,
}

impl Block {
    fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, hash: Digest::of(bytes) }
    }

    fn check(&self, bytes: &[u8]) -> Result<(), IndexError> {
        if bytes.len() as u64 == self.bytes && Digest::of(bytes) == self.hash {
            Ok(())
        } else {
            Err(IndexError::Damaged("a block is not the one that the head names"))
        }
    }
}

impl Head {
    /// Reads the head of the file that begins with these bytes.
    ///
    /// # Errors
    /// Each variant of [`IndexError`] is one cause. Bytes that end within the head are no error.
    pub fn decode(file: &[u8]) -> Result<HeadRead, IndexError> {
        if file.len() < HEAD_BYTES && (MAGIC.starts_with(file) || file.starts_with(&MAGIC)) {
            return Ok(HeadRead::NeedsMore(HEAD_BYTES as u64));
        }
        let (version, length) = start(file)?;
        if version == VERSION_1 {
            return Ok(HeadRead::Whole(v1::file_bytes(length)));
        }
        let bytes = head_bytes(length)?;
        let Some(head) = file.get(..bytes) else { return Ok(HeadRead::NeedsMore(bytes as u64)) };
        let (sealed, checksum) = head.split_at(bytes - CHECKSUM_BYTES);
        if blake3::hash(sealed).as_bytes() != checksum {
            return Err(IndexError::Damaged("checksum"));
        }
        let head = decode_sections(&sealed[HEAD_BYTES..], bytes as u64)?;
        Ok(HeadRead::Head(Box::new(head)))
    }

    /// Encodes the head. In a file, the bytes of its blocks follow.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut sections = Vec::new();
        put_section(&mut sections, STATEMENT, |out| out.extend(self.statement.encode()));
        put_section(&mut sections, STORE, |out| out.extend_from_slice(self.store.as_bytes()));
        put_section(&mut sections, BLOCKS, |out| {
            put_block(out, self.codings_block.as_ref());
            put_block(out, Some(&self.recipe_block));
        });
        if !self.inline_codings.is_empty() {
            put_section(&mut sections, CODINGS, |out| out.extend_from_slice(&self.inline_codings));
        }
        if !self.signatures.is_empty() || !self.kept.signatures.is_empty() {
            put_section(&mut sections, SIGNATURES, |out| put_signatures(out, &self.signatures, &self.kept.signatures));
        }
        let (patches, base_parts) = base_parts::encode(&self.patches, &self.statement.own_parts());
        if !patches.is_empty() || !self.kept.patches.is_empty() {
            put_section(&mut sections, PATCHES, |out| put_patches(out, patches, &self.kept.patches));
        }
        if let Some(section) = base_parts {
            put_section(&mut sections, BASE_PARTS, |out| out.extend(section));
        }
        let files = files_section(&self.files);
        if !files.is_empty() {
            put_section(&mut sections, FILES, |out| out.extend(files));
        }
        if let Some(disk) = &self.disk {
            put_section(&mut sections, DISK, |out| disk_note::put(out, disk));
            if let Some(pieces) = disk.pieces {
                put_section(&mut sections, PIECES, |out| disk_note::put_pieces(out, pieces));
            }
        }
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION_2.to_le_bytes());
        // A head over 4 GiB exceeds MAX_HEAD_BYTES too, and is refused when it is read.
        out.extend_from_slice(&u32::try_from(sections.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&sections);
        let checksum = blake3::hash(&out);
        out.extend_from_slice(checksum.as_bytes());
        out
    }

    /// The head of an index with this recipe block, and the codings block, which is empty if the head has the codings
    /// or there are none.
    pub(super) fn of(index: &Index, units: &Units, codings: Vec<u8>, recipe: &[u8]) -> (Self, Vec<u8>) {
        let is_inline = codings.len() <= MAX_INLINE_BYTES;
        let (inline_codings, block) = if is_inline { (codings, Vec::new()) } else { (Vec::new(), codings) };
        let mut head = Self {
            statement: Statement::of(index, units),
            store: index.store.clone(),
            signatures: units.signatures.clone(),
            patches: index.patches.clone(),
            files: units.files.clone(),
            disk: units.disk.clone(),
            kept: units.kept.clone(),
            inline_codings,
            codings_block: (!is_inline).then(|| Block::of(&block)),
            recipe_block: Block::of(recipe),
            bytes: 0,
        };
        head.bytes = head.encode().len() as u64;
        (head, block)
    }

    /// Changes the claims, and returns the number of signatures that were removed since they hold no longer.
    pub fn claim(&mut self, claims: Claims) -> usize {
        if claims == self.statement.claims {
            return 0;
        }
        self.statement.claims = claims;
        let removed = self.signatures.len() + self.kept.signatures.len();
        self.signatures.clear();
        self.kept.signatures.clear();
        removed
    }

    /// The number of files of each part, or nothing if they are not known (see [`Units::files`]).
    #[must_use]
    pub fn files(&self) -> &[u64] {
        &self.files
    }

    /// The facts about a disk image, as the maker states them (see [`Units::disk`]).
    #[must_use]
    pub fn disk(&self) -> Option<&DiskNote> {
        self.disk.as_ref()
    }

    pub(super) fn kept(&self) -> &KeptEntries {
        &self.kept
    }

    /// The place of the codings block in the file that the head was read from. It is empty if the image has no coded
    /// files, or if the head has the codings.
    #[must_use]
    pub fn codings_block(&self) -> Range<u64> {
        self.bytes..self.bytes + self.codings_block.map_or(0, |block| block.bytes)
    }

    /// The place of the recipe block in the file that the head was read from. The file ends with it.
    #[must_use]
    pub fn recipe_block(&self) -> Range<u64> {
        let start = self.codings_block().end;
        start..start + self.recipe_block.bytes
    }

    /// The recipes of the image's coded files. The block is that of [`Self::codings_block`], with no bytes if there is
    /// none.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if it is another block, [`IndexError::Unsupported`] or [`IndexError::UnknownKind`] if
    /// this version cannot use it, [`IndexError::Malformed`].
    pub fn codings(&self, block: &[u8]) -> Result<Vec<CodedStretch>, IndexError> {
        let codings = match &self.codings_block {
            Some(named) => named.check(block).and_then(|()| decode_codings(block))?,
            None if !block.is_empty() => return Err(IndexError::Damaged("a block that the head does not name")),
            None if self.inline_codings.is_empty() => Vec::new(),
            None => decode_codings(&self.inline_codings)?,
        };
        check_coded_files(self.statement.plain_bytes, codings.len())?;
        if plain_image_bytes(self.statement.image_bytes, &codings)? != self.statement.plain_bytes {
            return Err(IndexError::Malformed("the image's size and that of its plain image do not agree"));
        }
        Ok(codings)
    }

    pub(super) fn check_recipe_block(&self, block: &[u8]) -> Result<(), IndexError> {
        self.recipe_block.check(block)
    }
}

/// The size in bytes of the head whose sections have this length.
pub(crate) fn head_bytes(length: u32) -> Result<usize, IndexError> {
    if length as usize > MAX_HEAD_BYTES {
        return Err(IndexError::Damaged("length"));
    }
    Ok(HEAD_BYTES + length as usize + CHECKSUM_BYTES)
}

fn decode_sections(sections: &[u8], bytes: u64) -> Result<Head, IndexError> {
    let sections = Sections::read(sections, CODINGS)?;
    let (codings_block, recipe_block) = decode_blocks(sections.get(BLOCKS)?, bytes)?;
    let inline_codings = sections.find(CODINGS).unwrap_or_default();
    if sections.find(CODINGS).is_some() && (inline_codings.is_empty() || codings_block.is_some()) {
        return Err(IndexError::Malformed("codings that are empty, or stated twice"));
    }
    let signatures = decode_signatures(sections.find(SIGNATURES))?;
    let statement = Statement::decode(sections.get(STATEMENT)?)?;
    let mut patches = decode_patches(sections.find(PATCHES));
    if let Some(section) = sections.find(BASE_PARTS) {
        base_parts::decode(section, statement.own_parts(), &mut patches.known);
    }
    let files = sections.find(FILES).and_then(|section| decode_files(section, statement.parts.len()));
    let head = Head {
        files: files.unwrap_or_default(),
        disk: sections.find(DISK).and_then(|note| disk_note::decode(note, sections.find(PIECES))),
        statement,
        store: decode_store(sections.get(STORE)?)?,
        signatures: signatures.known,
        patches: patches.known,
        kept: KeptEntries { signatures: signatures.kept, patches: patches.kept },
        inline_codings: inline_codings.to_vec(),
        codings_block,
        recipe_block,
        bytes,
    };
    let has_codings = codings_block.is_some() || !inline_codings.is_empty();
    if !has_codings && head.statement.image_bytes != head.statement.plain_bytes {
        return Err(IndexError::Malformed("the image's size and that of its plain image do not agree"));
    }
    Ok(head)
}

/// The section of the parts' files. There is none if the numbers are not known, or take much room.
fn files_section(files: &[u64]) -> Vec<u8> {
    let mut section = Vec::new();
    files.iter().for_each(|&count| regrow_chunker::varint::put(&mut section, count));
    if section.len() > MAX_FILES_BYTES { Vec::new() } else { section }
}

/// Decodes the number of files of each part. The section is only a hint, so one that is malformed counts as none.
fn decode_files(mut section: &[u8], parts: usize) -> Option<Vec<u64>> {
    let is_small = section.len() <= MAX_FILES_BYTES;
    let files = (0..parts).map(|_| take(&mut section)).collect::<Result<Vec<u64>, _>>().ok()?;
    (is_small && section.is_empty()).then_some(files)
}

fn put_block(out: &mut Vec<u8>, block: Option<&Block>) {
    regrow_chunker::varint::put(out, block.map_or(0, |block| block.bytes));
    out.extend(block.iter().flat_map(|block| block.hash.as_bytes()));
}

/// Decodes the blocks behind a head of this many bytes.
fn decode_blocks(mut input: &[u8], bytes: u64) -> Result<(Option<Block>, Block), IndexError> {
    let (codings, recipe) = (take_block(&mut input)?, take_block(&mut input)?);
    end(input)?;
    let recipe = recipe.ok_or(IndexError::Malformed("no recipe block"))?;
    let codings_bytes = codings.map_or(0, |block: Block| block.bytes);
    let total = bytes.checked_add(codings_bytes).and_then(|bytes| bytes.checked_add(recipe.bytes));
    if total.is_none_or(|total| total > MAX_INDEX_BYTES) {
        return Err(IndexError::Malformed("an index of more than 64 MiB"));
    }
    Ok((codings, recipe))
}

fn take_block(input: &mut &[u8]) -> Result<Option<Block>, IndexError> {
    match take(input)? {
        0 => Ok(None),
        bytes => Ok(Some(Block { bytes, hash: Digest::from_bytes(take_array(input)?) })),
    }
}
