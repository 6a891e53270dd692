//! Compressed files that are an image, or a part of one: gzip, zstd, xz and lz4, and kernels around such files.
//! docs/format/disk.md, section 14.
//!
//! What a file's streams hold, one after the other, is its *inner image*. It is put aside, so that its tables can be read at
//! random, and divided as an image of its own. The division of the file has its pieces, and the stretches of the inner image
//! with the bytes around the streams between them.

mod gzip;
mod kernel;
mod lz4;
mod xz;
mod xz_file;
mod zstd;

pub use xz_file::{XzEnd, XzStream};

use crate::assembly::Part as ImagePart;
use crate::nested::{self, Run, Source};
use crate::spool::{Spool, Spools};
use crate::tar;
use crate::{
    DiskError, DiskFile, DiskKind, Divided, Division, DivisionRules, FileRun, ReadAt, StoredForm, StoredPiece,
    StretchKind, StretchList,
};

/// The number of stored bytes that are read at a time, and of plain ones that are put aside at a time.
const READ_BYTES: u64 = 256 << 10;
const PLAIN_BYTES: usize = 1 << 20;
/// The number of plain bytes at the beginning that tell whether an inner image is worth the reading of all of it.
const BEGINNING_BYTES: usize = 128 << 10;
/// The most parts of a file, so that their list stays small.
const MAX_PARTS: usize = 1 << 20;
/// The most bytes between streams, such as headers, that are skeleton.
const MAX_SKELETON_BYTES: u64 = 4096;
/// The path of a file of which nothing is known but that it was compressed.
const INNER_PATH: &[u8] = b"data";
/// The path of what a kernel unpacks.
const KERNEL_PATH: &[u8] = b"vmlinux";

/// The formats of compressed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Gzip,
    Zstd,
    Xz,
    Lz4Frame,
    Lz4Legacy,
}

impl Format {
    /// The format of a file that begins like this.
    fn of(beginning: &[u8]) -> Option<Self> {
        let is_skippable = || matches!(beginning, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        match beginning {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4Frame),
            [0x02, 0x21, 0x4c, 0x18, ..] => Some(Self::Lz4Legacy),
            _ => is_skippable().then_some(Self::Zstd),
        }
    }

    /// The format of the file that begins at a place of an image.
    fn at(image: &dyn ReadAt, at: u64) -> Result<Option<Self>, DiskError> {
        let mut magic = [0; 6];
        if image.bytes().saturating_sub(at) < magic.len() as u64 {
            return Ok(None);
        }
        image.read_exact_at(&mut magic, at)?;
        Ok(Self::of(&magic))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Lz4Frame | Self::Lz4Legacy => "lz4",
        }
    }
}

/// The reason why a file is not seen through.
#[derive(Debug)]
enum Fault {
    /// The file is damaged, ends too early, or has a form that is not read here.
    Refused(&'static str),
    /// Nothing more of the file is wanted.
    Enough,
    /// Reading or putting aside failed.
    Disk(DiskError),
}

impl From<DiskError> for Fault {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

const DAMAGED: Fault = Fault::Refused("and damaged, or cut off");
const TOO_MUCH: Fault = Fault::Refused("and holds far more than it has bytes itself");

/// A part of a compressed file.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// Bytes around streams: headers, checksums and the like.
    Around(u64),
    /// A stretch of the inner image in this form.
    Inner(StoredPiece),
}

/// A compressed file that is read.
struct Unpacking<'a> {
    image: &'a dyn ReadAt,
    /// The place in the image of the next byte.
    at: u64,
    parts: Vec<Part>,
    /// Where plain bytes go, or the first of them if nothing more is wanted.
    target: Target<'a>,
}

enum Target<'a> {
    Beginning(Vec<u8>),
    Spool(Box<dyn Spool>, &'a Spools<'a>),
}

impl Unpacking<'_> {
    /// The next bytes, as many of them as there are. They are not passed.
    fn peek<const N: usize>(&self) -> Result<Option<[u8; N]>, Fault> {
        let mut bytes = [0; N];
        if self.image.bytes().saturating_sub(self.at) < N as u64 {
            return Ok(None);
        }
        self.image.read_exact_at(&mut bytes, self.at).map_err(DiskError::from)?;
        Ok(Some(bytes))
    }

    /// The next bytes, at most this many.
    fn next_bytes(&self, most: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; most.min(self.image.bytes().saturating_sub(self.at)) as usize];
        self.image.read_exact_at(&mut bytes, self.at).map_err(DiskError::from)?;
        Ok(bytes)
    }

    /// Passes bytes around streams.
    fn around(&mut self, bytes: u64) -> Result<(), Fault> {
        if bytes > self.image.bytes().saturating_sub(self.at) {
            return Err(DAMAGED);
        }
        self.at += bytes;
        match self.parts.last_mut() {
            _ if bytes == 0 => {}
            Some(Part::Around(last)) => *last += bytes,
            _ => self.parts.push(Part::Around(bytes)),
        }
        Ok(())
    }

    /// Passes a stretch of the inner image.
    fn inner(&mut self, bytes: u64, form: StoredForm) -> Result<(), Fault> {
        self.parts.push(Part::Inner(StoredPiece { bytes, form }));
        self.at += bytes;
        if self.parts.len() > MAX_PARTS { Err(Fault::Refused("in too many parts")) } else { Ok(()) }
    }

    /// Puts plain bytes aside.
    fn give(&mut self, plain: &[u8]) -> Result<(), Fault> {
        match &mut self.target {
            Target::Spool(spool, spools) => {
                if spools.append(&mut **spool, plain)? {
                    Ok(())
                } else {
                    Err(TOO_MUCH)
                }
            }
            Target::Beginning(beginning) => {
                let room = BEGINNING_BYTES - beginning.len();
                beginning.extend_from_slice(&plain[..plain.len().min(room)]);
                if beginning.len() == BEGINNING_BYTES { Err(Fault::Enough) } else { Ok(()) }
            }
        }
    }

    /// Reads a stream from `self.at` on, which is not passed. `push` takes stored bytes, appends at most a number of plain
    /// ones, and tells how many it took and whether the stream has ended; `None` stands for damage. The result is the number
    /// of stored and of plain bytes.
    fn read_stream(
        &mut self,
        mut push: impl FnMut(&[u8], &mut Vec<u8>, usize) -> Option<(usize, bool)>,
    ) -> Result<(u64, u64), Fault> {
        let start = self.at;
        let (mut held, mut plain, mut stored_bytes, mut plain_bytes) = (Vec::new(), Vec::new(), 0u64, 0u64);
        let mut from = 0;
        // The first bytes of a file that is only looked at are wanted at once.
        let step = if matches!(self.target, Target::Beginning(_)) { BEGINNING_BYTES } else { PLAIN_BYTES };
        loop {
            if from == held.len() {
                self.at = start + stored_bytes;
                (held, from) = (self.next_bytes(READ_BYTES)?, 0);
                self.at = start;
            }
            plain.clear();
            let (taken, ended) = push(&held[from..], &mut plain, step).ok_or(DAMAGED)?;
            from += taken;
            stored_bytes += taken as u64;
            plain_bytes += plain.len() as u64;
            self.give(&plain)?;
            if ended {
                return Ok((stored_bytes, plain_bytes));
            }
            if taken == 0 && plain.is_empty() {
                return Err(DAMAGED);
            }
        }
    }
}

/// A compressed file that was read.
struct Unpacked {
    format: Format,
    parts: Vec<Part>,
    spool: Box<dyn Spool>,
}

/// Reads the file of a format that begins at `at`, as far as `target` wants.
fn unpack<'a>(
    image: &'a dyn ReadAt,
    at: u64,
    format: Format,
    target: Target<'a>,
) -> (Unpacking<'a>, Result<(), Fault>) {
    let mut unpacking = Unpacking { image, at, parts: Vec::new(), target };
    let read = match format {
        Format::Gzip => gzip::read(&mut unpacking),
        Format::Zstd => zstd::read(&mut unpacking),
        Format::Xz => xz::read(&mut unpacking),
        Format::Lz4Frame => lz4::read_frames(&mut unpacking),
        Format::Lz4Legacy => lz4::read_legacy(&mut unpacking),
    };
    (unpacking, read)
}

/// What a compressed file is of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is all of the image. Gzip and zstd files without a disk image are left to those that know files.
    Image,
    /// It is a part of it, which is divided only if it holds a disk image.
    Part,
}

/// Divides the compressed file that begins at `at`, with `inner` for the image that it holds. The result is the division,
/// and where the file ends; `None` stands for anything else than such a file.
pub(crate) fn divide(
    (image, at): (&dyn ReadAt, u64),
    spools: &Spools<'_>,
    wanted: Wanted,
    inner: impl Fn(&dyn ReadAt) -> Divided,
) -> Result<Option<(Division, u64)>, DiskError> {
    if wanted == Wanted::Image
        && let Some(payload) = kernel::payload(image)?
    {
        return divide_kernel(image, payload, spools).map(|division| Some((division, image.bytes())));
    }
    let Some(format) = Format::at(image, at)? else { return Ok(None) };
    let is_shown = wanted == Wanted::Image && !matches!(format, Format::Gzip | Format::Zstd);
    let refused = |reason| match is_shown {
        true => Err(DiskError::Compressed { format: format.name(), reason }),
        false => Ok(None),
    };
    let (looked, read) = unpack(image, at, format, Target::Beginning(Vec::new()));
    let Target::Beginning(beginning) = looked.target else { return Ok(None) };
    match read {
        Ok(()) | Err(Fault::Enough) => {}
        Err(Fault::Refused(reason)) => return refused(reason),
        Err(Fault::Disk(error)) => return Err(error),
    }
    if beginning.is_empty() || !is_shown && (is_tar(&beginning) || !begins(&beginning, &inner)) {
        return Ok(None);
    }
    let (unpacked, end) = match unpack_all(image, at, format, spools)? {
        Ok(unpacked) => unpacked,
        Err(reason) => return refused(reason),
    };
    let tar = if is_shown { tar::divide(&*unpacked.spool, spools) } else { Ok(None) };
    let division = match tar.and_then(|tar| if tar.is_some() { Ok(tar) } else { inner(&*unpacked.spool) }) {
        Ok(Some(division)) if !division.has_blocks() => division,
        Err(error @ (DiskError::Read(_) | DiskError::Scratch(_))) => return Err(error),
        Ok(_) | Err(_) if is_shown => whole_file(DiskKind::Compressed, unpacked.spool.bytes(), INNER_PATH),
        Ok(_) | Err(_) => return Ok(None),
    };
    Ok(Some((unpacked.weave(division), end)))
}

/// Divides a kernel, of which the payload holds one file.
fn divide_kernel(image: &dyn ReadAt, payload: kernel::Payload, spools: &Spools<'_>) -> Result<Division, DiskError> {
    let within = ImagePart { image, at: 0, bytes: payload.end };
    let other = DiskError::Unsupported { kind: DiskKind::Kernel, feature: "another compression" };
    let format = Format::at(&within, payload.at)?.ok_or(other)?;
    let refused = |reason| DiskError::Compressed { format: format.name(), reason };
    let (mut unpacked, end) = unpack_all(&within, payload.at, format, spools)?.map_err(refused)?;
    let plain_bytes = unpacked.spool.bytes();
    if plain_bytes == 0 {
        return Err(refused("and holds nothing"));
    }
    unpacked.parts.insert(0, Part::Around(payload.at));
    unpacked.parts.push(Part::Around(image.bytes() - end));
    Ok(unpacked.weave(whole_file(DiskKind::Kernel, plain_bytes, KERNEL_PATH)))
}

/// Reads all of a compressed file. The result has where it ends, or is the reason why it is not seen through.
fn unpack_all(
    image: &dyn ReadAt,
    at: u64,
    format: Format,
    spools: &Spools<'_>,
) -> Result<Result<(Unpacked, u64), &'static str>, DiskError> {
    let (unpacked, read) = unpack(image, at, format, Target::Spool(spools.begin()?, spools));
    match (read, unpacked.target) {
        (Ok(()), Target::Spool(spool, _)) => Ok(Ok((Unpacked { format, parts: unpacked.parts, spool }, unpacked.at))),
        (Err(Fault::Refused(reason)), _) => Ok(Err(reason)),
        (Err(Fault::Disk(error)), _) => Err(error),
        (Ok(()) | Err(Fault::Enough), _) => Ok(Err("and more than is wanted")),
    }
}

/// Whether plain bytes begin like a disk image.
fn begins(beginning: &[u8], inner: &impl Fn(&dyn ReadAt) -> Divided) -> bool {
    // Its tables end early, so the rest is said to be damaged.
    !matches!(inner(&beginning), Ok(None))
}

fn is_tar(beginning: &[u8]) -> bool {
    beginning.get(257..262) == Some(b"ustar")
}

/// The division of bytes of which nothing is known.
fn whole_file(kind: DiskKind, bytes: u64, path: &[u8]) -> Division {
    let mut list = StretchList::default();
    list.push(bytes, StretchKind::File(0));
    Division {
        kind,
        details: if kind == DiskKind::Kernel { String::new() } else { "a file".to_owned() },
        pieces: StoredPiece::plain_image(bytes),
        stretches: list.finish(),
        files: vec![DiskFile { path: path.to_vec(), bytes, runs: vec![FileRun { file_at: 0, plain_at: 0, bytes }] }],
        rules: DivisionRules::V6,
        tree: None,
    }
}

impl Unpacked {
    /// The division of the file, which holds an image that is divided in this way.
    fn weave(self, inner: Division) -> Division {
        let (mut pieces, mut list): (Vec<StoredPiece>, _) = (Vec::new(), StretchList::default());
        let mut stretches = inner.stretches.iter().copied();
        let mut stretch = stretches.next();
        // Where the inner image lies in the plain image.
        let (mut runs, mut inner_at) = (Vec::new(), 0);
        for part in &self.parts {
            let piece = match *part {
                Part::Around(0) => continue,
                Part::Around(bytes) => {
                    let kind = if bytes <= MAX_SKELETON_BYTES { StretchKind::Skeleton } else { StretchKind::System };
                    list.push(bytes, kind);
                    StoredPiece { bytes, form: StoredForm::Plain }
                }
                Part::Inner(piece) => {
                    let mut left = piece.plain_bytes();
                    runs.push(Run { at: inner_at, bytes: left, plain_at: list.bytes(), source: Source::Image(0) });
                    inner_at += left;
                    while let Some(found) = stretch.as_mut().filter(|_| left > 0) {
                        let now = left.min(found.bytes);
                        list.push(now, found.kind);
                        (left, found.bytes) = (left - now, found.bytes - now);
                        if found.bytes == 0 {
                            stretch = stretches.next();
                        }
                    }
                    piece
                }
            };
            match pieces.last_mut() {
                Some(last) if (last.form, piece.form) == (StoredForm::Plain, StoredForm::Plain) => {
                    last.bytes += piece.bytes;
                }
                _ => pieces.push(piece),
            }
        }
        let words = if inner.details.is_empty() { inner.kind.to_string() } else { inner.details };
        let details = format!("{words}, in {}", self.format.name());
        let files = inner.files.iter().map(|file| nested::in_image(file, &runs)).collect();
        let kind = inner.kind;
        Division { kind, details, pieces, stretches: list.finish(), files, rules: DivisionRules::V6, tree: None }
    }
}
