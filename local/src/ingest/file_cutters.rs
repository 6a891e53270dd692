//! Cuts the files of a disk image otherwise than they lie in it, while it is read: whole if they lie in pieces, and in the
//! pieces in which another image has them. docs/format/disk.md, section 10.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use regrow_chunker::{Cut, Cutter, Params, PieceCutter, PiecePlace, PieceRule, StreamCutter, Zeros};
use regrow_disk::{Division, FileRun, StretchKind};
use regrow_image::WalkRules;

use crate::disk_files::DiskFiles;

/// The most bytes of memory that files take which wait for their other runs: bytes that come before their places in their
/// files, and what cutters have not cut yet. Only the file at hand may take more, for one block of the image.
const MAX_HELD_BYTES: u64 = 24 << 20;
/// About how many bytes a file that waits takes besides.
const OPEN_FILE_BYTES: u64 = 1 << 10;
/// The longest hole that is cut as zeros. Behind a longer one, cutting begins again, at a multiple of this.
const MAX_HOLE_BYTES: u64 = 1 << 20;
/// The most bytes of holes that are cut as zeros, on top of those that the image has.
const SPARE_HOLES_BYTES: u64 = 64 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The rule by which the files of a divided image lie, if some of them lie otherwise than whole.
pub(super) fn laid(division: &Division) -> Option<PieceRule> {
    let mut seen = Seen::default();
    division.files.iter().for_each(|file| seen.file(file.bytes, &file.runs));
    // Files of which few have ends of their own are fragmented.
    let parts_ends = seen.ends * 2 > seen.in_pieces;
    let borders = if parts_ends { seen.hole_borders | seen.end_borders } else { seen.hole_borders };
    let zeros = match (seen.hole_borders > 0, seen.joined * 2 >= seen.holes) {
        (false, _) => Zeros::Kept,
        (true, true) => Zeros::Joined,
        (true, false) => Zeros::Apart,
    };
    let block_bytes = 1u64.checked_shl(borders.trailing_zeros()).filter(|_| borders > 0)?;
    PieceRule::new(block_bytes.min(1 << 20), zeros, parts_ends)
}

/// What is seen of how files lie.
#[derive(Default)]
struct Seen {
    /// The files of several runs, and those of them whose end lies apart.
    in_pieces: u64,
    ends: u64,
    /// The holes between runs, and those of them whose runs follow each other in the image.
    holes: u64,
    joined: u64,
    /// Where holes and ends begin, all in one number, of which the lowest bit tells the size of blocks.
    hole_borders: u64,
    end_borders: u64,
}

impl Seen {
    fn file(&mut self, bytes: u64, runs: &[FileRun]) {
        self.in_pieces += u64::from(runs.len() > 1);
        for pair in runs.windows(2) {
            let (end, next) = (pair[0].file_at + pair[0].bytes, pair[1].file_at);
            if next > end {
                self.holes += 1;
                self.joined += u64::from(pair[0].plain_at + pair[0].bytes == pair[1].plain_at);
                self.hole_borders |= end | next;
            }
        }
        let (first, last) = (runs.first(), runs.last());
        self.hole_borders |= first.map_or(0, |run| run.file_at);
        // A hole at the end begins where a block does.
        let end = last.map_or(bytes, |run| run.file_at + run.bytes);
        self.hole_borders |= if end < bytes { end } else { 0 };
        if let [.., before, last] = runs
            && before.file_at + before.bytes == last.file_at
            && end == bytes
            && last.bytes < 1 << last.file_at.trailing_zeros().min(20)
        {
            self.ends += 1;
            self.end_borders |= last.file_at;
        }
    }
}

/// The files of a divided image that are cut otherwise.
pub(super) struct FileCutters {
    cutter: Cutter,
    rule: Option<PieceRule>,
    files: DiskFiles,
    /// The files that lie in one stretch, whose chunks the image has already.
    in_one_stretch: HashSet<u32>,
    /// The runs of files in the order of the plain image, those that come next last.
    coming: Vec<Coming>,
    /// The number of the plain image's bytes so far.
    at: u64,
    open: HashMap<u32, OpenFile>,
    /// The files that are not cut to their ends, since too much waits.
    lost: HashSet<u32>,
    /// The bytes of memory that open files take, and those of holes that may still be cut.
    held_bytes: u64,
    hole_bytes: u64,
    chunks: Vec<(Bytes, PiecePlace)>,
}

/// A run of a file.
struct Coming {
    plain_at: u64,
    bytes: u64,
    file: u32,
    run: u32,
}

/// A file of which a part was read.
#[derive(Default)]
struct OpenFile {
    /// The run that is cut next.
    run: u32,
    /// Bytes of later runs.
    early: BTreeMap<u32, Vec<u8>>,
    cuts: Cuts,
    /// The bytes of memory that all of this took when it was looked at last, and those of `early`.
    held_bytes: u64,
    early_bytes: u64,
}

impl OpenFile {
    /// Adds bytes of a later run.
    fn add_early(&mut self, run: u32, bytes: &[u8]) {
        let early = self.early.entry(run).or_default();
        let before = early.capacity();
        early.extend_from_slice(bytes);
        self.early_bytes += (early.capacity() - before) as u64;
    }

    /// Takes the bytes of the run that is cut next, if they came early.
    fn take_early(&mut self) -> Option<Vec<u8>> {
        let early = self.early.remove(&self.run)?;
        self.early_bytes -= early.capacity() as u64;
        Some(early)
    }

    /// Looks at how many bytes of memory the file takes.
    fn count(&mut self) -> u64 {
        let early = self.early_bytes + self.early.len() as u64 * OPEN_FILE_BYTES / 8;
        self.held_bytes = OPEN_FILE_BYTES + early + self.cuts.held_bytes();
        self.held_bytes
    }
}

/// The cutters of a file, from some place on.
#[derive(Default)]
struct Cuts {
    whole: StreamCutter,
    pieces: Option<PieceCutter>,
    /// Where cutting began, how many bytes were cut since, and how many of these are in chunks.
    start: u64,
    taken: u64,
    chunked: u64,
}

impl Cuts {
    fn held_bytes(&self) -> u64 {
        (self.whole.held_bytes() + self.pieces.as_ref().map_or(0, PieceCutter::held_bytes)) as u64
    }
}

impl FileCutters {
    /// Finds out which files are cut in other ways too. The result is `None` if the rules ask for none, or if files lie in
    /// this image as they do in the one that it seeds.
    pub(super) fn new(division: &Division, rules: WalkRules, params: Params) -> Option<Self> {
        let rule = rules.pieces();
        if !rules.cut_small_files() || rule.is_some() && rule == laid(division) {
            return None;
        }
        let files = DiskFiles::of(division);
        let plain_bytes = division.plain_bytes();
        let (mut coming, mut in_one_stretch, mut left) = (Vec::new(), HashSet::new(), plain_bytes);
        let (stretches, mut known) = (stretches(division), HashSet::new());
        for (number, file) in (0..).zip(files.all()) {
            let run_bytes = file.runs.iter().map(|run| run.bytes).fold(0, u64::saturating_add);
            let is_known = files.start(number as usize).is_none() || !known.insert(&file.runs);
            // Each byte of the image is cut once more, at most.
            if file.bytes == 0 || run_bytes > left || is_known {
                continue;
            }
            if is_in_one(file.bytes, &file.runs, &stretches) {
                if rule.is_none_or(|rule| file.bytes <= rule.block_bytes()) {
                    continue;
                }
                in_one_stretch.insert(number);
            }
            left -= run_bytes;
            let runs = (0..).zip(&file.runs);
            let run_of = |(run, &FileRun { plain_at, bytes, .. })| Coming { plain_at, bytes, file: number, run };
            coming.extend(runs.map(run_of));
        }
        drop(known);
        coming.sort_by_key(|run| std::cmp::Reverse(run.plain_at));
        Some(Self {
            cutter: Cutter::new(params),
            rule,
            files,
            in_one_stretch,
            coming,
            at: 0,
            open: HashMap::new(),
            lost: HashSet::new(),
            held_bytes: 0,
            hole_bytes: plain_bytes.saturating_add(SPARE_HOLES_BYTES),
            chunks: Vec::new(),
        })
    }

    /// Takes in the next bytes of the plain image.
    pub(super) fn push(&mut self, plain: &Bytes) {
        let end = self.at + plain.len() as u64;
        let mut going_on = Vec::new();
        while let Some(next) = self.coming.pop_if(|run| run.plain_at < end) {
            let Coming { plain_at, bytes, file, run } = next;
            let now = plain.slice((plain_at - self.at) as usize..(end.min(plain_at + bytes) - self.at) as usize);
            if plain_at + bytes > end {
                going_on.push(Coming { plain_at: end, bytes: plain_at + bytes - end, file, run });
            }
            self.take_run(file, run, now, plain_at + bytes <= end);
        }
        // Those that go on come first.
        self.coming.extend(going_on);
        self.at = end;
    }

    /// Takes the chunks so far, each with its place in all files.
    pub(super) fn take(&mut self) -> Vec<(Bytes, PiecePlace)> {
        std::mem::take(&mut self.chunks)
    }

    /// Takes in bytes of a run, which may end with them.
    fn take_run(&mut self, file: u32, run: u32, bytes: Bytes, is_end: bool) {
        let mut open = match self.open.remove(&file) {
            Some(open) => open,
            None if self.lost.contains(&file) => return,
            None => OpenFile { cuts: self.cuts(file, 0), ..OpenFile::default() },
        };
        self.held_bytes -= open.held_bytes;
        if run != open.run {
            open.add_early(run, &bytes);
        } else {
            self.cut_run(file, &mut open, bytes);
            if is_end {
                open.run += 1;
            }
        }
        while let Some(early) = open.take_early() {
            self.cut_run(file, &mut open, early.into());
            open.run += 1;
        }
        let places = &self.files.all()[file as usize];
        if open.run as usize >= places.runs.len() {
            let bytes = places.bytes;
            self.cut_hole(file, &mut open.cuts, bytes);
            self.finish(file, open.cuts);
        } else if self.held_bytes + open.count() > MAX_HELD_BYTES {
            self.lost.insert(file);
        } else {
            self.held_bytes += open.held_bytes;
            self.open.insert(file, open);
        }
    }

    /// Cuts the next bytes of the run that is next in its file.
    fn cut_run(&mut self, file: u32, open: &mut OpenFile, bytes: Bytes) {
        let run = self.files.all()[file as usize].runs.get(open.run as usize);
        if let Some(run) = run.copied() {
            self.cut_hole(file, &mut open.cuts, run.file_at);
        }
        self.cut(file, &mut open.cuts, &bytes);
    }

    /// Cuts a hole, which ends at this place of the file, unless that is reached already.
    fn cut_hole(&mut self, file: u32, cuts: &mut Cuts, end: u64) {
        let mut bytes = end.saturating_sub(cuts.start + cuts.taken);
        if bytes > MAX_HOLE_BYTES {
            let next = self.cuts(file, end / MAX_HOLE_BYTES * MAX_HOLE_BYTES);
            self.finish(file, std::mem::replace(cuts, next));
            bytes = end % MAX_HOLE_BYTES;
        }
        match self.hole_bytes.checked_sub(bytes) {
            Some(left) => self.hole_bytes = left,
            None => {
                let next = self.cuts(file, end);
                self.finish(file, std::mem::replace(cuts, next));
                bytes = 0;
            }
        }
        while bytes > 0 {
            let now = bytes.min(ZEROS.len() as u64);
            self.cut(file, cuts, &Bytes::from_static(&ZEROS[..now as usize]));
            bytes -= now;
        }
    }

    /// Cutters for a file from this place on.
    fn cuts(&self, file: u32, start: u64) -> Cuts {
        let bytes = self.files.all()[file as usize].bytes.saturating_sub(start);
        let rule = self.rule.filter(|rule| bytes > rule.block_bytes());
        Cuts { pieces: rule.map(|rule| PieceCutter::new(rule, bytes)), start, ..Cuts::default() }
    }

    fn cut(&mut self, file: u32, cuts: &mut Cuts, bytes: &Bytes) {
        let start = self.start(file) + cuts.start;
        let (is_whole_known, chunks) = (self.in_one_stretch.contains(&file), &mut self.chunks);
        let Cuts { whole, pieces, chunked, .. } = cuts;
        let mut on_whole = |from: usize, cut: Cut<'_>| {
            let (at, len) = (start + *chunked, cut.len());
            *chunked += len as u64;
            if !is_whole_known {
                let bytes = match cut {
                    Cut::Gathered(bytes) => Bytes::copy_from_slice(bytes),
                    Cut::InPiece(range) => bytes.slice(from + range.start..from + range.end),
                };
                chunks.push((bytes, PiecePlace::at(at)));
            }
        };
        match pieces {
            Some(pieces) => {
                pieces.push(&self.cutter, whole, bytes, on_whole);
                self.chunks.extend(pieces.take().into_iter().map(|(bytes, place)| (bytes.into(), place.behind(start))));
            }
            None => whole.push(&self.cutter, bytes, |cut| on_whole(0, cut)),
        }
        cuts.taken += bytes.len() as u64;
    }

    /// Ends cutters of a file.
    fn finish(&mut self, file: u32, cuts: Cuts) {
        let start = self.start(file) + cuts.start;
        let (is_whole_known, chunks) = (self.in_one_stretch.contains(&file), &mut self.chunks);
        let Cuts { mut whole, pieces, mut chunked, .. } = cuts;
        let on_whole = |cut: Cut<'_>| {
            let at = start + chunked;
            chunked += cut.len() as u64;
            if let (Cut::Gathered(bytes), false) = (cut, is_whole_known) {
                chunks.push((Bytes::copy_from_slice(bytes), PiecePlace::at(at)));
            }
        };
        let left = match pieces {
            Some(pieces) => pieces.finish(&self.cutter, &mut whole, on_whole),
            None => {
                whole.finish(&self.cutter, on_whole);
                Vec::new()
            }
        };
        self.chunks.extend(left.into_iter().map(|(bytes, place)| (bytes.into(), place.behind(start))));
    }

    /// Where a file begins in all files.
    fn start(&self, file: u32) -> u64 {
        self.files.start(file as usize).unwrap_or_default()
    }
}

/// The stretches of files, with their places.
fn stretches(division: &Division) -> HashSet<(u64, u64)> {
    let places = division.stretches.iter().scan(0, |at, stretch| {
        let start = *at;
        *at += stretch.bytes;
        Some((start, stretch))
    });
    let of_files = places.filter(|(_, stretch)| matches!(stretch.kind, StretchKind::File(_)));
    of_files.map(|(at, stretch)| (at, stretch.bytes)).collect()
}

/// Whether a file of this many bytes is one stretch.
fn is_in_one(bytes: u64, runs: &[FileRun], stretches: &HashSet<(u64, u64)>) -> bool {
    matches!(runs, [run] if run.bytes == bytes && stretches.contains(&(run.plain_at, bytes)))
}

#[cfg(test)]
mod tests;
