//! Incomplete images. The output of a failed producer is not published, and does not replace a device's image.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::environment::{Outcome, TestEnvironment};

/// The offset at which the second of the tar's two files begins. The tar ends as `docker save` ends one.
const SECOND: usize = 20_480 + 512;

fn tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, size) in [("first", 20_480), ("second", 50_000)] {
        let data: Vec<u8> = (0..size).map(|number: u64| (number * number / 7) as u8 | 1).collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, data.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar whose only file is this, like a layer in an archive.
fn archive(name: &str, data: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, data).unwrap();
    builder.into_inner().unwrap()
}

/// A place with an index that must not be replaced.
struct Published {
    env: TestEnvironment,
    index: Vec<u8>,
}

impl Published {
    fn new() -> Self {
        let env = TestEnvironment::new();
        env.write("app-1.tar", &tar());
        env.run("make app.rgx app-1.tar").success();
        let index = env.read("app.rgx");
        Self { env, index }
    }

    /// Checks that an image is refused with exit code 3 and one line, from a file and from standard input. It is
    /// accepted if the user insists.
    fn refuses(&self, image: &[u8], reason: &str) {
        self.env.write("partial", image);
        for outcome in [self.env.run("make app.rgx partial"), self.env.run_with_input("make app.rgx -", image)] {
            let outcome = outcome.failure(3, reason);
            assert!(outcome.stderr.contains("--allow-partial"), "{}", outcome.stderr);
            assert!(self.env.read("app.rgx") == self.index, "{reason}");
        }
        self.takes("--allow-partial", image, Some(reason));
    }

    /// Checks that an image is made, and rebuilt bit for bit.
    fn takes(&self, arguments: &str, image: &[u8], warning: Option<&str>) {
        self.env.write("taken", image);
        let outcome = self.env.run(&format!("make {arguments} taken.rgx taken")).success();
        match warning {
            Some(warning) => assert!(outcome.stderr.contains(warning), "{}", outcome.stderr),
            None => assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr),
        }
        self.env.run("extract taken.rgx out").success();
        assert!(self.env.read("out") == image);
        self.env.remove("out");
    }
}

#[test]
fn an_image_that_is_empty() {
    let published = Published::new();
    published.refuses(b"", "is empty");
    // A closed standard input gives no bytes either.
    let mut shell = std::process::Command::new("sh");
    let command = published.env.command("make app.rgx -");
    shell.arg("-c").arg("exec \"$0\" make app.rgx - <&-").arg(command.get_program());
    shell.current_dir(published.env.root()).env("HOME", published.env.root());
    shell.env("REGROW_STATE", published.env.path("home-state"));
    Outcome::of(&mut shell).failure(3, "standard input");
    assert!(published.env.read("app.rgx") == published.index);
}

#[test]
fn a_tar_that_is_cut_off() {
    let published = Published::new();
    let tar = tar();
    let padding = 512 - 50_000 % 512;
    published.refuses(&tar[..SECOND + 512 + 100], "ends within second");
    published.refuses(&tar[..SECOND + 512 + 50_000], &format!("{padding} bytes of it are missing"));
    published.refuses(&tar[..SECOND + 512], &format!("{} bytes of it are missing", 50_000 + padding));
    published.refuses(&tar[..SECOND + 100], "ends within the header after first");
    // Whole entries are an image, and so are blocks of zeros some of which are missing.
    let unmarked = Some("without the zeros that end one");
    published.takes("", &tar[..SECOND], unmarked);
    published.takes("", &tar[..tar.len() - 512], unmarked);
    published.takes("", &tar, None);
    // An input that is no tar is whole at any size.
    published.takes("", b"x", None);
    published.takes("", &tar[1..5000], None);
    // A layer that was cut before it came into the archive does not concern regrow.
    published.takes("", &archive("blobs/layer", &tar[..30_000]), None);
}

#[test]
fn compressed_images_that_are_cut_off() {
    let published = Published::new();
    let tar = tar();
    let whole = gzip(&tar);
    published.refuses(&whole[..whole.len() - 8], "is a gzip file that ends early");
    published.refuses(&whole[..whole.len() / 2], "is a gzip file that ends early");
    published.refuses(&whole[..10], "is a gzip file that ends early");
    published.refuses(&gzip(b""), "is a gzip file that holds nothing");
    published.refuses(&gzip(&tar[..30_000]), "ends within second");
    published.takes("", &gzip(b"no tar"), None);
    let zstd = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).unwrap();
    let whole = zstd(&tar);
    published.refuses(&whole[..whole.len() - 1], "is a zstd file that ends early");
    published.refuses(&zstd(b""), "is a zstd file that holds nothing");
    published.refuses(&zstd(&tar[..30_000]), "ends within second");
    published.takes("", &[zstd(&tar), zstd(b"and more")].concat(), None);
    published.refuses(b"\xfd7zXZ\0 and so on", "is a xz file that ends early");
    published.takes("", b"\xfd7zXZ\0 and so onYZ", None);
}

/// A layer of two members is cut between them, so the first part is a sound gzip file.
#[test]
fn an_archive_that_is_cut_between_the_members_of_a_layer() {
    let published = Published::new();
    let tar = tar();
    let (first, second) = (gzip(&tar[..SECOND]), gzip(&tar[SECOND..]));
    let image = archive("blobs/layer", &[first.clone(), second.clone()].concat());
    published.refuses(&image[..512 + first.len()], "ends within blobs/layer");
    published.refuses(&image[..512 + first.len() + second.len() / 2], "ends within blobs/layer");
    published.takes("", &image, None);
}

#[test]
fn a_file_that_is_written_to_meanwhile() {
    let published = Published::new();
    let env = &published.env;
    // The writer waits for the reader, which is at the pipe, so it cannot have read the whole file.
    env.write("image", &[7; 100_000]);
    let mut file = File::open(env.path("image")).unwrap();
    let mut watched = regrow_sync::WatchedFile::new(file.try_clone().unwrap());
    let mut buffer = vec![0; 60_000];
    watched.read_exact(&mut buffer).unwrap();
    std::fs::OpenOptions::new().append(true).open(env.path("image")).unwrap().write_all(b"more").unwrap();
    assert!(watched.read_to_end(&mut buffer).is_err());
    // A file whose name goes to another file keeps its bytes.
    let mut watched = regrow_sync::WatchedFile::new(&mut file);
    env.write("image.new", b"another");
    std::fs::rename(env.path("image.new"), env.path("image")).unwrap();
    watched.read_to_end(&mut buffer).unwrap();
}

#[test]
fn an_input_that_cannot_be_read() {
    let published = Published::new();
    let env = &published.env;
    let mut command = env.command("make app.rgx -");
    let folder = File::open(env.root()).unwrap();
    Outcome::of(command.stdin(Stdio::from(folder))).failure(3, "cannot be read past byte 0");
    assert!(env.read("app.rgx") == published.index);
}

#[test]
fn archives_that_are_normalized() {
    let published = Published::new();
    let env = &published.env;
    env.write("empty", b"");
    env.run("make --normalize app.rgx empty").failure(3, "is empty");
    env.run_with_input("make --normalize app.rgx -", b"").failure(3, "standard input: is empty");
    env.run_with_input("make --normalize app.rgx -", b"no tar").failure(1, "standard input: no image archive");
    env.write("cut", &tar()[..30_000]);
    env.run("make --normalize app.rgx cut").failure(3, "ends within second");
    assert!(env.read("app.rgx") == published.index);
}

/// Older versions have published such indexes.
#[test]
fn an_empty_image_replaces_nothing() {
    let env = TestEnvironment::new();
    env.write("nothing", b"");
    env.run("make --allow-partial empty.rgx nothing").success();
    env.write("app.tar", b"the good image");
    for arguments in ["", "--dry-run ", "--in-place "] {
        env.run(&format!("extract {arguments}empty.rgx app.tar")).failure(3, "--force");
        assert_eq!(env.read("app.tar"), b"the good image");
    }
    env.run("extract empty.rgx other").success();
    env.run("extract empty.rgx other").success();
    env.run("extract --force empty.rgx app.tar").success();
    assert!(env.read("app.tar").is_empty());
}
