//! A tree of files to make images of, and the programs that make them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// Bytes without a pattern.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

/// Lines of words, which compress.
pub(crate) fn text(seed: u64, bytes: usize) -> Vec<u8> {
    let words = ["block", "inode", "fragment", "stretch", "directory", "image", "table", "\n"];
    let mut out = Vec::with_capacity(bytes + 16);
    for byte in noise(seed, bytes) {
        if out.len() >= bytes {
            break;
        }
        out.extend_from_slice(words[usize::from(byte % 8)].as_bytes());
        out.push(b" -_,"[usize::from(byte >> 6)]);
    }
    out.truncate(bytes);
    out
}

/// Makes a tree with files of many sizes, holes, links and a long directory.
pub(crate) fn make(root: &Path) {
    let write = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, bytes).expect("a file");
    };
    for size in [0, 1, 511, 512, 513, 900, 1023, 1024, 1025, 3000, 4095, 4096, 4097, 12_288, 100_000] {
        write(&format!("sizes/{size}"), &noise(size as u64, size));
        write(&format!("text/{size}"), &text(size as u64, size));
    }
    write("large/noise", &noise(3, 200_000));
    write("large/text", &text(4, 777_777));
    write("a/b/c/d/e/f/g/h/deep", &text(5, 5000));
    for number in 0..400 {
        write(
            &format!("many/with a name that is rather long, number {number}"),
            &text(number, 100 + number as usize * 7),
        );
    }
    write("twins/first", &text(90, 70_000));
    write("twins/second", &text(90, 70_000));
    fs::hard_link(root.join("large/noise"), root.join("zlink")).expect("a hard link");
    symlink("large/noise", root.join("short")).expect("a link");
    symlink("x/".repeat(100), root.join("long")).expect("a link");
    let holes = fs::File::create(root.join("holes")).expect("a file");
    for number in 0..20u64 {
        holes.write_all_at(&noise(7000 + number, 9000), number * 65_536).expect("written");
    }
    holes.set_len(21 * 65_536).expect("a size");
    fs::File::create(root.join("nothing but a hole")).expect("a file").set_len(100_000).expect("a size");
}

/// Whether a program is there. If not, says that a test is passed over.
pub(crate) fn there(program: &str) -> bool {
    let found = command(program).arg("--help").stdin(Stdio::null()).output().is_ok();
    if !found {
        pass_over(&format!("{program} is not there"));
    }
    found
}

/// Says why a test is passed over. The test harness hides what is printed in other ways.
pub(crate) fn pass_over(reason: &str) {
    let _ = writeln!(std::io::stderr(), "passed over: {reason}");
}

/// A program, which may be one of the administrator's.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).env("SOURCE_DATE_EPOCH", "1700000000");
    command
}

/// Runs a program with paths, and with arguments that spaces part before and after them.
pub(crate) fn run(program: &str, words: &str, paths: &[&Path], behind: &str) {
    let mut command = command(program);
    command.args(words.split_whitespace()).args(paths).args(behind.split_whitespace());
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
}
