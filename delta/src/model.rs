//! The model of a patch's ops, the same for writing and for reading.

use crate::alignments::{Alignments, KNOWN};
use crate::base::{Base, Window, byte_at};
use crate::changed::{Changes, Place};
use crate::checksum::{AHEAD, BEFORE, Checksums, RECENT};
use crate::coder::BitCoder;
use crate::error::DeltaError;
use crate::literal::Literals;
use crate::mix::{FEW, Field, MANY, Slots, hash, no_further};
use crate::number::{NumberField, SELECTORS, code_number, magnitude, unzigzag, zigzag};
use crate::op::{Change, Op};
use crate::pieces::Pieces;

/// The number of unchanged bytes after which the distance to the next change is coded as a number.
pub(crate) const CLOSE: u64 = 24;
/// The largest distance of the next change behind a header at which a writer goes from header to header.
const NEAR: u64 = 16 << 10;
/// The number of bytes at a copy's end that repetitions of literals are looked for in.
const REMEMBERED: u64 = 8;
/// The largest number of bytes between two checks for the input's end.
const CHECK_EVERY: u64 = 1 << 16;
/// The model of a patch's ops.
pub(crate) struct Model<'b, B: Base + ?Sized> {
    slots: Slots,
    window: Window<'b, B>,
    literals: Literals,
    changes: Changes,
    checksums: Checksums,
    literal_len: NumberField,
    choice: NumberField,
    distance: NumberField,
    copy_len: NumberField,
    is_last: Field<3>,
    is_header: Field<3>,
    run: NumberField,
    alignments: Alignments,
    /// The number of target bytes so far.
    target_at: u64,
    /// The target's last bytes, with the last one lowest.
    tail: u64,
    /// The numbers of the last op.
    last_literal: u64,
    last_copy: u64,
    last_choice: u64,
}

/// The changes of a copy, which are known when writing.
struct ChangesAhead<'a> {
    changes: &'a [Change],
}

impl ChangesAhead<'_> {
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
        let number = || Field::new(0, SELECTORS, FEW);
        Self {
            slots: Slots::new(),
            window: Window::new(base),
            literals: Literals::new(),
            changes: Changes::new(),
            checksums: Checksums::new(),
            literal_len: number(),
            choice: number(),
            distance: number(),
            copy_len: number(),
            is_last: Field::new(0, 1, MANY),
            is_header: Field::new(0, 1, MANY),
            run: number(),
            alignments: Alignments::default(),
            target_at: 0,
            tail: 0,
            last_literal: 0,
            last_copy: 0,
            last_choice: 0,
        }
    }

    /// The number of target bytes so far.
    pub(crate) fn target_at(&self) -> u64 {
        self.target_at
    }

    /// Codes an op of a target that ends at `end`. When reading, `op` is empty, and the decoded bytes go to
    /// `pieces`.
    pub(crate) fn code_op<C: BitCoder>(
        &mut self,
        coder: &mut C,
        op: &Op,
        end: u64,
        pieces: &mut Pieces<'_>,
    ) -> Result<(), DeltaError> {
        self.code_literals(coder, &op.literal, end, pieces)?;
        if self.target_at == end {
            return Ok(());
        }
        let base_at = self.code_place(coder, op.base_at)?;
        let contexts = [
            hash(41, magnitude(self.last_copy)),
            hash(42, self.last_choice | magnitude(self.last_literal) << 4),
            hash(43, self.last_literal.min(16)),
        ];
        // A copy has at least one byte.
        let len = code_number(coder, &mut self.copy_len, &mut self.slots, &contexts, op.len.saturating_sub(1)) + 1;
        if len > end - self.target_at || len > self.window.len() - base_at {
            return Err(DeltaError::Damaged("a copy goes beyond the base or the target"));
        }
        self.last_copy = len;
        coder.charge(self.target_at);
        self.code_copy(coder, base_at, len, ChangesAhead { changes: &op.changes }, pieces)
    }

    fn code_literals<C: BitCoder>(
        &mut self,
        coder: &mut C,
        literal: &[u8],
        end: u64,
        pieces: &mut Pieces<'_>,
    ) -> Result<(), DeltaError> {
        let contexts = [hash(21, magnitude(self.last_copy)), hash(22, self.last_literal.min(20)), hash(23, 0)];
        let len = code_number(coder, &mut self.literal_len, &mut self.slots, &contexts, literal.len() as u64);
        if len > end - self.target_at {
            return Err(DeltaError::Damaged("literals go beyond the target's end"));
        }
        for at in 0..len {
            let byte = literal.get(at as usize).copied().unwrap_or(0);
            let byte = self.literals.code(coder, &mut self.slots, self.tail, byte);
            coder.charge(self.target_at + at);
            self.checksums.push(self.target_at + at, byte);
            self.tail = self.tail << 8 | u64::from(byte);
            self.literals.remember(byte);
            self.literals.follow(self.tail);
            pieces.push_byte(byte)?;
            if at % CHECK_EVERY == 0 {
                coder.check()?;
            }
        }
        self.target_at += len;
        self.last_literal = len;
        Ok(())
    }

    /// Codes where a copy begins: where the last one ended, at a recent alignment, or at a distance from the last
    /// one's end.
    fn code_place<C: BitCoder>(&mut self, coder: &mut C, wanted: u64) -> Result<u64, DeltaError> {
        let choice = self.alignments.way(wanted, self.target_at);
        let contexts = [
            hash(31, self.last_choice | self.last_literal.min(8) << 4),
            hash(32, magnitude(self.last_copy)),
            hash(33, self.last_literal.min(64)),
        ];
        let choice = code_number(coder, &mut self.choice, &mut self.slots, &contexts, choice);
        self.last_choice = choice;
        let place = if choice < KNOWN {
            self.alignments.place(choice, self.target_at)
        } else if choice == KNOWN {
            let distance = zigzag(wanted.wrapping_sub(self.alignments.base_at) as i64);
            let contexts = [hash(34, magnitude(self.last_copy)), hash(35, self.last_literal.min(8)), hash(36, 0)];
            let distance = code_number(coder, &mut self.distance, &mut self.slots, &contexts, distance);
            self.alignments.base_at.wrapping_add(unzigzag(distance) as u64)
        } else {
            return Err(DeltaError::Damaged("a copy begins in an unknown way"));
        };
        if place >= self.window.len() {
            return Err(DeltaError::Damaged("a copy begins outside the base"));
        }
        self.alignments.begin(place, self.target_at);
        Ok(place)
    }

    fn code_copy<C: BitCoder>(
        &mut self,
        coder: &mut C,
        base_at: u64,
        len: u64,
        mut known: ChangesAhead<'_>,
        pieces: &mut Pieces<'_>,
    ) -> Result<(), DeltaError> {
        self.changes.begin();
        self.literals.interrupt();
        let (mut at, mut since, mut last_run) = (0, CLOSE, 0);
        while at < len {
            if since >= CLOSE {
                coder.check()?;
                if let Some(to_header) = self.code_header(coder, base_at, at, len, last_run, &known)? {
                    self.keep_run(base_at + at, to_header, pieces)?;
                    (at, since) = (at + to_header, 0);
                    continue;
                }
                let run = self.code_run(coder, at, len, last_run, &known)?;
                self.keep_run(base_at + at, run.unwrap_or(len - at), pieces)?;
                let Some(run) = run else { break };
                (at, last_run) = (at + run, run);
                let place = self.place(base_at + at)?;
                self.changes.flags = self.changes.flags << 1 | 1;
                self.change(coder, &place, &mut known, at, pieces)?;
                since = 0;
            } else {
                let place = self.place(base_at + at)?;
                let is_changed = known.next(at).is_some_and(|change| change.at == at);
                let is_changed = self.changes.code_flag(coder, &mut self.slots, &place, since, is_changed);
                coder.charge(self.target_at);
                if is_changed {
                    self.change(coder, &place, &mut known, at, pieces)?;
                    since = 0;
                } else {
                    self.pass(byte_at(place.around, 0), pieces)?;
                    since += 1;
                    self.changes.keep(&place, since, self.tail);
                    if since >= CLOSE {
                        last_run = 0;
                    }
                }
                if at % CHECK_EVERY == 0 {
                    coder.check()?;
                }
            }
            at += 1;
        }
        self.alignments.base_at = base_at + len;
        for back in (0..REMEMBERED.min(len)).rev() {
            self.literals.remember((self.tail >> (back * 8)) as u8);
        }
        self.literals.follow(self.tail);
        Ok(())
    }

    /// Codes whether there is no change before the next header's size and time, and returns the distance to them if
    /// so.
    fn code_header<C: BitCoder>(
        &mut self,
        coder: &mut C,
        base_at: u64,
        at: u64,
        len: u64,
        last_run: u64,
        known: &ChangesAhead<'_>,
    ) -> Result<Option<u64>, DeltaError> {
        if !self.checksums.expects_header() {
            return Ok(None);
        }
        let ahead = self.window.ahead(base_at + at, AHEAD.min(len - at)).map_err(DeltaError::Base)?;
        let Some(to_header) = self.checksums.next_header(ahead) else { return Ok(None) };
        // Going from header to header costs less than a number, up to some distance.
        let near = at + to_header..at + to_header + NEAR;
        let is_next = known.next(at).is_some_and(|change| near.contains(&change.at));
        let flags = self.changes.flags;
        let contexts = [hash(54, flags & 0xff), hash(55, flags & 0xffff_ffff), hash(56, magnitude(last_run))];
        self.is_header.select(&contexts, 0);
        let is_next = self.is_header.bit(coder, &mut self.slots, 1, no_further(), 0, u32::from(is_next)) == 1;
        Ok(is_next.then_some(to_header))
    }

    /// Codes the number of bytes that stay as they are. `None` means all the rest.
    fn code_run<C: BitCoder>(
        &mut self,
        coder: &mut C,
        at: u64,
        len: u64,
        last_run: u64,
        known: &ChangesAhead<'_>,
    ) -> Result<Option<u64>, DeltaError> {
        let (rest, flags) = (len - at, self.changes.flags);
        let next = known.next(at);
        let contexts = [hash(51, magnitude(last_run)), hash(52, magnitude(rest)), hash(53, flags & 0xff)];
        self.is_last.select(&contexts, 0);
        if self.is_last.bit(coder, &mut self.slots, 1, no_further(), 0, u32::from(next.is_none())) == 1 {
            return Ok(None);
        }
        let contexts = [hash(61, magnitude(last_run)), hash(62, magnitude(rest)), hash(63, last_run)];
        let run = next.map_or(0, |change| change.at - at);
        let run = code_number(coder, &mut self.run, &mut self.slots, &contexts, run);
        if run >= rest { Err(DeltaError::Damaged("a change behind its copy's end")) } else { Ok(Some(run)) }
    }

    #[inline(always)]
    fn place(&mut self, base_at: u64) -> Result<Place, DeltaError> {
        let around = self.window.around(base_at).map_err(DeltaError::Base)?;
        let window = &self.window;
        let checked =
            self.checksums.guess(around, (base_at, self.target_at), |back| window.before(base_at - back, BEFORE));
        Ok(self.changes.look(around, (base_at, self.target_at), self.tail, checked))
    }

    #[inline]
    fn change<C: BitCoder>(
        &mut self,
        coder: &mut C,
        place: &Place,
        known: &mut ChangesAhead<'_>,
        at: u64,
        pieces: &mut Pieces<'_>,
    ) -> Result<(), DeltaError> {
        let byte = known.next(at).map_or(0, |change| change.byte);
        known.pass(at);
        let byte = self.changes.code_byte(coder, &mut self.slots, place, byte);
        coder.charge(self.target_at);
        self.pass(byte, pieces)
    }

    #[inline]
    fn pass(&mut self, byte: u8, pieces: &mut Pieces<'_>) -> Result<(), DeltaError> {
        self.tail = self.tail << 8 | u64::from(byte);
        self.checksums.push(self.target_at, byte);
        self.target_at += 1;
        pieces.push_byte(byte)
    }

    /// Hands on base bytes unchanged.
    fn keep_run(&mut self, base_at: u64, len: u64, pieces: &mut Pieces<'_>) -> Result<(), DeltaError> {
        if pieces.tell_copy(base_at, len)? {
            // The model goes on from the last bytes alone.
            let mut last = [0; RECENT];
            self.window.read(base_at + len - RECENT as u64, &mut last).map_err(DeltaError::Base)?;
            self.take_in(self.target_at + len - RECENT as u64, &last);
        } else {
            let mut done = 0;
            while done < len {
                let room = pieces.room(len - done)?;
                self.window.read(base_at + done, room).map_err(DeltaError::Base)?;
                let skipped = room.len().saturating_sub(RECENT);
                self.take_in(self.target_at + done + skipped as u64, &room[skipped..]);
                done += room.len() as u64;
            }
        }
        self.target_at += len;
        Ok(())
    }

    /// Takes in bytes of the target from a place on.
    fn take_in(&mut self, target_at: u64, bytes: &[u8]) {
        for (at, &byte) in (target_at..).zip(bytes) {
            self.tail = self.tail << 8 | u64::from(byte);
            self.checksums.push(at, byte);
        }
    }
}
