//! Gzip layers: how fast a stream is made again from its plain bytes, compared with the original encoder, and how
//! fast it is recognised.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::{Decompress, FlushDecompress, Status};
use regrow_deflate::encoders::{Encoder, GoGeneration, KnownEncoder, ZlibFamily, recognise};
use regrow_deflate::{Inflater, Klauspost, KlauspostVersion};

use crate::Result;
use crate::go::RealGo;
use crate::peers::on_path;
use crate::table::{self, Table};
use crate::timing::{Rate, median, rates};

/// The number of bytes from the middle of the image that are encoded.
const PLAIN_BYTES: u64 = 24 << 20;
/// The size of the pieces in which layers are read, and of the prefix that an encoder is recognised by.
const PIECE_BYTES: usize = 256 << 10;
const PREFIX_BYTES: usize = 1 << 20;

/// The way in which the original is run.
enum Original {
    /// This program at this level. It compresses its standard input.
    Program(&'static str, &'static str),
    /// zlib, as Python has it.
    Python(u8),
    /// Go's standard library.
    Go(GoGeneration, i8),
    /// No original: none is likely to be there, or it does not run on one core as it does on all.
    None,
}

const PYTHON: &str = "import sys, time, zlib
data = sys.stdin.buffer.read()
start = time.perf_counter()
encoder = zlib.compressobj(int(sys.argv[1]), 8, -15)
encoder.compress(data) + encoder.flush()
print(int((time.perf_counter() - start) * 1e9))";

/// The encoders of most layers, each on one core.
fn encoders() -> [(KnownEncoder, Original); 10] {
    let zlib = |level| KnownEncoder::Zlib(ZlibFamily::Zlib { level, memory: 8 });
    let gzip = |level| KnownEncoder::Zlib(ZlibFamily::Gzip { level });
    let go = |generation, level| (KnownEncoder::Go { generation, level }, Original::Go(generation, level));
    let version = KlauspostVersion::V1_20;
    let klauspost = KnownEncoder::Klauspost(Klauspost::Gzip { level: 5, version });
    let pgzip = KnownEncoder::Klauspost(Klauspost::Pgzip { level: 5, version, block_bytes: 1 << 20 });
    [
        (zlib(1), Original::Python(1)),
        (zlib(6), Original::Python(6)),
        (zlib(9), Original::Python(9)),
        (gzip(6), Original::Program("gzip", "-6")),
        (gzip(9), Original::Program("gzip", "-9")),
        (KnownEncoder::Zlib(ZlibFamily::Pigz { level: 6 }), Original::None),
        go(GoGeneration::Before127, 6),
        go(GoGeneration::From127, 6),
        (klauspost, Original::None),
        (pgzip, Original::None),
    ]
}

/// Both tables.
pub(crate) fn measure(image: &Path, folder: &Path, runs: usize) -> Result<String> {
    let mut plain = Vec::new();
    let mut file = File::open(image)?;
    let start = file.metadata()?.len().saturating_sub(PLAIN_BYTES) / 2;
    file.seek(std::io::SeekFrom::Start(start))?;
    file.take(PLAIN_BYTES).read_to_end(&mut plain)?;
    let mut rows = Table::new(&["encoder", "made again", "the original", "to it", "recognised and verified"]);
    let mut sample = tempfile::NamedTempFile::new_in(folder)?;
    sample.write_all(&plain)?;
    for (known, original) in encoders() {
        rows.row(&row(known, &original, &plain, sample.path(), runs)?);
    }
    Ok(format!("{}\n{}", rows.finish(), inflating(&plain, runs)?))
}

fn row(known: KnownEncoder, original: &Original, plain: &[u8], sample: &Path, runs: usize) -> Result<[String; 5]> {
    let stored = encoded(known, plain);
    let [made, verified] = rates(
        runs,
        plain.len() as u64,
        [&mut || Ok(encoded(known, plain).len() as u64), &mut || verify(known, &stored, plain.len())],
    )?;
    let theirs = original_time(original, plain, sample, runs)?.map(|time| Rate::new(plain.len() as u64, time));
    Ok([
        known.to_string(),
        table::rate(made),
        theirs.map_or("not there".into(), table::rate),
        theirs.map_or_else(String::new, |theirs| table::share(made, theirs)),
        table::rate(verified),
    ])
}

fn encoded(known: KnownEncoder, plain: &[u8]) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(known), Vec::new());
    plain.chunks(PIECE_BYTES).for_each(|piece| encoder.write(piece, &mut out));
    encoder.finish(&mut out);
    out
}

fn inflated(stored: &[u8]) -> Result<Vec<u8>> {
    let (mut inflater, mut plain, mut at) = (Inflater::new(), Vec::new(), 0);
    loop {
        let step = inflater.inflate(&stored[at..], &mut plain, PIECE_BYTES)?;
        at += step.taken;
        if step.ended {
            return Ok(plain);
        }
    }
}

/// Does all the work of proving that an encoder wrote a stream, including inflating it.
fn verify(known: KnownEncoder, stored: &[u8], plain_bytes: usize) -> Result<u64> {
    let plain = inflated(stored)?;
    let mut found = recognise(&stored[..stored.len().min(PREFIX_BYTES)], &plain[..plain.len().min(PREFIX_BYTES)]);
    let proven = found.any(|found| encoded(found, &plain) == stored);
    if proven && plain.len() == plain_bytes { Ok(1) } else { Err(format!("{known} was not recognised").into()) }
}

/// The median time, or `None` if the original is not there.
fn original_time(original: &Original, plain: &[u8], sample: &Path, runs: usize) -> Result<Option<Duration>> {
    let mut once: Box<dyn FnMut() -> Result<Duration>> = match *original {
        Original::Program(program, level) if on_path(program) => Box::new(move || program_time(program, level, sample)),
        Original::Python(level) if on_path("python3") => Box::new(move || python_time(level, sample)),
        Original::Go(generation, level) => match RealGo::of(generation) {
            Some(mut go) => Box::new(move || Ok(go.deflate(level, PIECE_BYTES as u64, plain).1)),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let times: Result<Vec<Duration>> = (0..runs).map(|_| once()).collect();
    Ok(Some(median(times?)))
}

fn program_time(program: &str, level: &str, sample: &Path) -> Result<Duration> {
    let start = Instant::now();
    let status = Command::new(program).arg(level).stdin(File::open(sample)?).stdout(Stdio::null()).status()?;
    if status.success() { Ok(start.elapsed()) } else { Err(format!("{program} fails").into()) }
}

fn python_time(level: u8, sample: &Path) -> Result<Duration> {
    let mut command = Command::new("python3");
    let output = command.args(["-c", PYTHON, &level.to_string()]).stdin(File::open(sample)?).output()?;
    Ok(Duration::from_nanos(String::from_utf8(output.stdout)?.trim().parse()?))
}

/// Compares our inflater, which can stop and go on anywhere, with one that cannot.
fn inflating(plain: &[u8], runs: usize) -> Result<String> {
    let stored = encoded(KnownEncoder::Zlib(ZlibFamily::Zlib { level: 6, memory: 8 }), plain);
    let [ours, theirs] = rates(
        runs,
        plain.len() as u64,
        [&mut || Ok(inflated(&stored)?.len() as u64), &mut || zlib_rs(&stored, plain.len())],
    )?;
    let mut rows = Table::new(&["inflating", "rate", "zlib-rs", "to it"]);
    rows.row(&["plain bytes".into(), table::rate(ours), table::rate(theirs), table::share(ours, theirs)]);
    Ok(rows.finish())
}

fn zlib_rs(stored: &[u8], plain_bytes: usize) -> Result<u64> {
    let mut out = Vec::with_capacity(plain_bytes + 1);
    match Decompress::new(false).decompress_vec(stored, &mut out, FlushDecompress::Finish)? {
        Status::StreamEnd => Ok(out.len() as u64),
        _ => Err("zlib-rs did not come to the end".into()),
    }
}
