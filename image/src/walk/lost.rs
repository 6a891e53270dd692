//! The rest of a level in which the walk is lost, because a block is neither zero nor a header. When an image is
//! made, all of that rest is one opaque file. In a damaged tar, entries go on behind the damage, and a seed's scan
//! searches for them.

use super::{Piece, WalkSink, Walker, top};
use crate::header::{BLOCK, TarHeader, is_zero};
use crate::level::Next;

/// The number of bytes in entries from which a search for them pays.
const MIN_ENTRIES_BYTES: u64 = 256 << 10;
/// The mark in a header at [`MARK_AT`], both in POSIX's and in GNU's form. A block of other data rarely has it, and
/// hardly ever has the right sum too.
const MARK: &[u8] = b"ustar";
const MARK_AT: usize = 257;

/// The treatment of the rest of a level in which the walk is lost.
#[derive(Debug, Default)]
pub(super) enum Lost {
    /// The rest is one opaque file.
    #[default]
    Opaque,
    /// The rest is one opaque file too, but entries in it are counted.
    Watched(Watch),
    /// The rest is an opaque file up to the next header, where the walk goes on.
    Searched,
}

/// Counts entries in an opaque file.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The number of bytes of the file so far.
    at: u64,
    /// The offset of the last header, and the offset at which the next one must be if that was a header.
    last: u64,
    next: Option<u64>,
    /// The number of bytes of entries that ended where their headers say.
    entries_bytes: u64,
}

impl Lost {
    /// Begins the rest of a level.
    pub(super) fn begin(&mut self) -> Next {
        match self {
            Self::Searched => return Next::Search,
            Self::Watched(watch) => (watch.at, watch.next) = (0, None),
            Self::Opaque => {}
        }
        Next::File { left: u64::MAX, size: u64::MAX }
    }
}

impl Watch {
    /// Takes in the file's next bytes. A block that comes in two pieces is ignored.
    fn push(&mut self, bytes: &[u8]) {
        let start = self.at.next_multiple_of(BLOCK as u64) - self.at;
        let blocks = bytes.get(start as usize..).unwrap_or_default().as_chunks::<BLOCK>().0;
        for (at, block) in (self.at + start..).step_by(BLOCK).zip(blocks) {
            let is_next = self.next == Some(at);
            let header = entry_header(block);
            if is_next && (header.is_some() || is_zero(block)) {
                self.entries_bytes += at - self.last;
            }
            if let Some(header) = header {
                self.last = at;
                let data = header.size().checked_next_multiple_of(BLOCK as u64);
                self.next = data.and_then(|data| data.checked_add(at + BLOCK as u64));
            }
        }
        self.at += bytes.len() as u64;
    }
}

/// The header in a block, if the block is one.
fn entry_header(block: &[u8; BLOCK]) -> Option<TarHeader<'_>> {
    if block[MARK_AT..].starts_with(MARK) { TarHeader::parse(block) } else { None }
}

impl Walker {
    /// Counts entries in opaque files from now on.
    pub(crate) fn watch_lost(&mut self) {
        self.lost = Lost::Watched(Watch::default());
    }

    /// Makes the walk go on at the next header whenever it is lost, from now on.
    pub(crate) fn search_lost(&mut self) {
        self.lost = Lost::Searched;
    }

    /// Whether opaque files turned out to hold many entries.
    pub(crate) fn has_lost_entries(&self) -> bool {
        matches!(&self.lost, Lost::Watched(watch) if watch.entries_bytes >= MIN_ENTRIES_BYTES)
    }

    /// Looks at bytes of a file, which may be an opaque one.
    pub(super) fn watch(&mut self, bytes: &[u8]) {
        if let Lost::Watched(watch) = &mut self.lost
            && let Next::File { size: u64::MAX, .. } = top!(self).next
        {
            watch.push(bytes);
        }
    }

    /// Searches for the next header, block by block. The bytes before it are taken. If it is the first block, none
    /// are.
    pub(super) fn search(&mut self, bytes: &[u8], at: usize, sink: &mut impl WalkSink) -> usize {
        let blocks = bytes.as_chunks::<BLOCK>().0;
        if self.held.is_empty() && !blocks.is_empty() {
            let taken = blocks.iter().take_while(|block| entry_header(block).is_none()).count() * BLOCK;
            if taken == 0 {
                self.end_search(sink);
            } else {
                sink.contents(Piece::InPushed(at..at + taken));
                self.take_file_bytes(taken as u64, sink);
            }
            return taken;
        }
        let taken = bytes.len().min(BLOCK - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        top!(self).take(taken as u64);
        if let Some(&block) = self.held.first_chunk::<BLOCK>() {
            self.held.clear();
            top!(self).give_back(BLOCK as u64);
            if entry_header(&block).is_some() {
                self.end_search(sink);
            }
            self.replay(&block, sink);
        }
        taken
    }

    /// Ends the opaque file, since a header was found.
    fn end_search(&mut self, sink: &mut impl WalkSink) {
        self.end_file(sink);
        top!(self).next = Next::Block { data_after_link: 0 };
    }
}
