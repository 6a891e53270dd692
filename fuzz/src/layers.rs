//! Layers of any bytes make root file systems, or errors. Where two of them make two, the layer between these makes the
//! second of the first, and nothing is left to do.

use std::io::{self, Write};

use regrow_rootfs::{ContentsSource, Difference, DifferenceOptions, FsPath, Place, Tree, write_layer};

use crate::input::Input;

/// The plain bytes of layers.
struct Layers(Vec<Vec<u8>>);

impl ContentsSource for Layers {
    fn copy(&mut self, place: Place, bytes: u64, out: &mut dyn Write) -> io::Result<()> {
        let at = place.at as usize;
        out.write_all(&self.0[place.layer as usize][at..at + bytes as usize])
    }
}

/// The first byte says how to take the rest: 0 as the bytes of one layer, any other value as instructions for four: two
/// of each image. Its higher bits are the options.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    let how = input.byte();
    if how == 0 {
        let _ = Tree::new().apply(input.0, 0);
        return;
    }
    let mut layers = Layers(Vec::new());
    let (Some(mut old), Some(new)) = (tree(&mut input, &mut layers), tree(&mut input, &mut layers)) else { return };
    let below = if how & 2 == 0 { FsPath::default() } else { FsPath::clean(b"a/b").expect("a path") };
    let options = DifferenceOptions { below, ignore_times: how & 4 != 0 };
    let mut layer = Vec::new();
    write_layer(&Difference::new(&old, &new, options.clone()), &mut layers, &mut layer).expect("contents are there");
    old.apply(layer.as_slice(), 4).expect("a layer of our own");
    assert!(Difference::new(&old, &new, options).is_empty(), "the layer makes something else");
}

/// The tree of two layers.
fn tree(input: &mut Input<'_>, layers: &mut Layers) -> Option<Tree> {
    let mut tree = Tree::new();
    for _ in 0..2 {
        let layer = layer_of(input);
        let number = layers.0.len() as u32;
        let applied = tree.apply(layer.as_slice(), number);
        layers.0.push(layer);
        applied.ok()?;
    }
    Some(tree)
}

const NAMES: [&str; 12] =
    ["a", "b", "a/b", "a/b/c", "a/c", "a/.wh.b", ".wh.a", "a/.wh..wh..opq", "./", "b/a", "a/b/.wh.c", "a\u{fe}"];

/// Makes a layer by instructions of one byte each, with their arguments. 0 ends it.
fn layer_of(input: &mut Input<'_>) -> Vec<u8> {
    let mut layer = Vec::new();
    while !input.is_empty() && layer.len() < 1 << 16 {
        let name = NAMES[usize::from(input.byte()) % NAMES.len()].as_bytes();
        let (flag, value) = match input.byte() % 12 {
            0 => break,
            1..=3 => (b'0', input.byte()),
            4 => (b'1', input.byte()),
            5 => (b'2', input.byte()),
            6 => (b'3', input.byte()),
            7 | 8 => (b'5', input.byte()),
            9 => (b'6', input.byte()),
            10 => {
                // Whatever an extension header says of the next entry.
                let len = input.byte();
                let data = input.take(len.into());
                layer.extend(entry(b'x', b"PaxHeader", b"", 0, data));
                continue;
            }
            _ => {
                let records = [&b"22 SCHILY.xattr.user.a="[..], &[b'0' + input.byte() % 3], b"\n"].concat();
                let record = format!("{} SCHILY.xattr.user.a=", records.len() - 1).into_bytes();
                layer.extend(entry(b'x', b"PaxHeader", b"", 0, &[&record[..], &records[records.len() - 2..]].concat()));
                continue;
            }
        };
        let target = NAMES[usize::from(value) % NAMES.len()].as_bytes();
        let data = vec![b'x'; if flag == b'0' { usize::from(value % 4) } else { 0 }];
        layer.extend(entry(flag, name, target, value, &data));
    }
    layer
}

/// An entry whose mode and time follow from `value`.
fn entry(flag: u8, name: &[u8], target: &[u8], value: u8, data: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, format!("{:07o}\0", 0o644 | u16::from(value & 1)).as_bytes());
    put(124, format!("{:011o}\0", data.len()).as_bytes());
    put(136, format!("{:011o}\0", value >> 4).as_bytes());
    put(148, b"        ");
    put(156, &[flag]);
    put(157, target);
    put(257, b"ustar\x0000");
    put(337, format!("{:07o}\0", value % 3).as_bytes());
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.extend_from_slice(data);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// Seeds: a folder with files and links, changed in one way or another, and a tar as it is.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let end = [0, 0];
    let base = [0, 7, 1, 2, 7, 1, 3, 1, 2, 4, 4, 3];
    let changed = [0, 7, 1, 2, 7, 1, 3, 1, 3, 1, 5, 2];
    let hidden = [5, 1, 0, 9, 9, 2];
    let mut seeds: Vec<Vec<u8>> =
        [1, 3, 5, 9].map(|how| [&[how][..], &base, &end, &end, &changed, &end, &hidden, &end].concat()).to_vec();
    let plain =
        [entry(b'5', b"a/", b"", 3, b""), entry(b'0', b"a/b", b"", 3, b"some"), entry(b'1', b"c", b"a/b", 3, b"")];
    seeds.push([&[0][..], &plain.concat(), &[0; 1024]].concat());
    let sparse = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n29 GNU.sparse.realsize=4000\n";
    let map = [&b"1\n100\n4\n"[..], &[0; 503], b"data"].concat();
    seeds.push([&[0][..], &entry(b'x', b"p", b"", 0, sparse), &entry(b'0', b"s", b"", 0, &map)].concat());
    seeds
}
