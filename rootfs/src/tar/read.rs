//! Reads the entries of a layer from front to back, as Go's archive/tar does, which all engines use.

use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::sync::Arc;

use super::header::{Header, until_nul};
use super::pax::Pax;
use super::sparse::{MapInData, push_old, runs_of};
use super::{BLOCK, padding};
use crate::budget::Budget;
use crate::error::{RootfsError, shown};
use crate::meta::{Contents, ContentsHash, DataRun, DeviceNumber, MODE_BITS, Metadata, Place, Special, Time, Xattrs};
use crate::path::FsPath;

/// The longest extension header that engines read.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;
/// The largest user, group and device numbers; the last user number means none.
const MAX_OWNER: i64 = u32::MAX as i64 - 1;
/// The longest target of a symbolic link.
const MAX_TARGET_BYTES: usize = 4095;
/// The largest sum of a file's extended attributes. File systems take 64 KiB of each.
const MAX_XATTR_BYTES: usize = 1 << 19;
const MAX_MAJOR: i64 = (1 << 12) - 1;
const MAX_MINOR: i64 = (1 << 20) - 1;
const BUFFER_BYTES: usize = 128 << 10;
static ZEROS: [u8; BUFFER_BYTES] = [0; BUFFER_BYTES];

/// An entry of a layer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: FsPath,
    pub(crate) metadata: Metadata,
    pub(crate) found: Found,
}

/// What an entry is.
#[derive(Debug)]
pub(crate) enum Found {
    Folder,
    Special(Special),
    /// Another name of the file at this path.
    Link(FsPath),
}

/// A reader of a layer's plain bytes.
pub(crate) struct Reader<'b, R> {
    input: R,
    /// The number of bytes that were read.
    at: u64,
    layer: u32,
    budget: &'b mut Budget,
    /// Sets of attributes that were seen. Files share them.
    known: HashSet<Arc<Xattrs>>,
    buffer: Vec<u8>,
}

/// The headers before an entry's own.
#[derive(Default)]
struct Extensions {
    pax: Pax,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<'b, R: Read> Reader<'b, R> {
    /// Makes a reader of the layer that has this number.
    pub(crate) fn new(input: R, layer: u32, budget: &'b mut Budget) -> Self {
        Self { input, at: 0, layer, budget, known: HashSet::new(), buffer: vec![0; BUFFER_BYTES] }
    }

    pub(crate) fn budget(&mut self) -> &mut Budget {
        self.budget
    }

    /// Reads the next entry, with its contents. `None` at the end, behind which nothing is read.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, RootfsError> {
        let mut before = Extensions::default();
        loop {
            let start = self.at;
            let Some(block) = self.header_block()? else { return Ok(None) };
            let header = Header::parse(&block).ok_or(RootfsError::NoHeader { at: start })?;
            let size = header.size().and_then(|size| u64::try_from(size).ok());
            let size = size.ok_or(RootfsError::NoHeader { at: start })?;
            match header.flag() {
                b'x' => {
                    let data = self.extension(start, size)?;
                    before.pax = Pax::parse(&data).ok_or(RootfsError::Extension { at: start })?;
                }
                // Engines pass over what is said about all entries.
                b'g' => drop(self.extension(start, size)?),
                b'L' => before.long_name = Some(until_nul(&self.extension(start, size)?).to_vec()),
                b'K' => before.long_link = Some(until_nul(&self.extension(start, size)?).to_vec()),
                _ => return self.entry(&header, size, before).map(Some),
            }
        }
    }

    /// Reads a block, unless the tar ends here: with zeros, or with its last byte.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, RootfsError> {
        let start = self.at;
        let Some(block) = self.block_or_end()? else { return Ok(None) };
        if block != [0; BLOCK] {
            return Ok(Some(block));
        }
        match self.block_or_end()? {
            Some(block) if block != [0; BLOCK] => Err(RootfsError::NoHeader { at: start }),
            _ => Ok(None),
        }
    }

    fn block_or_end(&mut self) -> Result<Option<[u8; BLOCK]>, RootfsError> {
        let (mut block, mut filled) = ([0; BLOCK], 0);
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(RootfsError::EndsEarly { at: self.at }),
                Ok(bytes) => {
                    filled += bytes;
                    self.at += bytes as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(block))
    }

    fn block(&mut self) -> Result<[u8; BLOCK], RootfsError> {
        self.block_or_end()?.ok_or(RootfsError::EndsEarly { at: self.at })
    }

    /// Reads the data of an extension header.
    fn extension(&mut self, start: u64, size: u64) -> Result<Vec<u8>, RootfsError> {
        if size > MAX_EXTENSION_BYTES {
            return Err(RootfsError::Extension { at: start });
        }
        let mut data = Vec::new();
        self.each_piece(size, |piece| data.extend_from_slice(piece))?;
        self.pad(size)?;
        Ok(data)
    }

    /// Reads this many bytes, and passes them on in pieces.
    fn each_piece(&mut self, bytes: u64, mut each: impl FnMut(&[u8])) -> Result<(), RootfsError> {
        let mut left = bytes;
        while left > 0 {
            let piece = &mut self.buffer[..left.min(BUFFER_BYTES as u64) as usize];
            match self.input.read(piece) {
                Ok(0) => return Err(RootfsError::EndsEarly { at: self.at }),
                Ok(got) => {
                    each(&piece[..got]);
                    self.at += got as u64;
                    left -= got as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn pad(&mut self, size: u64) -> Result<(), RootfsError> {
        self.each_piece(padding(size), |_| ())
    }

    fn entry(&mut self, header: &Header<'_>, size: u64, before: Extensions) -> Result<Entry, RootfsError> {
        let Extensions { mut pax, long_name, long_link } = before;
        let stated = long_name.or(pax.path.take()).unwrap_or_else(|| header.name());
        let flag = match header.flag() {
            0 if stated.ends_with(b"/") => b'5',
            0 => b'0',
            flag => flag,
        };
        // The path in the headers of a sparse file is made up.
        let stated = pax.sparse.name.take().filter(|_| flag == b'0').unwrap_or(stated);
        let link_name = long_link.or(pax.link_name.take()).unwrap_or_else(|| header.link_name());
        let path = FsPath::clean(&stated)?;
        self.budget.take_entry()?;
        self.budget.take_metadata(path.as_bytes().len() + link_name.len())?;
        let metadata = self.metadata(header, &mut pax, &path)?;
        let found = match flag {
            b'0' | b'S' => {
                let size = pax.size.map_or(Ok(size), |size| field(Some(size), i64::MAX, "size", &path))?;
                Found::Special(Special::File(self.contents(header, size, &pax, &path)?))
            }
            b'1' => Found::Link(FsPath::clean(&link_name)?),
            b'2' if !(1..=MAX_TARGET_BYTES).contains(&link_name.len()) => {
                return Err(RootfsError::Field { path: shown(&stated), field: "target" });
            }
            b'2' => Found::Special(Special::Symlink(link_name.into())),
            b'3' => Found::Special(Special::CharDevice(device(header, &path)?)),
            b'4' => Found::Special(Special::BlockDevice(device(header, &path)?)),
            b'5' => Found::Folder,
            b'6' => Found::Special(Special::Fifo),
            flag => return Err(RootfsError::Type { path: shown(&stated), flag }),
        };
        Ok(Entry { path, metadata, found })
    }

    fn metadata(&mut self, header: &Header<'_>, pax: &mut Pax, path: &FsPath) -> Result<Metadata, RootfsError> {
        let mode = header.mode().ok_or_else(|| RootfsError::Field { path: shown(path.as_bytes()), field: "mode" })?;
        let seconds = header.modified();
        let modified = pax.modified.or(seconds.map(|seconds| Time { seconds, nanos: 0 }));
        let modified =
            modified.ok_or_else(|| RootfsError::Field { path: shown(path.as_bytes()), field: "modification time" })?;
        Ok(Metadata {
            mode: (mode as u64 & MODE_BITS) as u16,
            uid: field(pax.uid.or_else(|| header.uid()), MAX_OWNER, "user number", path)? as u32,
            gid: field(pax.gid.or_else(|| header.gid()), MAX_OWNER, "group number", path)? as u32,
            modified,
            xattrs: self.shared(std::mem::take(&mut pax.xattrs), path)?,
        })
    }

    /// The one copy of these attributes.
    fn shared(&mut self, xattrs: Xattrs, path: &FsPath) -> Result<Option<Arc<Xattrs>>, RootfsError> {
        if xattrs.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.known.get(&xattrs) {
            return Ok(Some(known.clone()));
        }
        let bytes = xattrs.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
        if bytes > MAX_XATTR_BYTES {
            return Err(RootfsError::Field { path: shown(path.as_bytes()), field: "set of extended attributes" });
        }
        self.budget.take_metadata(bytes)?;
        let shared = Arc::new(xattrs);
        self.known.insert(shared.clone());
        Ok(Some(shared))
    }

    /// Reads and hashes the contents of a file.
    fn contents(&mut self, header: &Header<'_>, size: u64, pax: &Pax, path: &FsPath) -> Result<Contents, RootfsError> {
        let start = self.at;
        let sparse = if header.flag() == b'S' { self.old_map(header) } else { self.pax_map(size, pax) };
        let damaged = || RootfsError::Sparse { path: shown(path.as_bytes()) };
        let Some((map, bytes)) = sparse? else {
            let place = Place { layer: self.layer, at: self.at };
            let mut hasher = blake3::Hasher::new();
            self.each_piece(size, |piece| {
                hasher.update(piece);
            })?;
            self.pad(size)?;
            return Ok(Contents { hash: ContentsHash(*hasher.finalize().as_bytes()), bytes: size, place, runs: None });
        };
        let bytes = u64::try_from(bytes).map_err(|_| damaged())?;
        let runs = runs_of(&map, bytes).ok_or_else(damaged)?;
        let in_front = if header.flag() == b'S' { 0 } else { self.at - start };
        let stored: u64 = runs.iter().map(|run| run.bytes).sum();
        if size.checked_sub(in_front) != Some(stored) {
            return Err(damaged());
        }
        self.budget.take_metadata(size_of_val(&*runs))?;
        self.budget.take_holes(bytes - stored)?;
        let place = Place { layer: self.layer, at: self.at };
        let hash = self.hash_with_holes(&runs, bytes)?;
        self.pad(size)?;
        let runs = (stored < bytes).then_some(runs);
        Ok(Contents { hash, bytes, place, runs })
    }

    fn hash_with_holes(&mut self, runs: &[DataRun], bytes: u64) -> Result<ContentsHash, RootfsError> {
        let (mut hasher, mut at) = (blake3::Hasher::new(), 0);
        let end = DataRun { at: bytes, bytes: 0 };
        for run in runs.iter().chain([&end]) {
            let mut hole = run.at - at;
            while hole > 0 {
                let zeros = hole.min(BUFFER_BYTES as u64);
                hasher.update(&ZEROS[..zeros as usize]);
                hole -= zeros;
            }
            self.each_piece(run.bytes, |piece| {
                hasher.update(piece);
            })?;
            at = run.at + run.bytes;
        }
        Ok(ContentsHash(*hasher.finalize().as_bytes()))
    }

    /// The map and the size of a sparse file by its pax header. The size is that of the data, in which a map may be.
    fn pax_map(&mut self, size: u64, pax: &Pax) -> Result<Option<(Vec<i64>, i64)>, RootfsError> {
        let start = self.at;
        let Some(bytes) = pax.sparse.real_bytes else { return Ok(None) };
        if let Some(map) = &pax.sparse.map {
            return Ok(Some((map.clone(), bytes)));
        }
        if !pax.sparse.is_in_data {
            return Ok(None);
        }
        let (mut map, mut left) = (MapInData::default(), size / BLOCK as u64);
        loop {
            left = left.checked_sub(1).ok_or(RootfsError::Extension { at: start })?;
            if map.take(&self.block()?).ok_or(RootfsError::Extension { at: start })? {
                return Ok(Some((map.into_map(), bytes)));
            }
        }
    }

    /// The map and the size of a sparse file by its old GNU header, which may go on in further blocks.
    fn old_map(&mut self, header: &Header<'_>) -> Result<Option<(Vec<i64>, i64)>, RootfsError> {
        let start = self.at;
        let damaged = || RootfsError::Extension { at: start };
        let (fields, mut goes_on, bytes) = header.sparse().ok_or_else(damaged)?;
        let mut map = Vec::new();
        push_old(&mut map, fields).ok_or_else(damaged)?;
        while goes_on {
            let block = self.block()?;
            push_old(&mut map, &block[..504]).ok_or_else(damaged)?;
            goes_on = block[504] != 0;
        }
        Ok(Some((map, bytes)))
    }
}

/// The value of a field, if it is not negative and at most `most`.
fn field(value: Option<i64>, most: i64, name: &'static str, path: &FsPath) -> Result<u64, RootfsError> {
    let value = value.filter(|&value| value <= most).and_then(|value| u64::try_from(value).ok());
    value.ok_or_else(|| RootfsError::Field { path: shown(path.as_bytes()), field: name })
}

fn device(header: &Header<'_>, path: &FsPath) -> Result<DeviceNumber, RootfsError> {
    let (major, minor) = header.device().unzip();
    Ok(DeviceNumber {
        major: field(major, MAX_MAJOR, "device number", path)? as u32,
        minor: field(minor, MAX_MINOR, "device number", path)? as u32,
    })
}
