//! Measures how long a device takes to check signatures: `cargo run --release -p regrow-sign --example check`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::hint::black_box;
use std::time::Instant;

use regrow_sign::{Keys, SecretKey, SignError};

const RUNS: u32 = 200;

fn main() -> Result<(), SignError> {
    for (parts, signers) in [(8, 1), (8, 16), (1024, 1), (1024, 16)] {
        let keys: Vec<SecretKey> =
            (0..signers).map(|_| SecretKey::generate(None).map(|(key, _)| key)).collect::<Result<_, _>>()?;
        // What a statement takes: 250 bytes, and 76 for each part.
        let statement: Vec<u8> = (0..250 + parts * 76).map(|n| n as u8).collect();
        let signatures: Vec<_> = keys.iter().map(|key| key.sign(&statement)).collect();
        let trusted = Keys::new(keys.iter().map(SecretKey::public).collect())?;
        let start = Instant::now();
        for _ in 0..RUNS {
            black_box(trusted.check(black_box(&statement), &signatures, signers)?);
        }
        let micros = start.elapsed().as_micros() / u128::from(RUNS);
        println!("{parts} parts, {} bytes, {signers} signatures: {micros} microseconds", statement.len());
    }
    Ok(())
}
