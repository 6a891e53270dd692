//! Prints what images are divided into: `cargo run -p regrow-disk --example divide -- IMAGE...`. With `--all` as the first
//! argument, prints each stretch too.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Instant;

use regrow_disk::{Division, DivisionRules, SizedFile, StoredForm, StretchKind, divide};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args().skip(1).peekable();
    let all = paths.next_if(|argument| argument == "--all").is_some();
    for path in paths {
        let file = File::open(&path)?;
        let (bytes, begun) = (file.metadata()?.len(), Instant::now());
        match divide(&SizedFile { file: &file, bytes }, DivisionRules::V6) {
            Ok(Some(division)) => {
                println!("{path}: {}, in {:?}", division.details, begun.elapsed());
                print(&division, all);
            }
            Ok(None) => println!("{path}: no disk image"),
            Err(error) => println!("{path}: {error}"),
        }
    }
    Ok(())
}

fn print(division: &Division, all: bool) {
    let mut sums = BTreeMap::<_, (usize, u64)>::new();
    let mut at = 0;
    for stretch in &division.stretches {
        let (name, path) = match stretch.kind {
            StretchKind::File(number) => ("of files", String::from_utf8_lossy(&division.files[number as usize].path)),
            StretchKind::System => ("of the file system", "".into()),
            StretchKind::Skeleton => ("of the skeleton", "".into()),
        };
        let sum = sums.entry(name).or_default();
        *sum = (sum.0 + 1, sum.1 + stretch.bytes);
        if all {
            println!("{at:>12} {:>12} {name} {}", stretch.bytes, path.escape_debug());
        }
        at += stretch.bytes;
    }
    for (name, (count, bytes)) in sums {
        println!("  {count} stretches {name}, {bytes} bytes");
    }
    let is_block = |form: StoredForm| form.block().is_some();
    let blocks = division.pieces.iter().filter(|piece| is_block(piece.form));
    let (count, bytes) = blocks.fold((0, 0), |(count, bytes), piece| (count + 1, bytes + piece.bytes));
    println!("  {} files, {count} compressed blocks of {bytes} bytes", division.files.len());
}
