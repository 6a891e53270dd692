//! Reads the head of an index of version 2 alone, and what lies behind it only if it is needed.

use bytes::{Bytes, BytesMut};
use regrow_catalog::Catalog;
use regrow_index::{CodedStretch, Head, HeadRead, Index, MAX_INDEX_BYTES};
use regrow_store::{FetchedPart, Span};

use super::Network;
use super::index::{Memory, not_modified, plain, wrong};
use super::received::KnownIndex;
use super::source::Source;
use crate::{Location, SyncError};

/// The bytes that are asked for where no earlier head is known.
const FIRST_BYTES: u64 = 2 << 10;
/// The bytes that are asked for where nothing tells which version the index has. Most indexes are smaller as a whole. One
/// with corrections may be much larger, and they are not needed with a patch.
const UNKNOWN_BYTES: u64 = 32 << 10;
/// The bytes by which a head may have grown since it was last read: a signature, and some patches.
const GROWTH_BYTES: u64 = 256;
/// The most bytes that are asked for at once, unless an earlier head alone had more.
const USUAL_BYTES: u64 = 4 << 10;

/// An index, as far as it was read.
pub(crate) enum Front {
    /// All of it.
    Index(Box<Index>),
    /// The head of an index of version 2.
    Head(Box<OpenHead>),
}

/// The head of an index whose blocks have not been read.
pub(crate) struct OpenHead {
    pub(crate) head: Head,
    /// The beginning of the file, which may have bytes of the blocks too.
    bytes: Bytes,
    version: Option<String>,
    source: Source,
}

/// When to ask for the head of an index alone, if it was not read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadFirst {
    Always,
    /// Unless the last index of the same folder has version 1.
    Likely,
    /// Only if the last index of the same folder has version 2.
    WhereKnown,
}

impl HeadFirst {
    /// Decides by what the last index of the same folder was.
    fn is_asked(self, was_version_2: Option<bool>) -> bool {
        match self {
            Self::Always => true,
            Self::Likely => was_version_2 != Some(false),
            Self::WhereKnown => was_version_2 == Some(true),
        }
    }
}

/// What one request brought.
enum Came {
    Front { bytes: Bytes, object_bytes: Option<u64>, version: Option<String> },
    Whole { bytes: Bytes, version: Option<String> },
}

impl Network {
    /// Reads the index at a location, or its head alone if it is remote and has version 2. Whatever is fetched is kept
    /// in the catalog. An index of version 1 has no head that could come alone, so asking for one costs a request more.
    /// Version 2 is therefore expected only if the last index of the same folder had it, or if `head_first` says so.
    pub(crate) fn open_front(
        &mut self,
        location: &Location,
        catalog: Option<&Catalog>,
        head_first: HeadFirst,
    ) -> Result<Front, SyncError> {
        if let Location::Path(_) = location {
            return self.load_index(location).map(Front::whole);
        }
        let memory = self.memory_of(location, catalog);
        let (known, most) = match memory.recall().and_then(Known::read) {
            Some(Known::Head { index, bytes }) => (Some(index), (bytes + GROWTH_BYTES).min(USUAL_BYTES.max(bytes))),
            // A registry sends the head with the manifest, which is needed anyway.
            None if matches!(location, Location::Registry(_)) => (None, FIRST_BYTES),
            None if head_first.is_asked(memory.expects_version_2()) => (None, FIRST_BYTES),
            None if memory.expects_version_2().is_none() => (None, UNKNOWN_BYTES),
            _ => return self.load_index_unless_known(location, catalog).map(Front::whole),
        };
        self.recall_login(location, catalog)?;
        let source = self.source_of(location)?;
        let fetched = self.block_on(source.fetch(Span::Front(most), known.as_ref()));
        self.keep_login(location, catalog);
        let (fetched, route) = fetched?;
        if let Location::Url(url) = location {
            match route {
                Some(route) => drop(self.found.insert(url.clone(), route)),
                None => drop(self.found.remove(url)),
            }
        }
        let came = match (fetched, known.as_ref()) {
            (FetchedPart::Same, Some(known)) => {
                let version = Some(known.version.clone());
                Came::Front { bytes: known.bytes.clone(), object_bytes: None, version }
            }
            (fetched, _) => Came::of(fetched, location)?,
        };
        self.finish_front(location, &memory, known, (came, source))
    }

    /// Reads on until there is a head, or all of the index.
    fn finish_front(
        &self,
        location: &Location,
        memory: &Memory<'_>,
        known: Option<KnownIndex>,
        (mut came, source): (Came, Source),
    ) -> Result<Front, SyncError> {
        let mut requests = 1;
        loop {
            let (bytes, object_bytes, version) = match came {
                Came::Front { bytes, object_bytes, version } => (bytes, object_bytes, version),
                Came::Whole { bytes, version } => {
                    return Ok(Front::whole(self.take_whole(location, memory, (bytes, version))?));
                }
            };
            let have = bytes.len() as u64;
            let read = Head::decode(&bytes);
            came = match read {
                Ok(HeadRead::Head(head)) => {
                    head.statement.check_limits(&self.limits).map_err(wrong(location))?;
                    let open = OpenHead { head: *head, bytes, version, source };
                    return self.with_known_blocks(location, memory, known, open);
                }
                Ok(HeadRead::Whole(all)) if all == have && (requests == 1 || Index::decode(&bytes).is_ok()) => {
                    Came::Whole { bytes, version }
                }
                // The first bytes tell how long the head is, so two more requests are enough.
                Ok(HeadRead::NeedsMore(wanted) | HeadRead::Whole(wanted))
                    if requests < 3
                        && (have + 1..=MAX_INDEX_BYTES).contains(&wanted)
                        && object_bytes.is_none_or(|all| wanted <= all) =>
                {
                    match Came::of(self.block_on(source.fetch(Span::Range(have..wanted), None))?.0, location)? {
                        Came::Front { bytes: more, .. } => {
                            Came::Front { bytes: joined(&bytes, &more), object_bytes, version }
                        }
                        whole => whole,
                    }
                }
                // Another index may have taken the place of this one between two requests.
                _ if requests > 1 => {
                    let (bytes, version) = self.read_whole(location, &source)?;
                    Came::Whole { bytes, version }
                }
                _ => Came::Whole { bytes, version: None },
            };
            requests += 1;
        }
    }

    /// Takes bytes that are all of an index.
    fn take_whole(
        &self,
        location: &Location,
        memory: &Memory<'_>,
        (bytes, version): (Bytes, Option<String>),
    ) -> Result<Index, SyncError> {
        let index = self.decode_index(location, &bytes)?;
        memory.keep(version, bytes);
        Ok(index)
    }

    /// Adds the blocks to a head if they are here already: they came with it, or are those of a known index.
    fn with_known_blocks(
        &self,
        location: &Location,
        memory: &Memory<'_>,
        known: Option<KnownIndex>,
        open: OpenHead,
    ) -> Result<Front, SyncError> {
        let (head_bytes, end) = (open.head_bytes() as usize, open.head.recipe_block().end);
        let of_known = known.filter(|known| known.bytes.starts_with(&open.bytes[..head_bytes]));
        if let Some(index) = of_known.as_ref().and_then(|known| self.decode_index(location, &known.bytes).ok()) {
            return Ok(Front::whole(index));
        }
        if open.bytes.len() as u64 >= end {
            // Whatever follows the blocks makes the index a damaged one.
            return Ok(Front::whole(self.take_whole(location, memory, (open.bytes, open.version))?));
        }
        if of_known.is_none_or(|known| open.version.as_ref().is_some_and(|version| *version != known.version)) {
            memory.keep(open.version.clone(), open.bytes.slice(..head_bytes));
        }
        Ok(Front::Head(Box::new(open)))
    }

    /// Reads the blocks behind a head, and so the whole index. If they are not those that the head names, another
    /// index lies there by now, which is read from its beginning.
    pub(crate) fn complete(
        &self,
        location: &Location,
        open: &OpenHead,
        catalog: Option<&Catalog>,
    ) -> Result<Index, SyncError> {
        let memory = self.memory_of(location, catalog);
        let (have, end) = (open.bytes.len() as u64, open.head.recipe_block().end);
        let fetched = self.block_on(open.source.fetch(Span::Range(have..end), None))?.0;
        let whole = match Came::of(fetched, location)? {
            Came::Front { bytes, .. } => (joined(&open.bytes, &bytes), open.version.clone()),
            Came::Whole { bytes, version } => (bytes, version),
        };
        let is_index = Index::decode(&whole.0).is_ok();
        let whole = if is_index { whole } else { self.read_whole(location, &open.source)? };
        self.take_whole(location, &memory, whole)
    }

    fn read_whole(&self, location: &Location, source: &Source) -> Result<(Bytes, Option<String>), SyncError> {
        match Came::of(self.block_on(source.fetch_whole())?, location)? {
            Came::Whole { bytes, version } | Came::Front { bytes, version, .. } => Ok((bytes, version)),
        }
    }

    /// The recipes of the image's coded files, which may lie in a block of their own behind the head.
    pub(crate) fn codings(&self, location: &Location, open: &OpenHead) -> Result<Vec<CodedStretch>, SyncError> {
        let block = open.head.codings_block();
        let (have, end) = (open.bytes.len() as u64, block.end);
        let bytes = if have >= end || block.is_empty() {
            open.bytes.clone()
        } else {
            match Came::of(self.block_on(open.source.fetch(Span::Range(have..end), None))?.0, location)? {
                Came::Front { bytes, .. } => joined(&open.bytes, &bytes),
                Came::Whole { bytes, .. } => bytes,
            }
        };
        let block = bytes.get(block.start as usize..block.end as usize).unwrap_or_default();
        open.head.codings(block).map_err(wrong(location))
    }
}

impl Front {
    fn whole(index: Index) -> Self {
        Self::Index(Box::new(index))
    }
}

impl OpenHead {
    /// The number of bytes of the codings block that were not read.
    pub(crate) fn codings_left(&self) -> u64 {
        let block = self.head.codings_block();
        block.end - block.start.max(self.bytes.len() as u64).min(block.end)
    }

    fn head_bytes(&self) -> u64 {
        self.head.codings_block().start
    }
}

impl Came {
    fn of(fetched: FetchedPart, location: &Location) -> Result<Self, SyncError> {
        match fetched {
            FetchedPart::Same => Err(not_modified(location)),
            FetchedPart::Part { bytes, object_bytes, version } => Ok(Self::Front { bytes, object_bytes, version }),
            FetchedPart::Whole { bytes, version, packing } => {
                let bytes = plain(bytes, packing, location)?;
                Ok(Self::Whole { bytes, version })
            }
        }
    }
}

/// What the catalog knows of the index at a location.
enum Known {
    Version1,
    /// A head of this many bytes, and perhaps all of the index.
    Head {
        index: KnownIndex,
        bytes: u64,
    },
}

impl Known {
    fn read(index: KnownIndex) -> Option<Self> {
        match Head::decode(&index.bytes) {
            Ok(HeadRead::Head(head)) => {
                let bytes = head.codings_block().start;
                Some(Self::Head { index, bytes })
            }
            Ok(HeadRead::Whole(_)) => Index::decode(&index.bytes).is_ok().then_some(Self::Version1),
            _ => None,
        }
    }
}

fn joined(first: &[u8], rest: &[u8]) -> Bytes {
    let mut all = BytesMut::with_capacity(first.len() + rest.len());
    all.extend_from_slice(first);
    all.extend_from_slice(rest);
    all.freeze()
}
