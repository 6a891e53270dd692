//! Remembers an image that was made.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;

use regrow_chunker::PartKind;
use regrow_image::{ImagePart, WalkRules};
use regrow_index::Statement;

use super::entries::{self, EntryKind, FoundEntry, SkeletonReader};
use super::file::{self, MAX_PATH_BYTES, MAX_RAW_BYTES, PartWriter};
use super::hidden::hidden;
use super::{ENDING, IMAGE, Keep, MAX_BYTES, Memory, NEW, PartFile, Variant};
use crate::engine::{MAX_DOCUMENT_BYTES, diff_ids_of, to_hex};

/// The most bytes of files that an unpacked image lacks, which are kept for an image.
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// Replaces the contents of a buffer by this range of the plain image.
pub type PlainReader<'r> = &'r dyn Fn(Range<u64>, &mut Vec<u8>) -> io::Result<()>;

/// An image that was made.
pub struct MadeImage<'a> {
    /// What it is.
    pub statement: Statement,
    /// Its parts, in the order of the statement.
    pub parts: &'a [ImagePart],
    /// Reads its skeleton.
    pub skeleton: SkeletonReader<'a>,
    /// Reads bytes of the plain image. Those of a file need not be there.
    pub read: PlainReader<'a>,
}

impl Memory {
    /// Remembers an image, and forgets the oldest if the folder gets too large. What is remembered already stays.
    ///
    /// # Errors
    /// A file operation failed. Nothing that is not whole is left under a name that counts.
    pub fn remember(&self, image: &MadeImage<'_>) -> io::Result<()> {
        // A disk image that is divided is one part of the kind of tars, but has no entries.
        let is_divided = WalkRules::of_version(image.statement.walk_version).is_some_and(WalkRules::state_division);
        let has_layers = image.parts.iter().any(is_tar) && !is_divided;
        if image.parts.len() != image.statement.parts.len() || !has_layers {
            return Ok(());
        }
        let units = image.statement.parts.iter().map(|part| &part.unit).chain([&image.statement.wrapper]);
        let bytes = units.map(|unit| unit.skeleton_bytes).sum();
        let found = entries::find((image.skeleton, bytes), image.parts)?;
        let mut kept = kept(image, &found.parts, chains(image, &found.outer));
        // Other runs of this user wait here. On a file system without locks they do not.
        let lock = self.place.as_file()?;
        let _ = lock.lock();
        let mut variants = vec![Variant::default(); image.parts.len()];
        for (number, part) in image.parts.iter().enumerate().filter(|(_, part)| is_tar(part)) {
            let kept = std::mem::take(&mut kept[number]);
            let described = PartFile { name: *image.statement.parts[number].name.as_bytes(), variant: variant(&kept) };
            if !self.open_part(&described).is_ok_and(file::is_part) {
                self.replace(&described.file_name(), &mut |file| {
                    write_part(file, image, part, &described, (&found.parts[number], &kept))
                })?;
            }
            variants[number] = described.variant;
        }
        let name = format!("{IMAGE}{}{ENDING}", to_hex(image.statement.image_id().as_bytes()));
        let text = file::encode_image(&image.statement, &variants);
        self.replace(name.as_ref(), &mut |mut file| file.write_all(&text))?;
        self.place.sync()?;
        self.forget(Keep { bytes: MAX_BYTES, images: usize::MAX }).map(drop)
    }

    /// Puts a new file in the place of one. A power cut leaves the old one or the new one.
    fn replace(&self, name: &std::ffi::OsStr, write: &mut dyn FnMut(&File) -> io::Result<()>) -> io::Result<()> {
        let new = NEW.as_ref();
        self.place.remove_file(new)?;
        let file = self.place.new_file(new)?;
        let written = write(&file).and_then(|()| file.sync_all()).and_then(|()| self.place.rename(new, name));
        written.inspect_err(|_| drop(self.place.remove_file(new)))
    }
}

fn is_tar(part: &ImagePart) -> bool {
    part.kind == PartKind::Tar
}

/// The orders in which the image's parts are unpacked over one another, by their numbers. A part that no configuration
/// names is unpacked alone.
fn chains(image: &MadeImage<'_>, outer: &[FoundEntry]) -> Vec<Vec<usize>> {
    let (mut chains, mut document) = (Vec::new(), Vec::new());
    let number = |name: &[u8; 32]| image.statement.parts.iter().position(|part| part.name.as_bytes() == name);
    for entry in outer.iter().filter(|entry| (2..=MAX_DOCUMENT_BYTES).contains(&(entry.data.end - entry.data.start))) {
        // The first byte tells most other files.
        let start = entry.data.start;
        let is_object = (image.read)(start..start + 1, &mut document).is_ok() && document == b"{";
        if is_object && (image.read)(entry.data.clone(), &mut document).is_ok() {
            let layers = diff_ids_of(&document).unwrap_or_default();
            chains.push(layers.iter().filter_map(number).collect::<Vec<usize>>());
        }
    }
    let alone = (0..image.parts.len()).filter(|part| !chains.iter().any(|chain: &Vec<usize>| chain.contains(part)));
    let alone: Vec<usize> = alone.collect();
    chains.extend(alone.into_iter().map(|part| vec![part]));
    chains
}

/// The numbers of each part's entries of which the bytes are kept, as many as there may be: those that an unpacked image
/// lacks.
fn kept(image: &MadeImage<'_>, found: &[Vec<FoundEntry>], chains: Vec<Vec<usize>>) -> Vec<Vec<u32>> {
    let mut kept: Vec<Vec<u32>> = found.iter().map(|entries| opaque(entries)).collect();
    for chain in chains {
        let layers: Vec<&[FoundEntry]> = chain.iter().map(|&part| &found[part][..]).collect();
        for (layer, entry) in hidden(&layers) {
            kept[chain[layer]].push(entry as u32);
        }
    }
    for (kept, entries) in kept.iter_mut().zip(found) {
        kept.retain(|&entry| !entries[entry as usize].data.is_empty());
        kept.sort_unstable();
        kept.dedup();
    }
    // A part without one of its files is no base, so small losses are made good first.
    let bytes = |part: usize| -> u64 {
        let data = |&entry: &u32| found[part][entry as usize].data.clone();
        kept[part].iter().map(data).map(|data| data.end - data.start).sum()
    };
    let mut by_bytes: Vec<(u64, usize)> = (0..image.parts.len()).map(|part| (bytes(part), part)).collect();
    by_bytes.sort_unstable();
    let mut left = MAX_KEPT_BYTES;
    for (bytes, part) in by_bytes {
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => kept[part].clear(),
        }
    }
    kept
}

fn opaque(entries: &[FoundEntry]) -> Vec<u32> {
    let is_kept = |entry: &FoundEntry| entry.kind == EntryKind::Opaque || entry.path.len() > MAX_PATH_BYTES;
    (0..).zip(entries).filter(|(_, entry)| is_kept(entry)).map(|(number, _)| number).collect()
}

/// The name of the description in which these files are kept.
fn variant(kept: &[u32]) -> Variant {
    let mut hasher = blake3::Hasher::new();
    for number in kept {
        hasher.update(&number.to_le_bytes());
    }
    let mut variant = Variant::default();
    variant.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    variant
}

/// Describes a part.
fn write_part(
    file: &File,
    image: &MadeImage<'_>,
    part: &ImagePart,
    described: &PartFile,
    (entries, kept): (&[FoundEntry], &[u32]),
) -> io::Result<()> {
    let mut writer = PartWriter::new(file, &described.name, part.plain.end - part.plain.start)?;
    let (mut at, mut buffer) = (part.plain.start, Vec::new());
    let mut raw = |writer: &mut PartWriter<'_>, bytes: Range<u64>| {
        let mut at = bytes.start;
        while at < bytes.end {
            let end = bytes.end.min(at + MAX_RAW_BYTES as u64);
            (image.read)(at..end, &mut buffer)?;
            writer.raw(&buffer)?;
            at = end;
        }
        Ok::<(), io::Error>(())
    };
    for (number, FoundEntry { path, data, .. }) in (0u32..).zip(entries) {
        if !data.is_empty() && path.len() <= MAX_PATH_BYTES && kept.binary_search(&number).is_err() {
            raw(&mut writer, at..data.start)?;
            writer.file(path, data.end - data.start)?;
            at = data.end;
        }
    }
    raw(&mut writer, at..part.plain.end)?;
    writer.finish()
}
