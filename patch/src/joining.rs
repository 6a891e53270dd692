//! Chooses the files of disk images that are coded as a whole although they lie in pieces.
//!
//! Those are files of the target of which a piece changed, and the files of the base that they were. All other files stay
//! in pieces, since a target's joined files wait on the reader's machine, and each one takes some bytes of the lists.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use regrow_image::StreamKind;
use regrow_local::{LocalError, Pool};

use crate::identity::identical;
use crate::joined::{JoinedFiles, MAX_PIECES, MAX_TARGET_BYTES, PieceSource};
use crate::pairing::by_name;
use crate::scattered::ScatteredFile;
use crate::side::Side;

/// Joins files of a base and of a target.
pub(crate) fn join([base, target]: [Arc<Side>; 2], pool: &Pool) -> Result<[Arc<Side>; 2], LocalError> {
    let has_pieces = |side: &Side| !side.image().scattered().is_empty();
    let can_join = base.is_whole_image() && target.is_whole_image();
    if !can_join || !(has_pieces(&base) || has_pieces(&target)) {
        return Ok([base, target]);
    }
    let same = identical(&base, &target, pool)?;
    let is_changed = |file: u32| same[file as usize].is_none();
    let named = by_name(&base, &target, is_changed);
    let partner = |file: u32| same[file as usize].or_else(|| Some(named[file as usize]?.file));
    let of_base = ByOperation::of(&base);
    let mut of_target = Chosen::new(&target);
    let number_changed = |number: &usize| {
        let file = &target.image().scattered()[*number];
        file.operations().any(is_changed) || !ends_alike((&base, &of_base), (&target, file), partner)
    };
    of_target.add_smallest((0..target.image().scattered().len()).filter(number_changed).collect());
    // The order of the base's is that of the files that they became, so that copies follow each other.
    let joined = of_target.numbers.iter().flat_map(|&number| target.image().scattered()[number].operations());
    let others = (0..same.len() as u32).filter(|&file| is_changed(file));
    let mut partners = Chosen::new(&base);
    let numbers = joined.chain(others).filter_map(|file| of_base.find(partner(file)?));
    numbers.for_each(|number| _ = partners.add(number));
    let joined = |side, chosen: Chosen<'_>| if chosen.numbers.is_empty() { None } else { chosen.joined(side) };
    let [new_base, new_target] = [joined(&base, partners), joined(&target, of_target)];
    Ok([new_base.map_or(base, Arc::new), new_target.map_or(target, Arc::new)])
}

/// The scattered files of an image by their operations.
struct ByOperation(HashMap<u32, usize>);

impl ByOperation {
    fn of(side: &Side) -> Self {
        let files = side.image().scattered().iter().enumerate();
        Self(files.flat_map(|(number, file)| file.operations().map(move |operation| (operation, number))).collect())
    }

    fn find(&self, operation: u32) -> Option<usize> {
        self.0.get(&operation).copied()
    }
}

/// Whether a file of a target, of which all operations are in the base, has the same bytes in the skeleton as the file to
/// which its first operation belongs there. Bytes that cannot be read count as others.
fn ends_alike(
    (base, of_base): (&Side, &ByOperation),
    (target, file): (&Side, &ScatteredFile),
    partner: impl Fn(u32) -> Option<u32>,
) -> bool {
    if file.skeleton_pieces().next().is_none() {
        return true;
    }
    let read = |side: &Side, file: &ScatteredFile| -> Option<Vec<u8>> {
        let pieces = file.skeleton_pieces().map(|range| side.read(range).ok());
        Some(pieces.collect::<Option<Vec<_>>>()?.concat())
    };
    let other = partner(file.first_operation()).and_then(|operation| of_base.find(operation));
    let other = other.and_then(|number| read(base, &base.image().scattered()[number]));
    other.is_some() && other == read(target, file)
}

/// The scattered files of a side that are joined, by their numbers among those of the image.
struct Chosen<'s> {
    scattered: &'s [ScatteredFile],
    numbers: Vec<usize>,
    pieces: u64,
    /// The ranges of the contents and of the skeleton that are pieces of these files, by their beginnings.
    taken: [BTreeMap<u64, u64>; 2],
}

impl<'s> Chosen<'s> {
    fn new(side: &'s Side) -> Self {
        Self { scattered: side.image().scattered(), numbers: Vec::new(), pieces: 0, taken: Default::default() }
    }

    /// Adds these files. If there are too many, the smallest ones are added. Their order is then that of the image.
    fn add_smallest(&mut self, mut numbers: Vec<usize>) {
        numbers.sort_by_key(|&number| self.scattered[number].bytes());
        let mut left = MAX_TARGET_BYTES;
        for number in numbers {
            let Some(rest) = left.checked_sub(self.scattered[number].bytes()) else { break };
            left = if self.add(number) { rest } else { left };
        }
        self.numbers.sort_by_key(|&number| self.scattered[number].first_operation());
    }

    /// Adds a file, unless it is there, or another one has some of its pieces.
    fn add(&mut self, number: usize) -> bool {
        let pieces = self.scattered[number].pieces();
        let ranges = pieces.iter().filter_map(|&(bytes, source)| match source {
            PieceSource::Stream(StreamKind::Contents, at) => Some((0, at, at + bytes)),
            PieceSource::Stream(StreamKind::Skeleton, at) => Some((1, at, at + bytes)),
            PieceSource::Zeros => None,
        });
        let mut added = Vec::new();
        for (stream, start, end) in ranges {
            let taken: &mut BTreeMap<u64, u64> = &mut self.taken[stream];
            let is_free = taken.range(..end).next_back().is_none_or(|(_, &last)| last <= start);
            if !is_free || self.pieces + pieces.len() as u64 > MAX_PIECES {
                added.into_iter().for_each(|(stream, start): (usize, u64)| {
                    self.taken[stream].remove(&start);
                });
                return false;
            }
            taken.insert(start, end);
            added.push((stream, start));
        }
        self.pieces += pieces.len() as u64;
        self.numbers.push(number);
        true
    }

    /// The side with these files joined.
    fn joined(self, side: &Side) -> Option<Side> {
        let mut files = JoinedFiles::default();
        for &number in &self.numbers {
            files.push(self.scattered[number].pieces().iter().copied()).ok()?;
        }
        let first = self.numbers.iter().map(|&number| self.scattered[number].first_operation());
        side.with_joined(files, first.collect()).ok()
    }
}
