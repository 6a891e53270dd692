//! Tar header blocks: POSIX ustar, pax, GNU and old tar. FORMAT.md, section 2.2.

use std::borrow::Cow;

/// The size of a tar block in bytes.
pub const BLOCK: usize = 512;

/// A block with a correct checksum and a valid size.
#[derive(Debug, Clone, Copy)]
pub struct TarHeader<'a> {
    block: &'a [u8; BLOCK],
    size: u64,
}

impl<'a> TarHeader<'a> {
    /// Parses these bytes, and returns the header if they are one.
    #[must_use]
    pub fn parse(block: &'a [u8; BLOCK]) -> Option<Self> {
        // A checksum without digits is not there, so the block is no header. A size without digits is 0.
        let stored = octal(&block[148..156]).filter(|_| block[148..156].iter().any(u8::is_ascii_digit))?;
        if !checksum_holds(block, stored) {
            return None;
        }
        Some(Self { block, size: number(&block[124..136])? })
    }

    /// The size field, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The type flag (offset 156).
    #[must_use]
    pub fn type_flag(&self) -> u8 {
        self.block[156]
    }

    /// Whether an old GNU sparse header continues in further blocks.
    #[must_use]
    pub(crate) fn is_extended_sparse(&self) -> bool {
        self.type_flag() == b'S' && self.block[482] != 0
    }

    /// The name that a link leads to.
    #[must_use]
    pub fn link_name(&self) -> &'a [u8] {
        until_nul(&self.block[157..257])
    }

    /// The name, with the ustar prefix if there is one.
    #[must_use]
    pub fn name(&self) -> Cow<'a, [u8]> {
        let name = until_nul(&self.block[..100]);
        let prefix = until_nul(&self.block[345..500]);
        if &self.block[257..263] != b"ustar\0" || prefix.is_empty() {
            return Cow::Borrowed(name);
        }
        Cow::Owned([prefix, b"/", name].concat())
    }
}

/// The fields of a header that hold times or follow from them: the time of modification, the checksum, and in GNU's form
/// two times more.
const MODIFIED: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const GNU_TIMES: std::ops::Range<usize> = 345..369;

impl TarHeader<'_> {
    /// Passes on the bytes that hold times, and a copy of the block without them.
    pub(crate) fn split_times(&self, mut times: impl FnMut(&[u8])) -> [u8; BLOCK] {
        let mut rest = *self.block;
        let gnu = (&self.block[257..263] == b"ustar ").then_some(GNU_TIMES);
        for range in [MODIFIED].into_iter().chain(gnu) {
            times(&self.block[range.clone()]);
            rest[range].fill(0);
        }
        rest[CHECKSUM].fill(0);
        rest
    }
}

/// The records of a pax header's data: keys and values. A damaged record ends them.
pub(crate) fn pax_records(mut data: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let space = data.iter().position(|&byte| byte == b' ')?;
        let length = usize::try_from(decimal(&data[..space])?).ok()?;
        let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
        data = &data[length..];
        let equals = record.iter().position(|&byte| byte == b'=')?;
        Some((&record[..equals], &record[equals + 1..]))
    })
}

/// Whether all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

fn checksum_holds(block: &[u8; BLOCK], stored: u64) -> bool {
    let (mut unsigned, mut signed) = (8 * 32i64, 8 * 32i64);
    for &byte in block[..148].iter().chain(&block[156..]) {
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    i64::try_from(stored) == Ok(unsigned) || i64::try_from(stored) == Ok(signed)
}

/// Parses an octal number: optional spaces, octal digits (none mean 0), then NUL, space or the field's end. What
/// follows is ignored.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|&byte| byte != b' ').unwrap_or(field.len());
    let mut value = 0u64;
    for &byte in &field[start..] {
        match byte {
            b'0'..=b'7' => value = value.checked_mul(8)?.checked_add(u64::from(byte - b'0'))?,
            0 | b' ' => break,
            _ => return None,
        }
    }
    Some(value)
}

/// Parses an octal number, or a base-256 number if the first byte is 0x80.
fn number(field: &[u8]) -> Option<u64> {
    let Some((0x80, rest)) = field.split_first() else { return octal(field) };
    let mut value = 0u64;
    for &byte in rest {
        value = value.checked_mul(256)?.checked_add(u64::from(byte))?;
    }
    (value < 1 << 63).then_some(value)
}

fn until_nul(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|&byte| byte == 0).unwrap_or(field.len())]
}

/// The value of `key` in the data of a pax header, which is records of `LENGTH KEY=VALUE\n`. The last such record
/// counts. A record that is not of this form makes the whole header void, but a rest without a space is ignored.
pub(crate) fn pax_value<'d>(mut data: &'d [u8], key: &[u8]) -> Option<&'d [u8]> {
    let mut found = None;
    while let Some(space) = data.iter().position(|&byte| byte == b' ') {
        let length = usize::try_from(decimal(&data[..space])?).ok()?;
        let record = data.get(space + 1..length)?;
        data = &data[length..];
        let record = record.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        if &record[..equals] == key {
            found = Some(&record[equals + 1..]);
        }
    }
    found
}

/// The size in bytes that a pax header gives to the next entry, if any.
pub(crate) fn pax_size(data: &[u8]) -> Option<u64> {
    decimal(pax_value(data, b"size")?).filter(|&size| size < 1 << 63)
}

/// Parses decimal digits and nothing else. Rust's own parser accepts a plus sign.
fn decimal(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_records() {
        let data = b"13 size=1234\n21 path=some/long/na\n13 size=5678\n";
        assert_eq!(pax_size(data), Some(5678));
        assert_eq!(pax_value(data, b"path"), Some(b"some/long/na".as_slice()));
        for cut in 0..data.len() {
            let _ = pax_size(&data[..cut]);
        }
        assert_eq!(pax_size(b"99999999999999999999 size=1\n"), None);
        assert_eq!(pax_size(b"2 size=1\n"), None);
        assert_eq!(pax_size(b"13 size=5000\nhello\n"), Some(5000));
        assert_eq!(pax_size(b"13 size=5000\nhello world\n"), None);
        assert_eq!(pax_size(b"13 size=5000\n9 size=x\n"), None);
        assert_eq!(pax_size(b"9 size=x\n13 size=5000\n"), Some(5000));
        assert_eq!(pax_size(b"13 size=+400\n"), None);
    }

    #[test]
    fn a_checksum_has_digits() {
        let mut block = [0; BLOCK];
        assert!(TarHeader::parse(&block).is_none());
        // The sum of the bytes as signed values, with the field as spaces, is 0.
        (block[0], block[1]) = (0x80, 0x80);
        assert!(TarHeader::parse(&block).is_none());
        block[148] = b'0';
        assert!(TarHeader::parse(&block).is_some());
    }

    #[test]
    fn numbers() {
        assert_eq!(number(b"00000001750\0"), Some(1000));
        assert_eq!(number(b"       1750 "), Some(1000));
        assert_eq!(number(&[0; 12]), Some(0));
        assert_eq!(number(b"00000008\0\0\0\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Some(2 << 32));
        assert_eq!(number(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(number(&[0xff; 12]), None);
    }
}
