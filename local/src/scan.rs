//! The scan of a local file: the recipe and the layout that make would give it.

mod alone;
mod encoding;
mod rules;
mod units;

use std::fs::File;
use std::io::{Read, Seek};
use std::ops::Range;
use std::path::Path;

use regrow_catalog::{Catalog, SeedKey};
use regrow_chunker::bounds::MAX_SEED_CHUNKS;
use regrow_chunker::{ImageId, Params, Record};
use regrow_disk::{DivisionRules, ReadAt};
use regrow_image::{ImagePart, Layout, LayoutBuilder, StreamKind, WalkFindings, WalkRules};
use regrow_index::{CodedFormat, Segment, SegmentCutter};

use crate::coded::{PlainSpool, Unfolded};
use crate::data::{Data, reader_over_holes};
use crate::ingest::{AloneRecords, GzipFiles, Input, LostHeaders, Reading, ingest_damaged, sized};
use crate::recipe::Recipe;
use crate::{LocalError, Stage};

use alone::is_within;
use rules::GUESS_VERSION;
pub(crate) use rules::rules;
pub use rules::{unfolding_rules, unfolding_rules_begin};
pub use units::{UnitIds, UnitRecipes, parts_of_index};

/// The recipe and the layout of a local file.
#[derive(Debug, PartialEq, Eq)]
pub struct Scan {
    /// The BLAKE3 hash of the image.
    pub digest: [u8; 32],
    pub(crate) skeleton: Vec<Record>,
    pub(crate) contents: Vec<Record>,
    /// The stretches of the contents that the records leave out.
    pub(crate) gaps: Vec<Gap>,
    /// The parts of the image, if it was split by rules that have any.
    pub(crate) parts: Vec<ImagePart>,
    /// Whether there are zstd files among the coded ones.
    pub(crate) has_coded_zstd: bool,
    /// The first rules whose division this is, if the image is a disk image that is divided.
    pub(crate) division: Option<DivisionRules>,
    /// The layout, which says where every byte of both streams belongs.
    pub layout: Layout,
    /// The places in the file of the layout's coded stretches. There are none if the file is the plain image.
    pub(crate) unfolded: Vec<Unfolded>,
    /// The plain bytes of those, if this run has read the file and there was room to keep them.
    pub(crate) spool: PlainSpool,
    /// The chunks of the coded files in compressed form, with their places in the file. An image may hold those
    /// files in that form.
    pub(crate) opaque: Vec<(Record, u64)>,
    /// The chunks of files that were cut otherwise beside the contents stream, if the rules ask for them. Their places
    /// are those in the contents stream, or for a divided image those in its [`DiskFiles`](crate::disk_files::DiskFiles).
    pub(crate) alone: Option<AloneRecords>,
    /// A second scan of the same file by other rules, for the entries of a damaged tar behind damaged headers. It
    /// has no image id.
    pub(crate) found: Option<Box<Scan>>,
}

/// A stretch of the contents stream without records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The position of the record that follows the gap. If the gap comes last, this is the number of records.
    pub(crate) before: usize,
    pub(crate) bytes: u64,
}

/// The catalog keeps a scan if it is at most one part in this many of the plain image, plus some bytes. Records of
/// chunks of 4 KiB, with the windows of gzip files, take less than half of that.
const REMEMBERED_SHARE: u64 = 8;
const REMEMBERED_BYTES: u64 = 64 << 10;
impl Scan {
    /// Makes the scan of a plain image that regrow wrote itself, so that the image need not be read again. `parts` are
    /// the image's parts, none by [`WalkRules::V2`], and `rules` are those that the image's index states.
    pub fn of_plain(digest: [u8; 32], recipe: Recipe, layout: Layout, parts: Vec<ImagePart>, rules: WalkRules) -> Self {
        let Recipe { skeleton, contents } = recipe;
        let (gaps, unfolded, opaque) = (Vec::new(), Vec::new(), Vec::new());
        // An index states no later version than the image needs.
        let has_coded_zstd = rules == WalkRules::V4;
        let division = DivisionRules::of_version(rules.latest_version()).filter(|_| rules.state_division());
        Self {
            digest,
            skeleton,
            contents,
            gaps,
            parts,
            has_coded_zstd,
            division,
            layout,
            unfolded,
            spool: PlainSpool::default(),
            opaque,
            alone: None,
            found: None,
        }
    }

    /// Scans a file, or takes the scan that the catalog remembers. The result also says whether the file was read.
    /// With `data`, only that part is scanned, as if it were the whole file.
    pub(crate) fn of_file(
        path: &Path,
        file: &mut File,
        data: Option<&Data>,
        reading: &Reading<'_>,
        catalog: Option<&Catalog>,
        on_scan: &dyn Fn(),
    ) -> Result<(Self, bool), LocalError> {
        let (params, progress) = (reading.params, reading.progress);
        let gzip = match reading.gzip_files {
            GzipFiles::Contents => 0,
            GzipFiles::Scan(_) | GzipFiles::Prove(_) => GUESS_VERSION,
        };
        let rules = rules(reading.rules, gzip, &params) + &data.map(Data::rules).unwrap_or_default();
        let before = catalog.and_then(|_| SeedKey::of_file(path, file, &rules).ok());
        if let (Some(catalog), Some(key)) = (catalog, &before)
            && let Some(scan) = catalog.get_seed(key).and_then(|blob| Self::decode(&blob, reading.rules))
        {
            return Ok((scan, false));
        }
        let bytes = match data {
            Some(data) => data.bytes(),
            None => file.metadata().map_err(LocalError::io(path))?.len(),
        };
        on_scan();
        progress.begin(Stage::Scan, (bytes > 0).then_some(bytes));
        let scan = Self::of_bytes(path, file, data, bytes, reading);
        progress.end(Stage::Scan);
        let scan = scan?;
        // If the file has changed since the key was taken, no later key will match.
        if let (Some(catalog), Some(key)) = (catalog, before)
            && scan.chunks() < MAX_SEED_CHUNKS
        {
            let blob = scan.encode();
            if scan.is_worth_remembering(blob.len()) {
                catalog.put_seed(&key, &blob);
            }
        }
        Ok((scan, true))
    }

    /// Whether the catalog should keep the scan, which has this many bytes in encoded form.
    pub(crate) fn is_worth_remembering(&self, encoded_bytes: usize) -> bool {
        encoded_bytes as u64 <= self.layout.image_bytes() / REMEMBERED_SHARE + REMEMBERED_BYTES
            && self.chunks() < MAX_SEED_CHUNKS
    }

    /// Scans an input whose headers are taken as they are.
    pub(crate) fn of_archive(input: Input<'_>, reading: &Reading<'_>) -> Result<Self, LocalError> {
        Ok(Self::of_input(input, reading, LostHeaders::Opaque, MAX_SEED_CHUNKS)?.0)
    }

    fn chunks(&self) -> usize {
        self.skeleton.len()
            + self.contents.len()
            + self.alone.as_ref().map_or(0, Vec::len)
            + self.found.as_ref().map_or(0, |found| found.chunks())
    }

    /// Reads a file of this many bytes. A damaged tar is read a second time.
    fn of_bytes(
        path: &Path,
        file: &mut File,
        data: Option<&Data>,
        bytes: u64,
        reading: &Reading<'_>,
    ) -> Result<Self, LocalError> {
        let random = file.try_clone().map_err(LocalError::io(path))?;
        let sized = sized(&random).ok().filter(|_| data.is_none());
        let mut read = |lost_headers, most| {
            let (mut of_data, mut over_holes);
            let reader: &mut dyn Read = if let Some(data) = data {
                of_data = data.reader(file);
                &mut of_data
            } else if let Some(reader) = reader_over_holes(file) {
                over_holes = reader;
                &mut over_holes
            } else {
                file.rewind().map_err(LocalError::io(path))?;
                file
            };
            let at_random = sized.as_ref().map(|file| file as &(dyn ReadAt + Sync));
            let input = Input { reader, name: path, size_hint: (bytes > 0).then_some(bytes), at_random };
            Self::of_input(input, reading, lost_headers, most)
        };
        let (mut scan, has_lost_entries) = read(LostHeaders::Watched, MAX_SEED_CHUNKS)?;
        if has_lost_entries {
            reading.progress.begin(Stage::Scan, (bytes > 0).then_some(bytes));
            let (found, _) = read(LostHeaders::Searched, MAX_SEED_CHUNKS - scan.chunks())?;
            scan.found = Some(Box::new(found));
        }
        Ok(scan)
    }

    /// Scans an input, and keeps at most `most` chunks, those at its beginning. The result also says whether
    /// entries lie behind damaged headers.
    fn of_input(
        input: Input<'_>,
        reading: &Reading<'_>,
        lost_headers: LostHeaders,
        most: usize,
    ) -> Result<(Self, bool), LocalError> {
        let (mut skeleton, mut contents) = (Vec::new(), Vec::new());
        let (mut gaps, mut end) = (Vec::new(), 0);
        let mut layout = LayoutBuilder::new(u64::MAX);
        let malformed = LocalError::layout("scan of a seed");
        let read = ingest_damaged(input, reading, lost_headers, &mut |chunk| {
            if skeleton.len() + contents.len() >= most {
                return Ok(());
            }
            match chunk.stream {
                StreamKind::Skeleton => {
                    layout.push(&chunk.bytes).map_err(&malformed)?;
                    skeleton.push(chunk.record);
                }
                StreamKind::Contents => {
                    gaps.extend(gap(contents.len(), end..chunk.at));
                    end = chunk.at + u64::from(chunk.record.len);
                    contents.push(chunk.record);
                }
            }
            Ok(())
        })?;
        let (mut opaque, mut parts) = (read.opaque, read.parts);
        let layout = if skeleton.len() + contents.len() < most {
            let layout = layout.finish().map_err(&malformed)?;
            gaps.extend(gap(contents.len(), end..layout.contents_bytes()));
            layout
        } else {
            let layout = layout.finish_early();
            // The places of the last chunks of contents are not known yet.
            let places = places(&contents, &gaps);
            let known = contents.iter().zip(places);
            let known = known.take_while(|(record, at)| at + u64::from(record.len) <= layout.contents_bytes()).count();
            contents.truncate(known);
            gaps.retain(|gap| gap.before < known);
            let ends = (skeleton.len() as u64, known as u64);
            parts.retain(|part| part.skeleton.records.end <= ends.0 && part.contents.records.end <= ends.1);
            layout
        };
        opaque.truncate(most);
        let mut alone = read.alone;
        alone.retain(|alone| is_within(alone, read.division, &layout));
        alone.truncate(most - (skeleton.len() + contents.len()).min(most));
        let (has_coded_zstd, division) = (has_zstd(&read.unfolded), read.division);
        let scan = Self {
            digest: read.digest,
            skeleton,
            contents,
            gaps,
            parts,
            has_coded_zstd,
            division,
            layout,
            unfolded: read.unfolded,
            spool: read.spool,
            opaque,
            alone: reading.rules.cut_small_files().then_some(alone),
            found: None,
        };
        Ok((scan, read.has_lost_entries))
    }

    /// The offset of each chunk in its stream.
    pub(crate) fn starts(&self, stream: StreamKind) -> Vec<u64> {
        match stream {
            StreamKind::Skeleton => places(&self.skeleton, &[]).collect(),
            StreamKind::Contents => places(&self.contents, &self.gaps).collect(),
        }
    }

    /// The records of a stream.
    pub fn records(&self, stream: StreamKind) -> &[Record] {
        match stream {
            StreamKind::Skeleton => &self.skeleton,
            StreamKind::Contents => &self.contents,
        }
    }

    /// The parts of the image, in order. There are none if it was split by [`WalkRules::V2`].
    pub fn parts(&self) -> &[ImagePart] {
        &self.parts
    }

    /// The rules by which the image was split, as an index of the image states them.
    pub fn rules(&self) -> WalkRules {
        if self.parts.is_empty() {
            return WalkRules::V2;
        }
        match self.division {
            Some(DivisionRules::V5) => WalkRules::V5,
            Some(DivisionRules::V6) => WalkRules::V6,
            None if self.has_coded_zstd => WalkRules::V4,
            None => WalkRules::V3,
        }
    }

    fn walk_findings(&self) -> WalkFindings {
        let Self { has_coded_zstd, division, .. } = *self;
        let divided_since = division.map(DivisionRules::version);
        WalkFindings { has_coded_files: self.layout.coded().len() > 0, has_coded_zstd, divided_since }
    }

    /// The image's recipe by its units. If the image has no parts, everything is the wrapper's.
    pub fn unit_recipes(&self) -> UnitRecipes<'_> {
        UnitRecipes::new(&self.skeleton, &self.contents, &self.parts)
    }

    /// The ids of the image's units, if it has parts.
    pub fn units(&self, params: Params) -> Option<UnitIds> {
        let rules = self.rules();
        rules.have_parts().then(|| self.unit_recipes().ids(rules.version(self.walk_findings()), &params))
    }

    /// The recipe segments of the image, each within a unit.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.unit_recipes().all_segments()
    }

    /// The id of the image in the file, cut with these parameters. FORMAT.md, section 5, or docs/format/index-2.md,
    /// section 2.
    pub fn image_id(&self, params: Params) -> ImageId {
        if let Some(units) = self.units(params) {
            return units.image_id();
        }
        let ids =
            |records: &[Record]| segments(records.iter().copied()).map(|segment| segment.id()).collect::<Vec<_>>();
        let version = WalkRules::V2.version(self.walk_findings());
        ImageId::of_recipe(version, &params, &ids(&self.skeleton), &ids(&self.contents))
    }
}

fn has_zstd(unfolded: &[Unfolded]) -> bool {
    unfolded.iter().any(|unfolded| unfolded.format() == Some(CodedFormat::Zstd))
}

/// The gap over this range of the contents, if the range is not empty.
fn gap(before: usize, contents: Range<u64>) -> Option<Gap> {
    contents.end.checked_sub(contents.start).filter(|&bytes| bytes > 0).map(|bytes| Gap { before, bytes })
}

/// The offsets of a stream's records, between these gaps.
fn places(records: &[Record], gaps: &[Gap]) -> impl Iterator<Item = u64> {
    let (mut gaps, mut end) = (gaps.iter().peekable(), 0);
    records.iter().enumerate().map(move |(number, record)| {
        let gap = gaps.next_if(|gap| gap.before == number);
        let at = end + gap.map_or(0, |gap| gap.bytes);
        end = at + u64::from(record.len);
        at
    })
}

/// Cuts the records of a unit's stream, or of a stream that has no units, into segments.
pub fn segments<R: IntoIterator<Item = Record>>(records: R) -> impl Iterator<Item = Segment> + use<R> {
    let mut cutter = SegmentCutter::default();
    let mut rest = records.into_iter();
    let mut done = false;
    std::iter::from_fn(move || {
        for record in rest.by_ref() {
            if let Some(segment) = cutter.push(record) {
                return Some(segment);
            }
        }
        if std::mem::replace(&mut done, true) { None } else { cutter.finish() }
    })
}

#[cfg(test)]
mod tests;
