//! The form in which the catalog remembers a scan.

use std::ops::Range;

use regrow_chunker::{ChunkId, Hole, MAX_CHUNK_BYTES, PartKind, PiecePlace, Record, varint};
use regrow_disk::DivisionRules;
use regrow_image::{ImagePart, LayoutBuilder, MAX_PARTS, Op, PartRange, StreamKind, WalkRules};

use super::{Gap, Scan, has_zstd, is_within};
use crate::coded::{PlainSpool, Unfolded};
use crate::ingest::AloneRecords;

/// The rules of divided images by their numbers in the catalog.
const DIVISIONS: [DivisionRules; 2] = [DivisionRules::V5, DivisionRules::V6];

impl Scan {
    /// Encodes the scan for the catalog: digest, records of both streams, gaps, coded files, parts if the rules
    /// have any, operations, and then everything that was found behind damaged headers.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.digest.to_vec();
        for records in [&self.skeleton, &self.contents] {
            put_records(&mut out, records.len(), records.iter());
        }
        varint::put(&mut out, self.gaps.len() as u64);
        for gap in &self.gaps {
            varint::put(&mut out, gap.before as u64);
            varint::put(&mut out, gap.bytes);
        }
        varint::put(&mut out, self.unfolded.len() as u64);
        self.unfolded.iter().for_each(|unfolded| unfolded.encode(&mut out));
        put_placed(&mut out, &self.opaque);
        if self.rules().have_parts() {
            // There is at least one part, so the number 0 is free. It says that the image is divided, and how many there
            // are says by which rules.
            let zeros = self.division.map_or(0, |rules| DIVISIONS.iter().take_while(|of| **of != rules).count() + 1);
            out.resize(out.len() + zeros, 0);
            put_parts(&mut out, &self.parts);
        }
        self.alone.iter().for_each(|alone| put_alone(&mut out, alone));
        let mut ops = Vec::new();
        for op in self.layout.ops() {
            let number = match op {
                Op::Literal(len) => u64::from(len) << 1,
                Op::Contents(len) => len << 1 | 1,
                // Every operation covers at least one byte, so these two numbers are free.
                Op::BeginCoded => 0,
                Op::EndCoded => 1,
            };
            varint::put(&mut ops, number);
        }
        varint::put(&mut out, ops.len() as u64);
        out.extend_from_slice(&ops);
        out.extend(self.found.iter().flat_map(|found| found.encode()));
        out
    }

    /// Decodes a scan of an image that was split by `rules`. The result is `None` for anything that [`Scan::encode`] did
    /// not write.
    pub(crate) fn decode(blob: &[u8], rules: WalkRules) -> Option<Self> {
        let (mut scan, rest) = Self::decode_one(blob, rules)?;
        if !rest.is_empty() {
            let (found, rest) = Self::decode_one(rest, rules)?;
            scan.found = rest.is_empty().then(|| Some(Box::new(found)))?;
        }
        Some(scan)
    }

    /// Decodes one scan, without the one that was found behind damaged headers, and returns the bytes behind it.
    fn decode_one(mut blob: &[u8], rules: WalkRules) -> Option<(Self, &[u8])> {
        let (digest, rest) = blob.split_first_chunk::<32>()?;
        blob = rest;
        let skeleton = take_records(&mut blob)?;
        let contents = take_records(&mut blob)?;
        let gaps = take_gaps(&mut blob)?;
        let count = varint::take(&mut blob).filter(|&count| count <= blob.len() as u64 / 5)?;
        let unfolded: Vec<Unfolded> = (0..count).map(|_| Unfolded::decode(&mut blob)).collect::<Option<_>>()?;
        let opaque = take_placed(&mut blob)?;
        let zeros = if rules.divide_disks() { blob.iter().take_while(|byte| **byte == 0).count() } else { 0 };
        blob = &blob[zeros..];
        let division = if zeros == 0 { None } else { Some(*DIVISIONS.get(zeros - 1)?) };
        let parts = if rules.have_parts() { take_parts(&mut blob)? } else { Vec::new() };
        let alone = if rules.cut_small_files() { Some(take_alone(&mut blob)?) } else { None };
        let ops_bytes = varint::take(&mut blob).and_then(|bytes| usize::try_from(bytes).ok())?;
        let (mut ops, rest) = blob.split_at_checked(ops_bytes)?;
        let mut layout = LayoutBuilder::new(u64::MAX >> 2);
        while !ops.is_empty() {
            let number = varint::take(&mut ops)?;
            let op = match number & 1 {
                0 if number == 0 => Op::BeginCoded,
                1 if number == 1 => Op::EndCoded,
                0 => Op::Literal(u32::try_from(number >> 1).ok().filter(|&len| len > 0)?),
                _ => Op::Contents(number >> 1),
            };
            layout.push_op(op).ok()?;
        }
        let layout = layout.finish().ok()?;
        let (digest, has_coded_zstd) = (*digest, has_zstd(&unfolded));
        let scan = Self {
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
            alone,
            found: None,
        };
        scan.fits().then_some((scan, rest))
    }

    /// Whether the image's parts lie in it one after the other.
    fn parts_fit(&self) -> bool {
        let layout = &self.layout;
        let (skeleton, contents) = (self.skeleton.len() as u64, self.contents.len() as u64);
        let ends = [skeleton, layout.skeleton_bytes(), contents, layout.contents_bytes(), layout.image_bytes()];
        let ascends = |number: usize, end| {
            let ranges = self.parts.iter().map(|part| ranges_of(part)[number]).filter(|range| !range.is_empty());
            ranges.flat_map(|range| [range.start, range.end]).chain([end]).is_sorted()
        };
        ends.into_iter().enumerate().all(|(number, end)| ascends(number, end))
    }

    /// Whether all that the scan says agrees.
    fn fits(&self) -> bool {
        let bytes = |stream| self.records(stream).iter().map(|record| u64::from(record.len)).sum::<u64>();
        let gaps = self.gaps.iter().try_fold(0u64, |sum, gap| sum.checked_add(gap.bytes));
        let contents = gaps.and_then(|gaps| gaps.checked_add(bytes(StreamKind::Contents)));
        let ascend = self.gaps.is_sorted_by(|gap, next| gap.before < next.before);
        let within = self.gaps.last().is_none_or(|last| last.before <= self.contents.len());
        ascend
            && within
            && self.parts_fit()
            && self.alone().iter().all(|alone| is_within(alone, self.division, &self.layout))
            && self.layout.skeleton_bytes() == bytes(StreamKind::Skeleton)
            && Some(self.layout.contents_bytes()) == contents
            && self.layout.coded().eq(self.unfolded.iter().map(|unfolded| unfolded.plain.clone()))
    }
}

fn put_parts(out: &mut Vec<u8>, parts: &[ImagePart]) {
    varint::put(out, parts.len() as u64);
    for part in parts {
        out.push(part.kind.number());
        for range in ranges_of(part) {
            varint::put(out, range.start);
            varint::put(out, range.end - range.start);
        }
    }
}

/// The ranges that a part consists of.
fn ranges_of(part: &ImagePart) -> [&Range<u64>; 5] {
    [&part.skeleton.records, &part.skeleton.bytes, &part.contents.records, &part.contents.bytes, &part.plain]
}

/// Takes the parts of a scan by rules that have parts. There is at least one.
fn take_parts(blob: &mut &[u8]) -> Option<Vec<ImagePart>> {
    let count = varint::take(blob).filter(|count| (1..=MAX_PARTS).contains(count))?;
    let mut next = || {
        let (&kind, rest) = blob.split_first()?;
        *blob = rest;
        let kind = PartKind::from_number(kind)?;
        let mut range = || {
            let start = varint::take(blob)?;
            Some(start..start.checked_add(varint::take(blob)?)?)
        };
        let skeleton = PartRange { records: range()?, bytes: range()? };
        let contents = PartRange { records: range()?, bytes: range()? };
        Some(ImagePart { kind, skeleton, contents, plain: range()? })
    };
    (0..count).map(|_| next()).collect()
}

fn take_gaps(blob: &mut &[u8]) -> Option<Vec<Gap>> {
    let count = varint::take(blob).filter(|&count| count <= blob.len() as u64 / 2)?;
    let mut next = || {
        let before = usize::try_from(varint::take(blob)?).ok()?;
        let bytes = varint::take(blob).filter(|&bytes| bytes > 0)?;
        Some(Gap { before, bytes })
    };
    (0..count).map(|_| next()).collect()
}

fn put_placed(out: &mut Vec<u8>, placed: &[(Record, u64)]) {
    put_records(out, placed.len(), placed.iter().map(|(record, _)| record));
    placed.iter().for_each(|&(_, at)| varint::put(out, at));
}

fn take_placed(blob: &mut &[u8]) -> Option<Vec<(Record, u64)>> {
    let records = take_records(blob)?;
    let places: Vec<u64> = records.iter().map(|_| varint::take(blob)).collect::<Option<_>>()?;
    Some(records.into_iter().zip(places).collect())
}

fn put_alone(out: &mut Vec<u8>, alone: &AloneRecords) {
    put_records(out, alone.len(), alone.iter().map(|(record, _)| record));
    for (_, place) in alone {
        varint::put(out, place.at);
        varint::put(out, place.holes.len() as u64);
        for hole in &place.holes {
            varint::put(out, hole.after.into());
            varint::put(out, hole.bytes);
        }
    }
}

fn take_alone(blob: &mut &[u8]) -> Option<AloneRecords> {
    let records = take_records(blob)?;
    let mut place = || {
        let at = varint::take(blob)?;
        let count = varint::take(blob).filter(|&count| count <= blob.len() as u64 / 2)?;
        let mut hole = || Some(Hole { after: u32::try_from(varint::take(blob)?).ok()?, bytes: varint::take(blob)? });
        let holes = (0..count).map(|_| hole()).collect::<Option<_>>()?;
        Some(PiecePlace { at, holes })
    };
    records.into_iter().map(|record| Some((record, place()?))).collect()
}

fn put_records<'r>(out: &mut Vec<u8>, count: usize, records: impl Iterator<Item = &'r Record>) {
    varint::put(out, count as u64);
    for record in records {
        out.extend_from_slice(record.id.as_bytes());
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
        records.push(Record { id: ChunkId::from_bytes(*id), len: len as u32 });
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use regrow_chunker::Params;
    use regrow_image::WalkRules;

    use crate::NoProgress;
    use crate::Stage;
    use crate::ingest::{GzipFiles, Reading};
    use crate::pool::Pool;
    use crate::scan::Scan;
    use crate::scan::tests::check_round_trip;

    /// The form also holds the second scan of a tar with a damaged header, with its gaps.
    #[test]
    fn what_is_found_in_a_damaged_tar_is_remembered_too() {
        let mut tar = tar::Builder::new(Vec::new());
        for number in 0..30 {
            let mut bytes = vec![0; 30_000];
            blake3::Hasher::new().update(&[number]).finalize_xof().fill(&mut bytes);
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, format!("file {number}"), bytes.as_slice()).unwrap();
        }
        let whole = tar.into_inner().unwrap();
        let mut damaged = whole.clone();
        damaged[300_000..350_000].fill(0);
        let scan_of = |image: &[u8], rules| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(image).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            let pool = Pool::new();
            let (params, progress, gzip_files) = (Params::default(), &NoProgress, GzipFiles::Scan(None));
            let reading = Reading { rules, params, pool: &pool, stage: Stage::Scan, progress, gzip_files };
            Scan::of_file(Path::new("x"), &mut file, None, &reading, None, &|| ()).unwrap().0
        };
        for rules in [WalkRules::V2, WalkRules::V3] {
            assert!(scan_of(&whole, rules).found.is_none());
            let scan = scan_of(&damaged, rules);
            let found = scan.found.as_ref().unwrap();
            assert!(!found.gaps.is_empty() && scan.gaps.is_empty() && found.digest == scan.digest);
            assert!(scan.rules() == rules && found.rules() == rules);
            check_round_trip(&scan);
        }
    }
}
