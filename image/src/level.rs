//! One nesting level of a walk, and what the walker expects there next.

use crate::header::{BLOCK, TarHeader, pax_size, pax_value};

/// The largest size of extension data in bytes that counts as skeleton.
pub(crate) const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// The size of a level that ends when the walker is told so: the image itself, and a coded file's plain bytes.
pub(crate) const UNBOUNDED: u64 = u64::MAX;

/// The next thing in a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A block: a header, zeros, or something odd. `data_after_link` is the size of the link before it, because
    /// this may be the link's data.
    Block { data_after_link: u64 },
    /// A further block of an old GNU sparse header. After it come `data` bytes of a file.
    Sparse { data: u64 },
    /// The first bytes of an entry's data. `size` is as declared.
    Data { size: u64 },
    /// Bytes of a file whose start was reported: `left` of `size`.
    File { left: u64, size: u64 },
    /// The rest of the level, in which the next header is looked for.
    Search,
    /// Extension data, then padding.
    Extension { left: u64, size: u64 },
    /// Padding behind data.
    Padding { left: u64 },
}

/// A byte range that is walked as a tar.
#[derive(Debug)]
pub(crate) struct Level {
    /// The number of bytes of the level that are not taken yet; `u64::MAX` if the end is unknown.
    pub(crate) left: u64,
    /// The level's size in bytes if it is an entry of another level; `u64::MAX` if it has no end of its own.
    pub(crate) size: u64,
    pub(crate) next: Next,
    /// Whether nothing of the level was looked at yet. It need not be a tar, so bytes that are no header are not
    /// padding either.
    pub(crate) is_fresh: bool,
    /// Whether a header was seen in the level.
    pub(crate) is_tar: bool,
    /// The number of zero blocks since the last entry, as far as a byte can count them.
    pub(crate) zero_blocks: u8,
    /// Whether an extension header was seen whose entry has not come yet.
    pub(crate) awaits_entry: bool,
    /// The data of the extension headers before the next entry.
    extension: Vec<u8>,
    extension_flag: u8,
    pax_bytes: Option<u64>,
    path: Option<Vec<u8>>,
}

impl Level {
    pub(crate) fn new(size: u64) -> Self {
        Self {
            left: size,
            size,
            next: Next::Block { data_after_link: 0 },
            is_fresh: size == UNBOUNDED,
            is_tar: false,
            zero_blocks: 0,
            awaits_entry: false,
            extension: Vec::new(),
            extension_flag: 0,
            pax_bytes: None,
            path: None,
        }
    }

    /// Takes in a header. Returns the entry's declared size and path, if the header begins an entry of its own.
    pub(crate) fn take_header(&mut self, header: &TarHeader<'_>) -> Option<(u64, Option<Vec<u8>>)> {
        let flag = header.type_flag();
        (self.is_tar, self.zero_blocks) = (true, 0);
        // A global header or the label of a volume may come last, without an entry.
        self.awaits_entry = matches!(flag, b'x' | b'L' | b'K' | b'X');
        if matches!(flag, b'x' | b'g' | b'L' | b'K' | b'X' | b'V') {
            self.next = match header.size() {
                0 => Next::Block { data_after_link: 0 },
                size if size <= MAX_EXTENSION_BYTES => {
                    self.extension.clear();
                    self.extension_flag = flag;
                    Next::Extension { left: size, size }
                }
                size => Next::Data { size },
            };
            return None;
        }
        let size = self.pax_bytes.take().unwrap_or_else(|| header.size());
        self.next = match flag {
            _ if size == 0 => Next::Block { data_after_link: 0 },
            b'1'..=b'6' => Next::Block { data_after_link: size },
            b'S' if header.is_extended_sparse() => Next::Sparse { data: size },
            _ => Next::Data { size },
        };
        Some((size, self.path.take()))
    }

    /// Whether the level ends only when the walker is told so.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.size == UNBOUNDED
    }

    /// Notes that this many bytes of the level were taken.
    pub(crate) fn take(&mut self, bytes: u64) {
        if !self.is_unbounded() {
            self.left = self.left.saturating_sub(bytes);
        }
    }

    /// Notes that this many bytes of the level will come again.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        if !self.is_unbounded() {
            self.left += bytes;
        }
    }

    /// Takes in bytes of an extension's data.
    pub(crate) fn take_extension(&mut self, bytes: &[u8]) {
        self.extension.extend_from_slice(bytes);
    }

    /// Ends the extension's data, and keeps what it says about the next entry.
    pub(crate) fn finish_extension(&mut self) {
        match self.extension_flag {
            b'x' => {
                self.pax_bytes = pax_size(&self.extension).or(self.pax_bytes);
                let path =
                    pax_value(&self.extension, b"GNU.sparse.name").or_else(|| pax_value(&self.extension, b"path"));
                self.path = path.map(<[u8]>::to_vec).or_else(|| self.path.take());
            }
            b'L' => {
                let end = self.extension.iter().position(|&byte| byte == 0).unwrap_or(self.extension.len());
                self.path = Some(self.extension[..end].to_vec());
            }
            _ => {}
        }
    }

    /// Expects the padding behind `size` bytes of data.
    pub(crate) fn pad_after(&mut self, size: u64) {
        let over = size % BLOCK as u64;
        self.next = match over {
            0 => Next::Block { data_after_link: 0 },
            over => Next::Padding { left: BLOCK as u64 - over },
        };
    }
}
