//! Entries of tars in the ustar format (POSIX.1-1988), with no more than small images need.

/// Adds a file to a tar. `time` is in seconds since 1970.
pub fn add_file(tar: &mut Vec<u8>, path: &str, bytes: &[u8], time: u64) {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", bytes.len()));
    put(136, &format!("{time:011o}\0"));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&header);
    tar.extend_from_slice(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// Ends a tar: at least 1 KiB of zeros, up to the end of a record of 10 KiB.
pub fn end(mut tar: Vec<u8>) -> Vec<u8> {
    tar.resize((tar.len() + 1024).next_multiple_of(10_240), 0);
    tar
}
