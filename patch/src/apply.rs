//! Makes the target's two streams from a patch and its base, front to back. The patch gives its lists, the members
//! of the base, the skeleton and the contents in this order.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use regrow_chunker::bounds;
use regrow_delta::{DeltaError, decode};
use regrow_image::{Layout, LayoutBuilder};
use regrow_local::{FileSeed, LocalError, Spool};

use crate::header::{CHECKSUM_BYTES, HEADER_BYTES, HeaderError, PatchHeader};
use crate::members::{ListsError, MemberLists, TargetMember};
use crate::rebuild::Rebuilder;
use crate::space::{BaseSpace, SeedFiles};

/// The number of bytes of a patch that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// The reason why a patch yields no more bytes.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The header is not that of a patch.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The member lists are malformed, or do not fit the base.
    #[error("{0}")]
    Lists(#[from] ListsError),
    /// The coded bytes are malformed.
    #[error("{0}")]
    Coded(#[from] DeltaError),
    /// The skeleton from the patch is not that of the image.
    #[error("the result is not the image: {0}")]
    Layout(#[from] regrow_image::LayoutError),
    /// The checksum does not match.
    #[error("its bytes are not those that were published")]
    Checksum,
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The base could not be read as an image.
    #[error("{0}")]
    Local(#[from] LocalError),
}

/// The sizes in bytes that an index states for the image that the patch makes.
#[derive(Debug, Clone, Copy)]
pub struct TargetSizes {
    /// The size of the plain image.
    pub image: u64,
    /// The size of its skeleton.
    pub skeleton: u64,
    /// The size of its contents.
    pub contents: u64,
}

/// Takes the target's streams as they come.
pub trait TargetSink {
    /// Takes the whole skeleton, and the layout that it encodes. The sizes have been checked against the expected
    /// ones.
    fn skeleton(&mut self, spool: Spool, layout: Layout) -> io::Result<()>;

    /// Takes the next bytes of the contents.
    fn contents(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Opens a patch in a file: checks the checksum, and returns the header.
pub fn open(file: &mut File) -> Result<PatchHeader, ApplyError> {
    let bytes = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut front = [0; HEADER_BYTES];
    file.read_exact(&mut front)?;
    let header = PatchHeader::decode(&front, bytes)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&front);
    let mut rest = BufReader::with_capacity(READ_BYTES, &*file);
    hasher.update_reader((&mut rest).take(bytes - (HEADER_BYTES + CHECKSUM_BYTES) as u64))?;
    let mut stated = [0; CHECKSUM_BYTES];
    rest.read_exact(&mut stated)?;
    if hasher.finalize() == stated { Ok(header) } else { Err(ApplyError::Checksum) }
}

/// Makes the target's streams. `file` is a patch from which [`open`] read `header`, and `scratch` is a folder for
/// temporary files.
pub fn apply(
    file: &mut File,
    header: &PatchHeader,
    base: &FileSeed,
    target: TargetSizes,
    scratch: &Path,
    sink: &mut dyn TargetSink,
) -> Result<(), ApplyError> {
    file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
    let mut input = BufReader::with_capacity(READ_BYTES, file);
    let lists = read_lists(&mut input, header, base)?;
    let space = BaseSpace::new(base, &lists.base, scratch)?;
    let total = target.skeleton.checked_add(header.expanded_bytes).ok_or(HeaderError::Sizes)?;
    let operations = bounds::max_operations(target.image, bounds::max_coded_files(target.image));
    let mut streams = Streams::Skeleton {
        spool: Spool::new(target.skeleton, scratch)?,
        builder: LayoutBuilder::new(target.image).with_max_operations(operations),
        at: 0,
        members: lists.target,
    };
    let mut failure = None;
    let decoded = decode(&space, &mut input.take(header.body_bytes()), total, |bytes| {
        streams.push(bytes, target, sink).map_err(|error| {
            failure = Some(error);
            io::ErrorKind::Other.into()
        })
    });
    match (decoded, failure) {
        (_, Some(error)) => Err(error),
        (Err(error), None) => Err(error.into()),
        (Ok(()), None) => streams.finish(target, sink),
    }
}

/// The state of splitting the target space, as its bytes come.
enum Streams {
    Skeleton {
        spool: Spool,
        builder: LayoutBuilder,
        at: u64,
        members: Vec<TargetMember>,
    },
    Contents(Rebuilder),
    /// An error occurred between the two streams.
    Broken,
}

impl Streams {
    fn push(&mut self, bytes: &[u8], target: TargetSizes, sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        let rest = match self {
            Self::Skeleton { spool, builder, at, .. } => {
                let (now, rest) =
                    bytes.split_at(bytes.len().min(usize::try_from(target.skeleton - *at).unwrap_or(usize::MAX)));
                builder.push(now)?;
                spool.write(*at, now)?;
                *at += now.len() as u64;
                if *at < target.skeleton {
                    return Ok(());
                }
                self.end_skeleton(target, sink)?;
                rest
            }
            _ => bytes,
        };
        match self {
            Self::Contents(rebuilder) => Ok(rebuilder.push(rest, &mut |bytes| sink.contents(bytes))?),
            _ => Ok(()),
        }
    }

    /// Ends the skeleton, whose layout must fit the sizes that the index states.
    fn end_skeleton(&mut self, target: TargetSizes, sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        let Self::Skeleton { spool, builder, members, .. } = std::mem::replace(self, Self::Broken) else {
            return Ok(());
        };
        let layout = builder.finish()?;
        layout.check(target.image, target.skeleton, target.contents)?;
        let rebuilder = Rebuilder::new(members, &layout)?;
        sink.skeleton(spool, layout)?;
        *self = Self::Contents(rebuilder);
        Ok(())
    }

    /// Ends the target space.
    fn finish(mut self, target: TargetSizes, sink: &mut dyn TargetSink) -> Result<(), ApplyError> {
        // If a stream is empty, no bytes came that would have ended it.
        self.push(&[], target, sink)?;
        match self {
            Self::Contents(rebuilder) if rebuilder.is_complete() => Ok(()),
            _ => Err(ListsError::Malformed.into()),
        }
    }
}

fn read_lists(input: &mut impl Read, header: &PatchHeader, base: &FileSeed) -> Result<MemberLists, ApplyError> {
    if header.lists_stored == 0 {
        return Ok(MemberLists::default());
    }
    let mut plain = Vec::new();
    let mut stored = input.take(u64::from(header.lists_stored));
    decode(&[][..], &mut stored, u64::from(header.lists_plain), |bytes| {
        plain.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(MemberLists::decode(&plain, &SeedFiles::new(base))?)
}
