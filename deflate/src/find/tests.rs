use super::*;

/// "a" in a fixed block.
const A: [u8; 3] = [0x4b, 0x04, 0x00];
const MAX: usize = 1 << 20;

fn member(flags: u8, fields: &[u8]) -> Vec<u8> {
    let head = [&gzip::MAGIC[..], &[flags, 0, 0, 0, 0, 2, 3], fields].concat();
    [head, A.to_vec(), Trailer::Gzip.of(b"a")].concat()
}

fn zip(method: u8, data: &[u8], descriptor: bool, central: bool) -> Vec<u8> {
    let flags = if descriptor { 8 } else { 0 };
    let len = (data.len() as u32).to_le_bytes();
    let local_len = if descriptor { [0; 4] } else { len };
    let mut zip =
        [&zip::LOCAL_MAGIC[..], &[20, 0, flags, 0, method, 0], &[0; 8], &local_len, &[1, 0, 0, 0, 1, 0, 0, 0]].concat();
    zip.extend_from_slice(b"n");
    zip.extend_from_slice(data);
    if descriptor {
        zip.extend_from_slice(&[b"PK\x07\x08".as_slice(), &[0; 4], &len, &[1, 0, 0, 0]].concat());
    }
    let at = (zip.len() as u32).to_le_bytes();
    if central {
        zip.extend_from_slice(
            &[b"PK\x01\x02".as_slice(), &[20, 0, 20, 0, flags, 0, method, 0], &[0; 8], &len].concat(),
        );
        zip.extend_from_slice(&[&[1u8, 0, 0, 0, 1, 0][..], &[0; 16], b"n"].concat());
        zip.extend_from_slice(
            &[b"PK\x05\x06".as_slice(), &[0, 0, 0, 0, 1, 0, 1, 0, 47, 0, 0, 0], &at, &[0, 0]].concat(),
        );
    }
    zip
}

fn ranges(file: &[u8]) -> Vec<(Range<usize>, Trailer)> {
    assert!(is_candidate(file));
    find(file, MAX).into_iter().map(|found| (found.stored, found.trailer)).collect()
}

#[test]
fn gzip_members_with_all_fields() {
    let plain = member(0, b"");
    assert_eq!(ranges(&plain), [(10..13, Trailer::Gzip)]);
    let all = member(0x1e, b"\x02\0xyname\0comment\0hc");
    let start = 10 + 19;
    let both = [all.as_slice(), &plain, b"garbage"].concat();
    let second = all.len() + 10;
    assert_eq!(ranges(&both), [(start..start + 3, Trailer::Gzip), (second..second + 3, Trailer::Gzip)]);
    let mut wrong = plain.clone();
    wrong[14] ^= 1;
    assert_eq!(ranges(&wrong), [(10..13, Trailer::None)]);
    assert_eq!(ranges(&plain[..20]), [(10..13, Trailer::None)]);
    assert_eq!(ranges(&plain[..12]), []);
    assert_eq!(find(&plain, 0), []);
    (0..both.len()).for_each(|end| drop(find(&both[..end], MAX)));
}

#[test]
fn zip_entries() {
    for (descriptor, central) in [(false, true), (true, true), (false, false), (true, false)] {
        let file = zip(8, &A, descriptor, central);
        assert_eq!(ranges(&file), [(31..34, Trailer::None)], "{descriptor} {central}");
        (0..file.len()).for_each(|end| drop(find(&file[..end], MAX)));
    }
    let nested = zip(0, &zip(8, &A, false, true), false, true);
    assert_eq!(ranges(&nested), [(62..65, Trailer::None)]);
    let mut zip64 = zip(8, &A, false, true);
    let size_at = zip64.len() - 22 - 47 + 20;
    zip64[size_at..size_at + 4].fill(0xff);
    assert_eq!(ranges(&zip64), []);
}

#[test]
fn png_of_one_chunk() {
    let chunk = |name: &[u8], data: &[u8]| [&(data.len() as u32).to_be_bytes()[..], name, data, &[0; 4]].concat();
    let zlib = [&[0x78, 0x9c][..], &A, &Trailer::Zlib.of(b"a")].concat();
    let head = [&png::MAGIC[..], &chunk(b"IHDR", &[0; 13])].concat();
    let start = head.len() + 8 + 2;
    let one = [head.as_slice(), &chunk(b"IDAT", &zlib), &chunk(b"IEND", b"")].concat();
    assert_eq!(ranges(&one), [(start..start + 3, Trailer::Zlib)]);
    let two = [head.as_slice(), &chunk(b"IDAT", &zlib), &chunk(b"IDAT", &zlib)].concat();
    assert_eq!(ranges(&two), []);
    (0..one.len()).for_each(|end| drop(find(&one[..end], MAX)));
}

#[test]
fn other_files_are_no_candidates() {
    assert!(!is_candidate(b""));
    assert!(!is_candidate(b"\x7fELF"));
    assert_eq!(find(b"\x1f\x8b", MAX), []);
}

/// Noise, with streams at odd places in it.
#[test]
fn streams_anywhere() {
    let plain: Vec<u8> = (0..3_000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
    let deflated = |plain: &[u8]| {
        let mut out = Vec::with_capacity(plain.len() + 100);
        let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
        compress.compress_vec(plain, &mut out, flate2::FlushCompress::Finish).unwrap();
        out
    };
    let stream = deflated(&plain);
    let sum = |trailer: Trailer| trailer.of(&plain);
    let gzip = [&gzip::MAGIC[..], &[0; 7], &stream, &sum(Trailer::Gzip)].concat();
    let zlib = [&[0x78, 0xda][..], &stream, &sum(Trailer::Zlib)].concat();
    let mut wrong = gzip.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let parts = [
        (gzip, Some((10, Trailer::Gzip))),
        (wrong, None),
        (zlib, Some((2, Trailer::Zlib))),
        (zip(8, &stream, false, false), Some((31, Trailer::None))),
        (zip(8, &stream, true, false), Some((31, Trailer::None))),
        (zip(8, &[&stream[..], &[0]].concat(), false, false), None),
        (member(0, b""), None),
    ];
    let (mut bytes, mut wanted, mut state) = (Vec::new(), Vec::new(), 1u32);
    let mut noise = |len: usize| {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(next).collect::<Vec<u8>>()
    };
    for (number, (part, found)) in parts.into_iter().enumerate() {
        bytes.extend(noise(40_000 + number));
        let start = bytes.len();
        let stored = |(head, trailer): (usize, Trailer)| (start + head..start + head + stream.len(), trailer);
        wanted.extend(found.map(stored));
        bytes.extend(part);
    }
    bytes.extend(noise(500));
    let found = find_anywhere(&bytes, MAX);
    assert!(found.iter().all(|found| found.plain_bytes == plain.len() as u64));
    assert_eq!(found.into_iter().map(|found| (found.stored, found.trailer)).collect::<Vec<_>>(), wanted);
    for end in (0..bytes.len()).step_by(997) {
        assert_eq!(find_anywhere(&bytes[..end], 100), []);
    }
}

/// Beginnings of a stream that never ends well, one behind the other, take bounded time.
#[test]
fn beginnings_that_lead_nowhere_are_given_up() {
    let mut out = Vec::with_capacity(20_000);
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    compress.compress_vec(&vec![0; 1 << 20], &mut out, flate2::FlushCompress::Finish).unwrap();
    let member = [&gzip::MAGIC[..], &[0; 7], &out, &[1; 8]].concat();
    let mut bytes = member.repeat(300);
    assert_eq!(find_anywhere(&bytes, MAX), []);
    bytes.splice(0..0, [&gzip::MAGIC[..], &[0; 7], &out, &Trailer::Gzip.of(&vec![0; 1 << 20])].concat());
    assert_eq!(find_anywhere(&bytes, MAX).len(), 1);
}
