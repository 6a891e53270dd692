//! Makes the target's two streams from a patch and its base, front to back. The patch gives its lists, the skeleton and
//! the contents in this order.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use regrow_delta::{Base, DeltaError, decode, decode_sorted};
use regrow_local::LocalError;

use crate::base::PatchBase;
use crate::beside::decode_beside;
use crate::header::{CHECKSUM_BYTES, HEADER_BYTES, HeaderError, PatchHeader};
use crate::held::HeldParts;
use crate::joined::JoinedBase;
use crate::lists::{Lists, take_codings};
use crate::members::ListsError;
use crate::nothing::NOTHING;
use crate::space::{BaseSpace, FilesOfBase, expanded_limit};
use crate::streams::Streams;
use crate::target::{PatchTarget, TargetSink};

/// The number of bytes of a patch that are read at a time.
const READ_BYTES: usize = 64 << 10;

/// The reason why a patch yields no more bytes.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The header is not that of a patch.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The lists are malformed, or do not fit the base.
    #[error("{0}")]
    Lists(#[from] ListsError),
    /// The patch starts from a whole image and the base is parts, or the other way round.
    #[error("it starts from another kind of base")]
    OtherBase,
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
/// temporary files. The sink gets the streams of the whole target, with the held parts in their places.
///
/// # Errors
/// [`ApplyError`] if the patch is malformed, does not fit the base or the target, or cannot be read. An error of the sink
/// is an [`ApplyError::Io`].
pub fn apply(
    file: &mut File,
    header: &PatchHeader,
    base: &PatchBase<'_>,
    target: &PatchTarget<'_>,
    scratch: &Path,
    sink: &mut dyn TargetSink,
) -> Result<(), ApplyError> {
    file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
    let input = BufReader::with_capacity(READ_BYTES, file);
    if header.base != NOTHING {
        let bytes = u64::from(header.lists_stored) + header.body_bytes();
        return apply_read(input.take(bytes), header, (base, target), scratch, sink);
    }
    prepared(input, header, (base, target), scratch, |input, _, mut streams, total| {
        let mut failure = None;
        let push = |bytes: &[u8]| {
            streams.push(bytes, sink).map_err(|error| {
                failure = Some(error);
                io::ErrorKind::Other.into()
            })
        };
        let body = header.body();
        let decoded = decode_sorted(&PatchFile { file: input.into_inner(), bytes: body.end }, body, total, push);
        match (decoded, failure) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(error.into()),
            (Ok(()), None) => streams.finish(sink),
        }
    })
}

/// Makes the target's streams from a base that is not nothing. `input` gives what the patch has between its header and its
/// checksum, and the size in the header does not matter.
pub(crate) fn apply_read(
    input: impl Read + Send,
    header: &PatchHeader,
    images: (&PatchBase<'_>, &PatchTarget<'_>),
    scratch: &Path,
    sink: &mut dyn TargetSink,
) -> Result<(), ApplyError> {
    prepared(input, header, images, scratch, |input, space, mut streams, total| {
        let mut push = |bytes: &[u8]| streams.push(bytes, sink);
        decode_beside(space, input, total, &mut push)?;
        streams.finish(sink)
    })
}

/// Reads the lists from `input`, and hands on what is behind them, the base space, the streams without any bytes, and the
/// number of bytes of the target space.
fn prepared<R: Read>(
    mut input: R,
    header: &PatchHeader,
    (base, target): (&PatchBase<'_>, &PatchTarget<'_>),
    scratch: &Path,
    then: impl FnOnce(R, &BaseSpace<'_>, Streams<'_>, u64) -> Result<(), ApplyError>,
) -> Result<(), ApplyError> {
    if header.version != base.version() {
        return Err(ApplyError::OtherBase);
    }
    // A few bytes of a patch may stand for megabytes of zeros, which cost time even where nothing comes of them.
    if header.expanded_bytes > expanded_limit(target.sizes.contents) {
        return Err(HeaderError::Sizes.into());
    }
    let Lists { held, mut joined, members, .. } = read_lists(&mut input, header, base)?;
    let held = HeldParts::new(held, base, target)?;
    let (joined_files, joined_members) = (std::mem::take(&mut joined.base), std::mem::take(&mut joined.members.base));
    let of_base = JoinedBase { files: &joined_files, members: &joined_members };
    let space = BaseSpace::new(base, &members.base, of_base, scratch)?;
    let streams = Streams::new(base, held, (joined, members.target), target.sizes, scratch)?;
    let total = streams.target_bytes(header.expanded_bytes).ok_or(HeaderError::Sizes)?;
    then(input, &space, streams, total)
}

/// A patch's file, read at random.
struct PatchFile<'a> {
    file: &'a File,
    bytes: u64,
}

impl Base for PatchFile<'_> {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, at)
    }
}

/// The codings of the target that a patch has, if it has some. `file` is a patch from which [`open`] read `header`.
///
/// # Errors
/// [`ApplyError`] if the patch is malformed, or cannot be read.
pub fn codings(file: &mut File, header: &PatchHeader) -> Result<Option<Vec<u8>>, ApplyError> {
    if !header.has_codings {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
    let lists = read_plain_lists(&mut BufReader::with_capacity(READ_BYTES, file), header)?;
    Ok(Some(take_codings(&mut &lists[..])?.to_vec()).filter(|codings| !codings.is_empty()))
}

fn read_lists(input: &mut impl Read, header: &PatchHeader, base: &PatchBase<'_>) -> Result<Lists, ApplyError> {
    let plain = read_plain_lists(input, header)?;
    Ok(Lists::decode((header.version, header.has_codings, header.has_joined_files), &plain, &FilesOfBase::new(base))?)
}

/// The lists of a patch before they are decoded.
fn read_plain_lists(input: &mut impl Read, header: &PatchHeader) -> Result<Vec<u8>, ApplyError> {
    let mut plain = Vec::new();
    if header.lists_stored == 0 {
        return Ok(plain);
    }
    let mut stored = input.take(u64::from(header.lists_stored));
    decode(&[][..], &mut stored, u64::from(header.lists_plain), |bytes| {
        plain.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok(plain)
}
