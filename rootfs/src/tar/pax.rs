//! The records of pax extension headers: `LENGTH KEY=VALUE\n`.

use crate::meta::{Time, Xattrs};

/// The prefix of records that hold extended attributes.
pub(super) const XATTR: &[u8] = b"SCHILY.xattr.";
const NANO_DIGITS: usize = 9;

/// What an extension header says about the entry behind it.
#[derive(Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_name: Option<Vec<u8>>,
    pub(super) size: Option<i64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) modified: Option<Time>,
    pub(super) xattrs: Xattrs,
    pub(super) sparse: PaxSparse,
}

/// What it says about a sparse file (GNU tar's manual, "Storing Sparse Files").
#[derive(Default)]
pub(super) struct PaxSparse {
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_bytes: Option<i64>,
    /// Whether the map is at the front of the data: version 1.0.
    pub(super) is_in_data: bool,
    /// Offsets and lengths in turn, if the map is in the header: versions 0.0 and 0.1.
    pub(super) map: Option<Vec<i64>>,
}

impl Pax {
    /// Reads the records. `None` if they are damaged.
    pub(super) fn parse(mut data: &[u8]) -> Option<Self> {
        let mut pax = Self::default();
        while !data.is_empty() {
            let space = data.iter().position(|&byte| byte == b' ')?;
            let length = usize::try_from(decimal(&data[..space])?).ok()?;
            let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
            data = &data[length..];
            let equals = record.iter().position(|&byte| byte == b'=')?;
            pax.take(&record[..equals], &record[equals + 1..])?;
        }
        Some(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(XATTR) {
            if name.is_empty() || name.contains(&0) {
                return None;
            }
            self.xattrs.insert(name.to_vec(), value.to_vec());
            return Some(());
        }
        // An empty value takes back what an earlier record said.
        let text = (!value.is_empty()).then_some(value);
        let number = || text.map_or(Some(None), |text| decimal(text).map(Some));
        match key {
            b"path" => self.path = no_nul(text)?,
            b"linkpath" => self.link_name = no_nul(text)?,
            b"size" => self.size = number()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"mtime" => self.modified = text.map_or(Some(None), |text| time(text).map(Some))?,
            b"GNU.sparse.major" => self.sparse.is_in_data = value == b"1",
            b"GNU.sparse.name" => self.sparse.name = no_nul(text)?,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_bytes = number()?,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                self.sparse.map.get_or_insert_default().push(decimal(value)?);
            }
            b"GNU.sparse.map" => {
                let numbers: Option<Vec<i64>> = value.split(|&byte| byte == b',').map(decimal).collect();
                self.sparse.map = Some(if value.is_empty() { Vec::new() } else { numbers? });
            }
            b"GNU.sparse.numblocks" => {
                self.sparse.map.get_or_insert_default();
            }
            _ => {}
        }
        Some(())
    }
}

fn no_nul(text: Option<&[u8]>) -> Option<Option<Vec<u8>>> {
    match text {
        Some(text) if text.contains(&0) => None,
        text => Some(text.map(<[u8]>::to_vec)),
    }
}

/// Reads decimal digits, which may follow a minus sign.
pub(super) fn decimal(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// Reads a time: seconds, and a fraction of which nine digits count.
fn time(text: &[u8]) -> Option<Time> {
    let dot = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (&text[..dot], text.get(dot + 1..).unwrap_or_default());
    let seconds = decimal(whole)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(NANO_DIGITS);
    let nanos = digits.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    match nanos {
        0 => Some(Time { seconds, nanos }),
        // The fraction of a time before 1970 leads further back.
        nanos if whole.starts_with(b"-") => {
            Some(Time { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos })
        }
        nanos => Some(Time { seconds, nanos }),
    }
}

/// Appends a record.
pub(super) fn push_record(data: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // The length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    data.extend_from_slice(format!("{length} ").as_bytes());
    data.extend_from_slice(key);
    data.push(b'=');
    data.extend_from_slice(value);
    data.push(b'\n');
}

/// A time as a record holds it, with no more digits than it needs.
pub(super) fn time_text(time: Time) -> String {
    match time {
        Time { seconds, nanos: 0 } => seconds.to_string(),
        Time { seconds, nanos } => {
            let (sign, seconds, nanos) = match seconds {
                0.. => ("", seconds.unsigned_abs(), nanos),
                _ => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanos),
            };
            format!("{sign}{seconds}.{}", format!("{nanos:09}").trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_are_written() {
        let long = vec![b'x'; 990];
        let mut data = Vec::new();
        for (key, value) in [(&b"path"[..], &long[..]), (b"uid", b"4000000"), (b"SCHILY.xattr.user.a", b"1=\n\0")] {
            push_record(&mut data, key, value);
        }
        let pax = Pax::parse(&data).unwrap();
        assert_eq!((pax.path, pax.uid), (Some(long), Some(4_000_000)));
        assert_eq!(pax.xattrs[&b"user.a"[..]], b"1=\n\0");
        for cut in 1..data.len() {
            // Cut between two records, the rest is missed by nobody.
            let _ = Pax::parse(&data[..cut]);
        }
    }

    #[test]
    fn the_length_of_a_record_counts_itself() {
        for bytes in 0..1200 {
            let mut data = Vec::new();
            push_record(&mut data, b"comment", &vec![b'x'; bytes]);
            let digits = data.iter().position(|&byte| byte == b' ').unwrap();
            assert_eq!(decimal(&data[..digits]), Some(data.len() as i64));
        }
    }

    #[test]
    fn damaged_records_are_refused() {
        for data in [
            &b"x"[..],
            b"5 a=b",
            b"99 a=b\n",
            b"6 ab=\n7",
            b"2 a=b\n",
            b"-6 a=b\n",
            b"8 uid=x\n",
            b"9 path=\0\n",
            b"16 mtime=1.2.3.\n",
        ] {
            assert!(Pax::parse(data).is_none(), "{}", String::from_utf8_lossy(data));
        }
    }

    #[test]
    fn times_have_fractions_and_signs() {
        for (text, seconds, nanos) in [
            ("0", 0, 0),
            ("1700000000.5", 1_700_000_000, 500_000_000),
            ("1.000000001", 1, 1),
            ("-1.5", -2, 500_000_000),
            ("-0.25", -1, 750_000_000),
            ("-3", -3, 0),
        ] {
            let read = time(text.as_bytes()).unwrap();
            assert_eq!(read, Time { seconds, nanos }, "{text}");
            assert_eq!(time_text(read), text);
        }
        assert_eq!(time(b"1.1234567899"), Some(Time { seconds: 1, nanos: 123_456_789 }));
        assert_eq!(time(b"1."), Some(Time { seconds: 1, nanos: 0 }));
        assert!(time(b".5").is_none() && time(b"1.x").is_none());
    }
}
