//! Plain bytes to compress, the same each time.

/// Numbers that look random (xorshift).
pub(in super::super) struct Numbers(u64);

impl Numbers {
    pub(in super::super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(in super::super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % end
    }
}

pub(in super::super) fn noise(length: usize) -> Vec<u8> {
    few(length, 256)
}

/// Bytes of this many kinds.
fn few(length: usize, kinds: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(kinds as u64);
    (0..length).map(|_| numbers.below(kinds) as u8).collect()
}

fn text(length: usize, seed: u64) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    let words: Vec<Vec<u8>> = (0..2000)
        .map(|_| (0..2 + numbers.below(8)).map(|_| b'a' + numbers.below(26).min(numbers.below(26)) as u8).collect())
        .collect();
    let mut text = Vec::new();
    while text.len() < length {
        let word = numbers.below(words.len()).min(numbers.below(words.len()));
        text.extend_from_slice(&words[word]);
        text.push(if numbers.below(9) == 0 { b'\n' } else { b' ' });
    }
    text.truncate(length);
    text
}

/// Small numbers in records, as in programs.
fn binary(length: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(5);
    let records = (0..).flat_map(|record: u32| {
        let values = [record * 3, numbers.below(1000) as u32, numbers.below(4) as u32 * 0x0101, 0];
        values.into_iter().flat_map(u32::to_le_bytes)
    });
    records.take(length).collect()
}

/// Pieces of all kinds, and what came before, near and far.
pub(in super::super) fn mixed(length: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(11);
    let mut mixed = Vec::new();
    while mixed.len() < length {
        let longest = [3, 20, 100, 1000, 5000, 40_000, 90_000][numbers.below(7)];
        let piece = 1 + numbers.below(longest);
        match numbers.below(8) {
            0 => mixed.extend(text(piece, piece as u64)),
            1 => mixed.extend((0..piece).map(|_| numbers.below(256) as u8)),
            2 => mixed.extend(vec![numbers.below(256) as u8; piece]),
            3 => mixed.extend(few(piece, [2, 3, 16, 100][numbers.below(4)])),
            _ => {
                let back = if numbers.below(3) == 0 { mixed.len() } else { mixed.len().min(40_000) };
                let start = mixed.len() - numbers.below(back + 1);
                let end = mixed.len().min(start + [4, 10, 50, 300, 2000, 50_000][numbers.below(6)]);
                mixed.extend_from_within(start..end);
            }
        }
    }
    mixed.truncate(length);
    mixed
}

/// All kinds, and lengths around the borders of blocks.
pub(in super::super) fn small() -> Vec<(String, Vec<u8>)> {
    let lengths = [0, 1, 2, 12, 13, 32, 33, 127, 128, 1024, 16_384, 20_000, 32_768, 32_769, 65_535, 65_536];
    let beyond = [65_535 + 12, 65_535 + 33, 65_535 + 128, 131_070];
    let all = mixed(150_000);
    let cut = lengths
        .into_iter()
        .chain(beyond)
        .map(|length| (format!("mixed, {length}"), all[20_000..][..length.min(130_000)].to_vec()));
    let kinds = [
        ("text", text(90_000, 1)),
        ("binary", binary(100_000)),
        ("zeros", vec![0; 140_000]),
        ("noise", noise(80_000)),
        ("two kinds", few(50_000, 2)),
        ("two hundred kinds", few(70_000, 200)),
        ("short text", text(200, 3)),
        ("mixed", all.clone()),
    ];
    cut.chain(kinds.map(|(name, plain)| (name.to_owned(), plain))).collect()
}

/// More than blocks and windows hold.
pub(in super::super) fn large() -> Vec<(String, Vec<u8>)> {
    vec![("large".to_owned(), mixed(2_300_000)), ("one block".to_owned(), mixed(1 << 20))]
}
