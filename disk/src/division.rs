//! A disk image, divided into pieces and stretches.

use std::fmt;

use crate::{HashTree, StretchList};

/// A disk image, divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    /// The format of the outermost file system or container.
    pub kind: DiskKind,
    /// The format with its own words about this image, for people: compressor, block size and the like. It has no
    /// control characters. If it is empty, the name of the kind stands for it.
    pub details: String,
    /// The image as it is stored, front to back, without a gap. Plain pieces never follow each other.
    pub pieces: Vec<StoredPiece>,
    /// The plain image, front to back, without a gap, as [`StretchList`](crate::StretchList) makes it.
    pub stretches: Vec<Stretch>,
    /// The files, by their numbers in [`StretchKind::File`].
    pub files: Vec<DiskFile>,
    /// The first rules by which the image is divided so.
    pub rules: DivisionRules,
    /// The tree that a piece in the form of one is.
    pub tree: Option<HashTree>,
}

/// The rules by which disk images are divided. Later ones divide more kinds of images, and those that earlier ones divide
/// as these do. docs/format/disk.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DivisionRules {
    /// Those of version 5 of the walking rules.
    V5,
    /// Those of version 6.
    V6,
}

impl DivisionRules {
    /// The rules of a version of the walking rules, if that version divides disk images.
    #[must_use]
    pub const fn of_version(version: u32) -> Option<Self> {
        match version {
            5 => Some(Self::V5),
            6 => Some(Self::V6),
            _ => None,
        }
    }

    /// The version of the walking rules.
    #[must_use]
    pub const fn version(self) -> u32 {
        match self {
            Self::V5 => 5,
            Self::V6 => 6,
        }
    }
}

impl Division {
    /// The number of bytes of the plain image.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.bytes).sum()
    }

    /// The division of an image that has this many bytes more at its end.
    pub(crate) fn with_tail(mut self, bytes: u64) -> Self {
        if bytes == 0 {
            return self;
        }
        match self.pieces.last_mut() {
            Some(last) if last.form == StoredForm::Plain => last.bytes += bytes,
            _ => self.pieces.push(StoredPiece { bytes, form: StoredForm::Plain }),
        }
        let mut list = StretchList::default();
        self.stretches.iter().for_each(|stretch| list.push(stretch.bytes, stretch.kind));
        list.push(bytes, StretchKind::System);
        Self { stretches: list.finish(), ..self }
    }

    /// Whether the image has compressed streams.
    #[must_use]
    pub fn has_streams(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece.form, StoredForm::Stream { .. }))
    }

    /// Whether the image has compressed blocks or streams, so that the plain image is another one than the image.
    #[must_use]
    pub fn has_blocks(&self) -> bool {
        self.pieces.iter().any(|piece| piece.form != StoredForm::Plain)
    }
}

/// A piece of the image as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPiece {
    /// Its bytes in the image, at least one.
    pub bytes: u64,
    /// What they are.
    pub form: StoredForm,
}

impl StoredPiece {
    /// Its bytes in the plain image.
    #[must_use]
    pub const fn plain_bytes(&self) -> u64 {
        match self.form {
            StoredForm::Plain => self.bytes,
            StoredForm::Block { plain_bytes, .. } | StoredForm::Filled { plain_bytes, .. } => plain_bytes as u64,
            StoredForm::Stream { plain_bytes, .. } => plain_bytes,
            StoredForm::HashTree => 0,
        }
    }

    /// The pieces of an image without compressed blocks, which is its own plain image.
    pub(crate) fn plain_image(bytes: u64) -> Vec<Self> {
        vec![Self { bytes, form: StoredForm::Plain }]
    }
}

/// The form in which a piece of an image is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredForm {
    /// The bytes are the plain image's.
    Plain,
    /// The bytes are one compressed block.
    Block {
        /// The way in which they are compressed.
        codec: BlockCodec,
        /// The number of bytes that they hold, at least one.
        plain_bytes: u32,
    },
    /// The bytes are one compressed block that was filled up: its encoder took as many plain bytes as go in, and looked at
    /// those behind them.
    Filled {
        /// The way in which they are compressed.
        codec: BlockCodec,
        /// The number of bytes that they hold, at least one.
        plain_bytes: u32,
        /// The number of bytes behind these in the plain image that the encoder may have looked at: the rest of the file, as
        /// far as it follows there.
        behind: u64,
    },
    /// The bytes are one compressed stream of any length.
    Stream {
        /// The way in which they are compressed.
        codec: StreamCodec,
        /// The number of bytes that they hold, at least one.
        plain_bytes: u64,
    },
    /// The bytes are the hash tree of all bytes before them, and the plain image has nothing in their place.
    HashTree,
}

impl StoredForm {
    /// The codec and the number of plain bytes, if this is a compressed block of either kind.
    #[must_use]
    pub const fn block(self) -> Option<(BlockCodec, u32)> {
        match self {
            Self::Plain | Self::Stream { .. } | Self::HashTree => None,
            Self::Block { codec, plain_bytes } | Self::Filled { codec, plain_bytes, .. } => Some((codec, plain_bytes)),
        }
    }
}

/// A format of compressed streams, which are read front to back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamCodec {
    /// A deflate stream (RFC 1951), with nothing around it.
    Deflate,
    /// A zstd frame (RFC 8878), with its header and its checksum.
    Zstd,
    /// The compressed data of a block of an .xz file, with nothing around it.
    Lzma2 {
        /// The size of the dictionary in bytes.
        dictionary_bytes: u32,
        /// The number of the filter for machine code in the .xz format, 0 for none.
        filter: u8,
    },
}

impl fmt::Display for StreamCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Lzma2 { .. } => "xz",
        })
    }
}

/// A format of compressed blocks, each of which stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BlockCodec {
    /// A zlib stream (RFC 1950).
    Zlib,
    /// A deflate stream (RFC 1951), with nothing around it.
    Deflate,
    /// A whole .xz file of one block.
    Xz,
    /// A whole zstd frame (RFC 8878).
    Zstd,
    /// An LZ4 block, with nothing around it. Zeros may stand before it, as in EROFS.
    Lz4,
    /// An LZO1X block.
    Lzo,
}

impl fmt::Display for BlockCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lz4 => "LZ4",
            Self::Lzo => "LZO",
        })
    }
}

/// A stretch of the plain image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its number of bytes.
    pub bytes: u64,
    /// What the bytes are.
    pub kind: StretchKind,
}

/// What the bytes of a stretch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StretchKind {
    /// Bytes of the file with this number, exactly: none of the bytes that fill up its last block. A file that lies in
    /// several places has several stretches.
    File(u32),
    /// Bytes of the file system itself, such as tables, directories and free room.
    System,
    /// Short bytes between files, such as the padding of a file's last block, or an archive's headers. They become
    /// literals of the skeleton, as those of a tar do.
    Skeleton,
}

/// A file of a disk image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskFile {
    /// The path, without a slash at its beginning, as the directories give it first. In an image with several file
    /// systems, it begins with the name of the partition.
    pub path: Vec<u8>,
    /// The number of its bytes, if its runs are known.
    pub bytes: u64,
    /// Where its bytes are, in the file's order. Holes have no run; they are zeros. If there are too many, or the format
    /// does not tell, there are none, although the file has bytes.
    pub runs: Vec<FileRun>,
}

/// Bytes of a file that follow each other in the plain image. They need not be a stretch: short ones are part of the
/// skeleton, and several files may have the same bytes of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileRun {
    /// Where they begin in the file.
    pub file_at: u64,
    /// Where they begin in the plain image.
    pub plain_at: u64,
    /// Their number, at least one.
    pub bytes: u64,
}

impl FileRun {
    /// Adds a run that follows those of a file, and joins it with the last one if nothing is between them.
    pub(crate) fn add(self, runs: &mut Vec<Self>) {
        match runs.last_mut() {
            _ if self.bytes == 0 => {}
            Some(last) if last.file_at + last.bytes == self.file_at && last.plain_at + last.bytes == self.plain_at => {
                last.bytes += self.bytes;
            }
            _ => runs.push(self),
        }
    }
}

/// The format of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskKind {
    /// squashfs 4.0.
    Squashfs,
    /// ext2, ext3 or ext4.
    Ext,
    /// EROFS.
    Erofs,
    /// FAT12, FAT16 or FAT32.
    Fat,
    /// A table of partitions, GPT or MBR.
    Partitions,
    /// A cpio archive in the "newc" form, as in an initramfs.
    Cpio,
    /// qcow2.
    Qcow2,
    /// btrfs.
    Btrfs,
    /// A tar, which is divided only where it is compressed as a whole.
    Tar,
    /// A Linux kernel that unpacks itself.
    Kernel,
    /// A compressed file that holds no known disk image.
    Compressed,
}

impl fmt::Display for DiskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Squashfs => "squashfs",
            Self::Ext => "ext4",
            Self::Erofs => "EROFS",
            Self::Fat => "FAT",
            Self::Partitions => "a partition table",
            Self::Cpio => "cpio",
            Self::Qcow2 => "qcow2",
            Self::Btrfs => "btrfs",
            Self::Tar => "a tar",
            Self::Kernel => "a Linux kernel",
            Self::Compressed => "a compressed file",
        })
    }
}
