//! The scan of a local file: the recipe and the layout that make would give it.

mod encoding;

use std::fs::File;
use std::io::{Read, Seek};
use std::ops::Range;
use std::path::Path;

use regrow_catalog::{Catalog, SeedKey};
use regrow_chunker::bounds::MAX_SEED_CHUNKS;
use regrow_chunker::{ChunkId, ImageId, Params, Record};
use regrow_image::{Layout, LayoutBuilder, StreamKind, WALK_VERSION, WALK_VERSION_CODED};
use regrow_index::{Segment, SegmentCutter};

use crate::coded::Unfolded;
use crate::data::{Data, reader_over_holes};
use crate::ingest::{GzipFiles, Input, LostHeaders, Reading, ingest_damaged};
use crate::recipe::Recipe;
use crate::{LocalError, Stage};

/// The recipe and the layout of a local file.
#[derive(Debug, PartialEq, Eq)]
pub struct Scan {
    /// The BLAKE3 hash of the image.
    pub digest: [u8; 32],
    pub(crate) skeleton: Vec<Record>,
    pub(crate) contents: Vec<Record>,
    /// The stretches of the contents that the records leave out.
    pub(crate) gaps: Vec<Gap>,
    /// The layout, which says where every byte of both streams belongs.
    pub layout: Layout,
    /// The places in the file of the layout's coded stretches. There are none if the file is the plain image.
    pub(crate) unfolded: Vec<Unfolded>,
    /// The chunks of the coded files in compressed form, with their places in the file. An image may hold those
    /// files in that form.
    pub(crate) opaque: Vec<(Record, u64)>,
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
/// The version of [`crate::coded::guess`]. It must go up when the guess gives other answers, since remembered scans
/// are then of no use.
const GUESS_VERSION: u32 = 2;
/// The version of the search behind damaged headers, for the same purpose.
const SEARCH_VERSION: u32 = 1;

impl Scan {
    /// Makes the scan of a plain image that regrow wrote itself, so that the image need not be read again.
    pub fn of_plain(digest: [u8; 32], recipe: Recipe, layout: Layout) -> Self {
        let Recipe { skeleton, contents } = recipe;
        let (gaps, unfolded, opaque) = (Vec::new(), Vec::new(), Vec::new());
        Self { digest, skeleton, contents, gaps, layout, unfolded, opaque, found: None }
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
            GzipFiles::Scan | GzipFiles::Prove(_) => GUESS_VERSION,
        };
        let rules = rules(gzip, &params) + &data.map(Data::rules).unwrap_or_default();
        let before = catalog.and_then(|_| SeedKey::of_file(path, file, &rules).ok());
        if let (Some(catalog), Some(key)) = (catalog, &before)
            && let Some(scan) = catalog.get_seed(key).and_then(|blob| Self::decode(&blob))
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
            if blob.len() as u64 <= scan.layout.image_bytes() / REMEMBERED_SHARE + REMEMBERED_BYTES {
                catalog.put_seed(&key, &blob);
            }
        }
        Ok((scan, true))
    }

    fn chunks(&self) -> usize {
        self.skeleton.len() + self.contents.len() + self.found.as_ref().map_or(0, |found| found.chunks())
    }

    /// Reads a file of this many bytes. A damaged tar is read a second time.
    fn of_bytes(
        path: &Path,
        file: &mut File,
        data: Option<&Data>,
        bytes: u64,
        reading: &Reading<'_>,
    ) -> Result<Self, LocalError> {
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
            let input = Input { reader, name: path, size_hint: (bytes > 0).then_some(bytes) };
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
        let mut opaque = read.opaque;
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
            layout
        };
        opaque.truncate(most);
        let (digest, unfolded) = (read.digest, read.unfolded);
        let scan = Self { digest, skeleton, contents, gaps, layout, unfolded, opaque, found: None };
        Ok((scan, read.has_lost_entries))
    }

    /// The offset of each chunk in its stream.
    pub(crate) fn starts(&self, stream: StreamKind) -> Vec<u64> {
        match stream {
            StreamKind::Skeleton => places(&self.skeleton, &[]).collect(),
            StreamKind::Contents => places(&self.contents, &self.gaps).collect(),
        }
    }

    /// Passes on each chunk of contents that lies in the file in one piece, with its place.
    pub(crate) fn contiguous_chunks(&self, mut each: impl FnMut(Range<u64>, ChunkId)) {
        for (record, at) in self.contents.iter().zip(places(&self.contents, &self.gaps)) {
            let mut stretches = self.layout.contents_in_image(at..at + u64::from(record.len));
            if let (Some(image), None) = (stretches.next(), stretches.next()) {
                each(image, record.id);
            }
        }
    }

    /// The records of a stream.
    pub fn records(&self, stream: StreamKind) -> &[Record] {
        match stream {
            StreamKind::Skeleton => &self.skeleton,
            StreamKind::Contents => &self.contents,
        }
    }

    /// The id of the image in the file, cut with these parameters. FORMAT.md, section 5.
    pub fn image_id(&self, params: Params) -> ImageId {
        let ids = |records: &[Record]| segments(records).map(|segment| segment.id()).collect::<Vec<_>>();
        let walk_version = if self.layout.coded().len() == 0 { WALK_VERSION } else { WALK_VERSION_CODED };
        ImageId::of_recipe(walk_version, &params, &ids(&self.skeleton), &ids(&self.contents))
    }
}

/// The rules under which the catalog remembers a file that is cut with these parameters and whose gzip files are
/// read in uncompressed form.
pub fn unfolding_rules(params: &Params) -> String {
    rules(GUESS_VERSION, params)
}

/// The rules of a scan, which are part of its key in the catalog.
fn rules(guess_version: u32, params: &Params) -> String {
    let [min, avg, max] = [params.min_bytes(), params.avg_bytes(), params.max_bytes()];
    format!("{WALK_VERSION}.{guess_version}.{SEARCH_VERSION} {min} {avg} {max}")
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

/// Cuts a stream's records into segments.
pub fn segments(records: &[Record]) -> impl Iterator<Item = Segment> + '_ {
    let mut cutter = SegmentCutter::default();
    let mut rest = records.iter();
    let mut done = false;
    std::iter::from_fn(move || {
        for record in rest.by_ref() {
            if let Some(segment) = cutter.push(*record) {
                return Some(segment);
            }
        }
        if std::mem::replace(&mut done, true) { None } else { cutter.finish() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoProgress;
    use crate::pool::Pool;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn scan_of(image: &[u8], gzip_files: GzipFiles<'_>) -> Scan {
        scan_of_most(image, gzip_files, usize::MAX)
    }

    fn scan_of_most(image: &[u8], gzip_files: GzipFiles<'_>, most: usize) -> Scan {
        damaged_scan_of(image, gzip_files, LostHeaders::Opaque, most)
    }

    fn damaged_scan_of(mut image: &[u8], gzip_files: GzipFiles<'_>, lost_headers: LostHeaders, most: usize) -> Scan {
        let pool = Pool::new();
        let (params, progress) = (Params::default(), &NoProgress);
        let reading = Reading { params, pool: &pool, stage: Stage::Scan, progress, gzip_files };
        let input = Input { reader: &mut image, name: Path::new("x"), size_hint: None };
        Scan::of_input(input, &reading, lost_headers, most).unwrap().0
    }

    pub(super) fn check_round_trip(scan: &Scan) {
        let blob = scan.encode();
        assert_eq!(Scan::decode(&blob).as_ref(), Some(scan));
        for cut in (0..blob.len()).step_by(1 + blob.len() / 3000) {
            assert_ne!(Scan::decode(&blob[..cut]).as_ref(), Some(scan));
        }
    }

    #[test]
    fn the_catalogs_form_round_trips() {
        let image = noise(300_000);
        let scan = scan_of(&image, GzipFiles::Scan);
        assert_eq!(scan.digest, *blake3::hash(&image).as_bytes());
        check_round_trip(&scan);
    }

    /// A scan that does not keep everything is still sound.
    #[test]
    fn a_scan_stops_remembering() {
        let mut tar = tar::Builder::new(Vec::new());
        for number in 0..20 {
            let bytes = noise(60_000 + number);
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, format!("file {number}"), bytes.as_slice()).unwrap();
        }
        let image = tar.into_inner().unwrap();
        let whole = scan_of(&image, GzipFiles::Scan);
        for most in 0..whole.chunks() {
            let part = scan_of_most(&image, GzipFiles::Scan, most);
            assert!(part.chunks() <= most && part.digest == whole.digest);
            assert!(whole.skeleton.starts_with(&part.skeleton) && whole.contents.starts_with(&part.contents));
            let mut at = 0;
            for record in &part.contents {
                let range = at..at + u64::from(record.len);
                at = range.end;
                let places = part.layout.contents_in_image(range);
                let bytes: Vec<u8> =
                    places.flat_map(|place| image[place.start as usize..place.end as usize].to_vec()).collect();
                assert_eq!(ChunkId::of(&bytes), record.id);
            }
        }
    }

    /// The image is itself a gzip file, written as Go does.
    #[test]
    fn gzip_files_too() {
        use regrow_deflate::encoders::{Encoder, GoGeneration, KnownEncoder};
        let plain = [noise(2_000_000), vec![7; 1_500_000]].concat();
        let mut image = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
        let mut encoder = Encoder::new(KnownEncoder::Go { generation: GoGeneration::Before127, level: 6 });
        encoder.write(&plain, &mut image);
        encoder.finish(&mut image);
        let mut trailer = regrow_deflate::GzipTrailer::default();
        trailer.update(&plain);
        image.extend_from_slice(&trailer.finish());
        let scan = scan_of(&image, GzipFiles::Scan);
        let [unfolded] = scan.unfolded.as_slice() else { panic!("{:?}", scan.unfolded.len()) };
        assert_eq!((unfolded.stored.clone(), unfolded.plain.clone()), (0..image.len() as u64, 0..3_500_000));
        assert!(unfolded.points.len() >= 3, "{}", unfolded.points.len());
        assert_ne!(scan.image_id(Params::default()), scan_of(&image, GzipFiles::Contents).image_id(Params::default()));
        check_round_trip(&scan);
    }
}
