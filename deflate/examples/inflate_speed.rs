//! The speed of the inflater beside that of zlib-rs, in one process, by turns: `inflate_speed FILE...`. A gzip file is
//! inflated as it is; the first 64 MiB of any other file are deflated first, as zlib's level 6 does.
//!
//! `--only=ours` and `--only=zlib` run one of them once, for a profiler.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use flate2::{Decompress, FlushDecompress, Status};
use regrow_deflate::encoders::{Encoder, KnownEncoder, ZlibFamily};
use regrow_deflate::{GzipReader, Inflater};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 9;
const PIECE_BYTES: usize = 256 << 10;
const PLAIN_BYTES: usize = 1 << 20;
const MAX_PLAIN_BYTES: usize = 64 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only = arguments.iter().find_map(|argument| argument.strip_prefix("--only="));
    for path in arguments.iter().filter(|argument| !argument.starts_with("--")) {
        let streams = streams(std::fs::read(path)?)?;
        match only {
            Some("ours") => drop(ours(&streams)?),
            Some("zlib") => drop(zlib(&streams)?),
            Some(_) => {}
            None => compare(path, &streams)?,
        }
    }
    Ok(())
}

fn compare(path: &str, streams: &[Vec<u8>]) -> Result<()> {
    let (mut best, mut bytes) = ([Duration::MAX; 2], [0; 2]);
    for _ in 0..ROUNDS {
        for (number, run) in [ours, zlib].into_iter().enumerate() {
            let start = processor_time()?;
            bytes[number] = run(streams)?;
            best[number] = best[number].min(processor_time()? - start);
        }
    }
    if bytes[0] != bytes[1] {
        return Err("both differ".into());
    }
    let [ours, zlib] = best.map(|time| bytes[0] as f64 / time.as_secs_f64() / 1e6);
    let stored = streams.iter().map(Vec::len).sum::<usize>() as f64 / bytes[0] as f64;
    println!("{path}: {stored:.3}, ours {ours:.0} MB/s, zlib-rs {zlib:.0} MB/s, ratio {:.2}", ours / zlib);
    Ok(())
}

/// The time that this thread ran, without the time that it waited for a core (Linux).
fn processor_time() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(text.split(' ').next().ok_or("no such number")?.parse()?))
}

/// The deflate streams of a gzip file, or of another file.
fn streams(bytes: Vec<u8>) -> Result<Vec<Vec<u8>>> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let (mut reader, mut plain, mut rest) = (GzipReader::default(), Vec::new(), bytes.as_slice());
        while !rest.is_empty() {
            plain.clear();
            rest = &rest[reader.push(rest, &mut plain, PLAIN_BYTES)?.taken..];
        }
        let members = reader.finish()?.0;
        return Ok(members
            .iter()
            .map(|member| bytes[member.stream.start as usize..member.stream.end as usize].to_vec())
            .collect());
    }
    let (mut encoder, mut out) =
        (Encoder::new(KnownEncoder::Zlib(ZlibFamily::Zlib { level: 6, memory: 8 })), Vec::new());
    encoder.write(&bytes[..bytes.len().min(MAX_PLAIN_BYTES)], &mut out);
    encoder.finish(&mut out);
    Ok(vec![out])
}

fn ours(streams: &[Vec<u8>]) -> Result<u64> {
    let (mut bytes, mut plain) = (0, Vec::with_capacity(PLAIN_BYTES));
    for stream in streams {
        let mut inflater = Inflater::new();
        'pieces: for piece in stream.chunks(PIECE_BYTES) {
            let mut rest = piece;
            loop {
                let before = plain.len();
                let step = inflater.inflate(rest, &mut plain, PLAIN_BYTES - before)?;
                rest = &rest[step.taken..];
                if step.ended {
                    break 'pieces;
                }
                if plain.len() == PLAIN_BYTES {
                    plain.clear();
                } else if step.taken == 0 && plain.len() == before {
                    break;
                }
            }
        }
        bytes += inflater.plain_bytes();
    }
    Ok(bytes)
}

fn zlib(streams: &[Vec<u8>]) -> Result<u64> {
    let (mut bytes, mut plain) = (0, vec![0; PLAIN_BYTES]);
    for stream in streams {
        let (mut inflater, mut held) = (Decompress::new(false), 0);
        'pieces: for piece in stream.chunks(PIECE_BYTES) {
            let mut rest = piece;
            loop {
                let (taken, given) = (inflater.total_in(), inflater.total_out());
                let status = inflater.decompress(rest, &mut plain[held..], FlushDecompress::None)?;
                let taken = (inflater.total_in() - taken) as usize;
                let given = (inflater.total_out() - given) as usize;
                (rest, held) = (&rest[taken..], held + given);
                if status == Status::StreamEnd {
                    break 'pieces;
                }
                if held == plain.len() {
                    held = 0;
                } else if taken == 0 && given == 0 {
                    break;
                }
            }
        }
        bytes += inflater.total_out();
    }
    Ok(bytes)
}
