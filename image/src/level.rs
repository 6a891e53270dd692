//! One nesting level of a walk: what the walker waits for there.

use crate::header::{BLOCK, Header, pax_size, pax_value};

/// Extension data of at most this many bytes is skeleton.
pub(crate) const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// The size of a level that ends where it is told to: the image itself, and a coded file's plain bytes.
pub(crate) const UNBOUNDED: u64 = u64::MAX;

/// What comes next in a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A block: a header, zeros, or something odd. `data_after_link` is the size of the link before it, whose data
    /// this may be.
    Block { data_after_link: u64 },
    /// A further block of an old GNU sparse header; then `data` bytes of a file.
    Sparse { data: u64 },
    /// The first bytes of an entry's data; `size` as declared.
    Data { size: u64 },
    /// Bytes of a file whose start was told; `left` of `size`.
    File { left: u64, size: u64 },
    /// Extension data, then padding.
    Extension { left: u64, size: u64 },
    /// Padding behind data.
    Padding { left: u64 },
}

/// A byte range that is walked as a tar.
#[derive(Debug)]
pub(crate) struct Level {
    /// Bytes of the level that are not taken yet; `u64::MAX` stands for an unknown end.
    pub(crate) left: u64,
    /// Its size in bytes where it is an entry of another level; `u64::MAX` if it has no end of its own.
    pub(crate) size: u64,
    pub(crate) next: Next,
    /// Nothing of it was looked at yet, and it need not be a tar: what is no header is no padding either.
    pub(crate) is_fresh: bool,
    /// A header was seen in it.
    pub(crate) is_tar: bool,
    /// Blocks of zeros since the last entry, as far as a byte counts them.
    pub(crate) zero_blocks: u8,
    /// An extension header was seen whose entry has not come yet.
    pub(crate) awaits_entry: bool,
    /// Data of the extension headers before the next entry.
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

    /// What a header makes of the level. Returns the entry's declared size and path if it is an entry of its own.
    pub(crate) fn take_header(&mut self, header: &Header<'_>) -> Option<(u64, Option<Vec<u8>>)> {
        let flag = header.type_flag();
        (self.is_tar, self.zero_blocks) = (true, 0);
        // A global header and a volume's label may be all that there is.
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

    /// Whether it ends where it is told to.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.size == UNBOUNDED
    }

    /// So many of its bytes are taken.
    pub(crate) fn take(&mut self, bytes: u64) {
        if !self.is_unbounded() {
            self.left = self.left.saturating_sub(bytes);
        }
    }

    /// So many of its bytes are to come again.
    pub(crate) fn give_back(&mut self, bytes: u64) {
        if !self.is_unbounded() {
            self.left += bytes;
        }
    }

    /// Takes in bytes of an extension's data.
    pub(crate) fn take_extension(&mut self, bytes: &[u8]) {
        self.extension.extend_from_slice(bytes);
    }

    /// The extension's data is complete: keeps what it says of the next entry.
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

    /// Padding behind `size` bytes of data.
    pub(crate) fn pad_after(&mut self, size: u64) {
        let over = size % BLOCK as u64;
        self.next = match over {
            0 => Next::Block { data_after_link: 0 },
            over => Next::Padding { left: BLOCK as u64 - over },
        };
    }
}
