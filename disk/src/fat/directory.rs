//! The entries of a directory, with their long names.

use crate::input::{u16_at, u32_at};

const ENTRY_BYTES: usize = 32;
const LONG_NAME: u8 = 0xf;
const LABEL: u8 = 0x8;
const DIRECTORY: u8 = 0x10;
/// The places of the 13 units of a long name that an entry has.
const UNITS_AT: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) is_directory: bool,
    pub(super) cluster: u32,
    pub(super) bytes: u32,
}

/// The entries that name a file, except for the directory itself and the one above it.
pub(super) fn entries(directory: &[u8], has_high: bool) -> impl Iterator<Item = Entry> + '_ {
    let mut long = LongName::default();
    directory.chunks_exact(ENTRY_BYTES).take_while(|raw| raw[0] != 0).filter_map(move |raw| {
        if raw[0] == 0xe5 {
            long = LongName::default();
            return None;
        }
        if raw[11] & 0x3f == LONG_NAME {
            long.add(raw);
            return None;
        }
        let name = std::mem::take(&mut long).name(raw).unwrap_or_else(|| short_name(raw));
        let high = if has_high { u32::from(u16_at(raw, 20)) << 16 } else { 0 };
        let is_file = raw[11] & LABEL == 0 && name != b"." && name != b"..";
        is_file.then(|| Entry {
            name,
            is_directory: raw[11] & DIRECTORY != 0,
            cluster: high | u32::from(u16_at(raw, 26)),
            bytes: u32_at(raw, 28),
        })
    })
}

/// A long name, of which the last part comes first.
#[derive(Debug, Default)]
struct LongName {
    units: Vec<u16>,
    checksum: u8,
    /// The number of the part that was added last.
    part: u8,
}

impl LongName {
    fn add(&mut self, raw: &[u8]) {
        let (part, is_last) = (raw[0] & 0x3f, raw[0] & 0x40 != 0);
        if is_last {
            *self = Self { units: Vec::new(), checksum: raw[13], part: part + 1 };
        }
        let follows = self.part == part + 1 && part > 0 && self.checksum == raw[13];
        if !follows {
            *self = Self::default();
            return;
        }
        self.part = part;
        let units: Vec<_> = UNITS_AT.iter().map(|&at| u16_at(raw, at)).collect();
        self.units.splice(0..0, units);
    }

    /// The name, if it is whole and belongs to this entry.
    fn name(self, raw: &[u8]) -> Option<Vec<u8>> {
        let checksum = raw[..11].iter().fold(0u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte));
        if self.part != 1 || checksum != self.checksum {
            return None;
        }
        let units = self.units.split(|&unit| unit == 0).next().unwrap_or_default();
        Some(String::from_utf16_lossy(units).into_bytes())
    }
}

/// The name of eight bytes and three, whose letters may be written small.
fn short_name(raw: &[u8]) -> Vec<u8> {
    let part = |bytes: &[u8], is_small: bool| -> Vec<u8> {
        let end = bytes.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
        bytes[..end].iter().map(|byte| if is_small { byte.to_ascii_lowercase() } else { *byte }).collect()
    };
    let (mut name, end) = (part(&raw[..8], raw[12] & 8 != 0), part(&raw[8..11], raw[12] & 16 != 0));
    if name.first() == Some(&5) {
        name[0] = 0xe5;
    }
    if !end.is_empty() {
        name.push(b'.');
        name.extend(end);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(name: &[u8; 11], attributes: u8, cases: u8) -> Vec<u8> {
        let mut raw = vec![0; ENTRY_BYTES];
        raw[..11].copy_from_slice(name);
        (raw[11], raw[12], raw[26], raw[28]) = (attributes, cases, 7, 9);
        raw
    }

    fn long(text: &str, short: &[u8]) -> Vec<Vec<u8>> {
        let checksum = short[..11].iter().fold(0u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte));
        let mut units: Vec<u16> = text.encode_utf16().collect();
        if !units.len().is_multiple_of(13) {
            units.push(0);
        }
        let count = units.len().div_ceil(13);
        units.resize(count * 13, 0xffff);
        let part = |number: usize| {
            let mut raw = vec![0; ENTRY_BYTES];
            (raw[0], raw[11], raw[13]) = (number as u8 + 1, LONG_NAME, checksum);
            for (at, unit) in UNITS_AT.iter().zip(&units[number * 13..]) {
                raw[*at..at + 2].copy_from_slice(&unit.to_le_bytes());
            }
            raw
        };
        let mut parts: Vec<_> = (0..count).rev().map(part).collect();
        parts[0][0] |= 0x40;
        parts
    }

    fn names(parts: &[Vec<u8>]) -> Vec<String> {
        let raw = parts.concat();
        entries(&raw, false).map(|entry| String::from_utf8(entry.name).expect("text")).collect()
    }

    #[test]
    fn short_and_long_names_are_read() {
        let plain = short(b"README  TXT", 0x20, 0);
        assert_eq!(names(&[plain.clone(), short(b"BOOT       ", DIRECTORY, 8)]), ["README.TXT", "boot"]);
        for text in ["a", "thirteen chrs", "with more letters than a single entry has, äöü"] {
            assert_eq!(names(&[long(text, &plain), vec![plain.clone()]].concat()), [text]);
        }
        let label = short(b"LABEL      ", LABEL, 0);
        let dots = [short(b".          ", DIRECTORY, 0), short(b"..         ", DIRECTORY, 0)];
        assert_eq!(names(&[label, dots[0].clone(), dots[1].clone(), vec![0; 32], plain]), [""; 0]);
    }

    #[test]
    fn long_names_of_other_entries_are_passed_over() {
        let (plain, other) = (short(b"README  TXT", 0x20, 0), short(b"OTHER   TXT", 0x20, 0));
        let parts = long("a long name of two parts", &plain);
        assert_eq!(names(&[parts.clone(), vec![other]].concat()), ["OTHER.TXT"]);
        assert_eq!(names(&[parts[1].clone(), plain.clone()]), ["README.TXT"]);
        assert_eq!(names(&[parts[0].clone(), plain.clone()]), ["README.TXT"]);
        let mut deleted = plain.clone();
        deleted[0] = 0xe5;
        assert_eq!(names(&[parts, vec![deleted, plain]].concat()), ["README.TXT"]);
    }
}
