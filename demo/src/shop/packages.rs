//! The packages layer: libraries with their scripts, as package managers of languages install them.

use std::io;

use super::Maker;
use super::layer::Layer;
use super::program::{Build, program};
use super::random::Random;
use super::text::{edit, file_bytes, file_of, script};
use super::words::Speaker;

const INSTALLED: u64 = 1_741_000_000;
const UPGRADED: u64 = 1_747_500_000;
const PACKAGES: u32 = 14;
const UPGRADED_PACKAGES: [u32; 2] = [3, 8];
const SCRIPTS_PER_PACKAGE: u32 = 60;
/// The number of functions that an upgrade changes. It is more than for a fix.
const UPGRADED_FUNCTIONS: usize = 24;

pub(super) fn layer(maker: &Maker) -> io::Result<Vec<u8>> {
    let mut layer = Layer::new(INSTALLED);
    for package in 0..PACKAGES {
        let is_upgraded = maker.is_new() && UPGRADED_PACKAGES.contains(&package);
        let mut speaker = Speaker::new(&maker.vocabulary, Random::named(&format!("package {package}")));
        let folder = format!("usr/lib/packages/{package:02}-{}", speaker.word());
        add_library(&mut layer, maker, &folder, &mut speaker.random, is_upgraded)?;
        for index in 0..maker.scaled(SCRIPTS_PER_PACKAGE) {
            add_script(&mut layer, maker, &format!("{folder}/{index:03}"), is_upgraded)?;
        }
    }
    layer.finish()
}

fn time(is_upgraded: bool) -> u64 {
    if is_upgraded { UPGRADED } else { INSTALLED }
}

fn add_library(
    layer: &mut Layer,
    maker: &Maker,
    folder: &str,
    random: &mut Random,
    is_upgraded: bool,
) -> io::Result<()> {
    let kib = 150 + random.below(900) as u32;
    let bytes = maker.scaled(kib * 1_024) as usize;
    let build = if is_upgraded { Build::Fixed { functions: UPGRADED_FUNCTIONS } } else { Build::First };
    let library = program(&maker.vocabulary, &maker.code, folder, bytes, build);
    layer.add(&format!("{folder}/native.so"), time(is_upgraded), &library)
}

/// Adds a script. Half of an upgraded package's scripts keep everything except their time.
fn add_script(layer: &mut Layer, maker: &Maker, name: &str, is_upgraded: bool) -> io::Result<()> {
    let mut speaker = Speaker::new(&maker.vocabulary, Random::named(name));
    let path = format!("{name}-{}.py", speaker.word());
    let bytes = file_bytes(&mut speaker.random, 9_000);
    let mut lines = script(&mut speaker, bytes);
    if is_upgraded && speaker.random.one_in(2) {
        edit(&mut lines, 12, &mut speaker);
    }
    layer.add(&path, time(is_upgraded), &file_of(&lines))
}
