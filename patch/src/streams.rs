//! Makes the target's two streams from the target space and the held parts, as the bytes of the target space come.

use std::io;
use std::path::Path;

use regrow_chunker::bounds;
use regrow_image::{LayoutBuilder, StreamKind};
use regrow_local::Spool;

use crate::apply::ApplyError;
use crate::base::PatchBase;
use crate::held::{Filled, Filler, HeldParts};
use crate::members::{ListsError, TargetMember};
use crate::rebuild::Rebuilder;
use crate::target::{TargetSink, TargetSizes};

/// The target's streams, of which some bytes have come.
pub(crate) struct Streams<'a> {
    base: &'a PatchBase<'a>,
    held: HeldParts,
    sizes: TargetSizes,
    state: State<'a>,
}

enum State<'a> {
    Skeleton(Skeleton<'a>),
    Contents(Rebuilder, Filler<'a>),
    /// An error occurred between the two streams.
    Broken,
}

/// The skeleton, of which some bytes have come.
struct Skeleton<'a> {
    filler: Filler<'a>,
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
    /// Begins with these parts of the base, and members that ascend by file. `scratch` is a folder for the skeleton.
    pub(crate) fn new(
        base: &'a PatchBase<'a>,
        held: HeldParts,
        members: Vec<TargetMember>,
        sizes: TargetSizes,
        scratch: &Path,
    ) -> Result<Self, ApplyError> {
        let operations = bounds::max_operations(sizes.image, bounds::max_coded_files(sizes.image));
        let builder = LayoutBuilder::new(sizes.image).with_max_operations(operations);
        let sizes = held.laid_sizes(sizes);
        let whole = WholeSkeleton { spool: Spool::new(sizes.skeleton, scratch)?, builder, at: 0 };
        let filler = held.filler(base, StreamKind::Skeleton);
        let state = State::Skeleton(Skeleton { filler, whole, left: held.coded_skeleton, members });
        Ok(Self { base, held, sizes, state })
    }

    /// Takes the next bytes of the target space.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        let rest = match &mut self.state {
            State::Skeleton(Skeleton { filler, whole, left, .. }) => {
                let (now, rest) = bytes.split_at(bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
                filler.push(now, &mut |filled| whole.push(filled))?;
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
            State::Contents(rebuilder, filler) => {
                let mut put = |filled: Filled<'_>| contents(filled, sink);
                Ok(rebuilder.push(rest, &mut |bytes| filler.push(bytes, &mut put))?)
            }
            _ => Ok(()),
        }
    }

    /// Ends the skeleton, whose layout must fit the sizes that the index states.
    fn end_skeleton(&mut self, sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        let State::Skeleton(skeleton) = std::mem::replace(&mut self.state, State::Broken) else { return Ok(()) };
        let Skeleton { mut filler, mut whole, members, .. } = skeleton;
        filler.finish(&mut |filled| whole.push(filled))?;
        let layout = whole.builder.finish()?;
        layout.check(self.sizes.image, self.sizes.skeleton, self.sizes.contents)?;
        let rebuilder = Rebuilder::new(members, &layout, &self.held, self.base)?;
        sink.left_out(self.held.left_out(&layout)?)?;
        sink.skeleton(whole.spool, layout)?;
        self.state = State::Contents(rebuilder, self.held.filler(self.base, StreamKind::Contents));
        Ok(())
    }

    /// Ends the target space.
    pub(crate) fn finish(mut self, sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        // If a stream is empty, no bytes came that would have ended it.
        self.push(&[], sink)?;
        match self.state {
            State::Contents(rebuilder, mut filler) if rebuilder.is_complete() => {
                Ok(filler.finish(&mut |filled| contents(filled, sink))?)
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
