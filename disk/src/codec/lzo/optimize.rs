//! lzo1x_optimize: turns matches of two or three bytes into literals where that takes as many bytes, so that a stream has
//! fewer instructions. Its length stays.

use super::stream::{self, Before, Form, Instruction, MAX_TRAILING, Match};

/// The first bytes of runs that have their whole length in that byte. Longer runs are not joined with anything.
const RUNS: std::ops::RangeInclusive<usize> = 1..=15;
/// The first byte of a joined run is below this.
const FIRST_OF_MATCHES: usize = 16;

/// Goes over the stream of some plain bytes.
pub(super) fn optimize(stored: &mut [u8], plain: &[u8]) {
    let mut pass = Pass { stored, plain, at: 0, plain_at: 0, before: Before::Match, carrier: None };
    if let Some(literals) = stream::first_run(pass.stored) {
        pass.advance(1 + literals, literals);
        pass.before = Before::after_first(literals);
    }
    while pass.step().is_some() {}
}

/// What carries the literals before an instruction: a match or a run, which say how many there are.
#[derive(Debug, Clone, Copy)]
struct Carrier {
    literals: usize,
    is_run: bool,
}

struct Pass<'a> {
    stored: &'a mut [u8],
    plain: &'a [u8],
    /// The instruction that comes next, and the plain byte that it makes first.
    at: usize,
    plain_at: usize,
    before: Before,
    /// It is not known before the first match, unless the stream begins with an ordinary run.
    carrier: Option<Carrier>,
}

impl Pass<'_> {
    fn advance(&mut self, stored: usize, plain: usize) {
        self.at += stored;
        self.plain_at += plain;
    }

    /// Looks at an instruction. The result is `None` at the end.
    fn step(&mut self) -> Option<()> {
        let (instruction, bytes) = stream::read(self.stored.get(self.at..)?, self.before)?;
        match instruction {
            Instruction::End => return None,
            Instruction::Run(literals) => {
                self.advance(bytes + literals, literals);
                self.carry(literals, true);
            }
            Instruction::Match(found) => {
                if self.rewrite(found, bytes).is_none() {
                    self.advance(bytes + found.trailing, found.length + found.trailing);
                    self.carry(found.trailing, false);
                }
            }
        }
        Some(())
    }

    fn carry(&mut self, literals: usize, is_run: bool) {
        self.carrier = Some(Carrier { literals, is_run });
        self.before = if is_run { Before::Run } else { Before::after_match(literals) };
    }

    /// Turns a match into literals if that can be.
    fn rewrite(&mut self, found: Match, bytes: usize) -> Option<()> {
        let Carrier { literals, is_run } = self.carrier.filter(|_| found.trailing == 0)?;
        let next = usize::from(*self.stored.get(self.at + bytes)?);
        let fits = RUNS.contains(&next) && literals + found.length + next < FIRST_OF_MATCHES;
        // Whether it takes as many bytes as the literals that it stands for, or one more.
        let (is_short, is_joined) = match (found.form, found.length) {
            (Form::Pair, _) => (literals == 1, !is_run),
            (Form::Near, 3) => (false, is_run),
            (Form::Middle | Form::Far, 3) => (literals == 0, !is_run),
            _ => return None,
        };
        if is_short && !is_run && next > *RUNS.end() {
            self.shorten(found.length, literals)
        } else if is_joined && fits {
            self.join(found.length, (bytes, next + MAX_TRAILING))
        } else {
            None
        }
    }

    /// Puts the bytes of a match in its place, as literals that follow the match before.
    fn shorten(&mut self, length: usize, literals: usize) -> Option<()> {
        let carrier = self.at.checked_sub(literals + 2)?;
        let plain = self.plain.get(self.plain_at..self.plain_at + length)?;
        self.stored.get_mut(self.at..self.at + length)?.copy_from_slice(plain);
        self.stored[carrier] |= MAX_TRAILING as u8;
        self.advance(length, length);
        self.carry(MAX_TRAILING, false);
        Some(())
    }

    /// Joins the literals before a match, its own bytes, and the run behind it to one run.
    fn join(&mut self, length: usize, (bytes, run): (usize, usize)) -> Option<()> {
        let Carrier { literals, is_run } = self.carrier?;
        let joined = literals + length + run;
        let first = (joined - MAX_TRAILING) as u8;
        let from = self.at.checked_sub(literals)?;
        if is_run {
            *self.stored.get_mut(from.checked_sub(1)?)? = first;
        } else {
            let trailing = self.stored.get_mut(from.checked_sub(2)?)?;
            *trailing &= !(MAX_TRAILING as u8);
            *self.stored.get_mut(from)? = first;
        }
        let from = from + usize::from(!is_run);
        let plain = self.plain.get(self.plain_at.checked_sub(literals)?..self.plain_at + length)?;
        self.stored.get_mut(from..from + literals + length)?.copy_from_slice(plain);
        self.advance(bytes + 1 + run, length + run);
        self.carry(joined, true);
        Some(())
    }
}
