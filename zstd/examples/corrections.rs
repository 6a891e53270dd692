//! Tells how many bytes of corrections zstd files take that no known encoder makes exactly.
//!
//! `cargo run --release -p regrow-zstd --example corrections FILE...`: each file is one frame. For each of the encoders that
//! come nearest, the bytes of corrections are printed, and the frame is made again.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use regrow_zstd::{Beginning, Rebuilder, corrections};

/// The encoders that are tried on each file.
const MOST_TRIED: usize = 6;
/// The bytes that are looked at to find them.
const BEGINNING_BYTES: usize = 1 << 20;

fn main() -> ExitCode {
    let mut files = std::env::args_os().skip(1).peekable();
    if files.peek().is_none() {
        report("no files were given: corrections FILE...");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        if let Err(error) = examine(Path::new(&file)) {
            report(&format!("{}: {error}", file.display()));
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn examine(file: &Path) -> Result<(), String> {
    let stored = std::fs::read(file).map_err(|error| error.to_string())?;
    let plain = zstd::stream::decode_all(stored.as_slice()).map_err(|error| error.to_string())?;
    let beginning = &stored[..stored.len().min(BEGINNING_BYTES)];
    let start = Instant::now();
    let beginning = Beginning::of(beginning).ok_or("not a zstd frame")?;
    let exact = beginning.encoders().next();
    let near = beginning.near();
    report(&format!(
        "{}: looked at in {} ms, {}",
        file.display(),
        start.elapsed().as_millis(),
        exact.map_or("not known".to_owned(), |known| format!("begins as by {known}"))
    ));
    for known in exact.into_iter().chain(near).take(MOST_TRIED) {
        let Some(found) = corrections(known, &plain, &stored, usize::MAX) else {
            report(&format!("  {known}: none"));
            continue;
        };
        let mut made = Vec::new();
        let rebuilt = Rebuilder::new(known, plain.len() as u64, &found).and_then(|mut rebuilder| {
            rebuilder.write(&plain, &mut made)?;
            rebuilder.finish(&mut made)
        });
        let share = 100.0 * found.len() as f64 / stored.len() as f64;
        let fault = if rebuilt.is_ok() && made == stored { "" } else { ", which make another frame" };
        report(&format!("  {known}: {} bytes, {share:.3} %{fault}", found.len()));
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "an example's report")]
fn report(line: &str) {
    eprintln!("{line}");
}
