//! Spares SHA-256 of the beginning that an image shares with one that was made before.
//!
//! Messages to the hashing threads wait, block by block, until the block's BLAKE3 hash is known. If the block is that
//! of a remembered image, they are dropped. At the first block that is not, hashing continues from the last step.

use std::collections::VecDeque;

use regrow_catalog::Catalog;
use regrow_chunker::{BLOCK_BYTES, PartName};

use super::hash::{HashState, Sha256};
use super::lane::{Hashes, Lane, Marked, Message};
use super::runs::{Ended, Run, STEPS_MAX, Step, remember, remembered};
use crate::LocalError;

/// The bytes that may wait in a block's messages to both threads. More come only from a file that was put aside.
const WAITING_BYTES_MAX: u64 = 4 * BLOCK_BYTES;

/// The thread that a message goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Image,
    Parts,
}

/// The two hashing threads.
pub(super) struct Lanes {
    pub(super) image: Lane,
    pub(super) parts: Lane,
}

impl Lanes {
    fn send(&mut self, to: To, message: Message) -> Result<(), LocalError> {
        match to {
            To::Image => self.image.send(message),
            To::Parts => self.parts.send(message),
        }
    }

    fn mark(&mut self) -> Result<(), LocalError> {
        [To::Image, To::Parts].into_iter().try_for_each(|to| self.send(to, Message::Mark))
    }

    /// Continues as if everything up to the last of these steps had been hashed.
    fn resume(&mut self, steps: &[Step]) -> Result<(), LocalError> {
        let Some(last) = steps.last() else { return Ok(()) };
        let hash = |state: &HashState| Sha256::of_state(state).ok_or(LocalError::Worker);
        let image = Hashes { image: hash(&last.image)?, ..Hashes::default() };
        let part = last.part.as_ref().map_or(Ok(Sha256::default()), |(_, state)| hash(state))?;
        let parts: Vec<PartName> = steps.iter().flat_map(|step| &step.ended).map(|ended| ended.name).collect();
        self.image.send(Message::Resume(Box::new(image)))?;
        self.parts.send(Message::Resume(Box::new(Hashes { part, parts, ..Hashes::default() })))
    }
}

/// Where hashing stands after a block, without the hashes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Place {
    at: u64,
    /// The offset of the part that the block ends in.
    part: Option<u64>,
    /// The stretches of the parts that ended in the block.
    ended: Vec<(u64, u64)>,
}

impl Place {
    fn is_of(&self, step: &Step) -> bool {
        let ended = step.ended.iter().map(|ended| (ended.start, ended.end));
        step.at == self.at
            && step.part.as_ref().map(|(start, _)| *start) == self.part
            && ended.eq(self.ended.iter().copied())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The first block is hashed, to know whether a remembered image begins like this one.
    First,
    /// All blocks so far are those of a remembered image.
    Spared,
    /// Everything is hashed, and will be remembered.
    Hashed,
    /// Everything is hashed, and nothing more will be remembered.
    Over,
}

/// What is known of the image that is read.
pub(super) struct Known<'c> {
    catalog: &'c Catalog,
    state: State,
    /// The remembered images that begin like this one.
    runs: Vec<Run>,
    /// The positions of the runs that agree with the image so far.
    agreeing: Vec<usize>,
    /// The steps that were spared.
    spared: Vec<Step>,
    /// The steps that are hashed, without their hashes.
    hashed: Vec<([u8; 32], Place)>,
    /// The first of the hashed steps, if nothing is spared.
    first: Option<Marked>,
    /// The number of blocks that were begun.
    begun: usize,
    /// The hashes of blocks, and the places after blocks, of which the other one is not known yet.
    blocks: VecDeque<[u8; 32]>,
    places: VecDeque<(Place, Vec<(To, Message)>)>,
    /// The messages of the present block that wait, and the bytes in them.
    waiting: Vec<(To, Message)>,
    waiting_bytes: u64,
    /// The parts that ended in the present block.
    ended: Vec<(u64, u64)>,
}

impl<'c> Known<'c> {
    pub(super) fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            state: State::First,
            runs: Vec::new(),
            agreeing: Vec::new(),
            spared: Vec::new(),
            hashed: Vec::new(),
            first: None,
            begun: 0,
            blocks: VecDeque::new(),
            places: VecDeque::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            ended: Vec::new(),
        }
    }

    /// The number of blocks that were not hashed.
    #[cfg(test)]
    pub(super) fn spared(&self) -> usize {
        self.spared.len()
    }

    /// Whether messages wait at present.
    fn holds(&self) -> bool {
        self.state == State::Spared || (self.state == State::First && self.begun > 1)
    }

    /// Sends a message about this many bytes, at once or later.
    pub(super) fn send(
        &mut self,
        (to, message): (To, Message),
        bytes: usize,
        lanes: &mut Lanes,
    ) -> Result<(), LocalError> {
        if !self.holds() {
            return lanes.send(to, message);
        }
        self.waiting.push((to, message));
        self.waiting_bytes += bytes as u64;
        if self.waiting_bytes > WAITING_BYTES_MAX { self.give_up(lanes) } else { Ok(()) }
    }

    /// Notes that a part has ended.
    pub(super) fn end_part(&mut self, start: u64, end: u64) {
        if self.state != State::Over {
            self.ended.push((start, end));
        }
    }

    /// Notes that a block of the image was read. `at` is the number of bytes that were passed on, and `part` the
    /// offset of the part that they end in.
    pub(super) fn begin_block(&mut self, at: u64, part: Option<u64>, lanes: &mut Lanes) -> Result<(), LocalError> {
        if self.begun > 0 {
            self.end_block(at, part, lanes)?;
        }
        self.begun += 1;
        Ok(())
    }

    fn end_block(&mut self, at: u64, part: Option<u64>, lanes: &mut Lanes) -> Result<(), LocalError> {
        if self.state == State::Over {
            return Ok(());
        }
        let place = Place { at, part, ended: std::mem::take(&mut self.ended) };
        self.waiting_bytes = 0;
        let messages = std::mem::take(&mut self.waiting);
        if self.state == State::Hashed {
            lanes.mark()?;
        }
        self.places.push_back((place, messages));
        self.settle(lanes)
    }

    /// Notes the hash of the next block.
    pub(super) fn block_hashed(&mut self, block: [u8; 32], lanes: &mut Lanes) -> Result<(), LocalError> {
        if self.state == State::Over {
            return Ok(());
        }
        self.blocks.push_back(block);
        self.settle(lanes)
    }

    /// Decides about the blocks of which everything is known.
    fn settle(&mut self, lanes: &mut Lanes) -> Result<(), LocalError> {
        while self.state != State::Over && !self.blocks.is_empty() {
            let Some((place, messages)) = self.places.pop_front() else { return Ok(()) };
            let Some(block) = self.blocks.pop_front() else { return Ok(()) };
            match self.state {
                State::First => self.look_up(block, place, lanes)?,
                State::Spared => {
                    let number = self.spared.len();
                    let is_next = |run: &Run| run.get(number).is_some_and(|s| s.block == block && place.is_of(s));
                    let agreeing = self.agreeing.iter().copied().filter(|&run| is_next(&self.runs[run]));
                    let agreeing: Vec<usize> = agreeing.collect();
                    if let Some(&run) = agreeing.first() {
                        self.spared.push(self.runs[run][number].clone());
                        self.agreeing = agreeing;
                        continue;
                    }
                    lanes.resume(&self.spared)?;
                    self.hash_waiting(Some(messages), lanes)?;
                    self.hashed.push((block, place));
                }
                State::Hashed => self.hashed.push((block, place)),
                State::Over => {}
            }
            if self.spared.len() + self.hashed.len() >= STEPS_MAX {
                self.give_up(lanes)?;
            }
        }
        Ok(())
    }

    /// Looks for images with this first block.
    fn look_up(&mut self, block: [u8; 32], place: Place, lanes: &mut Lanes) -> Result<(), LocalError> {
        self.runs = remembered(self.catalog, &block);
        let ((image, _), (part, names)) = (lanes.image.report()?, lanes.parts.report()?);
        // What was hashed just now shows that the remembered states are what they are meant to be.
        let agrees = |run: &Run| {
            run.first().is_some_and(|step| {
                let names_agree = step.ended.iter().map(|ended| &ended.name).eq(&names);
                let part_agrees = step.part.as_ref().is_none_or(|(_, state)| *state == part.part);
                place.is_of(step) && step.image == image.image && part_agrees && names_agree
            })
        };
        self.agreeing = (0..self.runs.len()).filter(|&run| agrees(&self.runs[run])).collect();
        if let Some(&run) = self.agreeing.first() {
            self.spared.push(self.runs[run][0].clone());
            self.state = State::Spared;
            return Ok(());
        }
        self.first = Some(Marked { image: image.image, part: part.part });
        self.hashed.push((block, place));
        self.hash_waiting(None, lanes)
    }

    /// Has everything hashed that waits: the messages of these blocks, and then those of the present one.
    fn hash_waiting(&mut self, first: Option<Vec<(To, Message)>>, lanes: &mut Lanes) -> Result<(), LocalError> {
        self.state = State::Hashed;
        let others = self.places.iter_mut().map(|(_, messages)| std::mem::take(messages));
        for messages in first.into_iter().chain(others) {
            messages.into_iter().try_for_each(|(to, message)| lanes.send(to, message))?;
            lanes.mark()?;
        }
        std::mem::take(&mut self.waiting).into_iter().try_for_each(|(to, message)| lanes.send(to, message))
    }

    /// Spares and remembers nothing more of the image.
    pub(super) fn give_up(&mut self, lanes: &mut Lanes) -> Result<(), LocalError> {
        if self.state == State::Spared {
            lanes.resume(&self.spared)?;
        }
        if self.holds() {
            self.hash_waiting(None, lanes)?;
        }
        self.state = State::Over;
        Ok(())
    }

    /// Ends the last block. All blocks are hashed by now.
    pub(super) fn end_image(&mut self, at: u64, part: Option<u64>, lanes: &mut Lanes) -> Result<(), LocalError> {
        // An image of one block costs nothing to hash.
        if self.begun > 1 {
            self.end_block(at, part, lanes)?;
        }
        self.give_up(lanes)
    }

    /// Remembers the image, from the marks that both threads set.
    pub(super) fn remember(self, image: &Hashes, parts: &Hashes) {
        let Self { catalog, runs, spared, hashed, first, .. } = self;
        let known = spared.len();
        if known + hashed.len() < 2 || (hashed.is_empty() && known > 0) {
            return;
        }
        let mut names = parts.parts.iter().skip(spared.iter().map(|step| step.ended.len()).sum());
        let first = first.into_iter().map(|first| (first.image, first.part));
        let marks = image.marks.iter().zip(&parts.marks).map(|(image, part)| (image.image, part.part));
        let mut run = spared;
        for ((block, place), (image, part)) in hashed.into_iter().zip(first.chain(marks)) {
            let ended = place.ended.into_iter().zip(names.by_ref());
            let ended = ended.map(|((start, end), name)| Ended { start, end, name: *name }).collect();
            run.push(Step { block, at: place.at, image, part: place.part.map(|start| (start, part)), ended });
        }
        remember(catalog, runs, run);
    }
}
