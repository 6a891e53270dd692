//! Makes the target's two streams from the target space and the held parts, as the bytes of the target space come. Joined
//! files come first, and wait for their places.

use std::io;
use std::path::Path;

use regrow_chunker::bounds;
use regrow_image::{LayoutBuilder, StreamKind};
use regrow_local::Spool;

use crate::apply::ApplyError;
use crate::base::PatchBase;
use crate::held::{FillSink, Filled, Filler, HeldParts};
use crate::joined::JoinedLists;
use crate::members::{ListsError, TargetMember};
use crate::rebuild::Rebuilder;
use crate::target::{TargetSink, TargetSizes};
use crate::waiting::{Coming, Inserter, Waiting};

/// The target's streams, of which some bytes have come.
pub(crate) struct Streams<'a> {
    base: &'a PatchBase<'a>,
    held: HeldParts,
    sizes: TargetSizes,
    waiting: Waiting,
    /// The joined files, until they have come.
    coming: Option<Coming>,
    state: State<'a>,
}

enum State<'a> {
    Skeleton(Skeleton<'a>),
    Contents(Rebuilder, Completer<'a>),
    /// An error occurred between the two streams.
    Broken,
}

/// Puts into a stream what the target space does not have there: pieces of joined files, then held parts.
struct Completer<'a> {
    inserter: Inserter,
    filler: Filler<'a>,
}

impl<'a> Completer<'a> {
    fn new(held: &HeldParts, base: &'a PatchBase<'a>, stream: StreamKind) -> Self {
        Self { inserter: Inserter::new(stream), filler: held.filler(base, stream) }
    }

    fn push<E: From<io::Error>>(&mut self, waiting: &Waiting, bytes: &[u8], sink: FillSink<'_, E>) -> Result<(), E> {
        let Self { inserter, filler } = self;
        inserter.push(waiting, bytes, &mut |bytes| filler.push(bytes, sink))
    }

    fn finish<E: From<io::Error>>(&mut self, waiting: &Waiting, sink: FillSink<'_, E>) -> Result<(), E> {
        let Self { inserter, filler } = self;
        inserter.finish(waiting, &mut |bytes| filler.push(bytes, sink))?;
        filler.finish(sink)
    }
}

/// The skeleton, of which some bytes have come.
struct Skeleton<'a> {
    completer: Completer<'a>,
    whole: WholeSkeleton,
    /// The number of bytes that come from the patch, without those that have come.
    left: u64,
    members: Vec<TargetMember>,
}

/// The skeleton with its held parts.
struct WholeSkeleton {
    spool: Spool,
    builder: LayoutBuilder,
    at: u64,
}

impl WholeSkeleton {
    fn push(&mut self, filled: Filled<'_>) -> Result<(), ApplyError> {
        match filled {
            Filled::Bytes(bytes) => {
                self.builder.push(bytes)?;
                self.spool.write(self.at, bytes)?;
                self.at += bytes.len() as u64;
            }
            Filled::LeftOut(bytes) => self.builder.push_bare(bytes)?,
        }
        Ok(())
    }
}

impl<'a> Streams<'a> {
    /// Begins with these parts of the base, joined files, and members that ascend by file. `scratch` is a folder for the
    /// skeleton and for what waits.
    pub(crate) fn new(
        base: &'a PatchBase<'a>,
        held: HeldParts,
        (mut joined, members): (JoinedLists, Vec<TargetMember>),
        sizes: TargetSizes,
        scratch: &Path,
    ) -> Result<Self, ApplyError> {
        let operations = bounds::max_operations(sizes.image, bounds::max_coded_files(sizes.image));
        let builder = LayoutBuilder::new(sizes.image).with_max_operations(operations);
        let sizes = held.laid_sizes(sizes);
        let whole = WholeSkeleton { spool: Spool::new(sizes.skeleton, scratch)?, builder, at: 0 };
        let completer = Completer::new(&held, base, StreamKind::Skeleton);
        let waiting = Waiting::new(&joined.target, (held.coded_skeleton, held.coded_contents), scratch)?;
        let left = held.coded_skeleton - waiting.bytes_of(StreamKind::Skeleton);
        let coming = if joined.target.is_empty() { None } else { Some(Coming::new(&mut joined)?) };
        let state = State::Skeleton(Skeleton { completer, whole, left, members });
        Ok(Self { base, held, sizes, waiting, coming, state })
    }

    /// The number of bytes of the target space, of which the expanded contents and joined files have this many.
    pub(crate) fn target_bytes(&self, expanded_bytes: u64) -> Option<u64> {
        let skeleton_bytes = self.held.coded_skeleton - self.waiting.bytes_of(StreamKind::Skeleton);
        skeleton_bytes.checked_add(expanded_bytes)
    }

    /// Takes the next bytes of the target space.
    pub(crate) fn push(&mut self, mut bytes: &[u8], sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        if let Some(coming) = &mut self.coming {
            bytes = coming.push(bytes, &self.waiting)?;
            if !coming.is_whole() {
                return Ok(());
            }
            self.coming.take().map_or(Ok(()), Coming::finish)?;
        }
        let waiting = &self.waiting;
        let rest = match &mut self.state {
            State::Skeleton(Skeleton { completer, whole, left, .. }) => {
                let (now, rest) = bytes.split_at(bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
                completer.push(waiting, now, &mut |filled| whole.push(filled))?;
                *left -= now.len() as u64;
                if *left > 0 {
                    return Ok(());
                }
                self.end_skeleton(sink)?;
                rest
            }
            _ => bytes,
        };
        match &mut self.state {
            State::Contents(rebuilder, completer) => {
                let mut put = |filled: Filled<'_>| contents(filled, sink);
                let waiting = &self.waiting;
                Ok(rebuilder.push(rest, &mut |bytes| completer.push(waiting, bytes, &mut put))?)
            }
            _ => Ok(()),
        }
    }

    /// Ends the skeleton, whose layout must fit the sizes that the index states.
    fn end_skeleton(&mut self, sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        let State::Skeleton(skeleton) = std::mem::replace(&mut self.state, State::Broken) else { return Ok(()) };
        let Skeleton { mut completer, mut whole, members, .. } = skeleton;
        completer.finish(&self.waiting, &mut |filled| whole.push(filled))?;
        let layout = whole.builder.finish()?;
        layout.check(self.sizes.image, self.sizes.skeleton, self.sizes.contents)?;
        let rebuilder = Rebuilder::new(members, &layout, (&self.held, &self.waiting), self.base)?;
        sink.left_out(self.held.left_out(&layout)?)?;
        sink.skeleton(whole.spool, layout)?;
        self.state = State::Contents(rebuilder, Completer::new(&self.held, self.base, StreamKind::Contents));
        Ok(())
    }

    /// Ends the target space.
    pub(crate) fn finish(mut self, sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        // If a stream is empty, no bytes came that would have ended it.
        self.push(&[], sink)?;
        match self.state {
            State::Contents(rebuilder, mut completer) if rebuilder.is_complete() => {
                Ok(completer.finish(&self.waiting, &mut |filled| contents(filled, sink))?)
            }
            _ => Err(ListsError::Malformed.into()),
        }
    }
}

/// Passes on contents. Parts that are left out have none.
fn contents(filled: Filled<'_>, sink: &mut dyn TargetSink) -> io::Result<()> {
    match filled {
        Filled::Bytes(bytes) => sink.contents(bytes),
        Filled::LeftOut(_) => Ok(()),
    }
}
