//! Hands on files whose bytes come one behind the other. The last bytes of each wait until all of them were found to be
//! the right ones.

use std::collections::VecDeque;

use regrow_index::CodedStretch;
use regrow_local::{Pool, Sha256};

use super::{FileSink, Wanted};
use crate::SyncError;
use crate::flows::extract::partial::CodedFile;

/// The bytes of a file that are held back.
const HELD_BYTES: usize = 256 << 10;

/// A file that will come.
pub(super) struct Coming<'a> {
    pub(super) wanted: Wanted,
    /// The number of plain bytes.
    pub(super) plain_bytes: u64,
    /// The SHA-256 of the plain bytes, unless nothing states it. Each chunk of them was verified in any case.
    pub(super) name: Option<[u8; 32]>,
    /// The way in which the file is made from its plain bytes, if it is coded.
    pub(super) coding: Option<&'a CodedStretch>,
    /// The SHA-256 of the coded bytes, if something states it.
    pub(super) stored_name: Option<[u8; 32]>,
}

/// Takes the plain bytes of files, and hands on the files.
pub(super) struct Handing<'a, 's> {
    pool: &'a Pool,
    /// The location of the index, for errors.
    location: String,
    unfit: &'a dyn Fn() -> SyncError,
    coming: VecDeque<Coming<'a>>,
    current: Option<Current<'a>>,
    sink: &'s mut dyn FileSink,
}

/// The file that is being handed on.
struct Current<'a> {
    file: Coming<'a>,
    /// The number of plain bytes that have not come.
    left: u64,
    plain: Sha256,
    coded: Option<CodedFile<'a>>,
    end: End,
}

/// The end of a file, which is held back.
#[derive(Default)]
struct End {
    held: Vec<u8>,
    stored: Option<Sha256>,
}

impl End {
    /// Takes the next bytes of the file, and hands on those before.
    fn push(&mut self, bytes: &[u8], sink: &mut dyn FileSink) -> Result<(), SyncError> {
        if let Some(stored) = &mut self.stored {
            stored.update(bytes);
        }
        if self.held.len() + bytes.len() > HELD_BYTES {
            let now = bytes.len().saturating_sub(HELD_BYTES);
            if !self.held.is_empty() {
                sink.write(&self.held)?;
                self.held.clear();
            }
            if now > 0 {
                sink.write(&bytes[..now])?;
            }
            self.held.extend_from_slice(&bytes[now..]);
        } else {
            self.held.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl<'a, 's> Handing<'a, 's> {
    /// Begins. `unfit` makes the error for coded bytes that do not fit what the index says.
    pub(super) fn new(
        pool: &'a Pool,
        location: String,
        unfit: &'a dyn Fn() -> SyncError,
        coming: VecDeque<Coming<'a>>,
        sink: &'s mut dyn FileSink,
    ) -> Self {
        Self { pool, location, unfit, coming, current: None, sink }
    }

    /// Takes the next plain bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), SyncError> {
        while !bytes.is_empty() {
            let Some(current) = &mut self.current else {
                if !self.begin()? {
                    return Err((self.unfit)());
                }
                continue;
            };
            let now = bytes.len().min(usize::try_from(current.left).unwrap_or(usize::MAX));
            let Current { left, plain, coded, end, .. } = current;
            plain.update(&bytes[..now]);
            match coded {
                None => end.push(&bytes[..now], self.sink)?,
                Some(coded) => coded.write(&bytes[..now], &mut |bytes| end.push(bytes, self.sink))?,
            }
            (*left, bytes) = (*left - now as u64, &bytes[now..]);
            self.end_if_done()?;
        }
        Ok(())
    }

    /// Ends the files.
    pub(super) fn finish(mut self) -> Result<(), SyncError> {
        // Files without bytes may be left.
        while self.current.is_none() && self.begin()? {}
        if self.current.is_some() { Err((self.unfit)()) } else { Ok(()) }
    }

    /// Begins the next file, if there is one.
    fn begin(&mut self) -> Result<bool, SyncError> {
        let Some(file) = self.coming.pop_front() else { return Ok(false) };
        let bytes = file.coding.map_or(file.plain_bytes, CodedStretch::stored_bytes);
        self.sink.begin(file.wanted, bytes)?;
        let coded = file.coding.map(|coding| CodedFile::new(self.pool, coding, self.unfit));
        let stored = (coded.is_some() && file.stored_name.is_some()).then(Sha256::default);
        let end = End { held: Vec::new(), stored };
        self.current = Some(Current { left: file.plain_bytes, plain: Sha256::default(), coded, end, file });
        self.end_if_done().map(|()| true)
    }

    fn end_if_done(&mut self) -> Result<(), SyncError> {
        let Some(Current { file, plain, coded, mut end, .. }) = self.current.take_if(|current| current.left == 0)
        else {
            return Ok(());
        };
        if let Some(coded) = coded {
            coded.finish(&mut |bytes| end.push(bytes, self.sink))?;
        }
        let End { held, stored } = end;
        let differing = |stated: Option<[u8; 32]>, found: Option<Sha256>| {
            stated.zip(found).and_then(|(stated, found)| (found.finish() != stated).then_some(stated))
        };
        if let Some(name) = differing(file.name, Some(plain)).or_else(|| differing(file.stored_name, stored)) {
            return Err(SyncError::PartName { location: self.location.clone(), part: to_hex(&name) });
        }
        if !held.is_empty() {
            self.sink.write(&held)?;
        }
        self.sink.end()
    }
}

fn to_hex(name: &[u8; 32]) -> String {
    name.iter().map(|byte| format!("{byte:02x}")).collect()
}
