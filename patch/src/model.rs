//! The model of a patch's ops, the same for writing and for reading.

use std::io;

use crate::base::{Base, Window, byte_at};
use crate::changed::{Changes, Place};
use crate::coder::BitCoder;
use crate::error::PatchError;
use crate::literal::Literals;
use crate::mix::{Field, Slots, hash};
use crate::number::{SELECTORS, code_number, magnitude, unzigzag, zigzag};
use crate::op::{Change, Op};

/// After so many bytes without a change, the distance to the next change is a number.
const CLOSE: u64 = 24;
/// Bytes that are handed on at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes at a copy's end that literals after it are predicted from.
const REMEMBERED: u64 = 24;
/// Alignments that are kept.
const ALIGNMENTS: usize = 6;

/// Takes the target's bytes as they come.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// See the module's documentation.
pub(crate) struct Model<'b, B: Base + ?Sized> {
    slots: Slots,
    window: Window<'b, B>,
    literals: Literals,
    changes: Changes,
    literal_len: Field,
    choice: Field,
    distance: Field,
    copy_len: Field,
    is_last: Field,
    run: Field,
    /// Where the target is, and where the last copy ended in the base.
    target_at: u64,
    base_at: u64,
    /// The target's last bytes, the last one lowest.
    tail: u64,
    /// The last op's numbers.
    last_literal: u64,
    last_copy: u64,
    last_choice: u64,
    /// Base minus target places of the last copies, the last one first.
    alignments: [u64; ALIGNMENTS],
}

/// Where the changes of a copy are: known when writing.
struct Known<'a> {
    changes: &'a [Change],
}

impl Known<'_> {
    /// The next change at or behind `at`.
    fn next(&self, at: u64) -> Option<Change> {
        self.changes.first().copied().filter(|change| change.at >= at)
    }

    fn pass(&mut self, at: u64) {
        if self.changes.first().is_some_and(|change| change.at <= at) {
            self.changes = &self.changes[1..];
        }
    }
}

impl<'b, B: Base + ?Sized> Model<'b, B> {
    pub(crate) fn new(base: &'b B) -> Self {
        let number = || Field::new(3, 0, SELECTORS, 120);
        Self {
            slots: Slots::new(),
            window: Window::new(base),
            literals: Literals::new(),
            changes: Changes::new(),
            literal_len: number(),
            choice: number(),
            distance: number(),
            copy_len: number(),
            is_last: Field::new(3, 0, 1, 250),
            run: number(),
            target_at: 0,
            base_at: 0,
            tail: 0,
            last_literal: 0,
            last_copy: 0,
            last_choice: 0,
            alignments: [0; ALIGNMENTS],
        }
    }

    /// Bytes of the target so far.
    pub(crate) fn target_at(&self) -> u64 {
        self.target_at
    }

    /// Codes an op of a target that ends at `end`. When reading, `op` is an empty one and what was read goes to `sink`.
    pub(crate) fn code_op<C: BitCoder>(
        &mut self,
        coder: &mut C,
        op: &Op,
        end: u64,
        sink: Sink<'_>,
    ) -> Result<(), PatchError> {
        self.code_literals(coder, &op.literal, end, sink)?;
        if self.target_at == end {
            return Ok(());
        }
        let base_at = self.code_place(coder, op.base_at)?;
        let contexts = [
            hash(41, magnitude(self.last_copy)),
            hash(42, self.last_choice | magnitude(self.last_literal) << 4),
            hash(43, self.last_literal.min(16)),
        ];
        // A copy has a byte at least.
        let len = code_number(coder, &mut self.copy_len, &mut self.slots, &contexts, op.len.saturating_sub(1)) + 1;
        if len > end - self.target_at || len > self.window.len() - base_at {
            return Err(PatchError::Damaged("a copy is longer than what it is made of, or for"));
        }
        self.last_copy = len;
        self.code_copy(coder, base_at, len, Known { changes: &op.changes }, sink)
    }

    fn code_literals<C: BitCoder>(
        &mut self,
        coder: &mut C,
        literal: &[u8],
        end: u64,
        sink: Sink<'_>,
    ) -> Result<(), PatchError> {
        let contexts = [hash(21, magnitude(self.last_copy)), hash(22, self.last_literal.min(20)), hash(23, 0)];
        let len = code_number(coder, &mut self.literal_len, &mut self.slots, &contexts, literal.len() as u64);
        if len > end - self.target_at {
            return Err(PatchError::Damaged("literals go beyond the target's end"));
        }
        let mut piece = Vec::new();
        for at in 0..len {
            let around = self.window.around((self.base_at + at).min(self.window.len())).map_err(PatchError::Base)?;
            let byte = literal.get(at as usize).copied().unwrap_or(0);
            let byte = self.literals.code(coder, &mut self.slots, self.tail, byte_at(around, 0), byte);
            self.tail = self.tail << 8 | u64::from(byte);
            self.literals.remember(byte);
            self.literals.follow(self.tail);
            piece.push(byte);
            if piece.len() == PIECE_BYTES {
                sink(&piece).map_err(PatchError::Sink)?;
                piece.clear();
            }
        }
        sink(&piece).map_err(PatchError::Sink)?;
        self.target_at += len;
        self.last_literal = len;
        Ok(())
    }

    /// Codes where a copy begins: where the last one ended, at an alignment of late, or at a distance from the last one's end.
    fn code_place<C: BitCoder>(&mut self, coder: &mut C, wanted: u64) -> Result<u64, PatchError> {
        let known = |model: &Self, choice: usize| match choice {
            0 => model.base_at,
            choice => model.target_at.wrapping_add(model.alignments[choice - 1]),
        };
        let choice = (0..=ALIGNMENTS).find(|&choice| known(self, choice) == wanted).unwrap_or(ALIGNMENTS + 1);
        let contexts = [
            hash(31, self.last_choice | self.last_literal.min(8) << 4),
            hash(32, magnitude(self.last_copy)),
            hash(33, self.last_literal.min(64)),
        ];
        let choice = code_number(coder, &mut self.choice, &mut self.slots, &contexts, choice as u64);
        self.last_choice = choice;
        let place = match usize::try_from(choice) {
            Ok(choice) if choice <= ALIGNMENTS => known(self, choice),
            Ok(choice) if choice == ALIGNMENTS + 1 => {
                let distance = zigzag(wanted.wrapping_sub(self.base_at) as i64);
                let contexts = [hash(34, magnitude(self.last_copy)), hash(35, self.last_literal.min(8)), hash(36, 0)];
                let distance = code_number(coder, &mut self.distance, &mut self.slots, &contexts, distance);
                self.base_at.wrapping_add(unzigzag(distance) as u64)
            }
            _ => return Err(PatchError::Damaged("no such way to a copy")),
        };
        if place >= self.window.len() {
            return Err(PatchError::Damaged("a copy begins outside the base"));
        }
        let alignment = place.wrapping_sub(self.target_at);
        let old = self.alignments.iter().position(|&known| known == alignment).unwrap_or(ALIGNMENTS - 1);
        self.alignments[..=old].rotate_right(1);
        self.alignments[0] = alignment;
        Ok(place)
    }

    fn code_copy<C: BitCoder>(
        &mut self,
        coder: &mut C,
        base_at: u64,
        len: u64,
        mut known: Known<'_>,
        sink: Sink<'_>,
    ) -> Result<(), PatchError> {
        self.changes.begin();
        self.literals.interrupt();
        let (mut at, mut since, mut last_run) = (0, CLOSE, 0);
        let mut piece = Vec::new();
        while at < len {
            if since >= CLOSE {
                let run = self.code_run(coder, at, len, last_run, &known)?;
                sink(&piece).map_err(PatchError::Sink)?;
                piece.clear();
                self.keep_run(base_at + at, run.unwrap_or(len - at), sink)?;
                let Some(run) = run else { break };
                (at, last_run) = (at + run, run);
                let place = self.place(base_at + at)?;
                self.changes.flags = self.changes.flags << 1 | 1;
                self.change(coder, &place, &mut known, at, &mut piece);
                since = 0;
            } else {
                let place = self.place(base_at + at)?;
                let is_changed = known.next(at).is_some_and(|change| change.at == at);
                if self.changes.code_flag(coder, &mut self.slots, &place, since, is_changed) {
                    self.change(coder, &place, &mut known, at, &mut piece);
                    since = 0;
                } else {
                    let byte = byte_at(place.around, 0);
                    self.pass(byte, &mut piece);
                    since += 1;
                    self.changes.keep(&place, since, self.tail);
                    if since >= CLOSE {
                        last_run = 0;
                    }
                }
            }
            at += 1;
            if piece.len() >= PIECE_BYTES {
                sink(&piece).map_err(PatchError::Sink)?;
                piece.clear();
            }
        }
        sink(&piece).map_err(PatchError::Sink)?;
        self.base_at = base_at + len;
        for back in (0..REMEMBERED.min(len).min(8)).rev() {
            self.literals.remember((self.tail >> (back * 8)) as u8);
        }
        self.literals.follow(self.tail);
        Ok(())
    }

    /// Codes how many bytes stay as they are; `None` if all the rest.
    fn code_run<C: BitCoder>(
        &mut self,
        coder: &mut C,
        at: u64,
        len: u64,
        last_run: u64,
        known: &Known<'_>,
    ) -> Result<Option<u64>, PatchError> {
        let (rest, flags) = (len - at, self.changes.flags);
        let next = known.next(at);
        let contexts = [hash(51, magnitude(last_run)), hash(52, magnitude(rest)), hash(53, flags & 0xff)];
        self.is_last.select(&contexts, 0);
        if self.is_last.bit(coder, &mut self.slots, 1, &[], 0, u32::from(next.is_none())) == 1 {
            return Ok(None);
        }
        let contexts = [hash(61, magnitude(last_run)), hash(62, magnitude(rest)), hash(63, last_run)];
        let run = next.map_or(0, |change| change.at - at);
        let run = code_number(coder, &mut self.run, &mut self.slots, &contexts, run);
        if run >= rest { Err(PatchError::Damaged("a change behind its copy's end")) } else { Ok(Some(run)) }
    }

    fn place(&mut self, base_at: u64) -> Result<Place, PatchError> {
        let around = self.window.around(base_at).map_err(PatchError::Base)?;
        Ok(Place { around, base_at, target_at: self.target_at, tail: self.tail })
    }

    fn change<C: BitCoder>(
        &mut self,
        coder: &mut C,
        place: &Place,
        known: &mut Known<'_>,
        at: u64,
        piece: &mut Vec<u8>,
    ) {
        let byte = known.next(at).map_or(0, |change| change.byte);
        known.pass(at);
        let byte = self.changes.code_byte(coder, &mut self.slots, place, byte);
        self.pass(byte, piece);
    }

    fn pass(&mut self, byte: u8, piece: &mut Vec<u8>) {
        self.tail = self.tail << 8 | u64::from(byte);
        self.target_at += 1;
        piece.push(byte);
    }

    /// Hands on base bytes as they are.
    fn keep_run(&mut self, base_at: u64, len: u64, sink: Sink<'_>) -> Result<(), PatchError> {
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(len).unwrap_or(PIECE_BYTES))];
        let mut done = 0;
        while done < len {
            let bytes = (len - done).min(PIECE_BYTES as u64) as usize;
            self.window.read(base_at + done, &mut piece[..bytes]).map_err(PatchError::Base)?;
            for &byte in &piece[bytes.saturating_sub(8)..bytes] {
                self.tail = self.tail << 8 | u64::from(byte);
            }
            sink(&piece[..bytes]).map_err(PatchError::Sink)?;
            done += bytes as u64;
        }
        self.target_at += len;
        Ok(())
    }
}
