//! Chooses the files of disk images that are coded as a whole although they lie in pieces.
//!
//! Those are files of the target of which a piece changed, if they may be seen through or were fragmented otherwise, and the
//! files of the base that they were, and that other files were which are seen through. All other files stay in pieces, since a
//! target's joined files wait on the reader's machine, and each one takes some bytes of the lists.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use regrow_image::StreamKind;
use regrow_local::{LocalError, Pool};

use crate::expand::{PREFIX_BYTES, holds_members, may_hold_members};
use crate::identity::identical;
use crate::joined::{JoinedFiles, MAX_PIECES, MAX_TARGET_BYTES, PieceSource};
use crate::origin::Origin;
use crate::pairing::by_name;
use crate::scattered::ScatteredFile;
use crate::side::Side;

/// The number of operations up to which a file that is not seen through is always matched piece by piece.
const MATCHED_OPERATIONS: usize = 2;

/// Joins files of a base and of a target.
pub(crate) fn join([base, target]: [Arc<Side>; 2], pool: &Pool) -> Result<[Arc<Side>; 2], LocalError> {
    let [Some(in_base), Some(in_target)] = [&base, &target].map(|side| InPieces::of(side)) else {
        return Ok([base, target]);
    };
    if in_base.files.is_empty() && in_target.files.is_empty() {
        return Ok([base, target]);
    }
    let same = identical(&base, &target, pool)?;
    let scattered = &in_target.files;
    let (of_base, of_target) = (ByOperation::of(&in_base.files), ByOperation::of(scattered));
    let is_changed = |file: u32| same[file as usize].is_none();
    let ends_in_skeleton =
        |file: u32| of_target.find(file).is_some_and(|number| scattered[number].skeleton_pieces().next().is_some());
    let named = by_name(&base, &target, |file| is_changed(file) || ends_in_skeleton(file));
    let named = |file: u32| named[file as usize].map(|partner| partner.file);
    let partner = |file: u32| named(file).or(same[file as usize]);
    let mut numbers = Vec::new();
    for (number, file) in scattered.iter().enumerate() {
        let partners = [named(file.first_operation()), same[file.first_operation() as usize]];
        let is_changed = file.operations().any(is_changed)
            || !partners.into_iter().flatten().any(|partner| {
                ends_alike((&base, of_base.find(partner).map(|number| &in_base.files[number])), (&target, file))
            });
        let other = partner(file.first_operation()).and_then(|partner| of_base.find(partner));
        let other = other.map_or(1, |number| in_base.files[number].operations().count());
        if is_changed && is_worth_it(&target, file, other)? {
            numbers.push(number);
        }
    }
    let mut of_target = Chosen::new(&in_target);
    of_target.add_smallest(numbers);
    // The order of the base's is that of the files that they became, so that copies follow each other.
    let joined = of_target.numbers.iter().flat_map(|&number| scattered[number].operations());
    // A file of the target that lies in one place is matched as well against the pieces, unless it is seen through.
    let mut others = Vec::new();
    for file in (0..same.len() as u32).filter(|&file| is_changed(file)) {
        if may_hold_members(&target, file)? {
            others.push(file);
        }
    }
    let mut partners = Chosen::new(&in_base);
    let numbers = joined.chain(others).filter_map(|file| of_base.find(partner(file)?));
    numbers.for_each(|number| _ = partners.add(number));
    let joined = |side, chosen: Chosen<'_>| if chosen.numbers.is_empty() { None } else { chosen.joined(side) };
    let [new_base, new_target] = [joined(&base, partners), joined(&target, of_target)];
    Ok([new_base.map_or(base, Arc::new), new_target.map_or(target, Arc::new)])
}

/// The files in pieces of a side that is one stretch of its image.
struct InPieces {
    origin: Origin,
    files: Vec<ScatteredFile>,
}

impl InPieces {
    fn of(side: &Side) -> Option<Self> {
        let origin = side.origin()?;
        let files = side.image().scattered().iter().filter_map(|file| file.from(origin)).collect();
        Some(Self { origin, files })
    }
}

/// Files in pieces by their operations.
struct ByOperation(HashMap<u32, usize>);

impl ByOperation {
    fn of(files: &[ScatteredFile]) -> Self {
        let files = files.iter().enumerate();
        Self(files.flat_map(|(number, file)| file.operations().map(move |operation| (operation, number))).collect())
    }

    fn find(&self, operation: u32) -> Option<usize> {
        self.0.get(&operation).copied()
    }
}

/// Whether a file of a target has the same bytes in the skeleton as this one of the base. Bytes that cannot be read count as
/// others.
fn ends_alike((base, other): (&Side, Option<&ScatteredFile>), (target, file): (&Side, &ScatteredFile)) -> bool {
    if file.skeleton_pieces().next().is_none() {
        return true;
    }
    let read = |side: &Side, file: &ScatteredFile| -> Option<Vec<u8>> {
        let pieces = file.skeleton_pieces().map(|range| side.read(range).ok());
        Some(pieces.collect::<Option<Vec<_>>>()?.concat())
    };
    let other = other.and_then(|other| read(base, other));
    other.is_some() && other == read(target, file)
}

/// Whether a file of a target gains by being joined: it may be seen through, or it lies in many operations, and not in as
/// many as the file of the base that it was. Otherwise they are matched as well one by one.
fn is_worth_it(target: &Side, file: &ScatteredFile, of_base: usize) -> Result<bool, LocalError> {
    let count = file.operations().count();
    if count > MATCHED_OPERATIONS && count != of_base {
        return Ok(true);
    }
    let prefix = file.pieces().iter().find_map(|&(bytes, source)| match source {
        PieceSource::Stream(stream, at) => Some((stream, at..at + bytes.min(PREFIX_BYTES))),
        PieceSource::Zeros => None,
    });
    let Some((stream, range)) = prefix else { return Ok(false) };
    let before = if stream == StreamKind::Contents { target.skeleton_bytes() } else { 0 };
    let prefix = target.read(before + range.start..before + range.end).map_err(LocalError::io("image"))?;
    Ok(holds_members(&prefix))
}

/// The scattered files of a side that are joined, by their numbers among those of the image.
struct Chosen<'s> {
    scattered: &'s [ScatteredFile],
    origin: Origin,
    numbers: Vec<usize>,
    pieces: u64,
    /// The ranges of the contents and of the skeleton that are pieces of these files, by their beginnings.
    taken: [BTreeMap<u64, u64>; 2],
}

impl<'s> Chosen<'s> {
    fn new(InPieces { origin, files }: &'s InPieces) -> Self {
        let (numbers, taken) = Default::default();
        Self { scattered: files, origin: *origin, numbers, pieces: 0, taken }
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
        let first = self.numbers.iter().map(|&number| self.scattered[number].first_operation() + self.origin.file);
        side.with_joined(self.origin, files, first.collect()).ok()
    }
}
