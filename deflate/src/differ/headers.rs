//! The header of a dynamic block as numbers, relative to another one.

use super::channels::{Channel, Numbers, Reader};
use super::structure::{Header, LengthStep, MAX_DISTANCES, MAX_LITERALS, OWN_CODES};
use crate::DeflateError;
use crate::number::put_number;

/// How lengths are coded: runs from literals into distances, none, or said one by one.
const JOINT: u64 = 0;
const APART: u64 = 1;
const EXPLICIT: u64 = 2;
/// The gap to the next difference, and which one it is, in one number.
const PLUS_ONE: u64 = 0;
const MINUS_ONE: u64 = 1;
const OTHER: u64 = 2;
const DIFFERENCES: u64 = 3;

const LENGTHS: usize = MAX_LITERALS + MAX_DISTANCES;

/// Writes a header relative to the one that costs less.
pub(super) fn put_header(numbers: &mut Numbers, header: &Header, likes: [Option<&Header>; 2]) {
    let with = |number: usize| relative(header, likes[number], number as u64);
    let (first, second) = (with(0), with(1));
    numbers.put_bytes(Channel::Headers, if second.len() < first.len() { &second } else { &first });
}

fn relative(header: &Header, like: Option<&Header>, number: u64) -> Vec<u8> {
    let form = if header.steps == steps(&[&header.lengths]) {
        JOINT
    } else if header.steps == steps(&[header.of_literals(), header.of_distances()]) {
        APART
    } else {
        EXPLICIT
    };
    let like = Grid::new(like);
    let grid = Grid::new(Some(header));
    let mut out = Vec::new();
    put_number(&mut out, number | form << 1);
    put_number(&mut out, zigzag(grid.literals, like.literals));
    put_number(&mut out, zigzag(grid.distances, like.distances));
    put_differences(&mut out, &grid.lengths, &like.lengths);
    put_number(&mut out, zigzag(grid.own_coded, like.own_coded));
    put_differences(&mut out, &grid.own, &like.own);
    if form == EXPLICIT {
        for step in &header.steps {
            let repeats = u64::from(step.times.saturating_sub(3)) * 3 + 1;
            put_number(&mut out, step.symbol.checked_sub(16).map_or(0, |way| repeats + u64::from(way)));
        }
    }
    out
}

/// Reads what [`put_header`] wrote.
pub(super) fn take_header(reader: &mut Reader, likes: [Option<&Header>; 2]) -> Result<Header, DeflateError> {
    let head = reader.take_up_to(Channel::Headers, EXPLICIT << 1 | 1)?;
    let mut grid = Grid::new(likes[(head & 1) as usize]);
    grid.literals = unzigzag(reader, grid.literals, 257, MAX_LITERALS)?;
    grid.distances = unzigzag(reader, grid.distances, 1, MAX_DISTANCES)?;
    take_differences(reader, &mut grid.lengths, 15)?;
    grid.own_coded = unzigzag(reader, grid.own_coded, 4, OWN_CODES)?;
    take_differences(reader, &mut grid.own, 7)?;
    let (literals, distances) = (&grid.lengths[..grid.literals], &grid.lengths[MAX_LITERALS..][..grid.distances]);
    let lengths = [literals, distances].concat();
    // Without an end no block ends.
    if lengths[256] == 0 || grid.own[grid.own_coded..].iter().any(|&length| length > 0) {
        return Err(DeflateError::Corrections);
    }
    let steps = match head >> 1 {
        JOINT => steps(&[&lengths]),
        APART => steps(&[literals, distances]),
        _ => take_steps(reader, &lengths)?,
    };
    Ok(Header { literals: grid.literals, lengths, steps, own_coded: grid.own_coded, own: grid.own })
}

/// Lengths, each at a place of its own.
struct Grid {
    literals: usize,
    distances: usize,
    lengths: [u8; LENGTHS],
    own_coded: usize,
    own: [u8; OWN_CODES],
}

impl Grid {
    fn new(header: Option<&Header>) -> Self {
        let mut grid = Self { literals: 257, distances: 1, lengths: [0; LENGTHS], own_coded: 4, own: [0; OWN_CODES] };
        if let Some(header) = header {
            (grid.literals, grid.distances) = (header.literals, header.of_distances().len());
            grid.lengths[..grid.literals].copy_from_slice(header.of_literals());
            grid.lengths[MAX_LITERALS..][..grid.distances].copy_from_slice(header.of_distances());
            (grid.own_coded, grid.own) = (header.own_coded, header.own);
        }
        grid
    }
}

fn zigzag(value: usize, like: usize) -> u64 {
    if value >= like { 2 * (value - like) as u64 } else { 2 * (like - value) as u64 - 1 }
}

fn unzigzag(reader: &mut Reader, like: usize, least: usize, most: usize) -> Result<usize, DeflateError> {
    let number = reader.take_up_to(Channel::Headers, 1000)? as usize;
    let value = if number % 2 == 0 { Some(like + number / 2) } else { like.checked_sub(number / 2 + 1) };
    value.filter(|value| (least..=most).contains(value)).ok_or(DeflateError::Corrections)
}

fn put_differences(out: &mut Vec<u8>, values: &[u8], like: &[u8]) {
    let differing = || (0..values.len()).filter(|&at| values[at] != like[at]);
    put_number(out, differing().count() as u64);
    let mut next = 0;
    for at in differing() {
        let difference = i16::from(values[at]) - i16::from(like[at]);
        let kind = match difference {
            1 => PLUS_ONE,
            -1 => MINUS_ONE,
            _ => OTHER,
        };
        put_number(out, (at - next) as u64 * DIFFERENCES + kind);
        if kind == OTHER {
            out.push(values[at]);
        }
        next = at + 1;
    }
}

fn take_differences(reader: &mut Reader, values: &mut [u8], most: u8) -> Result<(), DeflateError> {
    let count = reader.take_up_to(Channel::Headers, values.len() as u64)?;
    let mut next = 0;
    for _ in 0..count {
        let number = reader.take_up_to(Channel::Headers, LENGTHS as u64 * DIFFERENCES)?;
        let at = next + (number / DIFFERENCES) as usize;
        let value = values.get_mut(at).ok_or(DeflateError::Corrections)?;
        *value = match number % DIFFERENCES {
            PLUS_ONE => *value + 1,
            MINUS_ONE => value.checked_sub(1).ok_or(DeflateError::Corrections)?,
            _ => reader.take_up_to(Channel::Headers, most.into())? as u8,
        };
        if *value > most {
            return Err(DeflateError::Corrections);
        }
        next = at + 1;
    }
    Ok(())
}

/// How zlib and Go code lengths: of each run what codes for repetitions allow.
fn steps(parts: &[&[u8]]) -> Vec<LengthStep> {
    let mut steps = Vec::new();
    for run in parts.iter().flat_map(|lengths| lengths.chunk_by(|a, b| a == b)) {
        let (length, mut left) = (run[0], run.len());
        let mut put = |symbol, times: usize, left: &mut usize| {
            steps.push(LengthStep { symbol, times: times as u8 });
            *left -= times;
        };
        if length == 0 {
            while left >= 11 {
                put(18, left.min(138), &mut left);
            }
            if left >= 3 {
                put(17, left, &mut left);
            }
        } else {
            put(length, 1, &mut left);
            while left >= 3 {
                put(16, left.min(6), &mut left);
            }
        }
        while left > 0 {
            put(length, 1, &mut left);
        }
    }
    steps
}

fn take_steps(reader: &mut Reader, lengths: &[u8]) -> Result<Vec<LengthStep>, DeflateError> {
    let mut made = Header::default();
    while made.lengths.len() < lengths.len() {
        let symbol = lengths[made.lengths.len()];
        let step = match reader.take_up_to(Channel::Headers, 3 * 135 + 3)?.checked_sub(1) {
            None => LengthStep { symbol, times: 1 },
            Some(number) => LengthStep { symbol: 16 + (number % 3) as u8, times: (number / 3 + 3) as u8 },
        };
        let range = match step.symbol {
            16 => 3..=6,
            17 => 3..=10,
            18 => 11..=138,
            _ => 1..=1,
        };
        range.contains(&step.times).then(|| made.push(step)).flatten().ok_or(DeflateError::Corrections)?;
    }
    if made.lengths == lengths { Ok(made.steps) } else { Err(DeflateError::Corrections) }
}
