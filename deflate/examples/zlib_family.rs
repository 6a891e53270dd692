//! Makes a raw deflate stream of a file: `zlib_family FILE FAMILY LEVEL` (families: zlib, zlib9, gzip, pigz), to
//! standard output; its speed goes to standard error.
#![allow(clippy::print_stderr)]

use std::io::Write;
use std::time::Instant;

use regrow_deflate::encoders::{Encoder, KnownEncoder, ZlibFamily};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, family, level] = arguments.as_slice() else { return Err("usage: zlib_family FILE FAMILY LEVEL".into()) };
    let (plain, level) = (std::fs::read(file)?, level.parse()?);
    let kind = match family.as_str() {
        "zlib" => ZlibFamily::Zlib { level, memory: 8 },
        "zlib9" => ZlibFamily::Zlib { level, memory: 9 },
        "gzip" => ZlibFamily::Gzip { level },
        "pigz" => ZlibFamily::Pigz { level },
        _ => return Err("no such family".into()),
    };
    let start = Instant::now();
    let (mut encoder, mut out) = (Encoder::new(KnownEncoder::Zlib(kind)), Vec::new());
    encoder.write(&plain, &mut out);
    encoder.finish(&mut out);
    eprintln!("{:.1} MB/s", plain.len() as f64 / start.elapsed().as_secs_f64() / 1e6);
    std::io::stdout().write_all(&out)?;
    Ok(())
}
