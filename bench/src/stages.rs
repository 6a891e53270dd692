//! The steps by themselves over an image in memory, on one core unless stated otherwise.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use bytes::Bytes;
use regrow_chunker::{Cutter, Params};
use regrow_image::Splitter;
use regrow_store::FRAME_TARGET_BYTES;

use crate::Result;
use crate::table::{self, Table};
use crate::timing::{Rate, rates};

/// The limits of this machine, with which the flows are compared.
pub(crate) struct Limits {
    /// The rate of reading a file that is in the page cache.
    pub(crate) read: Rate,
    /// The rate of reading such a file and writing it to another one.
    pub(crate) copy: Rate,
    /// The rate of zstd at the default level on all cores.
    pub(crate) compress: Rate,
}

const PIECE_BYTES: usize = 16 << 10;
const BLOCK_BYTES: usize = 1 << 20;

/// The number of steps that are measured, in this order.
const STEPS: usize = 11;

/// The table of steps, and the limits. The steps take turns, so that other work of the machine affects all of them.
pub(crate) fn measure(image: &Path, folder: &Path, runs: usize) -> Result<(String, Limits)> {
    let bytes = Bytes::from(std::fs::read(image)?);
    let mut memory_copy = vec![0u8; bytes.len()];
    let params = Params::default();
    let cutter = Cutter::new(params);
    let cores = std::thread::available_parallelism()?.get();
    let steps: [&mut dyn FnMut() -> Result<u64>; STEPS] = [
        &mut || {
            memory_copy.copy_from_slice(&bytes);
            Ok(memory_copy[memory_copy.len() / 2].into())
        },
        &mut || read_file(image),
        &mut || write_file(folder, &bytes),
        &mut || copy_file(image, folder),
        &mut || Ok(crate_chunks(&bytes, &params)),
        &mut || Ok(chunks(&bytes, &cutter)),
        &mut || Ok(blake3::hash(&bytes).as_bytes()[0].into()),
        &mut || Ok(hash_pieces(&bytes)),
        &mut || Ok(split(&bytes, params)),
        &mut || compress(&bytes, 3),
        &mut || compress(&bytes, 9),
    ];
    let found = rates(runs, bytes.len() as u64, steps)?;
    let [all_cores] = rates(runs, bytes.len() as u64, [&mut || compress_on(cores, &bytes)])?;
    Ok((rows(&found, all_cores, cores), Limits { read: found[1], copy: found[3], compress: all_cores }))
}

fn rows(rates: &[Rate; STEPS], all_cores: Rate, cores: usize) -> String {
    let [memory, read, write, copy, crate_cut, cut, hash, hash_pieces, split, zstd_3, zstd_9] = *rates;
    let together = Rate { bytes_per_second: zstd_9.bytes_per_second * cores as f64 };
    let mut rows = Table::new(&["step", "rate", "limit", "of it"]);
    for (name, found, limit, what) in [
        ("read from the page cache", read, memory, "memory copy"),
        ("write a file", write, memory, "memory copy"),
        ("copy a file", copy, memory, "memory copy"),
        ("FastCDC, 16 KiB average", cut, crate_cut, "`fastcdc` crate, v2020"),
        ("BLAKE3 of 16 KiB pieces", hash_pieces, hash, "BLAKE3 of all at once"),
        ("walk and split", split, read, "reading"),
        ("zstd 3, frames of 512 KiB", zstd_3, read, "reading"),
        ("zstd 9, frames of 512 KiB", zstd_9, read, "reading"),
        ("zstd 9, all cores", all_cores, together, "one core, times cores"),
    ] {
        rows.row(&[
            name.into(),
            table::rate(found),
            format!("{what} {}", table::rate(limit)),
            table::share(found, limit),
        ]);
    }
    rows.finish()
}

fn read_file(path: &Path) -> Result<u64> {
    let (mut file, mut block, mut sum) = (File::open(path)?, vec![0; BLOCK_BYTES], 0);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(sum),
            len => sum += len as u64,
        }
    }
}

fn write_file(folder: &Path, bytes: &[u8]) -> Result<u64> {
    let mut file = tempfile::tempfile_in(folder)?;
    bytes.chunks(BLOCK_BYTES).try_for_each(|block| file.write_all(block))?;
    file.sync_all()?;
    Ok(bytes.len() as u64)
}

fn copy_file(from: &Path, folder: &Path) -> Result<u64> {
    let (mut from, mut to, mut block) = (File::open(from)?, tempfile::tempfile_in(folder)?, vec![0; BLOCK_BYTES]);
    loop {
        let len = from.read(&mut block)?;
        if len == 0 {
            to.sync_all()?;
            return Ok(0);
        }
        to.write_all(&block[..len])?;
    }
}

fn chunks(mut bytes: &[u8], cutter: &Cutter) -> u64 {
    let mut count = 0;
    while !bytes.is_empty() {
        bytes = &bytes[cutter.cut(bytes)..];
        count += 1;
    }
    count
}

fn crate_chunks(bytes: &[u8], params: &Params) -> u64 {
    let [min, avg, max] = [params.min_bytes(), params.avg_bytes(), params.max_bytes()];
    let cutter = fastcdc::v2020::FastCDC::new(bytes, min as usize, avg as usize, max as usize);
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        (_, at) = cutter.cut(at, bytes.len() - at);
        count += 1;
    }
    count
}

fn hash_pieces(bytes: &[u8]) -> u64 {
    bytes.chunks(PIECE_BYTES).map(|piece| u64::from(blake3::hash(piece).as_bytes()[0])).sum()
}

fn split(bytes: &Bytes, params: Params) -> u64 {
    let mut splitter = Splitter::new(params);
    let mut count = 0;
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes.len().min(at + BLOCK_BYTES);
        splitter.push(bytes.slice(at..end));
        count += splitter.take().len();
        at = end;
    }
    (count + splitter.finish().len()) as u64
}

fn compress(bytes: &[u8], level: i32) -> Result<u64> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(FRAME_TARGET_BYTES));
    let mut sum = 0;
    for frame in bytes.chunks(FRAME_TARGET_BYTES) {
        out.clear();
        sum += compressor.compress_to_buffer(frame, &mut out)? as u64;
    }
    Ok(sum)
}

fn compress_on(cores: usize, bytes: &[u8]) -> Result<u64> {
    let share = bytes.len().div_ceil(cores).next_multiple_of(FRAME_TARGET_BYTES);
    std::thread::scope(|scope| {
        let part = |part| move || compress(part, 9).map_err(|error| error.to_string());
        let threads: Vec<_> = bytes.chunks(share).map(|bytes| scope.spawn(part(bytes))).collect();
        let mut sum = 0;
        for thread in threads {
            sum += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(sum)
    })
}
