//! Images that suit patches: texts, executables whose addresses moved, compressed pages, and files that moved.

use std::io::Write;

use crate::archive::docker_save;
use crate::noise::{noise, pick};
use crate::tree::Tree;

const WORDS: [&str; 32] = [
    "the", "image", "of", "a", "file", "is", "copied", "where", "it", "lies", "option", "default", "value", "must",
    "not", "be", "empty", "returns", "number", "bytes", "read", "from", "standard", "input", "error", "when", "name",
    "already", "exists", "and", "list", "path",
];

/// Text that differs for each `name`.
pub fn text(name: &str, lines: usize) -> Vec<u8> {
    let mut out = String::new();
    for line in 0..lines {
        for word in 0..6 + pick(&format!("{name} {line}"), 6) {
            out.push_str(WORDS[pick(&format!("{name} {line} {word}"), 32) as usize]);
            out.push(' ');
        }
        out.push_str(&format!("{line}\n"));
    }
    out.into_bytes()
}

/// The next version of a text: one word differs in a few lines.
fn edited(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let edit = |(number, line): (usize, &str)| match number % 11 {
        3 => format!("{}\n", line.replacen("the", "this", 1).replacen("file", "folder", 1)),
        _ => format!("{line}\n"),
    };
    text.lines().enumerate().map(edit).collect::<String>().into_bytes()
}

/// Code that refers to places behind `address`.
fn executable(name: &str, address: u32) -> Vec<u8> {
    let mut code = noise(name, 24_000);
    code[..4].copy_from_slice(b"\x7fELF");
    for place in (64..code.len() - 4).step_by(40) {
        let target = address + pick(&format!("{name} {place}"), 24_000) as u32;
        code[place..place + 4].copy_from_slice(&target.to_le_bytes());
    }
    code
}

/// Compresses like `gzip -9n`.
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("writing into memory does not fail")
}

/// Two versions of an image of about 600 KB.
pub fn versions() -> (Vec<u8>, Vec<u8>) {
    let [old, new] = layers();
    (docker_save(&old, 1_700_000_000), docker_save(&new, 1_700_500_000))
}

/// The layers of [`versions`].
pub fn layers() -> [[Tree; 2]; 2] {
    let (mut old, mut new) = ([Tree::default(), Tree::default()], [Tree::default(), Tree::default()]);
    for number in 0..24 {
        let bytes = text(&format!("text {number}"), 100);
        let path = format!("usr/share/text-{number}");
        // Some files go to another folder, and some to another layer.
        let (layer, moved) = match number % 6 {
            1 => (0, format!("opt/moved/text-{number}")),
            2 => (1, path.clone()),
            _ => (0, path.clone()),
        };
        new[layer].0.insert(moved, edited(&bytes));
        old[0].0.insert(path, bytes);
    }
    for number in 0..6 {
        let name = format!("program {number}");
        old[0].0.insert(format!("usr/lib/lib{number}.so.1"), executable(&name, 0x10_0000));
        new[0].0.insert(format!("usr/lib/lib{number}.so.2"), executable(&name, 0x10_0840));
    }
    for number in 0..10 {
        let page = text(&format!("page {number}"), 150);
        let path = format!("usr/share/man/page-{number}.1.gz");
        new[1].0.insert(path.clone(), gzip(&edited(&page)));
        old[1].0.insert(path, gzip(&page));
    }
    let parts = ["one", "two"].map(|name| text(name, 80));
    for (number, part) in parts.iter().enumerate() {
        old[1].0.insert(format!("app/part-{number}.js"), part.clone());
    }
    new[1].0.insert("app/bundle.js".into(), parts.concat());
    old[1].0.insert("app/gone".into(), text("gone", 30));
    new[1].0.insert("app/new".into(), text("new", 30));
    [old, new]
}
