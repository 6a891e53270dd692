//! Tokens from corrections: runs of predicted ones, and those that are listed in between.

use super::channels::{Channel, NumberReader};
use super::marks::*;
use super::predicted::Parts;
use crate::DeflateError;
use crate::format::structure::{MAX_DISTANCE, MAX_MATCH, Token};

/// The place within runs and lists.
pub(super) struct Listing {
    is_listing: bool,
    /// Tokens as predicted that are to come.
    run: u64,
    /// Literals that are to come.
    literals: u64,
}

impl Listing {
    pub(super) fn new() -> Self {
        Self { is_listing: true, run: 0, literals: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        (self.run, self.literals) == (0, 0)
    }

    /// Whether the next token may be one for which matches must be found.
    pub(super) fn may_find(&self) -> bool {
        self.run == 0
    }

    /// The next token.
    pub(super) fn next(
        &mut self,
        place: u64,
        covering: (Token, u64),
        reader: &mut NumberReader,
        predicted: &mut Parts,
    ) -> Result<Token, DeflateError> {
        if self.is_listing && covering.1 == place {
            if self.literals > 0 {
                return Err(DeflateError::Corrections);
            }
            self.is_listing = false;
            self.run = reader.take(Channel::Runs)?;
        }
        if let Some(left) = self.run.checked_sub(1) {
            self.run = left;
            return if covering.1 == place { Ok(covering.0) } else { Err(DeflateError::Corrections) };
        }
        self.is_listing = true;
        if self.literals == 0 {
            let number = reader.take(Channel::Kinds)?;
            match number.checked_sub(LITERALS).filter(|&literals| literals > 0) {
                Some(literals) => self.literals = literals,
                None => return take_match(number, place, reader, predicted),
            }
        }
        self.literals -= 1;
        let byte = predicted.plain(place, 1).first().ok_or(DeflateError::Corrections)?;
        Ok(Token::literal(*byte))
    }
}

fn take_match(way: u64, place: u64, reader: &mut NumberReader, predicted: &mut Parts) -> Result<Token, DeflateError> {
    let (has_length, has_distance) = (way & HAS_LENGTH != 0, way & HAS_DISTANCE != 0);
    let like = like(place, predicted.match_near(place));
    if !has_length && !has_distance {
        let (length, distance) = like.0.zip(like.1).ok_or(DeflateError::Corrections)?;
        return Token::new_match(length, distance).ok_or(DeflateError::Corrections);
    }
    let history = predicted.find(place);
    let mut length = like.0;
    if has_length {
        let less = reader.take_up_to(Channel::Lengths, u64::from(LENGTHS) - 1)? as u16;
        length = Some((history.longest() + LENGTHS - less) % LENGTHS);
    }
    let length = length.ok_or(DeflateError::Corrections)?;
    let mut distance = like.1;
    if has_distance {
        let number = reader.take_up_to(Channel::Distances, FIRST_DISTANCE + u64::from(MAX_DISTANCE))?;
        distance = match number.checked_sub(FIRST_DISTANCE) {
            Some(distance) => Some(distance as u16),
            None => history.distance(length.min(MAX_MATCH), number as usize),
        };
    }
    Token::new_match(length, distance.ok_or(DeflateError::Corrections)?).ok_or(DeflateError::Corrections)
}
