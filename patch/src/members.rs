//! Members: the compressed streams within files whose plain bytes a patch uses, and the form of their lists.
//! FORMAT.md, section 10.

use std::io;
use std::ops::Range;

use regrow_chunker::varint;
use regrow_deflate::Trailer;
use regrow_disk::StreamCodec;

use crate::xz::{self, XzForm};

/// The largest number of plain bytes of a deflate stream. Rebuilding holds all of them in memory.
pub(crate) const MAX_MEMBER_BYTES: u64 = 4 << 20;
/// The largest number of members in a list. An entry of a few bytes takes much more in memory.
pub(crate) const MAX_MEMBERS: usize = 1 << 19;
/// The size of a gzip header without name, comment and the like.
const GZIP_HEADER_BYTES: u64 = 10;
const GZIP_TRAILER_BYTES: u64 = 8;
/// The number that stands for the stream of an .xz file among those of trailers, and the size of a member of the base that
/// is one.
const XZ_NUMBER: u8 = 3;
const NO_DEFLATE: u64 = 0;

/// A compressed stream of the base, whose plain bytes are part of the base space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseMember {
    /// The position of the file among the contents operations, from 0.
    pub(crate) file: u64,
    /// The range of the stream in the file, in bytes.
    pub(crate) stored: Range<u64>,
    pub(crate) plain_bytes: u64,
    pub(crate) codec: StreamCodec,
}

/// A compressed stream of the target, which is rebuilt from its plain bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetMember {
    /// The position of the file among the contents operations, from 0.
    pub(crate) file: u64,
    /// The number of contents bytes before the stream. They are counted from the end of the previous member of this
    /// file, trailer included, or from the file's beginning.
    pub(crate) gap: u64,
    pub(crate) trailer: Trailer,
    pub(crate) plain_bytes: u64,
    pub(crate) corrections: Vec<u8>,
    /// How it is made if it is the stream of an .xz file, which then has no corrections, and no trailer but its end.
    pub(crate) xz: Option<XzForm>,
}

/// The lists of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MemberLists {
    pub(crate) base: Vec<BaseMember>,
    pub(crate) target: Vec<TargetMember>,
}

/// The facts about the base's files that the lists depend on.
pub(crate) trait BaseFiles {
    /// The size of a file in bytes, or `None` if there is no such file.
    ///
    /// # Errors
    /// The base cannot be read.
    fn file_bytes(&self, file: u64) -> io::Result<Option<u64>>;

    /// The last four bytes of a file as a number. In a gzip file, this is the number of its plain bytes.
    fn last_number(&self, file: u64) -> io::Result<u32>;
}

/// The reason why lists are refused.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// The lists cannot be decoded.
    #[error("its lists are malformed")]
    Malformed,
    /// The lists name files or bytes that the base does not have.
    #[error("its member lists do not fit the base")]
    Unfit,
    /// A held part is none of the base or none of the target.
    #[error("it takes a part that the base or the new image does not have")]
    NoSuchPart,
    /// A held part is another than the index states.
    #[error("a part of its base is not the one that the index states")]
    OtherPart,
    /// Pieces of joined files overlap, leave their stream, or are too many bytes.
    #[error("its joined files do not fit together")]
    Pieces,
    /// A held part lies beyond the end of the target.
    #[error("it puts a part behind the end of the new image")]
    Place,
    /// A member lies in a held part.
    #[error("it rebuilds a compressed stream in a part of its base")]
    MemberInHeldPart,
    /// The base could not be read.
    #[error("the base cannot be read: {0}")]
    Base(#[from] io::Error),
}

impl MemberLists {
    /// Appends the lists to `out`, and to `ends` where the base's members end there, and then each member of the
    /// target.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, base_files: &dyn BaseFiles, ends: &mut Vec<u64>) -> io::Result<()> {
        varint::put(out, self.base.len() as u64);
        let mut last = 0;
        for BaseMember { file, stored, plain_bytes, codec } in &self.base {
            let is_deflate = *codec == StreamCodec::Deflate;
            let is_plain = is_deflate && whole_gzip(base_files, *file)? == Some((stored.clone(), *plain_bytes));
            varint::put(out, (file - last) << 1 | u64::from(!is_plain));
            if !is_plain {
                varint::put(out, stored.start);
                if !is_deflate {
                    varint::put(out, NO_DEFLATE);
                    xz::put_codec(*codec, out);
                }
                [stored.end - stored.start, *plain_bytes].into_iter().for_each(|number| varint::put(out, number));
            }
            last = *file;
        }
        varint::put(out, self.target.len() as u64);
        ends.push(out.len() as u64);
        last = 0;
        for TargetMember { file, gap, trailer, plain_bytes, corrections, xz } in &self.target {
            let is_plain = (*gap, *trailer) == (GZIP_HEADER_BYTES, Trailer::Gzip);
            let mut form = Vec::new();
            xz.iter().for_each(|xz| xz.put(&mut form));
            let made_by = if xz.is_some() { &form } else { corrections };
            varint::put(out, (file - last) << 1 | u64::from(!is_plain));
            if !is_plain {
                out.push(if xz.is_some() { XZ_NUMBER } else { trailer_number(*trailer) });
                varint::put(out, *gap);
            }
            varint::put(out, *plain_bytes);
            varint::put(out, made_by.len() as u64);
            out.extend_from_slice(made_by);
            ends.push(out.len() as u64);
            last = *file;
        }
        Ok(())
    }

    /// Whether there are streams of .xz files.
    pub(crate) fn has_xz(&self) -> bool {
        self.base.iter().any(|member| member.codec != StreamCodec::Deflate)
            || self.target.iter().any(|member| member.xz.is_some())
    }

    /// Decodes the lists. The bytes may come from anybody, so everything is checked.
    pub(crate) fn decode(input: &mut &[u8], base_files: &dyn BaseFiles) -> Result<Self, ListsError> {
        let (mut lists, mut last) = (Self::default(), 0);
        for _ in 0..take_count(input)? {
            let member = take_base(input, &mut last, base_files)?;
            lists.base.push(member);
        }
        last = 0;
        for _ in 0..take_count(input)? {
            let member = take_target(input, &mut last)?;
            lists.target.push(member);
        }
        Ok(lists)
    }
}

fn take(input: &mut &[u8]) -> Result<u64, ListsError> {
    varint::take(input).ok_or(ListsError::Malformed)
}

fn take_count(input: &mut &[u8]) -> Result<u64, ListsError> {
    Some(take(input)?).filter(|&count| count <= MAX_MEMBERS as u64).ok_or(ListsError::Malformed)
}

/// Reads the position of the next member's file into `last`. The result says whether the member's place is stated.
fn take_file(input: &mut &[u8], last: &mut u64) -> Result<bool, ListsError> {
    let number = take(input)?;
    *last = last.checked_add(number >> 1).ok_or(ListsError::Malformed)?;
    Ok(number & 1 == 1)
}

fn take_base(input: &mut &[u8], last: &mut u64, base_files: &dyn BaseFiles) -> Result<BaseMember, ListsError> {
    let is_said = take_file(input, last)?;
    let mut codec = StreamCodec::Deflate;
    let (stored, plain_bytes) = if is_said {
        let (start, mut len) = (take(input)?, take(input)?);
        if len == NO_DEFLATE {
            codec = xz::take_codec(input).ok_or(ListsError::Malformed)?;
            len = take(input)?;
        }
        (start..start.checked_add(len).ok_or(ListsError::Malformed)?, take(input)?)
    } else {
        whole_gzip(base_files, *last)?.ok_or(ListsError::Unfit)?
    };
    let file_bytes = base_files.file_bytes(*last)?.ok_or(ListsError::Unfit)?;
    if stored.end > file_bytes || plain_bytes > xz::limits(codec).0 {
        return Err(ListsError::Unfit);
    }
    Ok(BaseMember { file: *last, stored, plain_bytes, codec })
}

fn take_target(input: &mut &[u8], last: &mut u64) -> Result<TargetMember, ListsError> {
    let (trailer, gap) = if take_file(input, last)? {
        let (&number, rest) = input.split_first().ok_or(ListsError::Malformed)?;
        *input = rest;
        let trailer = if number == XZ_NUMBER { None } else { Some(trailer_of(number).ok_or(ListsError::Malformed)?) };
        (trailer, take(input)?)
    } else {
        (Some(Trailer::Gzip), GZIP_HEADER_BYTES)
    };
    let (plain_bytes, len) = (take(input)?, take(input)?);
    let len = usize::try_from(len).ok().filter(|&len| len <= input.len()).ok_or(ListsError::Malformed)?;
    let (made_by, rest) = input.split_at(len);
    *input = rest;
    let (corrections, xz, most) = match trailer {
        Some(_) => (made_by.to_vec(), None, MAX_MEMBER_BYTES),
        None => (Vec::new(), Some(XzForm::take(made_by).ok_or(ListsError::Malformed)?), xz::MAX_XZ_BYTES),
    };
    if plain_bytes > most {
        return Err(ListsError::Malformed);
    }
    Ok(TargetMember { file: *last, gap, trailer: trailer.unwrap_or(Trailer::None), plain_bytes, corrections, xz })
}

/// The range of the stream and the number of its plain bytes, if the file is one gzip member with the shortest
/// header.
fn whole_gzip(base_files: &dyn BaseFiles, file: u64) -> io::Result<Option<(Range<u64>, u64)>> {
    match base_files.file_bytes(file)? {
        Some(bytes) if bytes > GZIP_HEADER_BYTES + GZIP_TRAILER_BYTES => {
            let plain_bytes = u64::from(base_files.last_number(file)?);
            Ok(Some((GZIP_HEADER_BYTES..bytes - GZIP_TRAILER_BYTES, plain_bytes)))
        }
        _ => Ok(None),
    }
}

fn trailer_number(trailer: Trailer) -> u8 {
    match trailer {
        Trailer::None => 0,
        Trailer::Gzip => 1,
        Trailer::Zlib => 2,
    }
}

fn trailer_of(number: u8) -> Option<Trailer> {
    [Trailer::None, Trailer::Gzip, Trailer::Zlib].into_iter().find(|&trailer| trailer_number(trailer) == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(Vec<(u64, u32)>);

    impl BaseFiles for Files {
        fn file_bytes(&self, file: u64) -> io::Result<Option<u64>> {
            Ok(self.0.get(file as usize).map(|(bytes, _)| *bytes))
        }

        fn last_number(&self, file: u64) -> io::Result<u32> {
            self.0.get(file as usize).map(|(_, number)| *number).ok_or(io::ErrorKind::NotFound.into())
        }
    }

    fn sample() -> (Files, MemberLists) {
        let files = Files(vec![(1000, 4000), (50, 1), (2000, 7000), (5, 5)]);
        let (codec, xz) = (StreamCodec::Deflate, StreamCodec::Lzma2 { dictionary_bytes: 1 << 20, filter: 4 });
        let base = vec![
            BaseMember { file: 0, stored: 10..992, plain_bytes: 4000, codec },
            BaseMember { file: 2, stored: 30..40, plain_bytes: 77, codec },
            BaseMember { file: 2, stored: 50..1000, plain_bytes: 3000, codec },
            BaseMember { file: 2, stored: 1100..1500, plain_bytes: 9 << 20, codec: xz },
        ];
        let member = |file, gap, trailer| TargetMember {
            file,
            gap,
            trailer,
            plain_bytes: 12,
            corrections: vec![1, 2],
            xz: None,
        };
        // Preset 6 with a dictionary of 1 MiB, 300 bytes, and an end with CRC-32.
        let form = [0xb1, 0x40, 6, 0x80, 0x80, 0x40, 0, 0xac, 2, 2, 1];
        let xz = TargetMember {
            plain_bytes: 9 << 20,
            corrections: Vec::new(),
            xz: Some(XzForm::take(&form).unwrap()),
            ..member(9, 24, Trailer::None)
        };
        let target = vec![
            member(1, 10, Trailer::Gzip),
            member(9, 0, Trailer::None),
            member(9, 3, Trailer::Zlib),
            member(9, 10, Trailer::Gzip),
            xz,
        ];
        (files, MemberLists { base, target })
    }

    fn encode(lists: &MemberLists, files: &Files) -> Vec<u8> {
        let mut out = Vec::new();
        lists.encode(&mut out, files, &mut Vec::new()).unwrap();
        out
    }

    fn decode(mut bytes: &[u8], files: &Files) -> Result<MemberLists, ListsError> {
        MemberLists::decode(&mut bytes, files)
    }

    #[test]
    fn round_trips() {
        let (files, lists) = sample();
        assert_eq!(decode(&encode(&lists, &files), &files).unwrap(), lists);
    }

    #[test]
    fn more_members_than_are_allowed_are_refused() {
        let (files, lists) = sample();
        let many = |count| MemberLists { base: vec![lists.base[1].clone(); count], target: Vec::new() };
        let bytes = encode(&many(MAX_MEMBERS), &files);
        assert_eq!(decode(&bytes, &files).unwrap().base.len(), MAX_MEMBERS);
        let bytes = encode(&many(MAX_MEMBERS + 1), &files);
        assert!(matches!(decode(&bytes, &files), Err(ListsError::Malformed)));
    }

    #[test]
    fn what_is_cut_or_changed_is_refused_or_other_lists_within_bounds() {
        let (files, lists) = sample();
        let bytes = encode(&lists, &files);
        for cut in 1..bytes.len() {
            assert!(decode(&bytes[..cut], &files).is_err(), "{cut}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                if let Ok(found) = decode(&bad, &files) {
                    let fits = |member: &BaseMember| {
                        files.file_bytes(member.file).unwrap().is_some_and(|b| member.stored.end <= b)
                    };
                    assert!(found.base.iter().all(fits));
                    assert!(
                        found.target.iter().all(|member| member.plain_bytes <= MAX_MEMBER_BYTES || member.xz.is_some())
                    );
                }
            }
        }
    }
}
