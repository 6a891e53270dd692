//! Measures how fast the encoders of Go's streams are, and whether they are exact, on a file:
//! `go_encoders <file> [level ...]`. Compared with the real ones where they are (see `tests/go_encoders/real.rs`).

#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use regrow_deflate::encoders::{Encoder, GoGeneration, KnownEncoder};

#[path = "../tests/go_encoders/real.rs"]
mod real;

const WRITE_BYTES: usize = 32 << 10;
/// The fastest of this many rounds is taken.
const RUNS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().expect("a file to encode");
    let plain = std::fs::read(&file).expect("a file that can be read");
    let levels: Vec<i8> = arguments.map(|level| level.parse().expect("a level")).collect();
    for generation in [GoGeneration::Before127, GoGeneration::From127, GoGeneration::From127Fused] {
        let mut real = real::RealGo::of(generation);
        for known in KnownEncoder::all().filter(|known| matches!(known, KnownEncoder::Go { .. })) {
            let KnownEncoder::Go { generation: its, level } = known else { continue };
            if its != generation || !levels.is_empty() && !levels.contains(&level) {
                continue;
            }
            let (ours, seconds) = best(|| {
                let begin = Instant::now();
                let stream = encoded(known, &plain);
                (stream, begin.elapsed())
            });
            let speed = |seconds: f64| plain.len() as f64 / 1e6 / seconds;
            print!("{generation:?} level {level}: {} bytes, {:.0} MB/s", ours.len(), speed(seconds));
            if let Some(real) = &mut real {
                let (theirs, seconds) = best(|| real.deflate(level, WRITE_BYTES as u64, &plain));
                let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
                let exact = if ours == theirs { "exact".to_owned() } else { format!("DIFFERS at {same}") };
                print!("; theirs {} bytes, {:.0} MB/s: {exact}", theirs.len(), speed(seconds));
            }
            println!();
        }
    }
}

fn encoded(known: KnownEncoder, plain: &[u8]) -> Vec<u8> {
    let (mut encoder, mut stream) = (Encoder::new(known), Vec::new());
    plain.chunks(WRITE_BYTES).for_each(|piece| encoder.write(piece, &mut stream));
    encoder.finish(&mut stream);
    stream
}

fn best(mut run: impl FnMut() -> (Vec<u8>, Duration)) -> (Vec<u8>, f64) {
    let (stream, mut best) = run();
    for _ in 1..RUNS {
        best = best.min(run().1);
    }
    (stream, best.as_secs_f64())
}
