//! Codings of disk images.

use super::*;
use crate::v2::codings::{self, decode_codings, encode};
use crate::{
    BlockRun, CodedStretch, CorrectedBlock, DiskCoding, DiskPiece, FilledGroup, FilledRun, HashTreePiece, KeptBlock,
    StreamPiece,
};

/// The number of a block encoder, and a parameter.
const ENCODER: &[u8] = &[0x80, 0x40, 9];

const DIGEST: [u8; 16] = *b"a run\'s digest..";

fn run(gap_bytes: u8, sizes: &[u32], coded_bytes: u64) -> DiskPiece {
    DiskPiece::Run(Box::new(BlockRun::new(ENCODER.into(), gap_bytes, sizes, (coded_bytes, DIGEST))))
}

fn kept(plain_bytes: u32, coded: &[u8]) -> DiskPiece {
    DiskPiece::Kept(Box::new(KeptBlock { plain_bytes, coded: coded.to_vec() }))
}

fn corrected(plain_bytes: u32, coded_bytes: u32, corrections: &[u8]) -> DiskPiece {
    let corrections = corrections.to_vec();
    DiskPiece::Corrected(Box::new(CorrectedBlock { encoder: ENCODER.into(), plain_bytes, coded_bytes, corrections }))
}

/// A disk image with a piece of each kind.
fn pieces() -> Vec<DiskPiece> {
    vec![
        DiskPiece::Plain(96),
        run(0, &[131_072, 131_072, 131_072], 150_000),
        run(0, &[131_072, 130_000, 5], 60_000),
        kept(131_072, b"a block of another encoder"),
        run(2, &[8192], 300),
        corrected(8192, 900, b"corrections"),
        DiskPiece::Plain(5000),
    ]
}

fn coded(pieces: Vec<DiskPiece>) -> Vec<CodedStretch> {
    vec![DiskCoding { pieces }.into()]
}

/// A run of blocks that the base of a patch holds.
fn held(gap_bytes: u8, sizes: &[u32], coded_bytes: u64) -> DiskPiece {
    DiskPiece::Held(Box::new(BlockRun::new([].into(), gap_bytes, sizes, (coded_bytes, DIGEST))))
}

#[test]
fn only_patches_have_blocks_that_their_base_holds() {
    let pieces = vec![DiskPiece::Plain(96), held(2, &[8192, 100], 300), run(0, &[8192], 40)];
    let mut expected = b"\x01\x03\x01\x60\x08\x02\xac\x02\x80\x40a run\'s digest..\x05\x00\x9c\x3f".to_vec();
    expected.extend_from_slice(b"\x05\x03\x80\x40\x09\x00\x28\x80\x40a run\'s digest..\x02");
    let codings = coded(pieces);
    assert_eq!(encode(&codings), expected);
    assert_eq!(codings::decode(&expected, true), Ok(codings.clone()));
    assert_eq!(decode_codings(&expected), Err(IndexError::UnknownKind { what: "a piece of a coded file", kind: 8 }));
    assert_eq!(codings[0].disk().unwrap().blocks(), (3, 0));
    for cut in 0..expected.len() {
        codings::decode(&expected[..cut], true).unwrap_err();
    }
    assert!(codings::decode(&encode(&coded(vec![held(0, &[5, 5], 1)])), true).is_err());
}

#[test]
fn pieces_are_those_of_the_specification() {
    let mut expected = vec![1, 7, 1, 96];
    expected.extend_from_slice(&[5, 3, 0x80, 0x40, 9, 0, 0xf0, 0x93, 9, 0x80, 0x80, 8]);
    expected.extend_from_slice(b"a run\'s digest..\x06");
    expected.extend_from_slice(&[5, 0, 0, 0xe0, 0xd4, 3, 0x80, 0x80, 8]);
    expected.extend_from_slice(b"a run\'s digest..\x07\x00\xb0\x08\xfb\xff\x07");
    expected.extend_from_slice(b"\x04\x80\x80\x08\x1aa block of another encoder");
    expected.extend_from_slice(&[5, 0, 2, 0xac, 2, 0x80, 0x40]);
    expected.extend_from_slice(b"a run\'s digest..\x02\x02\x00\x80\x40\x84\x07\x0bcorrections\x01\x88\x27");
    let codings = coded(pieces());
    assert_eq!(encode(&codings), expected);
    assert_eq!(decode_codings(&expected), Ok(codings.clone()));
    let disk = codings[0].disk().unwrap();
    assert_eq!(disk.stored_bytes(), 96 + 150_000 + 60_000 + 26 + 302 + 900 + 5000);
    assert_eq!(disk.plain_bytes(), 96 + 3 * 131_072 + 131_072 + 130_000 + 5 + 131_072 + 8194 + 8192 + 5000);
    assert_eq!(disk.blocks(), (9, 1));
    assert_eq!(disk.cost_bytes(), expected.len() as u64 - 1);
    // Every cut is refused, and whatever a flipped bit makes comes back as it was read.
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

fn hash_tree(salt: &[u8], data_blocks: u64) -> DiskPiece {
    DiskPiece::HashTree(Box::new(HashTreePiece { salt: salt.to_vec(), data_blocks }))
}

#[test]
fn hash_trees_cost_a_salt() {
    let pieces = |tree| vec![DiskPiece::Plain(96), run(2, &[8192], 819_102), tree, DiskPiece::Plain(5)];
    let mut expected = vec![1, 4, 1, 96, 5, 3, 0x80, 0x40, 9, 2, 0x9e, 0xff, 0x31, 0x80, 0x40];
    expected.extend_from_slice(b"a run\'s digest..\x02\x09\x08the salt\xc8\x01\x01\x05");
    let codings = coded(pieces(hash_tree(b"the salt", 200)));
    assert_eq!(encode(&codings), expected);
    assert_eq!(decode_codings(&expected), Ok(codings.clone()));
    let disk = codings[0].disk().unwrap();
    assert_eq!((disk.stored_bytes(), disk.plain_bytes()), (819_200 + 3 * 4096 + 5, 96 + 8194 + 5));
    assert_eq!(disk.blocks(), (1, 0));
    for cut in 0..expected.len() {
        decode_codings(&expected[..cut]).unwrap_err();
    }
    let read = |pieces: Vec<DiskPiece>| decode_codings(&encode(&coded(pieces))).map(drop);
    let bad = Err(IndexError::Malformed("a hash tree of a disk image"));
    for data_blocks in [0, 1, 199, 201, (1 << 19) + 1, u64::MAX] {
        assert_eq!(read(pieces(hash_tree(b"the salt", data_blocks))), bad, "{data_blocks}");
    }
    read(pieces(hash_tree(&[0; 33], 200))).unwrap_err();
    assert_eq!(read(pieces(hash_tree(&[0; 32], 200))), Ok(()));
    // It is not the last piece, and there is one.
    let (data, tree) = (DiskPiece::Plain(8192), hash_tree(b"", 2));
    assert_eq!(read(vec![data.clone(), tree.clone()]), bad);
    read(vec![tree.clone(), data.clone()]).unwrap_err();
    let twice = vec![data.clone(), tree.clone(), DiskPiece::Plain(8192), hash_tree(b"", 5), DiskPiece::Plain(1)];
    assert_eq!(read(twice), bad);
    assert_eq!(read(vec![data, tree, DiskPiece::Plain(1)]), Ok(()));
}

#[test]
fn blocks_cost_few_bytes() {
    let sizes: Vec<u32> = (0..1000).map(|number| 131_072 - number * 7919 % 16_000).collect();
    let varied = DiskCoding { pieces: vec![run(0, &sizes, 40_000_000)] };
    assert!(varied.cost_bytes() < 2040, "{}", varied.cost_bytes());
    let alike = DiskCoding { pieces: vec![run(0, &vec![65_536; 100_000], 1 << 31)] };
    assert!(alike.cost_bytes() < 40);
}

#[test]
fn pieces_that_cannot_be_are_refused() {
    let read = |pieces: Vec<DiskPiece>| decode_codings(&encode(&coded(pieces))).map(drop);
    let with = |change: fn(&mut BlockRun)| {
        let mut run = BlockRun::new(ENCODER.into(), 0, &[1000, 900], (700, DIGEST));
        change(&mut run);
        read(vec![DiskPiece::Plain(1), DiskPiece::Run(Box::new(run))])
    };
    assert_eq!(with(|_| ()), Ok(()));
    let bad = Err(IndexError::Malformed("a run of compressed blocks"));
    assert_eq!(with(|run| run.gap_bytes = 65), bad);
    assert_eq!(with(|run| run.coded_bytes = 1), bad);
    assert_eq!(with(|run| run.plain_bytes = 0), bad);
    assert_eq!(with(|run| run.plain_bytes = (16 << 20) + 1), bad);
    assert_eq!(with(|run| run.smaller_by[0] = 1000), bad);
    assert_eq!(with(|run| (run.count, run.smaller_by) = (0, Vec::new())), bad);
    assert_eq!(with(|run| (run.count, run.smaller_by) = (1 << 40, Vec::new())), MANY_PIECES);
    // One byte does not stand for the zeros of a whole disk.
    assert_eq!(with(|run| *run = BlockRun::new(ENCODER.into(), 0, &[16 << 20; 9], (9, DIGEST))), bad);
    let sizes = Err(IndexError::Malformed("sizes of a compressed block"));
    for (plain_bytes, coded) in [(0, b"x".as_slice()), (9, b""), (65_536, b"x"), ((16 << 20) + 1, &[0; 1000])] {
        assert_eq!(read(vec![kept(plain_bytes, coded)]), sizes, "{plain_bytes}");
        let piece = corrected(plain_bytes, coded.len() as u32, b"x");
        assert_eq!(read(vec![DiskPiece::Plain(1), piece]), sizes, "{plain_bytes}");
    }
    assert_eq!(read(vec![DiskPiece::Plain(0)]), Err(IndexError::Malformed("an empty piece of a disk image")));
    let huge = read(vec![DiskPiece::Plain(1 << 61), DiskPiece::Plain(1 << 61)]);
    assert_eq!(huge, Err(IndexError::Malformed("sizes of a coded disk image")));
}

const MANY_PIECES: Result<(), IndexError> = Err(IndexError::Malformed("more than 2^22 pieces of coded files"));

#[test]
fn blocks_of_all_runs_and_kept_bytes_are_limited() {
    let read = |pieces: Vec<DiskPiece>| decode_codings(&encode(&coded(pieces))).map(drop);
    let alike = |count: u64| {
        let mut run = BlockRun::new(ENCODER.into(), 0, &[4096], (1 << 40, DIGEST));
        run.count = count;
        DiskPiece::Run(Box::new(run))
    };
    assert_eq!(read(vec![alike(1 << 21), alike(1 << 21)]), Ok(()));
    assert_eq!(read(vec![alike(1 << 21), alike(1 << 21), DiskPiece::Plain(1)]), MANY_PIECES);
    let block = vec![1; 8 << 20];
    assert_eq!(read(vec![kept(9, &block), kept(9, &block)]), Ok(()));
    let many = Err(IndexError::Malformed("more than 16 MiB of compressed blocks that are kept"));
    assert_eq!(read(vec![kept(9, &block), kept(9, &block), kept(9, b"x")]), many);
    // A count allocates nothing that the bytes at hand do not carry.
    let count = [&[1, 1, 5, 3, 0x80, 0x40, 9, 0, 9, 9], DIGEST.as_slice(), &[0xff, 0xff, 0xff, 3, 0, 0]].concat();
    assert_eq!(decode_codings(&count), Err(IndexError::Malformed("a count is larger than its list can be")));
}

#[test]
fn other_pieces_do_not_belong_to_a_disk_image() {
    let plain: &[u8] = &[1, 9];
    let run: &[u8] = &[&[5, 3, 0x80, 0x40, 9, 0, 9, 9], DIGEST.as_slice(), &[2]].concat();
    let literal: &[u8] = &[0, 1, b'l'];
    let stream: &[u8] = &[2, 1, 5, 9, 9, 0];
    let read = |pieces: &[&[u8]]| decode_codings(&[&[1, pieces.len() as u8], pieces.concat().as_slice()].concat());
    assert!(read(&[plain, run, plain]).is_ok());
    assert!(read(&[run]).is_ok());
    let other = Err(IndexError::Unsupported("a coded disk image with literals or trailers"));
    for pieces in [[plain, literal].as_slice(), &[run, literal], &[plain, run, &[3]]] {
        assert_eq!(read(pieces), other, "{pieces:?}");
    }
    assert_eq!(read(&[plain, stream]), Err(IndexError::Malformed("a block of a disk image without corrections")));
    let file = Err(IndexError::Unsupported("a coded file with blocks of a disk image"));
    assert_eq!(read(&[literal, run]), file);
    let unnamed: &[u8] = &[5, 0, 0, 9, 9, 2];
    assert!(read(&[unnamed]).unwrap_err().to_string().contains("no encoder"));
}

fn filled(groups: &[(u64, u32, u32)], (count, coded_bytes): (u64, u64)) -> FilledRun {
    let group = |&(gap_bytes, plain_bytes, behind_bytes): &_| FilledGroup { gap_bytes, plain_bytes, behind_bytes };
    let groups = groups.iter().map(group).collect();
    FilledRun { encoder: [0xa2, 0x40, 0x80, 0x20, 12].into(), groups, count, coded_bytes, digest: DIGEST }
}

#[test]
fn filled_blocks_are_those_of_the_specification() {
    let run = filled(&[(0, 20_000, 100), (4096, 9000, 0)], (3, 12_288));
    assert_eq!((run.largest_bytes(), run.behind_bytes()), (20_100, 0));
    assert_eq!(filled(&[(0, 100, 700), (50, 200, 9)], (2, 8192)).behind_bytes(), 450);
    let codings = coded(vec![DiskPiece::Plain(8192), DiskPiece::Filled(Box::new(run))]);
    let mut expected = vec![1, 2, 1, 0x80, 0x40, 7, 5, 0xa2, 0x40, 0x80, 0x20, 12, 3, 0x80, 0x60];
    expected.extend_from_slice(b"a run\'s digest..\x02\x00\xa0\x9c\x01\x64\x80\x20\xa8\x46\x00");
    assert_eq!(encode(&codings), expected);
    assert_eq!(decode_codings(&expected), Ok(codings.clone()));
    let disk = codings[0].disk().unwrap();
    assert_eq!((disk.stored_bytes(), disk.plain_bytes()), (8192 + 4096 + 12_288, 8192 + 4096 + 29_000));
    assert_eq!(disk.blocks(), (3, 0));
    for at in 0..expected.len() {
        assert!(decode_codings(&expected[..at]).is_err(), "{at}");
        for bit in 0..8 {
            let mut bad = expected.clone();
            bad[at] ^= 1 << bit;
            let read = decode_codings(&bad);
            assert!(read.clone().is_err() || read == decode_codings(&encode(&read.clone().unwrap())));
        }
    }
    // An image may begin with them.
    let first = coded(vec![DiskPiece::Filled(Box::new(filled(&[(9, 1, 0)], (1, 4096))))]);
    assert_eq!(decode_codings(&encode(&first)), Ok(first));
}

#[test]
fn filled_blocks_that_no_image_has_are_refused() {
    for bad in [
        filled(&[], (1, 4096)),
        filled(&[(0, 0, 0)], (1, 4096)),
        filled(&[(0, (16 << 20) + 1, 0)], (1, 4096)),
        filled(&[(0, 9000, (16 << 20) + 1)], (1, 4096)),
        filled(&[(0, 9000, 0), (0, 9000, 0)], (1, 4096)),
        filled(&[(0, 9000, 0)], (4097, 4096)),
        filled(&[(0, 16 << 20, 0); 300], (300, 4096)),
        filled(&[(0, 9000, 0)], ((1 << 22) + 1, 1 << 30)),
        filled(&[(1 << 63, 9000, 0), (1 << 63, 9000, 0)], (2, 8192)),
    ] {
        assert!(decode_codings(&encode(&coded(vec![DiskPiece::Filled(Box::new(bad))]))).is_err());
    }
}

fn stream(encoder: &[u8], plain_bytes: u64, coded_bytes: u64, corrections: &[u8]) -> DiskPiece {
    let corrections = corrections.to_vec();
    DiskPiece::Stream(Box::new(StreamPiece { encoder: encoder.into(), plain_bytes, coded_bytes, corrections }))
}

#[test]
fn streams_are_those_of_the_specification() {
    let (lzma2, gzip) = (&[0xb1, 0x40, 6, 0x80, 0x80, 0x80, 4, 0], &[9]);
    let pieces = vec![
        stream(lzma2, 5_000_000_000, 1_000_000_000, b""),
        DiskPiece::Plain(28),
        stream(lzma2, 100, 50, b"c"),
        stream(gzip, 1_032_000, 1000, b""),
    ];
    let mut expected = vec![1, 4, 6, 8, 0xb1, 0x40, 6, 0x80, 0x80, 0x80, 4, 0];
    expected.extend_from_slice(&[0x80, 0xe4, 0x97, 0xd0, 0x12, 0x80, 0x94, 0xeb, 0xdc, 3, 0, 1, 28]);
    expected.extend_from_slice(b"\x06\0\x64\x32\x01c\x06\x01\x09\xc0\xfe\x3e\xe8\x07\0");
    let codings = coded(pieces);
    assert_eq!(encode(&codings), expected);
    assert_eq!(decode_codings(&expected), Ok(codings.clone()));
    let disk = codings[0].disk().unwrap();
    assert_eq!(disk.plain_bytes(), 5_000_000_000 + 28 + 100 + 1_032_000);
    assert_eq!((disk.stored_bytes(), disk.blocks()), (1_000_000_000 + 28 + 50 + 1000, (3, 0)));
    for at in 0..expected.len() {
        assert!(decode_codings(&expected[..at]).is_err(), "{at}");
    }
    // A few bytes do not stand for the zeros of a whole disk.
    let sizes = Err(IndexError::Malformed("sizes of a compressed stream"));
    for (encoder, plain_bytes, coded_bytes) in
        [(lzma2.as_slice(), 0, 9), (lzma2, 9, 0), (lzma2, 1 << 20, 31), (gzip, 1_040_000, 1000)]
    {
        let read = decode_codings(&encode(&coded(vec![stream(encoder, plain_bytes, coded_bytes, b"")])));
        assert_eq!(read.map(drop), sizes, "{plain_bytes}");
    }
}
