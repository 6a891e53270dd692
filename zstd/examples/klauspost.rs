//! Compares what is made of plain files with the streams that klauspost's zstd made of them, and measures how fast.
//!
//!     klauspost same LIST [NAME=VALUE]...   LIST has lines of a plain file and a stream
//!     klauspost speed FILE ROUNDS [NAME=VALUE]...
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use regrow_zstd::{Form, Klauspost, KnownEncoder, Level, Reencoder, Version};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("same") => same(&arguments[1], kind(&arguments[2..])),
        Some("encode") => {
            let made = encode(kind(&arguments[2..]), &std::fs::read(&arguments[1])?);
            std::io::Write::write_all(&mut std::io::stdout(), &made)
        }
        Some("speed") => speed(&arguments[1], arguments[2].parse().unwrap_or(3), kind(&arguments[3..])),
        _ => Ok(()),
    }
}

fn kind(options: &[String]) -> Klauspost {
    let options: Vec<(&str, &str)> = options.iter().filter_map(|option| option.split_once('=')).collect();
    let of = |name: &str| options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let version = match of("version") {
        Some("1.15") => Version::V1_15,
        Some("1.16.4") => Version::V1_16_4,
        Some("1.17.0") => Version::V1_17_0,
        Some("1.17.3") => Version::V1_17_3,
        Some("1.17.6") => Version::V1_17_6,
        _ => Version::V1_17_8,
    };
    let level = match of("level") {
        Some("fastest") => Level::Fastest,
        Some("better") => Level::Better,
        Some("best") => Level::Best,
        _ => Level::Default,
    };
    let mut kind = Klauspost::new(version, level);
    for (name, value) in options {
        let number = value.parse().unwrap_or_default();
        match name {
            "window" => kind.window_log = number as u8,
            "block" => kind.block_log = number as u8,
            "flushed" => kind.flushed_at = number,
            "checksum" => kind.checksum = value == "yes",
            "entropy" => kind.plain_literals = value == "no",
            "lits" => kind.codes_all_literals = value == "yes",
            "form" if value == "all" => kind.form = Form::All,
            "form" if value == "sized" => kind.form = Form::SizedStream,
            _ => {}
        }
    }
    kind
}

fn encode(kind: Klauspost, plain: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(plain.len() / 2);
    let mut encoder = Reencoder::new(KnownEncoder::Klauspost(kind), plain.len() as u64);
    plain.chunks(100_000).for_each(|piece| encoder.write(piece, &mut made));
    encoder.finish(&mut made);
    made
}

fn same(list: &str, kind: Klauspost) -> std::io::Result<()> {
    let (mut equal, mut all) = (0, 0);
    for line in std::fs::read_to_string(list)?.lines() {
        let Some((plain, stream)) = line.split_once(' ') else { continue };
        let (plain_bytes, stream_bytes) = (std::fs::read(plain)?, std::fs::read(stream)?);
        let made = encode(kind, &plain_bytes);
        all += 1;
        if made == stream_bytes {
            equal += 1;
            continue;
        }
        let at = made.iter().zip(&stream_bytes).take_while(|(a, b)| a == b).count();
        println!("{plain}: differs at {at}: {} bytes made, {} wanted", made.len(), stream_bytes.len());
    }
    println!("{equal} of {all} equal");
    Ok(())
}

fn speed(file: &str, rounds: u32, kind: Klauspost) -> std::io::Result<()> {
    let plain = std::fs::read(file)?;
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        let made = encode(kind, &plain);
        best = best.min(start.elapsed());
        std::hint::black_box(made);
    }
    println!("{:.1} MB/s", plain.len() as f64 / 1e6 / best.as_secs_f64());
    Ok(())
}
