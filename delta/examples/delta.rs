//! Codes one file against another: `delta encode OLD NEW PATCH`, `delta decode OLD PATCH OUT`. Its patches are the
//! target's length in 8 bytes, then the coded body.

use std::error::Error;
use std::fs;
use std::io::{BufWriter, Read, Write};

use regrow_delta::{Builder, Chains, Coding, DeltaEncoder, Statistics, decode, find_ops};

/// The number of target bytes that are matched at a time.
const PIECE_BYTES: usize = 4 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["encode", old, new, patch] => encode_file(old, new, patch),
        ["decode", old, patch, out] => decode_file(old, patch, out),
        _ => Err("usage: delta encode OLD NEW PATCH | delta decode OLD PATCH OUT".into()),
    }
}

fn encode_file(old: &str, new: &str, patch: &str) -> Result<(), Box<dyn Error>> {
    let (base, target) = (fs::read(old)?, fs::read(new)?);
    let chains = Chains::new(&base, 64);
    let (mut builder, mut ops) = (Builder::default(), Vec::new());
    for piece in target.chunks(PIECE_BYTES) {
        ops.extend(find_ops(&chains, piece).into_iter().filter_map(|op| builder.push(op)));
    }
    ops.extend(builder.finish());
    let mut statistics = Statistics::default();
    ops.iter().for_each(|op| statistics.add(op));
    let mut out = BufWriter::new(fs::File::create(patch)?);
    out.write_all(&(target.len() as u64).to_le_bytes())?;
    let mut encoder = DeltaEncoder::new(&base[..], target.len() as u64, Coding::choose(&statistics), 6, out)?;
    for op in &ops {
        encoder.push(op)?;
    }
    Ok(encoder.finish()?.flush()?)
}

fn decode_file(old: &str, patch: &str, out: &str) -> Result<(), Box<dyn Error>> {
    let base = fs::read(old)?;
    let mut patch = fs::File::open(patch)?;
    let mut target_bytes = [0; 8];
    patch.read_exact(&mut target_bytes)?;
    let mut out = BufWriter::new(fs::File::create(out)?);
    decode(&base[..], patch, u64::from_le_bytes(target_bytes), |piece| out.write_all(piece))?;
    Ok(out.flush()?)
}
