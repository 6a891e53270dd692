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
