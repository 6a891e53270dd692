//! Makes a target from its lanes. Each lane is decompressed by a thread of its own, some steps ahead.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use liblzma::stream::{Action, Status};

use super::table::{LaneEntry, LaneForm, MAX_TABLE_BYTES, Table};
use super::{SORTED, decoder};
use crate::base::Base;
use crate::error::DeltaError;

/// The bytes that are read and decompressed at a time.
const READ_BYTES: usize = 64 << 10;
const STEP_BYTES: usize = 256 << 10;
/// The steps of a lane that wait.
const STEPS_WAITING: usize = 4;

const EARLY: DeltaError = DeltaError::Damaged("a lane ends early");

/// The result of a step of a lane.
type Step = Result<Vec<u8>, DeltaError>;

/// Makes a target of this size from a body in a file that is read at random. `put` takes the target's bytes in order.
///
/// # Errors
/// [`DeltaError::Input`] and [`DeltaError::Sink`]; [`DeltaError::Damaged`] for a body that says something impossible.
pub fn decode_sorted<I: Base + Sync + ?Sized>(
    input: &I,
    body: Range<u64>,
    target_bytes: u64,
    mut put: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), DeltaError> {
    let mut first = [0];
    let packed = body.start.checked_add(1).filter(|&start| start <= body.end).ok_or(EARLY)?;
    read(input, body.start, &mut first)?;
    if first != [SORTED] {
        return Err(DeltaError::Damaged("it has another coding"));
    }
    if target_bytes == 0 {
        return if packed == body.end { Ok(()) } else { Err(DeltaError::Damaged("bytes follow its end")) };
    }
    let (table, spans_at) = table(input, packed..body.end, target_bytes)?;
    let spans = spans(input, &table, spans_at)?;
    std::thread::scope(|scope| {
        let (mut at, mut lanes) = (packed, Vec::new());
        for lane in &table.lanes {
            let (sender, receiver) = sync_channel(STEPS_WAITING);
            let packed = at..at + lane.packed_bytes;
            at = packed.end;
            let unpack = move || unpack(input, lane, packed, &sender);
            std::thread::Builder::new().spawn_scoped(scope, unpack).map_err(DeltaError::Coder)?;
            lanes.push(Arriving { receiver, step: Vec::new(), used: 0 });
        }
        each_span(&spans, |bytes, lane| {
            lanes.get_mut(lane).map_or(Ok(()), |lane: &mut Arriving| lane.pass_on(bytes, &mut put))
        })
    })
}

/// The bytes of a lane, as they arrive.
struct Arriving {
    receiver: Receiver<Step>,
    step: Vec<u8>,
    /// The bytes of the step that were passed on.
    used: usize,
}

impl Arriving {
    fn pass_on(&mut self, mut bytes: u64, put: &mut impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), DeltaError> {
        while bytes > 0 {
            if self.used == self.step.len() {
                (self.step, self.used) = (self.receiver.recv().map_err(|_| EARLY)??, 0);
            }
            let rest = &self.step[self.used..];
            let now = rest.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
            put(&rest[..now]).map_err(DeltaError::Sink)?;
            (self.used, bytes) = (self.used + now, bytes - now as u64);
        }
        Ok(())
    }
}

fn read<I: Base + ?Sized>(input: &I, at: u64, out: &mut [u8]) -> Result<(), DeltaError> {
    input.read_at(at, out).map_err(DeltaError::Input)
}

/// Reads the table at the end of a body, and finds where the list of spans begins.
fn table<I: Base + ?Sized>(input: &I, packed: Range<u64>, target_bytes: u64) -> Result<(Table, u64), DeltaError> {
    let mut last = [0];
    let last_at = packed.end.checked_sub(1).filter(|&at| at >= packed.start).ok_or(EARLY)?;
    read(input, last_at, &mut last)?;
    let bytes = Table::bytes(last[0])?;
    let start = packed.end.checked_sub(bytes as u64).filter(|&start| start >= packed.start).ok_or(EARLY)?;
    let mut table = [0; MAX_TABLE_BYTES];
    let table = &mut table[..bytes];
    read(input, start, table)?;
    let table = Table::decode(table, target_bytes, start - packed.start)?;
    // The sum was checked.
    let spans_at = start - table.spans_packed;
    Ok((table, spans_at))
}

/// Reads the list of spans, and checks that they make the target.
fn spans<I: Base + ?Sized>(input: &I, table: &Table, at: u64) -> Result<Vec<u8>, DeltaError> {
    let entry = LaneEntry { form: LaneForm::SPANS, plain_bytes: table.spans_plain, packed_bytes: table.spans_packed };
    let mut plain = Vec::new();
    unpack_to(input, &entry, at..at + table.spans_packed, |step| {
        plain.extend_from_slice(&step);
        true
    })?;
    let mut left: Vec<u64> = table.lanes.iter().map(|lane| lane.plain_bytes).collect();
    each_span(&plain, |bytes, lane| {
        let left = left.get_mut(lane).ok_or(DeltaError::Damaged("a span of no lane"))?;
        *left = left.checked_sub(bytes).ok_or(DeltaError::Damaged("spans are longer than their lane"))?;
        Ok(())
    })?;
    // All lanes together are the target.
    if left.iter().all(|&left| left == 0) { Ok(plain) } else { Err(DeltaError::Damaged("spans that are missing")) }
}

/// Goes through the spans of a list: for each, its number of bytes and its lane.
fn each_span(list: &[u8], mut take: impl FnMut(u64, usize) -> Result<(), DeltaError>) -> Result<(), DeltaError> {
    let mut rest = list.iter().copied();
    while rest.len() > 0 {
        let bytes = crate::streams::take_number(|| rest.next().ok_or(EARLY))?;
        take(bytes, rest.next().ok_or(EARLY)?.into())?;
    }
    Ok(())
}

/// Decompresses a lane, as far as its bytes are wanted.
fn unpack<I: Base + ?Sized>(input: &I, lane: &LaneEntry, packed: Range<u64>, sender: &SyncSender<Step>) {
    if let Err(error) = unpack_to(input, lane, packed, |step| sender.send(Ok(step)).is_ok()) {
        // Nobody may wait for it any more.
        drop(sender.send(Err(error)));
    }
}

/// Decompresses a lane in steps. `take` says whether it wants more.
fn unpack_to<I: Base + ?Sized>(
    input: &I,
    lane: &LaneEntry,
    packed: Range<u64>,
    mut take: impl FnMut(Vec<u8>) -> bool,
) -> Result<(), DeltaError> {
    const OTHER: DeltaError = DeltaError::Damaged("a lane does not have its stated size");
    let mut stream = decoder(&lane.form)?;
    let (mut at, mut read_bytes, mut rest) = (packed.start, vec![0; READ_BYTES], 0..0);
    let (mut left, mut has_ended) = (lane.plain_bytes, false);
    while !has_ended {
        let mut step = Vec::with_capacity(STEP_BYTES);
        while step.len() < STEP_BYTES && !has_ended {
            if rest.is_empty() {
                let now = (packed.end - at).min(READ_BYTES as u64) as usize;
                read(input, at, &mut read_bytes[..now])?;
                (rest, at) = (0..now, at + now as u64);
            }
            let (before_in, before_out) = (stream.total_in(), step.len());
            let status = stream.process_vec(&read_bytes[rest.clone()], &mut step, Action::Run).map_err(|_| OTHER)?;
            rest.start += (stream.total_in() - before_in) as usize;
            has_ended = status == Status::StreamEnd;
            let is_stuck = rest.is_empty() && at == packed.end && step.len() == before_out;
            if is_stuck && !has_ended {
                return Err(OTHER);
            }
        }
        left = left.checked_sub(step.len() as u64).ok_or(OTHER)?;
        if !take(step) {
            return Ok(());
        }
    }
    if left == 0 && rest.is_empty() && at == packed.end { Ok(()) } else { Err(OTHER) }
}
