//! The image behind the golden files: made the same way each time, from nothing.

/// A tar with small and large files, a nested tar, long names, links, and a tail.
pub(crate) fn golden_image() -> Vec<u8> {
    let inner: Vec<u8> =
        (0..40).flat_map(|n| file(&format!("etc/conf.d/{n:03}"), b'0', &noise(n, 37 * n as usize))).collect();
    let inner = [inner, file("usr/bin/tool", b'0', &noise(100, 90_000)), vec![0; 1024]].concat();
    [
        file("manifest.json", b'0', br#"[{"Config":"c.json","Layers":["layer.tar"]}]"#),
        file("layer.tar", b'0', &inner),
        file("././@LongLink", b'L', format!("{}/name\0", "long".repeat(40)).as_bytes()),
        file("short", b'0', &noise(101, 3_000)),
        file("pax", b'x', b"12 size=700\n"),
        [header("overridden", b'0', 1), padded(&noise(102, 700))].concat(),
        header("hard", b'1', 0),
        file("large", b'0', &noise(103, 30_000).repeat(5)),
        vec![0; 10_240],
        b"garbage behind the end".to_vec(),
    ]
    .concat()
}

/// An archive with parts: a layer that all versions share, one that each has of its own, and a large file.
pub(crate) fn golden_archive(version: u64) -> Vec<u8> {
    let layer = |seed: u64| {
        let small: Vec<u8> =
            (0..40).flat_map(|n| file(&format!("etc/{n:03}"), b'0', &noise(seed + n, 29 * n as usize))).collect();
        [small, file("usr/lib/own", b'0', &noise(seed + version, 9_000)), vec![0; 1024]].concat()
    };
    let shared = [file("bin/sh", b'0', &noise(200, 60_000)), vec![0; 1024]].concat();
    [
        file("shared/layer.tar", b'0', &shared),
        file("shared/json", b'0', b"{}"),
        file("own/layer.tar", b'0', &layer(300)),
        file("disk", b'0', &noise(400, 64).repeat(20_000)),
        file("manifest.json", b'0', format!("[{{\"version\":{version}}}]").as_bytes()),
        vec![0; 1024],
    ]
    .concat()
}

fn file(name: &str, flag: u8, data: &[u8]) -> Vec<u8> {
    [header(name, flag, data.len()), padded(data)].concat()
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    out.resize(data.len().next_multiple_of(512), 0);
    out
}

fn header(name: &str, flag: u8, size: usize) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[136..147].copy_from_slice(b"14000000000");
    block[148..156].fill(b' ');
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// Bytes of a xorshift generator, half of the bits of each fixed, so that they compress.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8 & 0x5f
    };
    (0..len).map(|_| next()).collect()
}
