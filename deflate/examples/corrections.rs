//! Measures what corrections cost where the encoder is only nearly known: `corrections FILE [MB]` compresses the file's
//! first MB (16) by pairs of encoders and prints how many bytes make the one's stream of the other's.
#![allow(clippy::print_stdout)]

use std::io::Read;
use std::time::Instant;

use flate2::{Compress, Compression, FlushCompress};
use regrow_deflate::encoders::{Encoder, GoGeneration, KnownEncoder};
use regrow_deflate::{Differ, Klauspost, KlauspostEncoder, KlauspostVersion, Patcher};

const PIECE_BYTES: usize = 64 << 10;

/// An encoder by a short name.
#[derive(Clone, Copy)]
enum By {
    Go(GoGeneration, i8),
    Klauspost(KlauspostVersion, i8),
    Pgzip(KlauspostVersion, i8, u32),
    /// zlib-rs, flushed each time after this many bytes.
    Zlib(u32, Option<usize>),
}

impl By {
    fn name(self) -> String {
        match self {
            Self::Go(generation, level) => format!("Go {generation:?} {level}"),
            Self::Klauspost(version, level) => format!("klauspost {version:?} {level}"),
            Self::Pgzip(version, level, bytes) => format!("pgzip {version:?} {level}, {} KiB", bytes >> 10),
            Self::Zlib(level, None) => format!("zlib-rs {level}"),
            Self::Zlib(level, Some(every)) => format!("zlib-rs {level}, flushed every {} KiB", every >> 10),
        }
    }

    fn stream(self, plain: &[u8]) -> Vec<u8> {
        let klauspost = |kind| {
            let (mut encoder, mut out) = (KlauspostEncoder::new(kind), Vec::new());
            encoder.write(plain, &mut out);
            encoder.finish(&mut out);
            out
        };
        match self {
            Self::Go(generation, level) => {
                let (mut encoder, mut out) = (Encoder::new(KnownEncoder::Go { generation, level }), Vec::new());
                encoder.write(plain, &mut out);
                encoder.finish(&mut out);
                out
            }
            Self::Klauspost(version, level) => klauspost(Klauspost::Gzip { level, version }),
            Self::Pgzip(version, level, block_bytes) => klauspost(Klauspost::Pgzip { level, version, block_bytes }),
            Self::Zlib(level, every) => zlib(plain, level, every.unwrap_or(usize::MAX)),
        }
    }
}

fn zlib(plain: &[u8], level: u32, flush_every: usize) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(plain.len() + plain.len() / 8 + 4096);
    for piece in plain.chunks(flush_every) {
        compress.compress_vec(piece, &mut out, FlushCompress::Sync).expect("memory is enough");
    }
    compress.compress_vec(&[], &mut out, FlushCompress::Finish).expect("memory is enough");
    out
}

/// Actual, predicted.
fn pairs() -> Vec<(By, By)> {
    use GoGeneration::{Before127, From127};
    use KlauspostVersion::{V1_15, V1_18, V1_20};
    vec![
        (By::Go(Before127, 5), By::Go(Before127, 6)),
        (By::Go(Before127, 7), By::Go(Before127, 6)),
        (By::Go(Before127, 9), By::Go(Before127, 6)),
        (By::Go(From127, 6), By::Go(Before127, 6)),
        (By::Go(From127, 5), By::Go(From127, 6)),
        (By::Klauspost(V1_18, 4), By::Klauspost(V1_15, 4)),
        (By::Klauspost(V1_20, 5), By::Klauspost(V1_18, 5)),
        (By::Klauspost(V1_20, 4), By::Klauspost(V1_18, 4)),
        (By::Klauspost(V1_18, 9), By::Klauspost(V1_15, 9)),
        (By::Klauspost(V1_20, 9), By::Klauspost(V1_18, 9)),
        (By::Pgzip(V1_18, 5, 256 << 10), By::Pgzip(V1_18, 5, 1 << 20)),
        (By::Pgzip(V1_18, 5, 1 << 20), By::Klauspost(V1_18, 5)),
        (By::Klauspost(V1_18, 6), By::Klauspost(V1_18, 5)),
        (By::Zlib(5, None), By::Zlib(6, None)),
        (By::Zlib(7, None), By::Zlib(6, None)),
        (By::Zlib(9, None), By::Zlib(6, None)),
        (By::Zlib(1, None), By::Zlib(6, None)),
        (By::Zlib(6, Some(1 << 20)), By::Zlib(6, None)),
        (By::Zlib(6, Some(100 << 10)), By::Zlib(6, None)),
        (By::Zlib(6, None), By::Go(Before127, 6)),
    ]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("a file is needed")?;
    let megabytes: u64 = arguments.next().map_or(Ok(16), |number| number.parse())?;
    let mut plain = Vec::new();
    std::fs::File::open(path)?.take(megabytes << 20).read_to_end(&mut plain)?;
    println!(
        "| encoder | predicted by | stream, bytes | corrections | per cent | compared, made, MB/s |\n|---|---|--:|--:|--:|--:|"
    );
    for (actual, predicted) in pairs() {
        let (stream, prediction) = (actual.stream(&plain), predicted.stream(&plain));
        let start = Instant::now();
        let mut differ = Differ::new(stream.len());
        let pieces = stream.len().max(prediction.len()).div_ceil(PIECE_BYTES);
        let piece = |of: &[u8], number: usize| -> Vec<u8> {
            let start = of.len().min(number * PIECE_BYTES);
            of[start..of.len().min(start + PIECE_BYTES)].to_vec()
        };
        for number in 0..pieces {
            differ.push_actual(&piece(&stream, number));
            differ.push_predicted(&piece(&prediction, number));
        }
        let names = format!("| {} | {} | {} |", actual.name(), predicted.name(), stream.len());
        let Some(corrections) = differ.finish() else {
            println!("{names} too many | | |");
            continue;
        };
        let per_cent = corrections.len() as f64 / stream.len() as f64 * 100.0;
        let (bytes, compared) = (corrections.len(), start.elapsed());
        let start = Instant::now();
        let (mut patcher, mut made) = (Patcher::new(corrections), Vec::with_capacity(stream.len()));
        patcher.push(&prediction, &mut made)?;
        patcher.finish(&mut made)?;
        let speed = |time: std::time::Duration| plain.len() as f64 / time.as_secs_f64() / 1e6;
        let speeds = (speed(compared), speed(start.elapsed()));
        println!("{names} {bytes} | {per_cent:.3} | {:.0}, {:.0} |", speeds.0, speeds.1);
        assert!(made == stream, "not exact");
    }
    Ok(())
}
