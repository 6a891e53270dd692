//! MB/s of plain bytes on one core at each level: `klauspost_speed PLAIN [ORIGINAL]`, with the original's if its
//! program is named: `src/klauspost/tests/original.go`, built.
#![allow(clippy::print_stdout)]

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Instant;

use regrow_deflate::{Klauspost, KlauspostEncoder, KlauspostVersion};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, original @ ..] = &arguments[..] else { return Err("which file?".into()) };
    let plain = std::fs::read(path)?;
    let per_second = |seconds: f64| plain.len() as f64 / seconds / 1e6;
    println!("level      ours  original");
    for level in (1..=9).chain([-2]) {
        let ours = best(|| {
            let version = KlauspostVersion::V1_20;
            let mut encoder = KlauspostEncoder::new(Klauspost::Gzip { level, version });
            let mut out = Vec::new();
            for part in plain.chunks(1 << 17) {
                encoder.write(part, &mut out);
                out.clear();
            }
            encoder.finish(&mut out);
            Ok(())
        })?;
        print!("{level:5} {:9.1}", per_second(ours));
        if let Some(program) = original.first() {
            let seconds = best(|| {
                let mut command = Command::new(program);
                command.args(["gzip", &level.to_string(), "0"]).env("GOMAXPROCS", "1");
                let status = command.stdin(File::open(path)?).stdout(Stdio::null()).status()?;
                if status.success() { Ok(()) } else { Err("the original fails".into()) }
            })?;
            print!(" {:9.1}", per_second(seconds));
        }
        println!();
    }
    Ok(())
}

/// Seconds of the fastest of some rounds.
fn best(run: impl Fn() -> Result<()>) -> Result<f64> {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}
