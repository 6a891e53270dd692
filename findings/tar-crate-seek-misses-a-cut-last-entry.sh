#!/usr/bin/env bash
# The tar crate has two ways through an archive. `entries()` reads what it passes over, and reports
# an archive that ends within an entry. `entries_with_seek()` seeks over an entry's data, and seeking
# behind the end of a file is no error: an archive that is cut off within its last entry lists like
# a whole one, without an error.
#
# A good guess would be that both notice the cut, since the entry's header states its size. Whoever
# lists layers of an image this way compares each entry's end with the file's size as well.
# Seen with tar 0.4.46.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cat > "$work/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
tar = { version = "=0.4.46", default-features = false }
TOML
cat > "$work/src/main.rs" <<'RUST'
use std::io::Cursor;

fn listed(archive: &[u8], seeks: bool) -> std::io::Result<usize> {
    let mut archive = tar::Archive::new(Cursor::new(archive));
    let entries = if seeks { archive.entries_with_seek()? } else { archive.entries()? };
    entries.map(|entry| entry.map(|_| 1)).sum()
}

fn main() {
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["first", "layer"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(100_000);
        header.set_cksum();
        builder.append_data(&mut header, name, &[7u8; 100_000][..]).unwrap();
    }
    let whole = builder.into_inner().unwrap();
    let cut = &whole[..whole.len() / 2 + 30_000];
    let found: Vec<_> = [&whole[..], cut].iter().flat_map(|tar| [listed(tar, false), listed(tar, true)]).collect();
    println!("tar 0.4.46; two entries of 100,000 bytes: {} bytes whole, {} cut off", whole.len(), cut.len());
    println!("whole: entries() {:?}, entries_with_seek() {:?}", found[0], found[1]);
    println!("cut:   entries() {:?}, entries_with_seek() {:?}", found[2], found[3]);
    let counts: Vec<_> = found.into_iter().map(Result::ok).collect();
    if counts != [Some(2), Some(2), None, Some(2)] {
        eprintln!("the behaviour has changed");
        std::process::exit(1);
    }
}
RUST
cargo run --quiet --manifest-path "$work/Cargo.toml" --target-dir "$work/target"
