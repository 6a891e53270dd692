//! Linux kernels that unpack themselves: the bzImage of x86, with a setup header of boot protocol 2.08 or later, and the
//! EFI zboot of other machines. Both are programs around a payload, which is a compressed file.

use crate::input::{Input, u16_at, u32_at};
use crate::{DiskError, DiskKind, ReadAt};

/// The part of a kernel that all of its fields are in.
const HEADER_BYTES: u64 = 0x250;
/// The fields of x86 (the kernel's Documentation/arch/x86/boot.rst).
const SETUP_SECTORS_AT: usize = 0x1f1;
const BOOT_FLAG_AT: usize = 0x1fe;
const BOOT_FLAG: &[u8] = &[0x55, 0xaa];
const SETUP_MAGIC_AT: usize = 0x202;
const SETUP_MAGIC: &[u8] = b"HdrS";
const PROTOCOL_AT: usize = 0x206;
/// The first boot protocol in which the header says where the payload is.
const MIN_PROTOCOL: u16 = 0x208;
const PAYLOAD_AT: usize = 0x248;
const PAYLOAD_BYTES_AT: usize = 0x24c;
const SECTOR_BYTES: u64 = 512;
/// The sectors that 0 stands for.
const DEFAULT_SECTORS: u8 = 4;
/// The fields of zboot (drivers/firmware/efi/libstub/zboot-header.S).
const ZBOOT_MAGIC: &[u8] = b"MZ\0\0zimg";
const ZBOOT_PAYLOAD_AT: usize = 8;
const ZBOOT_PAYLOAD_BYTES_AT: usize = 12;

/// Where the payload of a kernel lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) at: u64,
    /// Its end, with what stands behind the compressed file, such as the number of its plain bytes.
    pub(super) end: u64,
}

/// The payload of the kernel that an image is. `None` stands for anything else.
pub(super) fn payload(image: &dyn ReadAt) -> Result<Option<Payload>, DiskError> {
    if image.bytes() < HEADER_BYTES {
        return Ok(None);
    }
    let mut header = [0; HEADER_BYTES as usize];
    image.read_exact_at(&mut header, 0)?;
    let Some((at, bytes)) = stated(&header) else { return Ok(None) };
    let end = at + bytes;
    if end > image.bytes() {
        return Err(Input::new(image, DiskKind::Kernel).damaged("the place of its payload"));
    }
    Ok(Some(Payload { at, end }))
}

/// The place of the payload and its bytes, as the header of a kernel states them.
fn stated(header: &[u8]) -> Option<(u64, u64)> {
    let number = |at| u64::from(u32_at(header, at));
    if header.starts_with(ZBOOT_MAGIC) {
        return Some((number(ZBOOT_PAYLOAD_AT), number(ZBOOT_PAYLOAD_BYTES_AT)));
    }
    let is_setup = header[BOOT_FLAG_AT..].starts_with(BOOT_FLAG) && header[SETUP_MAGIC_AT..].starts_with(SETUP_MAGIC);
    if !is_setup || u16_at(header, PROTOCOL_AT) < MIN_PROTOCOL || number(PAYLOAD_BYTES_AT) == 0 {
        return None;
    }
    let sectors = match header[SETUP_SECTORS_AT] {
        0 => DEFAULT_SECTORS,
        sectors => sectors,
    };
    Some(((u64::from(sectors) + 1) * SECTOR_BYTES + number(PAYLOAD_AT), number(PAYLOAD_BYTES_AT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(sectors: u8, protocol: u16, (at, bytes): (u32, u32)) -> Vec<u8> {
        let mut kernel = vec![0; 4096];
        kernel[SETUP_SECTORS_AT] = sectors;
        kernel[BOOT_FLAG_AT..][..2].copy_from_slice(BOOT_FLAG);
        kernel[SETUP_MAGIC_AT..][..4].copy_from_slice(SETUP_MAGIC);
        kernel[PROTOCOL_AT..][..2].copy_from_slice(&protocol.to_le_bytes());
        kernel[PAYLOAD_AT..][..4].copy_from_slice(&at.to_le_bytes());
        kernel[PAYLOAD_BYTES_AT..][..4].copy_from_slice(&bytes.to_le_bytes());
        kernel
    }

    fn found(kernel: &[u8]) -> Option<(u64, u64)> {
        payload(&kernel).expect("within the image").map(|found| (found.at, found.end))
    }

    #[test]
    fn headers_say_where_payloads_are() {
        assert_eq!(found(&setup(3, 0x20f, (100, 1948))), Some((2148, 4096)));
        assert_eq!(found(&setup(0, 0x208, (0, 1))), Some((2560, 2561)));
        // Earlier protocols have no such fields, and kernels without a payload leave them out.
        assert_eq!(found(&setup(3, 0x207, (100, 1948))), None);
        assert_eq!(found(&setup(3, 0x20f, (0, 0))), None);
        let mut other = setup(3, 0x20f, (100, 1948));
        other[SETUP_MAGIC_AT] = b'h';
        assert_eq!(found(&other), None);
        let mut zboot = [ZBOOT_MAGIC, &700u32.to_le_bytes(), &300u32.to_le_bytes()].concat();
        assert_eq!(found(&zboot), None);
        zboot.resize(1000, 0);
        assert_eq!(found(&zboot), Some((700, 1000)));
    }

    #[test]
    fn payloads_lie_in_their_kernels() {
        for wrong in [(100, 1949), (u32::MAX, u32::MAX), (4096, 1)] {
            assert!(payload(&setup(3, 0x20f, wrong).as_slice()).is_err());
        }
    }
}
