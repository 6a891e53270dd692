//! Sorts a target into lanes, and compresses them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use liblzma::stream::{Action, Status, Stream};

use super::kind::LaneKind;
use super::table::{LaneEntry, LaneForm, Table};
use super::{MAX_DICTIONARIES_BYTES, MAX_DICTIONARY_LOG, MAX_LANES, MIN_DICTIONARY_LOG, SORTED, coder, filters};
use crate::error::DeltaError;

/// The bytes that are read, compressed and written at a time.
const STEP_BYTES: usize = 256 << 10;
/// The bytes of a lane that wait to be written to its file.
const WAITING_BYTES: usize = 64 << 10;
/// The lanes that are compressed at the same time. Each takes about twelve times its dictionary.
const SIDE_BY_SIDE: usize = 2;
/// LZMA's flag for a slower and better search.
const EXTREME: u32 = 1 << 31;

/// Makes a temporary file.
type Spool<'s> = &'s dyn Fn() -> io::Result<File>;

/// Codes a target that is made from nothing. Its bytes wait in temporary files until all are there.
pub struct SortedEncoder<'s> {
    spool: Spool<'s>,
    lanes: Vec<Lane>,
    /// The number of bytes and the lane of each span.
    spans: Vec<u8>,
    last: (u64, usize),
}

/// A lane that is gathered.
struct Lane {
    kind: LaneKind,
    file: File,
    waiting: Vec<u8>,
    plain_bytes: u64,
}

impl Lane {
    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.plain_bytes += bytes.len() as u64;
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < WAITING_BYTES {
            return Ok(());
        }
        self.settle()
    }

    fn settle(&mut self) -> io::Result<()> {
        self.file.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

impl<'s> SortedEncoder<'s> {
    /// Makes an encoder. `spool` makes its temporary files, which hold the target and then its compressed lanes.
    #[must_use]
    pub fn new(spool: Spool<'s>) -> Self {
        Self { spool, lanes: Vec::new(), spans: Vec::new(), last: (0, 0) }
    }

    /// Appends bytes of a kind.
    ///
    /// # Errors
    /// [`DeltaError::Output`].
    pub fn push(&mut self, kind: LaneKind, bytes: &[u8]) -> Result<(), DeltaError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let lane = match self.lanes.iter().position(|lane| lane.kind == kind) {
            Some(lane) => lane,
            // What has no lane of its own goes to the first one.
            None if self.lanes.len() == MAX_LANES => 0,
            None => {
                let file = (self.spool)().map_err(DeltaError::Output)?;
                self.lanes.push(Lane { kind, file, waiting: Vec::new(), plain_bytes: 0 });
                self.lanes.len() - 1
            }
        };
        if self.last.1 != lane {
            self.end_span();
            self.last.1 = lane;
        }
        self.last.0 += bytes.len() as u64;
        self.lanes[lane].push(bytes).map_err(DeltaError::Output)
    }

    fn end_span(&mut self) {
        let (bytes, lane) = self.last;
        if bytes > 0 {
            crate::streams::put_number(&mut self.spans, bytes);
            self.spans.push(lane as u8);
        }
        self.last.0 = 0;
    }

    /// Compresses the lanes, with this level of LZMA from 1 to 9, and writes the body.
    ///
    /// # Errors
    /// [`DeltaError::Output`] and [`DeltaError::Coder`].
    pub fn finish(mut self, level: u8, out: &mut impl Write) -> Result<(), DeltaError> {
        self.end_span();
        out.write_all(&[SORTED]).map_err(DeltaError::Output)?;
        if self.lanes.is_empty() {
            return Ok(());
        }
        for lane in &mut self.lanes {
            lane.settle().and_then(|()| lane.file.seek(SeekFrom::Start(0)).map(drop)).map_err(DeltaError::Output)?;
        }
        let preset = u32::from(level.clamp(1, 9)) | if level >= 6 { EXTREME } else { 0 };
        let mut table = Table { lanes: Vec::new(), spans_plain: self.spans.len() as u64, spans_packed: 0 };
        for (entry, mut packed) in self.packed(preset)? {
            table.lanes.push(entry);
            packed.seek(SeekFrom::Start(0)).map_err(DeltaError::Output)?;
            io::copy(&mut packed, out).map_err(DeltaError::Output)?;
        }
        let mut spans = Vec::new();
        pack((&LaneForm::SPANS, preset), &mut self.spans.as_slice(), &mut spans)?;
        table.spans_packed = spans.len() as u64;
        table.put(&mut spans);
        out.write_all(&spans).map_err(DeltaError::Output)
    }

    /// Compresses all lanes, the largest first.
    fn packed(&mut self, preset: u32) -> Result<Vec<(LaneEntry, File)>, DeltaError> {
        let mut jobs = Vec::new();
        for (number, lane) in self.lanes.drain(..).enumerate() {
            jobs.push((number, lane, (self.spool)().map_err(DeltaError::Output)?));
        }
        let forms = forms(jobs.iter().map(|(_, lane, _)| (lane.kind, lane.plain_bytes)));
        jobs.sort_by_key(|(_, lane, _)| lane.plain_bytes);
        let (jobs, done) = (Mutex::new(jobs), Mutex::new(Vec::new()));
        let work = || -> Result<(), DeltaError> {
            loop {
                let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some((number, mut lane, mut packed)) = next else { return Ok(()) };
                let form = forms[number];
                let packed_bytes = pack((&form, preset), &mut lane.file, &mut packed)?;
                let entry = LaneEntry { form, plain_bytes: lane.plain_bytes, packed_bytes };
                done.lock().unwrap_or_else(PoisonError::into_inner).push((number, entry, packed));
            }
        };
        std::thread::scope(|scope| {
            let others: Vec<_> =
                (1..SIDE_BY_SIDE).filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
            let own = work();
            let failed = || DeltaError::Coder(io::Error::other("a worker panicked"));
            others.into_iter().try_for_each(|other| other.join().unwrap_or_else(|_| Err(failed())))?;
            own
        })?;
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(number, ..)| *number);
        Ok(done.into_iter().map(|(_, entry, packed)| (entry, packed)).collect())
    }
}

/// The forms of all lanes. Their dictionaries are as large as readers allow.
fn forms(lanes: impl Iterator<Item = (LaneKind, u64)> + Clone) -> Vec<LaneForm> {
    let of = |log| lanes.clone().map(|(kind, bytes)| kind.form(bytes, log)).collect::<Vec<_>>();
    let fits =
        |forms: &[LaneForm]| forms.iter().map(|form| 1 << form.dictionary_log).sum::<u64>() <= MAX_DICTIONARIES_BYTES;
    let logs = (MIN_DICTIONARY_LOG..=MAX_DICTIONARY_LOG).rev();
    logs.map(of).find(|forms| fits(forms)).unwrap_or_else(|| of(MIN_DICTIONARY_LOG))
}

/// Compresses all of `plain`. Returns the number of bytes written.
fn pack((form, preset): (&LaneForm, u32), plain: &mut impl Read, out: &mut impl Write) -> Result<u64, DeltaError> {
    let mut stream = Stream::new_raw_encoder(&filters(form, preset)?).map_err(coder)?;
    let (mut read, mut packed) = (vec![0; STEP_BYTES], Vec::with_capacity(STEP_BYTES));
    loop {
        let bytes = plain.read(&mut read).map_err(DeltaError::Input)?;
        let action = if bytes == 0 { Action::Finish } else { Action::Run };
        let mut rest = &read[..bytes];
        loop {
            let before = stream.total_in();
            let status = stream.process_vec(rest, &mut packed, action).map_err(coder)?;
            rest = &rest[(stream.total_in() - before) as usize..];
            let is_full = packed.len() == packed.capacity();
            out.write_all(&packed).map_err(DeltaError::Output)?;
            packed.clear();
            match status {
                Status::StreamEnd => return Ok(stream.total_out()),
                _ if rest.is_empty() && !is_full && bytes > 0 => break,
                _ => {}
            }
        }
    }
}
