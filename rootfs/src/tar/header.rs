//! A header block: its fields, and the numbers in them.

use super::BLOCK;

/// The place of the checksum in a header.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// A header block with a correct checksum.
pub(super) struct Header<'b>(&'b [u8; BLOCK]);

/// The form of a header, which decides what its last bytes mean.
#[derive(PartialEq, Eq)]
enum Form {
    Old,
    Ustar,
    Star,
    Gnu,
}

impl<'b> Header<'b> {
    /// Takes a block as a header, if its checksum holds.
    pub(super) fn parse(block: &'b [u8; BLOCK]) -> Option<Self> {
        let stored = octal(&block[CHECKSUM])?;
        let (mut unsigned, mut signed) = (8 * 32i64, 8 * 32i64);
        for &byte in block[..CHECKSUM.start].iter().chain(&block[CHECKSUM.end..]) {
            unsigned += i64::from(byte);
            signed += i64::from(byte.cast_signed());
        }
        (stored == unsigned || stored == signed).then_some(Self(block))
    }

    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    fn form(&self) -> Form {
        match (&self.0[257..263], &self.0[263..265], &self.0[508..512]) {
            (b"ustar\0", _, b"tar\0") => Form::Star,
            (b"ustar\0", ..) => Form::Ustar,
            (b"ustar ", b" \0", _) => Form::Gnu,
            _ => Form::Old,
        }
    }

    /// The name, with the prefix if there is one.
    pub(super) fn name(&self) -> Vec<u8> {
        let prefix = match self.form() {
            Form::Ustar => &self.0[345..500],
            Form::Star => &self.0[345..476],
            Form::Old | Form::Gnu => &[],
        };
        match (until_nul(prefix), until_nul(&self.0[..100])) {
            (b"", name) => name.to_vec(),
            (prefix, name) => [prefix, b"/", name].concat(),
        }
    }

    pub(super) fn link_name(&self) -> Vec<u8> {
        until_nul(&self.0[157..257]).to_vec()
    }

    pub(super) fn mode(&self) -> Option<i64> {
        number(&self.0[100..108])
    }

    pub(super) fn uid(&self) -> Option<i64> {
        number(&self.0[108..116])
    }

    pub(super) fn gid(&self) -> Option<i64> {
        number(&self.0[116..124])
    }

    pub(super) fn size(&self) -> Option<i64> {
        number(&self.0[124..136])
    }

    pub(super) fn modified(&self) -> Option<i64> {
        number(&self.0[136..148])
    }

    /// The major and the minor number of a device.
    pub(super) fn device(&self) -> Option<(i64, i64)> {
        match self.form() {
            Form::Old => Some((0, 0)),
            _ => Some((number(&self.0[329..337])?, number(&self.0[337..345])?)),
        }
    }

    /// The bytes of an old GNU sparse header that hold the map, whether it goes on in a further block, and the size of
    /// the file.
    pub(super) fn sparse(&self) -> Option<(&'b [u8], bool, i64)> {
        let fields = (&self.0[386..482], self.0[482] != 0, number(&self.0[483..495])?);
        (self.form() == Form::Gnu).then_some(fields)
    }
}

pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|&byte| byte == 0).unwrap_or(field.len())]
}

/// Reads an octal number between spaces and zero bytes. None of its digits means 0.
fn octal(field: &[u8]) -> Option<i64> {
    let is_edge = |byte: &u8| matches!(byte, 0 | b' ');
    let Some(start) = field.iter().position(|byte| !is_edge(byte)) else { return Some(0) };
    let digits = until_nul(&field[start..]).trim_ascii_end();
    digits.iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Reads an octal number, or one of base 256, whose first bit is set. The second bit is its sign.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    let Some((first @ 0x80.., rest)) = field.split_first() else { return octal(field) };
    let start = if first & 0x40 == 0 { i64::from(first & 0x3f) } else { i64::from(first | 0xc0) - 0x100 };
    rest.iter().try_fold(start, |value, &byte| value.checked_mul(256)?.checked_add(i64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_of_base_256() {
        for (field, value) in [
            (&b"0001750\0"[..], Some(1000)),
            (b"  1750 \0", Some(1000)),
            (b"\0\0\0\0", Some(0)),
            (b"12345678", None),
            (b"00x0", None),
            (&[0x80, 0, 0, 1, 0], Some(256)),
            (&[0xff, 0xff, 0xff, 0xff], Some(-1)),
            (&[0xff, 0xff, 0xff, 0xfe], Some(-2)),
            (&[0xbf; 12], None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn a_header_is_known_by_its_checksum() {
        let mut block = [0; BLOCK];
        block[0] = b'a';
        assert!(Header::parse(&block).is_none());
        block[CHECKSUM].copy_from_slice(b"000541\0 ");
        assert_eq!(Header::parse(&block).unwrap().name(), b"a");
        block[300] = 1;
        assert!(Header::parse(&block).is_none());
    }
}
