//! Plain bytes to compress, the same each time.

/// Numbers that look random (xorshift).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % end
    }
}

/// Bytes of this many kinds.
pub(crate) fn few(length: usize, kinds: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(kinds as u64);
    (0..length).map(|_| numbers.below(kinds) as u8).collect()
}

/// Bytes of which the small ones are many.
fn skewed(length: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(9);
    (0..length).map(|_| (0..3).map(|_| numbers.below(200)).min().unwrap_or_default() as u8).collect()
}

pub(crate) fn text(length: usize, seed: u64) -> Vec<u8> {
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
pub(crate) fn mixed(length: usize) -> Vec<u8> {
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

/// A few bytes, a whole number of blocks, and a little more or less.
pub(crate) fn of_many_lengths() -> Vec<(String, Vec<u8>)> {
    let lengths = [0, 1, 7, 10, 15, 16, 17, 31, 32, 33, 50, 100, 255, 256, 300, 1000, 1023, 1024, 1025, 5000];
    let blocks = [65_535, 65_536, 65_537, 65_792, 131_071, 131_072, 131_073, 131_082, 262_144];
    let all = mixed(400_000);
    let cut = |length: &usize| (format!("mixed, {length}"), all[100_000..][..*length].to_vec());
    lengths.iter().chain(&blocks).map(cut).collect()
}

/// All kinds.
pub(crate) fn of_all_kinds() -> Vec<(String, Vec<u8>)> {
    let mut kinds = vec![
        ("text", text(300_000, 1)),
        ("binary", binary(200_000)),
        ("zeros", vec![0; 400_000]),
        ("noise", few(200_000, 256)),
        ("noise, twice", few(140_000, 256).repeat(2)),
        ("two kinds", few(50_000, 2)),
        ("two hundred kinds", few(150_000, 200)),
        ("skewed", skewed(140_000)),
        ("short text", text(200, 3)),
        ("short and skewed", skewed(300)),
    ];
    for length in [20, 24, 28, 32, 36, 40, 48, 60, 90] {
        kinds.push(("very short and skewed", skewed(length)));
        kinds.push(("very short, of few kinds", few(length, 5)));
    }
    kinds.into_iter().map(|(name, plain)| (format!("{name}, {}", plain.len()), plain)).collect()
}
