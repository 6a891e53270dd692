//! The base layer: the files of a small Linux distribution.

use std::io;

use super::Maker;
use super::layer::Layer;
use super::program::{Build, FEW_FIXES, program};
use super::random::Random;
use super::text::{file_bytes, file_of, settings, translation};
use super::words::Speaker;

const BUILT: u64 = 1_735_000_000;
const REBUILT: u64 = 1_747_400_000;
const SETTINGS_FILES: u32 = 350;
const TRANSLATIONS: u32 = 150;

/// The programs, with their sizes in KiB.
const PROGRAMS: [(&str, u32); 18] = [
    ("usr/bin/bash", 1_300),
    ("usr/bin/dpkg", 300),
    ("usr/bin/gpgv", 500),
    ("usr/bin/perl", 3_000),
    ("usr/bin/tar", 500),
    ("usr/lib/ld-linux-x86-64.so.2", 200),
    ("usr/lib/libc.so.6", 1_900),
    ("usr/lib/libcrypto.so.3", 3_000),
    ("usr/lib/libdb-5.3.so", 1_800),
    ("usr/lib/libgnutls.so.30", 2_100),
    ("usr/lib/libm.so.6", 900),
    ("usr/lib/libpcre2-8.so.0", 600),
    ("usr/lib/libssl.so.3", 680),
    ("usr/lib/libstdc++.so.6", 2_200),
    ("usr/lib/libsystemd.so.0", 900),
    ("usr/lib/libunistring.so.5", 1_700),
    ("usr/lib/libz.so.1", 110),
    ("usr/lib/libzstd.so.1", 700),
];
const REBUILT_LIBRARIES: [&str; 2] = ["usr/lib/libcrypto.so.3", "usr/lib/libssl.so.3"];

pub(super) fn layer(maker: &Maker) -> io::Result<Vec<u8>> {
    let mut layer = Layer::new(BUILT);
    for index in 0..maker.scaled(SETTINGS_FILES) {
        add_settings(&mut layer, maker, index)?;
    }
    for (path, kib) in PROGRAMS {
        add_program(&mut layer, maker, path, kib)?;
    }
    for index in 0..maker.scaled(TRANSLATIONS) {
        add_translation(&mut layer, maker, index)?;
    }
    layer.finish()
}

fn add_program(layer: &mut Layer, maker: &Maker, path: &str, kib: u32) -> io::Result<()> {
    let is_rebuilt = maker.is_new() && REBUILT_LIBRARIES.contains(&path);
    let (time, build) =
        if is_rebuilt { (REBUILT, Build::Fixed { functions: FEW_FIXES }) } else { (BUILT, Build::First) };
    let bytes = maker.scaled(kib * 1_024) as usize;
    layer.add(path, time, &program(&maker.vocabulary, &maker.code, path, bytes, build))
}

fn add_settings(layer: &mut Layer, maker: &Maker, index: u32) -> io::Result<()> {
    let mut speaker = Speaker::new(&maker.vocabulary, Random::named(&format!("settings {index}")));
    // The files are numbered, since words come twice.
    let path = format!("etc/{}.d/{index:03}-{}.conf", speaker.word(), speaker.word());
    let bytes = file_bytes(&mut speaker.random, 2_000);
    layer.add(&path, BUILT, &file_of(&settings(&mut speaker, bytes)))
}

fn add_translation(layer: &mut Layer, maker: &Maker, index: u32) -> io::Result<()> {
    let mut speaker = Speaker::new(&maker.vocabulary, Random::named(&format!("translation {index}")));
    let path = format!("usr/share/locale/l{:02}/{index:03}-{}.po", index / 6, speaker.word());
    let bytes = file_bytes(&mut speaker.random, 8_000);
    layer.add(&path, BUILT, &file_of(&translation(&mut speaker, bytes)))
}
