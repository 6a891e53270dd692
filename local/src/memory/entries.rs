//! The files of an image's layers, and their places in the plain image, found by walking its skeleton once more.

use std::io;
use std::ops::Range;

use regrow_chunker::PartKind;
use regrow_image::{Entry, FileStart, ImagePart, Op, OpDecoder, OpError, OpOrLiteral, Piece, WalkSink, Walker};

/// The kind of an entry, as far as it decides what hides what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A folder.
    Folder,
    /// A symbolic link, and where it leads.
    Link(Vec<u8>),
    /// A file whose bytes in the tar are not those of the file that is unpacked, or that has no path.
    Opaque,
    /// Anything else.
    File,
}

/// An entry of a tar.
#[derive(Debug, Clone)]
pub(super) struct FoundEntry {
    /// The path, as the tar states it.
    pub(super) path: Vec<u8>,
    pub(super) kind: EntryKind,
    /// The place of the entry's data in the plain image.
    pub(super) data: Range<u64>,
}

/// The entries of an image.
#[derive(Default)]
pub(super) struct FoundEntries {
    /// The entries of the outermost tar.
    pub(super) outer: Vec<FoundEntry>,
    /// The entries of each part that is a tar. Other parts have none.
    pub(super) parts: Vec<Vec<FoundEntry>>,
}

/// Reads bytes of an image's skeleton stream.
pub type SkeletonReader<'r> = &'r dyn Fn(u64, &mut [u8]) -> io::Result<()>;

/// The number of bytes of the skeleton that are read at a time.
const READ_BYTES: u64 = 256 << 10;

/// Walks the skeleton, of this many bytes, of an image that has these parts.
pub(super) fn find((skeleton, bytes): (SkeletonReader<'_>, u64), parts: &[ImagePart]) -> io::Result<FoundEntries> {
    let is_first = |part: &ImagePart| part.kind == PartKind::Tar && part.plain.start == 0;
    let mut finder = Finder {
        parts,
        part: parts.first().filter(|part| is_first(part)).map(|_| (0, 0)),
        depth: 0,
        at: 0,
        begun: 0,
        found: FoundEntries { outer: Vec::new(), parts: vec![Vec::new(); parts.len()] },
    };
    let (mut decoder, mut walker) = (OpDecoder::default(), Walker::default());
    let mut buffer = Vec::new();
    for at in (0..bytes).step_by(READ_BYTES as usize) {
        buffer.resize(READ_BYTES.min(bytes - at) as usize, 0);
        skeleton(at, &mut buffer)?;
        let pushed = decoder.push(&buffer, |found| {
            match found {
                OpOrLiteral::Op(Op::Contents(len)) => walker.skip(len, &mut finder),
                OpOrLiteral::Op(Op::BeginCoded) => walker.begin_coded(&mut finder),
                OpOrLiteral::Op(Op::EndCoded) => walker.end_coded(&mut finder),
                OpOrLiteral::Op(Op::Literal(_)) => {}
                OpOrLiteral::Bytes(literal) => drop(walker.push(literal, &mut finder)),
            }
            Ok::<(), OpError>(())
        });
        pushed.map_err(io::Error::other)?;
    }
    walker.finish(&mut finder);
    Ok(finder.found)
}

struct Finder<'p> {
    parts: &'p [ImagePart],
    /// The part that is walked, and the depth of its own entries.
    part: Option<(usize, usize)>,
    /// The number of tars around the current place, besides the image.
    depth: usize,
    /// The place in the plain image.
    at: u64,
    /// The place at which the data of the last entry began.
    begun: u64,
    found: FoundEntries,
}

impl Finder<'_> {
    /// The list to which entries at this depth belong.
    fn list(&mut self) -> Option<&mut Vec<FoundEntry>> {
        match self.part {
            Some((part, depth)) if depth == self.depth => self.found.parts.get_mut(part),
            None if self.depth == 0 => Some(&mut self.found.outer),
            _ => None,
        }
    }

    fn begin_data(&mut self) {
        if self.list().is_some() {
            self.begun = self.at;
        }
    }

    fn end_data(&mut self) {
        let data = self.begun..self.at;
        if let Some(entry) = self.list().and_then(|list| list.last_mut()) {
            entry.data = data;
        }
    }
}

impl WalkSink for Finder<'_> {
    fn literal(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        let path = entry.path().into_owned();
        let kind = match entry.header.type_flag() {
            b'5' => EntryKind::Folder,
            b'2' => EntryKind::Link(entry.link().into_owned()),
            b'S' => EntryKind::Opaque,
            // Old tars have folders as files of no bytes, by a slash at the end.
            _ if path.ends_with(b"/") => EntryKind::Folder,
            _ => EntryKind::File,
        };
        let found = FoundEntry { path, kind, data: self.at..self.at };
        if let Some(list) = self.list() {
            list.push(found);
        }
    }

    fn begin_file(&mut self, start: FileStart) {
        self.begin_data();
        let data = self.at..self.at;
        if start.size.is_none()
            && let Some(list) = self.list()
        {
            list.push(FoundEntry { path: Vec::new(), kind: EntryKind::Opaque, data });
        }
    }

    fn contents(&mut self, piece: Piece<'_>) {
        self.at += match piece {
            Piece::InPushed(range) => (range.end - range.start) as u64,
            Piece::Held(bytes) => bytes.len() as u64,
            Piece::Hole(bytes) => bytes,
        };
    }

    fn end_file(&mut self) {
        self.end_data();
    }

    fn begin_level(&mut self) {
        self.begin_data();
        self.depth += 1;
        let begins = |part: &ImagePart| part.kind == PartKind::Tar && part.plain.start == self.at;
        if self.part.is_none_or(|(part, depth)| depth == 0 && self.parts[part].plain.start == self.at) {
            let part = self.parts.iter().position(begins);
            self.part = part.map(|part| (part, self.depth)).or(self.part);
        }
    }

    fn end_level(&mut self) {
        if self.part.is_some_and(|(_, depth)| depth == self.depth) {
            self.part = None;
        }
        self.depth = self.depth.saturating_sub(1);
        self.end_data();
    }
}
