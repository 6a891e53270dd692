//! Codings are general; this version uses gzip and zstd files, and refuses the rest by name.

use std::sync::Arc;

use regrow_chunker::varint;

use super::*;
use crate::v2::codings::{decode_codings, encode};
use crate::{CodedFormat, CodedStretch, Coding, MAX_FRINGE_BYTES, MemberCoding};

const HEADER: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff";

fn member(header: &[u8], encoder: &[u8], plain_bytes: u64, stream_bytes: u64, corrections: &[u8]) -> MemberCoding {
    let corrections = corrections.to_vec();
    MemberCoding { header: header.into(), encoder: encoder.into(), plain_bytes, stream_bytes, corrections }
}

/// Two coded gzip files. The first has three members; the second has one, with every field that a member can have.
fn codings() -> Vec<CodedStretch> {
    let members =
        vec![member(HEADER, &[5], 700, 300, b""), member(HEADER, &[5], 0, 2, b""), member(HEADER, &[6], 1, 9, b"")];
    let last = vec![member(b"\x1f\x8b\x08\x08nm\x00", &[0x82, 2, 9], 900, 200, b"corrections")];
    let format = CodedFormat::Gzip;
    vec![
        Coding { format, members, tail: Arc::default() }.into(),
        Coding { format, members: last, tail: b"behind".as_slice().into() }.into(),
    ]
}

/// The sample with codings, and the image's size that goes with them.
pub(super) fn with_codings(codings: Vec<CodedStretch>) -> Index {
    let mut index = sample();
    let sizes = codings.iter().map(|coding| (coding.stored_bytes(), coding.plain_bytes()));
    index.image_bytes = sizes.fold(index.image_bytes, |bytes, (stored, plain)| bytes + stored - plain);
    index.codings = codings;
    index
}

#[test]
fn small_codings_lie_in_the_head_and_large_ones_in_a_block() {
    let small = with_codings(codings());
    let head = head_of(&small.encode());
    assert!(head.codings_block().is_empty());
    assert_eq!(head.codings(&[]), Ok(codings()));
    assert_eq!(Index::decode(&small.encode()), Ok(small.clone()));
    assert_eq!(head.codings(&[1]), Err(IndexError::Damaged("a block that the head does not name")));

    let mut codings = codings();
    codings[1].file_mut().unwrap().members[0].corrections = vec![7; 600];
    let large = with_codings(codings.clone());
    let file = large.encode();
    assert_eq!(Index::decode(&file), Ok(large));
    let head = head_of(&file);
    let block = head.codings_block();
    let block = &file[block.start as usize..block.end as usize];
    assert_eq!(head.codings(block), Ok(codings));
    assert!(head.codings(&[]).is_err());
    assert!(head.codings(&block[1..]).is_err());
}

/// The bytes by hand, from the specification.
#[test]
fn pieces_are_those_of_the_specification() {
    let mut expected = vec![2, 9, 0, 10];
    expected.extend_from_slice(HEADER);
    expected.extend_from_slice(&[2, 1, 5, 0xbc, 5, 0xac, 2, 0, 3]);
    expected.extend_from_slice(&[0, 0, 2, 0, 0, 2, 0, 3]);
    expected.extend_from_slice(&[0, 0, 2, 1, 6, 1, 9, 0, 3]);
    expected.extend_from_slice(b"\x04\x00\x07\x1f\x8b\x08\x08nm\x00");
    expected.extend_from_slice(b"\x02\x03\x82\x02\x09\x84\x07\xc8\x01\x0bcorrections\x03");
    expected.extend_from_slice(b"\x00\x06behind");
    assert_eq!(encode(&codings()), expected);
    assert_eq!(decode_codings(&expected), Ok(codings()));
    for at in 0..expected.len() {
        assert!(decode_codings(&expected[..at]).is_err(), "{at}");
        for bit in 0..8 {
            let mut bad = expected.clone();
            bad[at] ^= 1 << bit;
            let read = decode_codings(&bad);
            assert!(read.clone().is_err() || read == decode_codings(&encode(&read.clone().unwrap())));
        }
    }
}

#[test]
fn what_is_neither_gzip_nor_zstd_is_unsupported_by_name() {
    let literal: &[u8] = &[0, 1, b'l'];
    let stream: &[u8] = &[2, 1, 5, 9, 9, 0];
    let trailer: &[u8] = &[3];
    let read = |pieces: &[&[u8]]| decode_codings(&[&[1, pieces.len() as u8], pieces.concat().as_slice()].concat());
    assert!(read(&[literal, stream, trailer]).is_ok());
    assert!(read(&[literal, stream, trailer, literal]).is_ok());
    let not_gzip = Err(IndexError::Unsupported("a coded file that is neither gzip nor zstd"));
    for pieces in [
        [stream, trailer].as_slice(),
        &[literal, trailer],
        &[literal, stream],
        &[literal, stream, literal],
        &[literal, literal, stream, trailer],
        &[literal, stream, stream, trailer],
        &[literal, stream, trailer, trailer],
        &[literal, stream, trailer, literal, literal],
        &[literal],
    ] {
        assert_eq!(read(pieces), not_gzip, "{pieces:?}");
    }
    assert_eq!(read(&[literal, &[1, 9]]), Err(IndexError::Unsupported("a coded file with plain pieces")));
    let unknown = IndexError::UnknownKind { what: "a piece of a coded file", kind: 77 };
    assert_eq!(read(&[literal, &[77]]), Err(unknown));
    assert_eq!(
        IndexError::Unsupported("a coded file with plain pieces").to_string(),
        "index has a coded file with plain pieces: made by a newer regrow"
    );
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let with = |change: fn(&mut Coding)| {
        let mut index = with_codings(codings());
        change(index.codings[0].file_mut().unwrap());
        Index::decode(&index.encode()).unwrap_err().to_string()
    };
    assert!(with(|coding| coding.members[0].plain_bytes = 300 * 1040).contains("gzip member"));
    assert!(with(|coding| coding.members[0].stream_bytes = u64::MAX - 9).contains("coded file"));
    assert!(with(|coding| coding.members[0].stream_bytes = 1 << 40).contains("larger than the image"));
    assert!(with(|coding| coding.members[0].stream_bytes += 1).contains("plain image do not agree"));
    assert!(with(|coding| coding.members[0].header = Arc::default()).contains("no header"));
    assert!(with(|coding| coding.tail = vec![0; MAX_FRINGE_BYTES + 1].into()).contains("too long"));
}

/// A literal that is repeated is kept once, however often it is.
#[test]
fn repeated_literals_share_their_bytes() {
    let header: Arc<[u8]> = vec![1; MAX_FRINGE_BYTES].into();
    let format = CodedFormat::Gzip;
    let coding = Coding { format, members: vec![member(&header, &[5], 20, 2, b"")], tail: Arc::clone(&header) };
    let encoded = encode(&vec![coding.into(); 100]);
    assert!(encoded.len() < MAX_FRINGE_BYTES + 2000);
    let read = decode_codings(&encoded).unwrap();
    let read: Vec<_> = read.iter().filter_map(CodedStretch::file).collect();
    assert!(read.iter().all(|coding| Arc::ptr_eq(&coding.tail, &read[0].members[0].header)));
}

#[test]
fn literals_and_corrections_have_16_mib_each() {
    let coding = |header: Vec<u8>, corrections: &[u8]| {
        let members = vec![member(&header, &[5], 20, 2, corrections)];
        CodedStretch::File(Coding { format: CodedFormat::Gzip, members, tail: Arc::default() })
    };
    let literals = |count: u16| {
        let header = |n: u16| [n.to_le_bytes().as_slice(), &[0; MAX_FRINGE_BYTES - 2]].concat();
        let codings: Vec<_> = (0..count).map(|n| coding(header(n), b"")).collect();
        decode_codings(&encode(&codings)).map(drop)
    };
    assert_eq!(literals(256), Ok(()));
    assert_eq!(literals(257), Err(IndexError::Malformed("more than 16 MiB of literals in coded files")));
    let corrections = |bytes| {
        let codings = [coding(HEADER.to_vec(), &vec![0; bytes]), coding(HEADER.to_vec(), &[0; 9])];
        decode_codings(&encode(&codings)).map(drop)
    };
    assert_eq!(corrections((16 << 20) - 9), Ok(()));
    assert_eq!(corrections((16 << 20) - 8), Err(IndexError::Malformed("more than 16 MiB of corrections")));
}

/// The number of a zstd encoder, and a parameter.
const ZSTD: &[u8] = &[0x80, 0x20, 3];

/// A zstd file of three frames, with a skippable one before the second, and bytes behind the last one.
fn zstd_coding(skippable: Vec<u8>, tail: Vec<u8>) -> CodedStretch {
    let members = vec![
        member(b"", ZSTD, 900, 200, b""),
        member(&skippable, ZSTD, 1, 9, b""),
        member(b"", &[0x81, 0x20], 2000, 14, b""),
    ];
    Coding { format: CodedFormat::Zstd, members, tail: tail.into() }.into()
}

#[test]
fn zstd_frames_are_streams_with_literals_between() {
    let coding = zstd_coding(b"skipped".to_vec(), b"behind".to_vec());
    let mut expected = vec![1, 5, 2, 3, 0x80, 0x20, 3, 0x84, 7, 0xc8, 1, 0];
    expected.extend_from_slice(b"\x00\x07skipped\x02\x00\x01\x09\x00");
    expected.extend_from_slice(b"\x02\x02\x81\x20\xd0\x0f\x0e\x00\x00\x06behind");
    assert_eq!(encode(std::slice::from_ref(&coding)), expected);
    assert_eq!(decode_codings(&expected), Ok(vec![coding.clone()]));
    assert_eq!(coding.stored_bytes(), 200 + 7 + 9 + 14 + 6);
    // A gzip file may stand beside it.
    let mut both = codings();
    both.insert(1, coding);
    assert_eq!(decode_codings(&encode(&both)), Ok(both.clone()));
    assert_eq!(Index::decode(&with_codings(both.clone()).encode()), Ok(with_codings(both)));
}

#[test]
fn literals_of_zstd_may_be_long() {
    for (skippable, tail) in [(MAX_FRINGE_BYTES, 0), (MAX_FRINGE_BYTES + 1, 2 * MAX_FRINGE_BYTES), (0, 500_000)] {
        let coding = vec![zstd_coding(vec![0; skippable], vec![0; tail])];
        assert_eq!(decode_codings(&encode(&coding)), Ok(coding));
    }
    // Repeated literals that stand in a row take memory, so they are limited too.
    let pieces = |repeats: u64| {
        let mut bytes = vec![1];
        varint::put(&mut bytes, repeats + 2);
        bytes.push(0);
        varint::put(&mut bytes, MAX_FRINGE_BYTES as u64);
        bytes.resize(bytes.len() + MAX_FRINGE_BYTES, 7);
        (0..repeats).for_each(|_| bytes.extend_from_slice(&[0, 0]));
        bytes.extend_from_slice(&[2, 2, 0x80, 0x20, 9, 9, 0]);
        decode_codings(&bytes).map(drop)
    };
    assert_eq!(pieces(255), Ok(()));
    assert_eq!(pieces(256), Err(IndexError::Malformed("more than 16 MiB of literals in coded files")));
}

#[test]
fn zstd_pieces_that_cannot_be_are_refused() {
    let literal: &[u8] = &[0, 1, b'l'];
    let (gzip, zstd): (&[u8], &[u8]) = (&[2, 1, 5, 9, 9, 0], &[2, 2, 0x80, 0x20, 9, 9, 0]);
    let trailer: &[u8] = &[3];
    let read =
        |pieces: &[&[u8]]| decode_codings(&[&[1, pieces.len() as u8], pieces.concat().as_slice()].concat()).map(drop);
    assert_eq!(read(&[zstd]), Ok(()));
    assert_eq!(read(&[literal, literal, zstd, zstd, literal, literal]), Ok(()));
    let other = Err(IndexError::Unsupported("a coded file that is neither gzip nor zstd"));
    for pieces in
        [[zstd, trailer].as_slice(), &[literal, gzip, trailer, zstd], &[zstd, literal, gzip, trailer], &[literal]]
    {
        assert_eq!(read(pieces), other, "{pieces:?}");
    }
    let corrected: &[u8] = &[2, 2, 0x80, 0x20, 9, 9, 1, 7];
    assert_eq!(read(&[corrected, zstd]), Ok(()));
    for empty_or_too_large in [[2, 2, 0x80, 0x20, 0, 9, 0].as_slice(), &[2, 2, 0x80, 0x20, 0x80, 0x80, 2, 0, 0]] {
        assert_eq!(read(&[empty_or_too_large]), Err(IndexError::Malformed("sizes of a zstd frame")));
    }
    let unnumbered: &[u8] = &[2, 1, 0x80, 9, 9, 0];
    assert_eq!(read(&[unnumbered]), Err(IndexError::Malformed("number of an encoder")));
}
