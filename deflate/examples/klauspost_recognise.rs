//! Recognises and rebuilds gzip files: `klauspost_recognise FILE...` says for each which of klauspost's encoders wrote
//! it and whether the whole stream comes out again.
#![allow(clippy::print_stdout)]

use std::io::Read;
use std::time::Instant;

use regrow_deflate::{KlauspostEncoder, recognise_klauspost};

const PREFIX_BYTES: usize = 2 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let gz = std::fs::read(&path)?;
        let Some(rest) = gz.strip_prefix(&[0x1F, 0x8B, 8, 0]).filter(|rest| rest.len() >= 14) else {
            println!("{path}: no gzip, or one with a longer header");
            continue;
        };
        let stored = &rest[6..rest.len() - 8];
        let mut plain = Vec::new();
        flate2::read::DeflateDecoder::new(stored).read_to_end(&mut plain)?;
        let start = Instant::now();
        let begins = &plain[..plain.len().min(PREFIX_BYTES + PREFIX_BYTES / 2)];
        let kinds: Vec<_> = recognise_klauspost(&stored[..stored.len().min(PREFIX_BYTES)], begins).collect();
        let seconds = start.elapsed().as_secs_f64();
        println!("{path}: {} bytes of {}, {} candidates in {seconds:.2} s", stored.len(), plain.len(), kinds.len());
        for kind in kinds.into_iter().take(4) {
            let mut out = Vec::new();
            let mut encoder = KlauspostEncoder::new(kind);
            let start = Instant::now();
            encoder.write(&plain, &mut out);
            encoder.finish(&mut out);
            let speed = plain.len() as f64 / start.elapsed().as_secs_f64() / 1e6;
            println!("    {kind:?}: {}, {speed:.1} MB/s", if out == stored { "exact" } else { "DIFFERENT" });
        }
    }
    Ok(())
}
