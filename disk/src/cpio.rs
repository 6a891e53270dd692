//! cpio archives in the "newc" form, as in an initramfs. docs/format/disk.md, section 6.

use crate::assembly::{Assembly, Part};
use crate::compressed::Wanted;
use crate::input::Input;
use crate::{DiskError, DiskKind, Divided, ReadAt, Streams, StretchKind, nested};

/// The magics without and with checksums.
const MAGICS: [&[u8; 6]; 2] = [b"070701", b"070702"];
const HEADER_BYTES: u64 = 110;
/// Headers and data begin at multiples of this.
const ALIGNMENT: u64 = 4;
/// The most bytes of a name, with the zero byte at its end.
const MAX_NAME_BYTES: u64 = 4096;
/// The most bytes of an entry that is no file, such as a link, for it to be skeleton.
const MAX_LINK_BYTES: u64 = 4096;
const TRAILER: &[u8] = b"TRAILER!!!";
/// The bytes of a search for the next archive that are read at a time.
const SEARCH_BYTES: u64 = 64 << 10;

/// The files that are described for people because they are disk images.
const MAX_DESCRIBED: usize = 4;

/// Divides cpio archives, by `inner` those of their files that are disk images, and by `streams` compressed archives behind
/// them, as in an initramfs. `None` stands for an image that does not begin with an archive.
pub(crate) fn divide(image: &dyn ReadAt, streams: Streams<'_>, inner: impl Fn(&dyn ReadAt) -> Divided) -> Divided {
    let input = Input::new(image, DiskKind::Cpio);
    if Entry::read(&input, 0)?.is_none() {
        return Ok(None);
    }
    let mut archives =
        Archives { input: &input, streams, inner, all: Assembly::new(DiskKind::Cpio), count: 0, described: Vec::new() };
    archives.read()?;
    let Archives { mut all, count, mut described, .. } = archives;
    all.plain(image.bytes() - all.image_at(), StretchKind::System);
    described.truncate(MAX_DESCRIBED);
    let details = format!("cpio, {count} archive{}{}", if count == 1 { "" } else { "s" }, described.concat());
    Ok(Some(all.division(details)))
}

/// Archives that follow each other.
struct Archives<'i, I> {
    input: &'i Input<'i>,
    streams: Streams<'i>,
    inner: I,
    all: Assembly,
    /// The archives that are complete.
    count: u64,
    /// The files that are disk images.
    described: Vec<String>,
}

impl<I: Fn(&dyn ReadAt) -> Divided> Archives<'_, I> {
    /// Reads entries as long as there are some. What follows the last one is left.
    fn read(&mut self) -> Result<(), DiskError> {
        while let Some(entry) = Entry::read(self.input, self.all.image_at())? {
            self.all.plain(entry.data_at - self.all.image_at(), StretchKind::Skeleton);
            if entry.is_trailer() {
                self.count += 1;
                if !self.next_archive()? {
                    return Ok(());
                }
                continue;
            }
            let left = self.input.image.bytes() - entry.data_at;
            let data_bytes = entry.data_bytes.min(left);
            match data_bytes {
                1.. if entry.is_regular => self.file(&entry, data_bytes)?,
                0..=MAX_LINK_BYTES => self.all.plain(data_bytes, StretchKind::Skeleton),
                _ => self.all.plain(data_bytes, StretchKind::System),
            }
            let padding = data_bytes.next_multiple_of(ALIGNMENT) - data_bytes;
            self.all.plain(padding.min(left - data_bytes), StretchKind::Skeleton);
        }
        Ok(())
    }

    /// Passes zeros, and compressed archives, up to the next archive. The result is `false` if there is none.
    fn next_archive(&mut self) -> Result<bool, DiskError> {
        while let Some(next) = self.next_start()? {
            let is_archive = Entry::read(self.input, next)?.is_some();
            let rest = (self.input.image, next);
            let compressed = if is_archive { None } else { self.streams.divide(rest, Wanted::Part)? };
            if !is_archive && compressed.is_none() {
                return Ok(false);
            }
            self.all.plain(next - self.all.image_at(), StretchKind::Skeleton);
            let Some((division, end)) = compressed else { return Ok(true) };
            self.described.push(format!("; {}", division.details));
            self.all.rest(division)?;
            debug_assert_eq!(self.all.image_at(), end, "pieces cover what was read");
        }
        Ok(false)
    }

    fn file(&mut self, entry: &Entry, bytes: u64) -> Result<(), DiskError> {
        let mut path = entry.name.as_slice();
        while let Some(rest) = path.strip_prefix(b"/").or_else(|| path.strip_prefix(b"./")) {
            path = rest;
        }
        let is_looked_at = bytes >= nested::MIN_BYTES && path.len() <= nested::MAX_PATH_BYTES;
        let division = if is_looked_at {
            let part = Part { image: self.input.image, at: entry.data_at, bytes };
            match self.streams.divide((&part, 0), Wanted::Part)? {
                Some((division, end)) if end == bytes => Some(division),
                _ => match (self.inner)(&part) {
                    Err(DiskError::Read(error)) => return Err(error.into()),
                    Ok(division) => division,
                    // It is a file like any other.
                    Err(_) => None,
                },
            }
        } else {
            None
        };
        let Some(division) = division else { return self.all.file(bytes, path.to_vec()) };
        self.described.push(nested::described(path, &division));
        self.all.image(path, division)
    }

    /// Where something begins, if nothing but zeros is before it, and its place is one for archives.
    fn next_start(&self) -> Result<Option<u64>, DiskError> {
        let (mut at, end) = (self.all.image_at(), self.input.image.bytes());
        while at < end {
            let bytes = self.input.read(at, SEARCH_BYTES.min(end - at), "zeros between archives")?;
            if let Some(zeros) = bytes.iter().position(|&byte| byte != 0) {
                let next = at + zeros as u64;
                return Ok(Some(next).filter(|next| next.is_multiple_of(ALIGNMENT)));
            }
            at += bytes.len() as u64;
        }
        Ok(None)
    }
}

/// An entry of an archive.
struct Entry {
    /// Up to the first zero byte.
    name: Vec<u8>,
    is_regular: bool,
    /// Where its data begins, which lies in the image.
    data_at: u64,
    data_bytes: u64,
}

impl Entry {
    /// Reads the entry whose header is at `at`. `None` stands for bytes that are none.
    fn read(input: &Input<'_>, at: u64) -> Result<Option<Self>, DiskError> {
        let behind = at + HEADER_BYTES;
        if behind > input.image.bytes() {
            return Ok(None);
        }
        let raw = input.near(at, HEADER_BYTES as usize, "a header")?;
        let (magic, fields) = raw.split_at(MAGICS[0].len());
        let numbers: Option<Vec<u64>> = fields.chunks_exact(8).map(hexadecimal).collect();
        let Some(numbers) = numbers.filter(|_| MAGICS.iter().any(|known| magic == known.as_slice())) else {
            return Ok(None);
        };
        let (mode, data_bytes, name_bytes) = (numbers[1], numbers[6], numbers[11]);
        let data_at = (behind + name_bytes).next_multiple_of(ALIGNMENT);
        if !(1..=MAX_NAME_BYTES).contains(&name_bytes) || data_at > input.image.bytes() {
            return Ok(None);
        }
        let mut name = input.near(behind, name_bytes as usize, "a name")?;
        name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
        Ok(Some(Self { name, is_regular: mode >> 12 == 0x8, data_at, data_bytes }))
    }

    fn is_trailer(&self) -> bool {
        self.name == TRAILER
    }
}

/// A number of eight hexadecimal digits.
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, &digit| Some(number << 4 | u64::from(char::from(digit).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DivisionRules, divide};

    fn entry(mode: u32, name: &str, data: &[u8]) -> Vec<u8> {
        let mut fields = [0; 13];
        (fields[1], fields[6], fields[11]) = (mode, data.len() as u32, name.len() as u32 + 1);
        let mut out = b"070701".to_vec();
        fields.iter().for_each(|field| out.extend(format!("{field:08X}").bytes()));
        out.extend(name.bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    #[test]
    fn several_archives_are_one_image() {
        let file = |name| entry(0o100_644, name, &[7; 2001]);
        let trailer = entry(0, "TRAILER!!!", b"");
        let image = [
            entry(0o040_755, ".", b""),
            file("./a"),
            trailer.clone(),
            vec![0; 100],
            file("//b"),
            entry(0o120_777, "link", b"target"),
            trailer.clone(),
            vec![0; 96],
            vec![9; 3000],
        ]
        .concat();
        let division = divide(&image.as_slice(), DivisionRules::V6).expect("read").expect("cpio");
        assert_eq!(division.details, "cpio, 2 archives");
        assert_eq!(division.files[0].path, b"a");
        let [run] = division.files[1].runs[..] else { panic!("{:?}", division.files) };
        assert_eq!((&division.files[1].path[..], run.file_at, run.bytes), (&b"b"[..], 0, 2001));
        assert_eq!(image[run.plain_at as usize..][..2001], [7; 2001]);
        let found: Vec<_> = division.stretches.iter().map(|stretch| (stretch.bytes, stretch.kind)).collect();
        let heads = [112 + 116, 3 + 124 + 100 + 116, 3 + 116 + 8 + 124];
        let (skeleton, file) = (|number: usize| (heads[number], StretchKind::Skeleton), StretchKind::File);
        let expected =
            [skeleton(0), (2001, file(0)), skeleton(1), (2001, file(1)), skeleton(2), (3096, StretchKind::System)];
        assert_eq!(found, expected);
        for end in 0..image.len() {
            let division = divide(&&image[..end], DivisionRules::V6).expect("read");
            assert!(division.is_none_or(|division| division.plain_bytes() == end as u64));
        }
    }

    #[test]
    fn other_bytes_are_no_archive() {
        let good = entry(0o100_644, "name", b"data");
        for at in [0, 5, 6, 13, 109] {
            let mut bad = good.clone();
            bad[at] = b'+';
            assert!(divide(&bad.as_slice(), DivisionRules::V6).expect("read").is_none());
        }
        for name_bytes in ["00000000", "00001001", "FFFFFFFF"] {
            let mut bad = good.clone();
            bad.splice(94..102, name_bytes.bytes());
            assert!(divide(&bad.as_slice(), DivisionRules::V6).expect("read").is_none());
        }
    }
}
