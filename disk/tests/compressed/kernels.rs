//! Kernels that unpack themselves are divided by what they unpack.

use super::*;

/// A kernel of x86, or an EFI zboot, with this payload and the number of plain bytes behind it.
fn kernel(payload: &[u8], is_zboot: bool) -> Vec<u8> {
    let mut kernel = bytes_of(3, 5 * 512 + 5000);
    let [at, bytes] = [5000, payload.len() as u32 + 4].map(u32::to_le_bytes);
    if is_zboot {
        let at = (kernel.len() as u32).to_le_bytes();
        kernel[..16].copy_from_slice(&[b"MZ\0\0zimg", at.as_slice(), &bytes].concat());
    } else {
        kernel[0x1f1] = 4;
        kernel[0x1fe..0x202].copy_from_slice(&[0x55, 0xaa, 0xeb, 0x6e]);
        kernel[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
        kernel[0x248..0x250].copy_from_slice(&[at, bytes].concat());
    }
    [&kernel, payload, &[0; 4], &bytes_of(4, 3000)].concat()
}

#[test]
fn kernels_are_seen_through() {
    // What a kernel unpacks is one file, whatever it looks like.
    for plain in [archive(0, 12), bytes_of(5, 200_000)] {
        for (name, payload) in ways(&plain) {
            for is_zboot in [false, true] {
                let image = kernel(&payload, is_zboot);
                let division = divided(&image).unwrap().unwrap();
                assert_eq!((division.kind, division.rules), (DiskKind::Kernel, DivisionRules::V6));
                assert_eq!(division.details, format!("a Linux kernel, in {name}"));
                assert_eq!((division.files.len(), &division.files[0].path[..]), (1, &b"vmlinux"[..]));
                let (found, mut at, mut file) = (plain_of(&image, &division), 0, Vec::new());
                for stretch in &division.stretches {
                    let bytes = &found[at..at + stretch.bytes as usize];
                    if stretch.kind == StretchKind::File(0) {
                        file.extend_from_slice(bytes);
                    }
                    at += bytes.len();
                }
                assert!(at == found.len() && file == plain, "{name}");
                assert_eq!(divide_with(&image.as_slice(), DivisionRules::V5, Some(&Memory)).unwrap(), None);
            }
        }
    }
}

#[test]
fn damaged_kernels_are_refused() {
    let image = kernel(&xz(&[&bytes_of(5, 50_000)], true), false);
    for end in (0..image.len()).step_by(97) {
        if let Ok(Some(division)) = divided(&image[..end]) {
            plain_of(&image[..end], &division);
        }
        let mut damaged = image.clone();
        damaged[end] ^= 0x10;
        if let Ok(Some(division)) = divided(&damaged) {
            let bytes: u64 = division.pieces.iter().map(|piece| piece.bytes).sum();
            assert_eq!(bytes, damaged.len() as u64);
        }
    }
    let error = |image: &[u8]| divided(image).unwrap_err().to_string();
    assert_eq!(error(&image[..9000]), "it is a Linux kernel with tables that are damaged: the place of its payload");
    let other = "it is a Linux kernel with another compression, which is not understood";
    assert_eq!(error(&kernel(b"BZh91AY&SY", false)), other);
    // A payload may be as short as can be.
    assert_eq!(error(&kernel(b"", true)), other);
    let bomb = gzip(&vec![0; 80 << 20]);
    assert_eq!(error(&kernel(&bomb, true)), "it is gzip-compressed, and holds far more than it has bytes itself");
}
