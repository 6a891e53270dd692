//! A pair of images that is the same on every machine. Each is one tar of programs and small text files. The update
//! gives every file a new time, changes every 50th text, and shifts the code in some programs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::Result;

const PROGRAMS: u64 = 96;
const TEXTS: u64 = 4000;

/// The generator SplitMix64 (Steele et al., 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Writes `old.tar` and `new.tar`, about 70 MB each, into `folder`.
pub(crate) fn write(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let (old, new) = (folder.join("old.tar"), folder.join("new.tar"));
    write_image(&old, false)?;
    write_image(&new, true)?;
    Ok((old, new))
}

fn write_image(path: &Path, updated: bool) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let time = if updated { 1_760_000_000 } else { 1_750_000_000 };
    let words: Vec<Vec<u8>> = (0..4000).map(word).collect();
    for number in 0..PROGRAMS {
        let mut code = program(number);
        if updated && number % 16 == 3 {
            let middle = code.len() / 2;
            code.splice(middle..middle, *b"\x90\x90\x0f\x1f\x40\x00\xc3");
        }
        add_file(&mut out, &format!("usr/lib/program-{number:03}"), &code, time)?;
    }
    for number in 0..TEXTS {
        let edition = u64::from(updated && number % 50 == 7);
        let text = text(number, edition, &words);
        add_file(&mut out, &format!("usr/share/doc/{:02}/text-{number:04}", number % 100), &text, time)?;
    }
    out.write_all(&[0; 1024])?;
    Ok(out.flush()?)
}

/// Instructions out of a small set with varying operands. They compress to about a third.
fn program(number: u64) -> Vec<u8> {
    let mut random = Random(number);
    let len = 200_000 + random.next() as usize % 800_000;
    let mut code = Vec::with_capacity(len + 16);
    while code.len() < len {
        let choice = random.next();
        let operation = Random(choice % 61 * (choice >> 8 & 3)).next().to_le_bytes();
        code.extend_from_slice(&operation[..3 + (choice >> 16) as usize % 5]);
        code.extend_from_slice(&(choice >> 40).to_le_bytes()[..(choice >> 32) as usize % 3]);
    }
    code
}

fn word(number: u64) -> Vec<u8> {
    let mut random = Random(number << 20);
    let letters = 2 + random.next() % 9;
    (0..letters)
        .map(|_| b"etaoinshrdlucmfwypvbgkjqxz"[(random.next() % 26 * (random.next() % 26) / 26) as usize])
        .collect()
}

/// Words, of which frequent ones come more often. Another edition has one more line.
fn text(number: u64, edition: u64, words: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(number + (1 << 32));
    let len = 200 + random.next() as usize % 9000;
    let mut text = Vec::with_capacity(len + 64);
    while text.len() < len {
        let rank = random.next() % 4000 * (random.next() % 4000) / 4000;
        text.extend_from_slice(&words[rank as usize]);
        text.push(if random.next().is_multiple_of(12) { b'\n' } else { b' ' });
        if edition > 0 && text.len() >= len / 2 && text.len() < len / 2 + 12 {
            text.extend_from_slice(b"\nfixed in this edition\n");
        }
    }
    text
}

/// Writes a ustar entry (POSIX.1-1988) with its data and padding.
fn add_file(out: &mut impl Write, name: &str, data: &[u8], time: u64) -> Result<()> {
    let mut header = [0u8; 512];
    let mut put = |at: usize, field: &[u8]| header[at..at + field.len()].copy_from_slice(field);
    put(0, name.as_bytes());
    put(100, b"0000644\0" as &[u8]);
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", data.len()).as_bytes());
    put(136, format!("{time:011o}\0").as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out.write_all(&header)?;
    out.write_all(data)?;
    out.write_all(&[0; 512][..data.len().next_multiple_of(512) - data.len()])?;
    Ok(())
}
