//! Files of many members: what each costs.

use std::io::Write;

use super::*;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Takes all of a file that is pushed in pieces of this size; returns what it holds.
fn read(reader: &mut GzipReader, file: &[u8], piece: usize) -> Vec<u8> {
    let mut plain = Vec::new();
    for mut stored in file.chunks(piece) {
        loop {
            let step = reader.push(stored, &mut plain, usize::MAX).unwrap();
            stored = &stored[step.taken..];
            if stored.is_empty() && !step.ended_member {
                break;
            }
        }
    }
    plain
}

#[test]
fn a_member_keeps_its_own_bytes_alone() {
    let members = 3000;
    let file: Vec<u8> = (0..members).flat_map(|number: u32| gzip(&number.to_le_bytes())).collect();
    for piece in [7, 1000, 1 << 20] {
        let mut reader = GzipReader::default();
        let plain = read(&mut reader, &file, piece);
        assert_eq!(reader.members().len(), members as usize);
        let kept: usize = reader.members().iter().map(|member| member.header.capacity()).sum();
        assert!(kept <= members as usize * 64, "{kept} bytes");
        // Without members it gives the same.
        let mut forgetful = GzipReader::without_members();
        assert!(read(&mut forgetful, &file, piece) == plain);
        assert!(forgetful.members().is_empty());
        assert_eq!(forgetful.finish().unwrap().1, b"");
    }
}

#[test]
fn headers_of_all_lengths() {
    for name in [0, 1, 200, 245, 246, 247, 300, 5000, MAX_GZIP_FRINGE_BYTES - FIXED_BYTES - 1] {
        let mut file = gzip(b"plain");
        file[3] = FNAME;
        file.splice(FIXED_BYTES..FIXED_BYTES, [vec![b'n'; name], vec![0]].concat());
        let file = [file.repeat(2), b"tail".to_vec()].concat();
        for piece in [100, 256, 1 << 20] {
            let mut reader = GzipReader::default();
            assert_eq!(read(&mut reader, &file, piece), b"plainplain");
            let (members, tail) = reader.finish().unwrap();
            assert_eq!((members.len(), tail), (2, b"tail".to_vec()));
            assert!(members.iter().all(|member| member.header.len() == FIXED_BYTES + name + 1));
        }
    }
}
