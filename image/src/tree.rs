//! A second pass over a skeleton stream: the paths of an image, and the places of their contents in the contents
//! stream.

use std::sync::Arc;

use regrow_chunker::{Digest, Params};

use crate::ops::{Op, OpDecoder, OpError, OpOrLiteral};
use crate::parts::WalkRules;
use crate::stated::Stated;
use crate::walk::{Entry, FileStart, Piece, WalkSink, Walker};

/// A tar within an image's tars. All of its entries share it, and so do the archives in it, since a path may have a
/// megabyte.
#[derive(Debug, PartialEq, Eq)]
pub struct Archive {
    /// The archive around it, unless that is the image itself.
    pub outer: Option<Arc<Archive>>,
    /// The archive's path, as the tar around it states it.
    pub path: Vec<u8>,
    /// The identity that archives of the same path share: a hash of all the paths.
    pub id: Digest,
}

impl Archive {
    /// Makes an archive of this path within another.
    #[must_use]
    pub fn new(outer: Option<Arc<Archive>>, path: Vec<u8>) -> Self {
        let mut hashed = outer.as_ref().map_or_else(Vec::new, |outer| outer.id.as_bytes().to_vec());
        hashed.extend_from_slice(&path);
        Self { outer, path, id: Digest::of(&hashed) }
    }

    /// The paths of the archives around this one, outermost first, then its own.
    #[must_use]
    pub fn paths(&self) -> Vec<&[u8]> {
        let mut paths: Vec<&[u8]> = std::iter::successors(Some(self), |archive| archive.outer.as_deref())
            .map(|archive| archive.path.as_slice())
            .collect();
        paths.reverse();
        paths
    }
}

/// An entry of an image's tars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The archive that the entry lies in, unless that is the image itself.
    pub archive: Option<Arc<Archive>>,
    /// The entry's path. It is `None` for an opaque part of the innermost archive, or of an image that is no tar.
    pub path: Option<Vec<u8>>,
    /// The header's type flag.
    pub type_flag: u8,
    /// The range of the entry's contents in the contents stream, in bytes. It is empty for entries without
    /// contents, and for nested tars.
    pub contents: std::ops::Range<u64>,
    /// The number of skeleton bytes since the entry before.
    pub skeleton_bytes: u64,
    /// What its headers state.
    pub stated: Stated,
    /// Whether the entry is a coded file. Its plain contents then come as entries of their own, with this one as
    /// their archive.
    pub is_coded: bool,
}

/// A receiver of the entries, each when it is complete.
pub trait TreeSink {
    /// Takes one entry, in the image's order. Opaque parts come with the type flag 0xff and the path of their
    /// archive.
    fn entry(&mut self, entry: TreeEntry);
}

impl<F: FnMut(TreeEntry)> TreeSink for F {
    fn entry(&mut self, entry: TreeEntry) {
        self(entry);
    }
}

/// Reads a skeleton stream in pieces and reports its entries. By default it follows [`WalkRules::V2`]. A skeleton
/// made by other rules may come out as opaque, but never as an error.
#[derive(Default)]
pub struct TreeWalker {
    decoder: OpDecoder,
    walker: Walker,
    /// Whether the image is divided, so that its literals are no headers.
    is_divided: bool,
    state: State,
}

impl TreeWalker {
    /// Makes a walker for the skeleton of an image that was cut by these rules with these parameters. By
    /// rules of which only the index of a divided image states ([`WalkRules::state_division`]), each contents operation is an entry without a
    /// path.
    #[must_use]
    pub fn new(rules: WalkRules, params: &Params) -> Self {
        let walker = match rules {
            WalkRules::V2 => Walker::default(),
            _ => Walker::default().finding_parts(params),
        };
        Self { walker, is_divided: rules.state_division(), ..Self::default() }
    }

    /// Takes in bytes of the skeleton stream.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl TreeSink) -> Result<(), OpError> {
        let Self { decoder, walker, is_divided, state } = self;
        let mut told = Telling { state, sink };
        decoder.push(bytes, |found| {
            match found {
                OpOrLiteral::Op(Op::Contents(len)) if *is_divided => {
                    told.begin(None, OPAQUE, Stated::default());
                    told.contents(Piece::Hole(len));
                }
                OpOrLiteral::Bytes(literal) if *is_divided => told.state.skeleton_bytes += literal.len() as u64,
                OpOrLiteral::Op(_) if *is_divided => {}
                OpOrLiteral::Op(Op::Contents(len)) => walker.skip(len, &mut told),
                OpOrLiteral::Op(Op::BeginCoded) => {
                    told.begin_coded();
                    walker.begin_coded(&mut told);
                }
                OpOrLiteral::Op(Op::EndCoded) => walker.end_coded(&mut told),
                OpOrLiteral::Op(Op::Literal(_)) => {}
                OpOrLiteral::Bytes(literal) => {
                    walker.push(literal, &mut told);
                }
            }
            Ok(())
        })
    }

    /// Ends the stream.
    pub fn finish(mut self, sink: &mut impl TreeSink) -> Result<(), OpError> {
        let mut told = Telling { state: &mut self.state, sink };
        self.walker.finish(&mut told);
        told.tell();
        self.decoder.finish()
    }
}

/// The type flag of bytes that are no entry of a tar.
const OPAQUE: u8 = 0xff;

/// The most skeleton bytes between two headers that are looked at: extension headers of 1 MiB each, with their padding.
const MAX_BETWEEN_BYTES: usize = 4 << 20;

#[derive(Default)]
struct State {
    /// The skeleton bytes since the last entry was begun: its header, padding, and the next one's extension headers.
    between: Vec<u8>,
    levels: Vec<Arc<Archive>>,
    current: Option<TreeEntry>,
    contents_at: u64,
    skeleton_bytes: u64,
}

struct Telling<'a, S: TreeSink> {
    state: &'a mut State,
    sink: &'a mut S,
}

impl<S: TreeSink> Telling<'_, S> {
    fn tell(&mut self) {
        if let Some(entry) = self.state.current.take() {
            self.sink.entry(entry);
        }
    }

    fn begin(&mut self, own_path: Option<Vec<u8>>, type_flag: u8, stated: Stated) {
        self.tell();
        let at = self.state.contents_at;
        let archive = self.state.levels.last().cloned();
        let skeleton_bytes = std::mem::take(&mut self.state.skeleton_bytes);
        self.state.current = Some(TreeEntry {
            archive,
            path: own_path,
            type_flag,
            contents: at..at,
            skeleton_bytes,
            stated,
            is_coded: false,
        });
    }

    /// Marks the present entry as a coded file. If there is none, the coded file is the image itself.
    fn begin_coded(&mut self) {
        if self.state.current.is_none() {
            self.begin(None, OPAQUE, Stated::default());
        }
        if let Some(entry) = &mut self.state.current {
            entry.is_coded = true;
        }
    }
}

impl<S: TreeSink> WalkSink for Telling<'_, S> {
    fn literal(&mut self, bytes: &[u8]) {
        self.state.skeleton_bytes += bytes.len() as u64;
        if self.state.between.len() + bytes.len() <= MAX_BETWEEN_BYTES {
            self.state.between.extend_from_slice(bytes);
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        let between = std::mem::take(&mut self.state.between);
        let stated = Stated::of(&entry.header, &between);
        self.begin(Some(entry.path().into_owned()), entry.header.type_flag(), stated);
        // Its memory is used again.
        self.state.between = between;
        self.state.between.clear();
    }

    fn begin_file(&mut self, start: FileStart) {
        if start.size.is_none() || self.state.current.is_none() {
            self.begin(None, OPAQUE, Stated::default());
        }
    }

    fn contents(&mut self, piece: Piece<'_>) {
        // In a wrong skeleton, literals may stand where a header promises contents. They are not part of the
        // contents stream.
        let Piece::Hole(bytes) = piece else { return };
        self.state.contents_at = self.state.contents_at.saturating_add(bytes);
        if let Some(entry) = &mut self.state.current {
            entry.contents.end = self.state.contents_at;
        }
    }

    fn end_file(&mut self) {}

    fn begin_level(&mut self) {
        let own = self.state.current.as_ref().and_then(|entry| entry.path.clone()).unwrap_or_default();
        let outer = self.state.levels.last().cloned();
        self.tell();
        self.state.levels.push(Arc::new(Archive::new(outer, own)));
    }

    fn end_level(&mut self) {
        self.tell();
        self.state.levels.pop();
    }
}
