//! The header of a dynamic block as numbers, relative to another one.

use super::channels::{Channel, NumberReader, NumberWriter};
use super::code_builder::CodeBuilder;
use crate::DeflateError;
use crate::format::dynamic_header::{DynamicHeader, LengthStep, in_order, length_steps, step_counts};
use crate::format::symbols::Counts;
use crate::format::tables::{
    CODE_LENGTH_SYMBOLS as OWN_CODES, DISTANCE_SYMBOLS as MAX_DISTANCES, END_OF_BLOCK, LITERAL_SYMBOLS as MAX_LITERALS,
};
use crate::number::put_number;

/// The lowest two bits of the first number: the predicted header, the last one, and from here on the builders' ways.
const BUILT: u64 = 2;
const FORM_SHIFT: u32 = 2;
/// The ways to code lengths: runs from literals into distances, runs within each, or steps that are said one by one.
const JOINT: u64 = 0;
const APART: u64 = 1;
const EXPLICIT: u64 = 2;
const OWN_SHIFT: u32 = 4;
/// The codes for code lengths: those of the other header, and from here on the builders' ways.
const OWN_BUILT: u64 = 1;
const OWN_WAYS: u64 = OWN_BUILT + CodeBuilder::ALL.len() as u64;
/// The gap to the next difference, and which one it is, in one number.
const PLUS_ONE: u64 = 0;
const MINUS_ONE: u64 = 1;
const OTHER: u64 = 2;
const DIFFERENCES: u64 = 3;

const LENGTHS: usize = MAX_LITERALS + MAX_DISTANCES;

/// The headers that one may be like: the predicted one, the one before, or one built from the counts of symbols.
#[derive(Clone, Copy)]
pub(super) struct Likes<'a> {
    pub(super) predicted: Option<&'a DynamicHeader>,
    pub(super) last: Option<&'a DynamicHeader>,
    pub(super) counts: Option<&'a Counts>,
}

impl Likes<'_> {
    fn grid(&self, number: u64) -> Option<Grid> {
        Some(match number {
            0 => Grid::new(self.predicted),
            1 => Grid::new(self.last),
            _ => Grid::of_lengths(CodeBuilder::ALL[(number - BUILT) as usize].lengths(self.counts?)),
        })
    }
}

/// Writes a header relative to what makes it cost least.
pub(super) fn put_header(numbers: &mut NumberWriter, header: &DynamicHeader, likes: Likes<'_>) {
    let ways = (0..BUILT + CodeBuilder::ALL.len() as u64).filter_map(|number| relative(header, &likes, number));
    if let Some(shortest) = ways.min_by_key(Vec::len) {
        numbers.put_bytes(Channel::Headers, &shortest);
    }
}

fn relative(header: &DynamicHeader, likes: &Likes<'_>, number: u64) -> Option<Vec<u8>> {
    let like = likes.grid(number)?;
    let form = if header.steps == length_steps(&[&header.lengths]) {
        JOINT
    } else if header.steps == length_steps(&[header.literal_lengths(), header.distance_lengths()]) {
        APART
    } else {
        EXPLICIT
    };
    let own = (0..OWN_WAYS).map(|way| (way, own_relative(header, &own_like(&like, way, &header.steps))));
    let (own_way, own) = own.min_by_key(|(_, own)| own.len())?;
    let grid = Grid::new(Some(header));
    let mut out = Vec::new();
    put_number(&mut out, number | form << FORM_SHIFT | own_way << OWN_SHIFT);
    put_number(&mut out, zigzag(grid.literals, like.literals));
    put_number(&mut out, zigzag(grid.distances, like.distances));
    put_differences(&mut out, &grid.lengths, &like.lengths);
    if form == EXPLICIT {
        for step in &header.steps {
            let repeats = u64::from(step.times.saturating_sub(3)) * 3 + 1;
            put_number(&mut out, step.symbol.checked_sub(16).map_or(0, |way| repeats + u64::from(way)));
        }
    }
    out.extend(own);
    Some(out)
}

/// The number of lengths of codes for code lengths, and these lengths.
type Own = (usize, [u8; OWN_CODES]);

fn own_relative(header: &DynamicHeader, like: &Own) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, zigzag(header.own_coded, like.0));
    put_differences(&mut out, &header.own, &like.1);
    out
}

fn own_like(like: &Grid, way: u64, steps: &[LengthStep]) -> Own {
    let Some(builder) = way.checked_sub(OWN_BUILT) else { return (like.own_coded, like.own) };
    let lengths = CodeBuilder::ALL[builder as usize].own(&step_counts(steps));
    in_order(&std::array::from_fn(|symbol| lengths.get(symbol).copied().unwrap_or(0)))
}

/// The beginning of a header.
#[derive(Clone, Copy)]
pub(super) struct Head(u64);

impl Head {
    pub(super) fn take(reader: &mut NumberReader) -> Result<Self, DeflateError> {
        let head = reader.take_up_to(Channel::Headers, (OWN_WAYS << OWN_SHIFT) - 1)?;
        if head >> FORM_SHIFT & 3 > EXPLICIT { Err(DeflateError::Corrections) } else { Ok(Self(head)) }
    }

    /// The tokens must be known before the header is.
    pub(super) fn is_built(self) -> bool {
        self.0 & 3 >= BUILT
    }

    /// Reads the rest of what [`put_header`] wrote.
    pub(super) fn take_header(
        self,
        reader: &mut NumberReader,
        likes: Likes<'_>,
    ) -> Result<DynamicHeader, DeflateError> {
        let like = likes.grid(self.0 & 3).ok_or(DeflateError::Corrections)?;
        let literals = unzigzag(reader, like.literals, 257, MAX_LITERALS)?;
        let distances = unzigzag(reader, like.distances, 1, MAX_DISTANCES)?;
        let mut grid = like.lengths;
        take_differences(reader, &mut grid, 15)?;
        let parts = [&grid[..literals], &grid[MAX_LITERALS..][..distances]];
        let lengths = parts.concat();
        // Without an end no block ends.
        if lengths[END_OF_BLOCK] == 0 {
            return Err(DeflateError::Corrections);
        }
        let steps = match self.0 >> FORM_SHIFT & 3 {
            JOINT => length_steps(&[&lengths]),
            APART => length_steps(&parts),
            _ => take_steps(reader, &lengths)?,
        };
        let (own_coded, mut own) = own_like(&like, self.0 >> OWN_SHIFT, &steps);
        let own_coded = unzigzag(reader, own_coded, 4, OWN_CODES)?;
        take_differences(reader, &mut own, 7)?;
        if own[own_coded..].iter().any(|&length| length > 0) {
            return Err(DeflateError::Corrections);
        }
        Ok(DynamicHeader { literals, lengths, steps, own_coded, own })
    }
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
    fn new(header: Option<&DynamicHeader>) -> Self {
        let mut grid = Self { literals: 257, distances: 1, lengths: [0; LENGTHS], own_coded: 4, own: [0; OWN_CODES] };
        if let Some(header) = header {
            (grid.literals, grid.distances) = (header.literals, header.distance_lengths().len());
            grid.lengths[..grid.literals].copy_from_slice(header.literal_lengths());
            grid.lengths[MAX_LITERALS..][..grid.distances].copy_from_slice(header.distance_lengths());
            (grid.own_coded, grid.own) = (header.own_coded, header.own);
        }
        grid
    }

    fn of_lengths((literals, distances): (Vec<u8>, Vec<u8>)) -> Self {
        let mut grid = Self::new(None);
        (grid.literals, grid.distances) = (literals.len().max(grid.literals), distances.len());
        grid.lengths[..literals.len()].copy_from_slice(&literals);
        grid.lengths[MAX_LITERALS..][..distances.len()].copy_from_slice(&distances);
        grid
    }
}

fn zigzag(value: usize, like: usize) -> u64 {
    if value >= like { 2 * (value - like) as u64 } else { 2 * (like - value) as u64 - 1 }
}

fn unzigzag(reader: &mut NumberReader, like: usize, least: usize, most: usize) -> Result<usize, DeflateError> {
    let number = reader.take_up_to(Channel::Headers, 1000)? as usize;
    let value = if number.is_multiple_of(2) { Some(like + number / 2) } else { like.checked_sub(number / 2 + 1) };
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

fn take_differences(reader: &mut NumberReader, values: &mut [u8], most: u8) -> Result<(), DeflateError> {
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

fn take_steps(reader: &mut NumberReader, lengths: &[u8]) -> Result<Vec<LengthStep>, DeflateError> {
    let mut made = DynamicHeader::default();
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
