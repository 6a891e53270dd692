//! Plain bytes of many kinds, the same on every machine.

/// A generator of numbers (xorshift).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// 1 to 2^`bits`, small ones about as often as large ones.
    pub(crate) fn size(&mut self, bits: usize) -> usize {
        let magnitude = 1 << (1 + self.below(bits));
        1 + self.below(magnitude)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Words, commoner ones more often.
pub(crate) fn text(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    let words: Vec<Vec<u8>> = (0..2000)
        .map(|_| (0..2 + numbers.below(9)).map(|_| b"etaoinshrdlucmfwypvbgkjqxz"[numbers.below(26)]).collect())
        .collect();
    let mut text = Vec::new();
    while text.len() < length {
        let range = 1 + numbers.below(words.len());
        text.extend(&words[numbers.below(range)]);
        text.push(if numbers.below(12) == 0 { b'\n' } else { b' ' });
    }
    text.truncate(length);
    text
}

/// Records of small numbers, as in programs and tables.
pub(crate) fn binary(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut address = 0x0040_0000u32;
    while bytes.len() < length {
        address += numbers.below(64) as u32 * 4;
        bytes.extend(address.to_le_bytes());
        bytes.extend((numbers.size(16) as u32).to_le_bytes());
        bytes.extend([0x48, 0x8b, numbers.below(8) as u8, 0xe8]);
        if numbers.below(20) == 0 {
            bytes.extend(vec![0; numbers.below(400)]);
        }
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn random(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    (0..length).map(|_| numbers.below(256) as u8).collect()
}

/// All kinds in turn, with copies from near and from more than a window ago.
pub(crate) fn mixed(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let piece = numbers.size(16);
        match numbers.below(8) {
            0 => bytes.extend(text(numbers, piece)),
            1 => bytes.extend(binary(numbers, piece)),
            2 => bytes.extend(random(numbers, piece)),
            3 => bytes.extend(vec![numbers.below(256) as u8; piece]),
            4 => bytes.extend((0..piece).map(|_| b"ab"[numbers.below(2)])),
            _ if bytes.is_empty() => {}
            kind => copy(numbers, &mut bytes, piece, if kind == 5 { 200_000 } else { 33_500 }),
        }
    }
    bytes.truncate(length);
    bytes
}

fn copy(numbers: &mut Numbers, bytes: &mut Vec<u8>, length: usize, reach: usize) {
    let back = 1 + numbers.below(reach.min(bytes.len()));
    for number in 0..length {
        let byte = bytes[bytes.len() - back];
        let is_changed = number % 300 == 299 && numbers.below(4) == 0;
        bytes.push(if is_changed { byte ^ 0x20 } else { byte });
    }
}

/// Named data for golden streams.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let mut numbers = Numbers::new(1);
    let mut all: Vec<(String, Vec<u8>)> = vec![
        ("text".into(), text(&mut numbers, 300_000)),
        ("binary".into(), binary(&mut numbers, 300_000)),
        ("random".into(), random(&mut numbers, 200_000)),
        ("zeros".into(), vec![0; 200_000]),
        ("mixed".into(), mixed(&mut numbers, 1_500_000)),
        ("far".into(), random(&mut numbers, 40_000).repeat(4)),
        ("near".into(), random(&mut numbers, 32_768).repeat(4)),
        ("long".into(), text(&mut numbers, 1_200_000)),
    ];
    for length in [0, 1, 4, 16, 17, 32, 33, 127, 128, 1000, 65_534, 65_535, 65_536, 131_070, 131_071] {
        all.push((format!("text-{length}"), text(&mut numbers, length)));
        all.push((format!("mixed-{length}"), mixed(&mut numbers, length)));
    }
    all
}
