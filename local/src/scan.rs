//! What a local file was found to hold: the recipe and the layout that make would give it.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use regrow_catalog::{Catalog, SeedKey};
use regrow_chunker::bounds::MAX_SEED_CHUNKS;
use regrow_chunker::{ChunkId, MAX_CHUNK_BYTES, Params, Record, varint};
use regrow_image::{Layout, LayoutBuilder, Op, StreamKind, WALK_VERSION, WALK_VERSION_CODED};
use regrow_index::{Segment, SegmentCutter, image_id};

use crate::coded::Unfolded;
use crate::ingest::{GzipFiles, Input, Reading, ingest};
use crate::recipe::Recipe;
use crate::seed::Data;
use crate::{LocalError, Stage};

/// See the module's documentation.
#[derive(Debug, PartialEq, Eq)]
pub struct Scan {
    /// BLAKE3 of the image.
    pub digest: [u8; 32],
    pub(crate) skeleton: Vec<Record>,
    pub(crate) contents: Vec<Record>,
    /// Where every byte of both streams belongs.
    pub layout: Layout,
    /// Where in the file the layout's coded stretches come from; empty if the file is the plain image.
    pub(crate) unfolded: Vec<Unfolded>,
    /// Chunks of these as they are in the file, and where: an image may have them so.
    pub(crate) opaque: Vec<(Record, u64)>,
}

/// The catalog keeps what takes at most one part of a plain image in this many, and some bytes. Records of chunks of 4 KiB and the
/// windows of gzip files take less than half of that.
const REMEMBERED_SHARE: u64 = 8;
const REMEMBERED_BYTES: u64 = 64 << 10;
/// Goes up when [`crate::coded::guess`] gives other answers: what the catalog remembers is of no use then.
const GUESS_VERSION: u32 = 1;

impl Scan {
    /// The scan of a plain image that was put together, so that it need not be read again.
    pub fn of_plain(digest: [u8; 32], recipe: Recipe, layout: Layout) -> Self {
        let Recipe { skeleton, contents } = recipe;
        Self { digest, skeleton, contents, layout, unfolded: Vec::new(), opaque: Vec::new() }
    }

    /// Reads a file, or what the catalog remembers of it; tells too whether it was read. Where only its data is wanted, the scan is of
    /// that, as if it were the file.
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
        let mut of_data;
        let reader: &mut dyn Read = match data {
            Some(data) => {
                of_data = data.reader(file);
                &mut of_data
            }
            None => file,
        };
        let input = Input { reader, name: path, size_hint: (bytes > 0).then_some(bytes) };
        let scan = Self::of_input(input, reading, MAX_SEED_CHUNKS);
        progress.end(Stage::Scan);
        let scan = scan?;
        // Should the file have changed since the key was taken, no later key is the same.
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
        self.skeleton.len() + self.contents.len()
    }

    /// Remembers `most` chunks at most: those that the file begins with.
    fn of_input(input: Input<'_>, reading: &Reading<'_>, most: usize) -> Result<Self, LocalError> {
        let (mut skeleton, mut contents) = (Vec::new(), Vec::new());
        let mut layout = LayoutBuilder::new(u64::MAX);
        let malformed = LocalError::layout("scan of a seed");
        let found = ingest(input, reading, &mut |chunk| {
            if skeleton.len() + contents.len() >= most {
                return Ok(());
            }
            match chunk.stream {
                StreamKind::Skeleton => {
                    layout.push(&chunk.bytes).map_err(&malformed)?;
                    skeleton.push(chunk.record);
                }
                StreamKind::Contents => contents.push(chunk.record),
            }
            Ok(())
        })?;
        let mut opaque = found.opaque;
        let layout = if skeleton.len() + contents.len() < most {
            layout.finish().map_err(&malformed)?
        } else {
            let layout = layout.finish_early();
            // Of the last chunks of contents it is not known yet where they lie.
            let mut left = layout.contents_bytes();
            let mut known =
                |record: &Record| left.checked_sub(u64::from(record.len)).inspect(|&rest| left = rest).is_some();
            contents.truncate(contents.iter().take_while(|record| known(record)).count());
            layout
        };
        opaque.truncate(most);
        Ok(Self { digest: found.digest, skeleton, contents, layout, unfolded: found.unfolded, opaque })
    }

    /// Chunks of contents that lie in the file in one piece, with where they are.
    pub(crate) fn contiguous_chunks(&self, mut each: impl FnMut(Range<u64>, ChunkId)) {
        let mut at = 0;
        for record in &self.contents {
            let range = at..at + u64::from(record.len);
            at = range.end;
            let mut stretches = self.layout.contents_in_image(range);
            if let (Some(image), None) = (stretches.next(), stretches.next()) {
                each(image, record.id);
            }
        }
    }

    /// Records of a stream.
    pub fn records(&self, stream: StreamKind) -> &[Record] {
        match stream {
            StreamKind::Skeleton => &self.skeleton,
            StreamKind::Contents => &self.contents,
        }
    }

    /// The id of the image that the file is, cut with these parameters. FORMAT.md, section 5.
    pub fn image_id(&self, params: Params) -> ChunkId {
        let ids = |records: &[Record]| segments(records).map(|segment| segment.id()).collect::<Vec<_>>();
        let walk_version = if self.layout.coded().len() == 0 { WALK_VERSION } else { WALK_VERSION_CODED };
        image_id(walk_version, &params, &ids(&self.skeleton), &ids(&self.contents))
    }

    /// For the catalog: digest, records of both streams, coded files, operations.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.digest.to_vec();
        for records in [&self.skeleton, &self.contents] {
            put_records(&mut out, records.len(), records.iter());
        }
        varint::put(&mut out, self.unfolded.len() as u64);
        self.unfolded.iter().for_each(|unfolded| unfolded.encode(&mut out));
        put_records(&mut out, self.opaque.len(), self.opaque.iter().map(|(record, _)| record));
        self.opaque.iter().for_each(|&(_, at)| varint::put(&mut out, at));
        for op in self.layout.ops() {
            let number = match op {
                Op::Literal(len) => u64::from(len) << 1,
                Op::Contents(len) => len << 1 | 1,
                // No operation is of no bytes.
                Op::BeginCoded => 0,
                Op::EndCoded => 1,
            };
            varint::put(&mut out, number);
        }
        out
    }

    /// `None` for anything that [`Scan::encode`] did not write.
    fn decode(mut blob: &[u8]) -> Option<Self> {
        let (digest, rest) = blob.split_first_chunk::<32>()?;
        blob = rest;
        let skeleton = take_records(&mut blob)?;
        let contents = take_records(&mut blob)?;
        let count = varint::take(&mut blob).filter(|&count| count <= blob.len() as u64 / 5)?;
        let unfolded: Vec<Unfolded> = (0..count).map(|_| Unfolded::decode(&mut blob)).collect::<Option<_>>()?;
        let opaque = take_records(&mut blob)?;
        let places: Vec<u64> = opaque.iter().map(|_| varint::take(&mut blob)).collect::<Option<_>>()?;
        let opaque: Vec<(Record, u64)> = opaque.into_iter().zip(places).collect();
        let mut layout = LayoutBuilder::new(u64::MAX >> 2);
        while !blob.is_empty() {
            let number = varint::take(&mut blob)?;
            let op = match number & 1 {
                0 if number == 0 => Op::BeginCoded,
                1 if number == 1 => Op::EndCoded,
                0 => Op::Literal(u32::try_from(number >> 1).ok().filter(|&len| len > 0)?),
                _ => Op::Contents(number >> 1),
            };
            layout.push_op(op).ok()?;
        }
        let layout = layout.finish().ok()?;
        let bytes = |records: &[Record]| records.iter().map(|record| u64::from(record.len)).sum::<u64>();
        let fits = layout.skeleton_bytes() == bytes(&skeleton) && layout.contents_bytes() == bytes(&contents);
        let fits = fits && layout.coded().eq(unfolded.iter().map(|unfolded| unfolded.plain.clone()));
        fits.then_some(Self { digest: *digest, skeleton, contents, layout, unfolded, opaque })
    }
}

/// The rules under which the catalog remembers a file that is cut with these parameters and unfolded.
pub fn unfolding_rules(params: &Params) -> String {
    rules(GUESS_VERSION, params)
}

/// The rules of a scan, for the catalog.
fn rules(guess_version: u32, params: &Params) -> String {
    format!("{WALK_VERSION}.{guess_version} {} {} {}", params.min_bytes(), params.avg_bytes(), params.max_bytes())
}

fn put_records<'r>(out: &mut Vec<u8>, count: usize, records: impl Iterator<Item = &'r Record>) {
    varint::put(out, count as u64);
    for record in records {
        out.extend_from_slice(&record.id.0);
        varint::put(out, u64::from(record.len));
    }
}

fn take_records(blob: &mut &[u8]) -> Option<Vec<Record>> {
    let count = varint::take(blob)?;
    if count > blob.len() as u64 / 33 {
        return None;
    }
    let mut records = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (id, rest) = blob.split_first_chunk::<32>()?;
        *blob = rest;
        let len = varint::take(blob).filter(|&len| len > 0 && len <= u64::from(MAX_CHUNK_BYTES))?;
        records.push(Record { id: ChunkId(*id), len: len as u32 });
    }
    Some(records)
}

/// The segments of a stream's records.
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

    fn scan_of_most(mut image: &[u8], gzip_files: GzipFiles<'_>, most: usize) -> Scan {
        let pool = Pool::new();
        let (params, progress) = (Params::default(), &NoProgress);
        let reading = Reading { params, pool: &pool, stage: Stage::Scan, progress, gzip_files };
        let input = Input { reader: &mut image, name: Path::new("x"), size_hint: None };
        Scan::of_input(input, &reading, most).unwrap()
    }

    fn check_round_trip(scan: &Scan) {
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

    /// What a scan remembers is sound, though it does not remember all.
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

    /// An image that is a gzip file itself, as Go writes it.
    #[test]
    fn gzip_files_too() {
        use regrow_deflate::encoders::{Encoder, GoGeneration, Known};
        let plain = [noise(2_000_000), vec![7; 1_500_000]].concat();
        let mut image = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
        let mut encoder = Encoder::new(Known::Go { generation: GoGeneration::Before127, level: 6 });
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
