//! The rest of a level in which the walk is lost: a block there is neither zero nor a header. By the rules that images are
//! made by, all of it is one opaque file. In a damaged tar, entries go on behind the damage; a seed's scan looks for them.

use super::{Piece, WalkSink, Walker, top};
use crate::header::{BLOCK, Header, is_zero};
use crate::level::Next;

/// Entries of at least this many bytes make it worth while to look for them.
const MIN_ENTRIES_BYTES: u64 = 256 << 10;
/// What a header begins with at [`MARK_AT`], be it POSIX's or GNU's. A block of other data has it rarely, and a sum that is right
/// next to never.
const MARK: &[u8] = b"ustar";
const MARK_AT: usize = 257;

/// What becomes of the rest of a level in which the walk is lost.
#[derive(Debug, Default)]
pub(super) enum Lost {
    /// It is one opaque file.
    #[default]
    Opaque,
    /// So it is, but entries in it are counted.
    Watched(Watch),
    /// It is an opaque file up to the next header, where the walk goes on.
    Searched,
}

/// Counts entries in an opaque file.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Bytes of the file so far.
    at: u64,
    /// Where the last header was, and where the next one is if that was one.
    last: u64,
    next: Option<u64>,
    /// Bytes of entries whose end was seen to be where the header says.
    entries_bytes: u64,
}

impl Lost {
    /// Begins with the rest of a level.
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
    /// Takes in the file's next bytes. A block that comes in two pieces is not looked at.
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

/// The header in a block that need not be one.
fn entry_header(block: &[u8; BLOCK]) -> Option<Header<'_>> {
    if block[MARK_AT..].starts_with(MARK) { Header::parse(block) } else { None }
}

impl Walker {
    /// Entries in opaque files are counted from now on.
    pub(crate) fn watch_lost(&mut self) {
        self.lost = Lost::Watched(Watch::default());
    }

    /// Where it is lost, it goes on at the next header from now on.
    pub(crate) fn search_lost(&mut self) {
        self.lost = Lost::Searched;
    }

    /// Whether opaque files were seen to hold many entries.
    pub(crate) fn has_lost_entries(&self) -> bool {
        matches!(&self.lost, Lost::Watched(watch) if watch.entries_bytes >= MIN_ENTRIES_BYTES)
    }

    /// Bytes of a file come, which may be an opaque one.
    pub(super) fn watch(&mut self, bytes: &[u8]) {
        if let Lost::Watched(watch) = &mut self.lost
            && let Next::File { size: u64::MAX, .. } = top!(self).next
        {
            watch.push(bytes);
        }
    }

    /// Looks for the next header, block by block. Takes what comes before it, nothing if it is there.
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

    /// A header is there: the opaque file ends.
    fn end_search(&mut self, sink: &mut impl WalkSink) {
        self.end_file(sink);
        top!(self).next = Next::Block { data_after_link: 0 };
    }
}
