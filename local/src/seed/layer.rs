//! A layer in the storage of an engine. It is read as if it were the only file of an archive, in which it is a part like
//! any other layer. Read alone, its own files would be the parts.

mod base64;
mod blob;
mod raw;
mod tar_split;

use std::fs::File;
use std::io;

pub(crate) use blob::{Blob, BlobForm};
pub(crate) use tar_split::{OpenFiles, SplitLayer};

/// The largest layer that is read, in bytes. Only the size of a layer of the new image is known before it is read.
pub(crate) const MAX_LAYER_BYTES: u64 = 64 << 30;
/// The bytes of the archive in front of the layer.
pub(super) const HEADER_BYTES: usize = 512;
/// The number of bytes that are read at a time.
pub(super) const READ_BYTES: usize = 1 << 20;

/// The place of a layer's bytes.
pub(crate) enum LayerData {
    /// They are a file, which may be compressed.
    Blob(Blob),
    /// They are headers and the files of a folder.
    Split(SplitLayer),
}

impl LayerData {
    /// The file whose state tells whether the layer has changed.
    pub(super) fn file(&self) -> &File {
        match self {
            Self::Blob(blob) => blob.file(),
            Self::Split(split) => split.file(),
        }
    }
}

/// A layer as the only file of an archive.
pub(crate) struct Layer {
    header: [u8; HEADER_BYTES],
    bytes: u64,
    data: LayerData,
}

impl Layer {
    /// Takes the place of a layer's bytes, and their number.
    pub(super) fn new(data: LayerData, bytes: u64) -> Self {
        Self { header: header(bytes), bytes, data }
    }

    /// The file whose state tells whether the layer has changed.
    pub(super) fn file(&self) -> &File {
        self.data.file()
    }

    /// Whether the files of the layer have the sizes that they should have.
    pub(super) fn is_there(&self) -> bool {
        match &self.data {
            LayerData::Blob(_) => true,
            LayerData::Split(split) => split.is_there(),
        }
    }

    /// The number of the layer's bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fills `out` with the archive's bytes from `at` on.
    pub(super) fn read_exact_at(&self, mut out: &mut [u8], mut at: u64) -> io::Result<()> {
        while !out.is_empty() {
            let (header, data) = (HEADER_BYTES as u64, HEADER_BYTES as u64 + self.bytes);
            let end = [header, data, u64::MAX].into_iter().find(|&end| at < end).unwrap_or(u64::MAX);
            let len = out.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let (now, rest) = out.split_at_mut(len);
            if end == header {
                now.copy_from_slice(&self.header[at as usize..at as usize + len]);
            } else if end == data {
                match &self.data {
                    LayerData::Blob(blob) => blob.read_exact_at(now, at - header)?,
                    LayerData::Split(split) => split.read_exact_at(now, at - header)?,
                }
            } else {
                now.fill(0);
            }
            (out, at) = (rest, at + len as u64);
        }
        Ok(())
    }
}

/// The header of an archive's file of this many bytes.
pub(super) fn header(bytes: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
    put(0, b"layer.tar");
    put(100, b"0000644\0");
    // The size in its binary form, which has room for any.
    put(124, &[0x80]);
    put(128, &bytes.to_be_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
