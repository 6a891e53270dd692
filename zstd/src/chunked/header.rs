//! Headers of tars, as Go's `archive/tar` reads them.

use std::collections::BTreeMap;

pub(super) const BLOCK_BYTES: usize = 512;
/// The number of bytes of an extended header that are read. Go reads a MiB.
pub(super) const MAX_EXTENDED_BYTES: u64 = 1 << 20;

/// The kinds of entries that a table of contents has.
pub(super) type Kind = &'static str;
pub(super) const REGULAR: Kind = "reg";
const DIRECTORY: Kind = "dir";
const TYPES: [(u8, Kind); 7] = [
    (b'0', REGULAR),
    (b'1', "hardlink"),
    (b'2', "symlink"),
    (b'3', "char"),
    (b'4', "block"),
    (b'5', DIRECTORY),
    (b'6', "fifo"),
];

/// A time, in seconds since 1970 and nanoseconds.
pub(super) type Time = (i64, u32);

/// What extended headers say of the entry that follows them.
#[derive(Debug, Default)]
pub(super) struct Extended {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// A header block.
#[derive(Debug)]
pub(super) enum Block {
    /// It holds zeros only.
    Zero,
    /// An extended header of this many bytes follows. The type flag says which.
    Extended(u8, u64),
    /// An entry.
    Entry(Entry),
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) mode: i64,
    pub(super) size: u64,
    pub(super) user: i64,
    pub(super) group: i64,
    pub(super) modified: Time,
    pub(super) accessed: Option<Time>,
    pub(super) changed: Option<Time>,
    pub(super) device: (i64, i64),
    pub(super) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Entry {
    /// The number of bytes of contents that follow.
    pub(super) fn payload_bytes(&self) -> u64 {
        if self.kind == REGULAR { self.size } else { 0 }
    }
}

impl Extended {
    /// Takes in an extended header. `None`: it is none that is read here.
    pub(super) fn add(&mut self, flag: u8, bytes: &[u8]) -> Option<()> {
        match flag {
            b'L' => self.name = Some(string(bytes).to_vec()),
            b'K' => self.link = Some(string(bytes).to_vec()),
            _ => self.records = records(bytes)?,
        }
        Some(())
    }

    fn get(&self, key: &str) -> Option<&[u8]> {
        self.records.get(key.as_bytes()).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    fn number(&self, key: &str) -> Option<Option<i64>> {
        self.get(key)
            .map(|value| std::str::from_utf8(value).ok()?.parse().ok())
            .map_or(Some(None), |number| number.map(Some))
    }

    fn time(&self, key: &str) -> Option<Option<Time>> {
        self.get(key).map(time_of).map_or(Some(None), |time| time.map(Some))
    }

    /// Puts what is said here over what the header says.
    fn apply(self, entry: &mut Entry) -> Option<()> {
        if self.records.keys().any(|key| key.starts_with(b"GNU.sparse.")) {
            return None;
        }
        if let Some(name) = self.get("path") {
            entry.name = name.to_vec();
        }
        if let Some(link) = self.get("linkpath") {
            entry.link = link.to_vec();
        }
        entry.user = self.number("uid")?.unwrap_or(entry.user);
        entry.group = self.number("gid")?.unwrap_or(entry.group);
        if let Some(size) = self.number("size")? {
            entry.size = u64::try_from(size).ok()?;
        }
        entry.modified = self.time("mtime")?.unwrap_or(entry.modified);
        entry.accessed = self.time("atime")?.or(entry.accessed);
        entry.changed = self.time("ctime")?.or(entry.changed);
        let records = self.records.iter();
        entry.attributes = records
            .filter_map(|(key, value)| Some((key.strip_prefix(b"SCHILY.xattr.")?.to_vec(), value.clone())))
            .collect();
        entry.name = self.name.unwrap_or_else(|| std::mem::take(&mut entry.name));
        entry.link = self.link.unwrap_or_else(|| std::mem::take(&mut entry.link));
        Some(())
    }
}

/// Reads a header block. `None`: it is none that is read here.
pub(super) fn read(block: &[u8; BLOCK_BYTES], extended: &mut Extended) -> Option<Block> {
    if block.iter().all(|byte| *byte == 0) {
        return Some(Block::Zero);
    }
    if !has_checksum(block) {
        return None;
    }
    let (is_posix, is_gnu) = (&block[257..265] == b"ustar\x0000", &block[257..265] == b"ustar  \0");
    let size = u64::try_from(number(&block[124..136])?).ok()?;
    let flag = block[156];
    if matches!(flag, b'x' | b'L' | b'K') {
        return (size <= MAX_EXTENDED_BYTES).then_some(Block::Extended(flag, size));
    }
    let has_device = is_posix || is_gnu;
    let device = |at: usize| if has_device { number(&block[at..at + 8]) } else { Some(0) };
    let time = |at: usize| if is_gnu && block[at] != 0 { number(&block[at..at + 12]).map(Some) } else { Some(None) };
    let prefix = if is_posix { string(&block[345..500]) } else { &[] };
    let mut name = string(&block[..100]).to_vec();
    if !prefix.is_empty() {
        name = [prefix, b"/", &name].concat();
    }
    let mut entry = Entry {
        kind: REGULAR,
        name,
        link: string(&block[157..257]).to_vec(),
        mode: number(&block[100..108])?,
        size,
        user: number(&block[108..116])?,
        group: number(&block[116..124])?,
        modified: (number(&block[136..148])?, 0),
        accessed: time(345)?.map(|seconds| (seconds, 0)),
        changed: time(357)?.map(|seconds| (seconds, 0)),
        device: (device(329)?, device(337)?),
        attributes: BTreeMap::new(),
    };
    std::mem::take(extended).apply(&mut entry)?;
    entry.kind = match flag {
        0 if entry.name.ends_with(b"/") => DIRECTORY,
        0 => REGULAR,
        _ => TYPES.iter().find(|(of, _)| *of == flag)?.1,
    };
    Some(Block::Entry(entry))
}

fn has_checksum(block: &[u8; BLOCK_BYTES]) -> bool {
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
    let sum = |of: fn(u8) -> i64| block.iter().enumerate().map(byte).map(of).sum::<i64>();
    let stated = octal(&block[148..156]);
    stated.is_some_and(|stated| stated == sum(i64::from) || stated == sum(|byte| i64::from(byte as i8)))
}

/// The bytes before the first zero.
fn string(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, or in binary if its first bit is set.
fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        return octal(field);
    }
    // Negative numbers are the complement.
    let flip = if first & 0x40 != 0 { 0xff } else { 0 };
    let mut value = 0u64;
    for (at, byte) in field.iter().enumerate() {
        let byte = if at == 0 { (byte ^ flip) & 0x7f } else { byte ^ flip };
        if value >> 56 > 0 {
            return None;
        }
        value = value << 8 | u64::from(byte);
    }
    let value = i64::try_from(value).ok()?;
    Some(if flip == 0 { value } else { !value })
}

fn octal(field: &[u8]) -> Option<i64> {
    let digits = field.trim_ascii_matches();
    let digits = string(digits);
    if digits.is_empty() {
        return Some(0);
    }
    i64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok().filter(|number| *number >= 0)
}

trait TrimNumber {
    fn trim_ascii_matches(&self) -> &Self;
}

impl TrimNumber for [u8] {
    /// Without the spaces and zeros around it.
    fn trim_ascii_matches(&self) -> &Self {
        let is_filler = |byte: &u8| matches!(byte, b' ' | 0);
        let start = self.iter().position(|byte| !is_filler(byte)).unwrap_or(self.len());
        let end = self.iter().rposition(|byte| !is_filler(byte)).map_or(start, |last| last + 1);
        &self[start..end]
    }
}

/// The records of an extended header: each is its length in digits, a space, a key, `=`, a value and a line's end.
fn records(mut bytes: &[u8]) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut records = BTreeMap::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
        bytes = &bytes[length..];
    }
    Some(records)
}

/// A time in decimal digits: seconds, and at most nine digits of their fraction that count.
fn time_of(value: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = &fraction[..fraction.len().min(9)];
    let nanoseconds: u32 = if digits.is_empty() { 0 } else { format!("{digits:0<9}").parse().ok()? };
    match (whole.starts_with('-'), nanoseconds) {
        (true, 1..) => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        _ => Some((seconds, nanoseconds)),
    }
}
