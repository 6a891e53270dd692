//! Images that no `make` would write, although their hashes and checksums hold.

use regrow_chunker::{ChunkId, Params, Record};
use regrow_index::{Index, PackRef, Run, Segment, SegmentRef, StreamHead};
use regrow_store::{Compressor, PackWriter, Part, PlainFrame, StoredFrame, pack_name};

use crate::environment::{Outcome, REGROW, TestEnvironment};

/// An image given by its chunks.
pub(super) struct Forged {
    pub(super) params: Params,
    pub(super) plain_bytes: u64,
    pub(super) digest: [u8; 32],
    /// The distinct chunks, and the chunks of the streams as positions in them.
    pub(super) chunks: Vec<Vec<u8>>,
    pub(super) skeleton: Vec<usize>,
    pub(super) contents: Vec<usize>,
    /// How often a frame lists each chunk.
    pub(super) times_listed: usize,
    /// The number of bytes behind each frame that are not part of it.
    pub(super) padding: usize,
}

impl Forged {
    /// Makes a sound image: this skeleton, and contents that repeat `chunk` a number of times.
    pub(super) fn new(skeleton: Vec<u8>, chunk: Vec<u8>, times: usize, literal_bytes: u64) -> Self {
        let plain_bytes = literal_bytes + (chunk.len() * times) as u64;
        Self {
            params: Params::default(),
            plain_bytes,
            digest: [0; 32],
            chunks: vec![skeleton, chunk],
            skeleton: vec![0],
            contents: vec![1; times],
            times_listed: 1,
            padding: 0,
        }
    }

    /// Writes `NAME.rgx` and its pack.
    pub(super) fn write(&self, env: &TestEnvironment, name: &str) {
        let records: Vec<Record> =
            self.chunks.iter().map(|bytes| Record { id: ChunkId::of(bytes), len: bytes.len() as u32 }).collect();
        let mut pack = PackWriter::new(Vec::new()).unwrap();
        for (record, bytes) in records.iter().zip(&self.chunks) {
            let mut frame = PlainFrame::default();
            (0..self.times_listed).for_each(|_| frame.push(*record, bytes));
            let StoredFrame { records, mut bytes } = frame.compress(&mut Compressor::new(1).unwrap()).unwrap();
            bytes.resize(bytes.len() + self.padding, 0);
            pack.add_frame(Part::Contents, StoredFrame { records, bytes }).unwrap();
        }
        let mut known = std::collections::HashSet::new();
        let mut stream = |numbers: &[usize]| {
            let mut head = StreamHead::default();
            for numbers in numbers.chunks(256) {
                let segment = Segment::new(numbers.iter().map(|&number| records[number]).collect()).unwrap();
                head.bytes += segment.records().iter().map(|record| u64::from(record.len)).sum::<u64>();
                head.chunks += numbers.len() as u64;
                head.segments.push(SegmentRef { id: segment.id(), records: numbers.len() as u32 });
                if known.insert(segment.id()) {
                    pack.add_segment(segment.id(), segment.into_records());
                }
            }
            head
        };
        let (skeleton, contents) = (stream(&self.skeleton), stream(&self.contents));
        let (bytes, summary) = pack.finish().unwrap();
        env.write(&format!("store/{}", pack_name(&summary.id)), &bytes);
        let runs = |count| vec![Run { count, pack: 0 }];
        let index = Index {
            walk_version: 1,
            params: self.params,
            image_bytes: self.plain_bytes,
            image_digest: self.digest,
            chunk_runs: runs(skeleton.chunks + contents.chunks),
            segment_runs: runs((skeleton.segments.len() + contents.segments.len()) as u64),
            skeleton,
            contents,
            packs: vec![PackRef {
                id: summary.id,
                bytes: summary.bytes,
                skeleton_at: summary.skeleton_at,
                tail_at: summary.tail_at,
            }],
            store: "store".into(),
            codings: Vec::new(),
            fresh_packs: Vec::new(),
            patches: Vec::new(),
            units: None,
        };
        env.write(&format!("{name}.rgx"), &index.encode());
    }
}

/// The address space in KiB that a run may have. Debug builds take a third of it for themselves.
pub(super) const MEMORY_KIB: u64 = 900_000;

/// Runs the command within these limits of the shell, such as `-f` with the largest file in KiB.
pub(super) fn limited(env: &TestEnvironment, limits: &str, arguments: &str) -> Outcome {
    let mut command = env.command("");
    let script = format!("ulimit -v {MEMORY_KIB}; {limits} exec {REGROW} {arguments}");
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", &script]).current_dir(env.root());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command = shell;
    Outcome::of(command.env("MALLOC_ARENA_MAX", "2"))
}
