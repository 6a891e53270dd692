//! The app layer: thousands of small scripts in modules, and a few large bundles that each release builds again.

use std::io;

use super::Maker;
use super::archive::sha256;
use super::layer::Layer;
use super::random::Random;
use super::text::{edit, file_bytes, file_of, script};
use super::words::Speaker;

const OLD_BUILD: u64 = 1_746_522_000;
const NEW_BUILD: u64 = 1_747_731_600;
const SCRIPTS: u32 = 2_500;
const SCRIPTS_PER_MODULE: u32 = 20;
const SCRIPT_BYTES: usize = 5_400;
/// The shares of the scripts that the release edits, removes and adds.
const EDITED_PER_THOUSAND: usize = 80;
const REMOVED_PER_THOUSAND: usize = 10;
const ADDED_PER_THOUSAND: u32 = 15;
const BUNDLES: u32 = 4;
const CHANGED_BUNDLES: u32 = 2;
const BUNDLE_BYTES: u32 = 1_600_000;

pub(super) fn layer(maker: &Maker) -> io::Result<Vec<u8>> {
    let time = if maker.is_new() { NEW_BUILD } else { OLD_BUILD };
    let mut layer = Layer::new(time);
    for index in 0..BUNDLES {
        let bundle = bundle(maker, index);
        // Bundlers name their output by its contents.
        let path = format!("srv/app/dist/chunk-{index}.{}.js", &sha256(&bundle)[..8]);
        layer.add(&path, time, &bundle)?;
    }
    let scripts = maker.scaled(SCRIPTS);
    for index in 0..scripts {
        add_script(&mut layer, maker, index, time)?;
    }
    if maker.is_new() {
        for index in scripts..scripts + (scripts * ADDED_PER_THOUSAND).div_ceil(1_000) {
            add_script(&mut layer, maker, index, time)?;
        }
    }
    layer.finish()
}

fn add_script(layer: &mut Layer, maker: &Maker, index: u32, time: u64) -> io::Result<()> {
    let mut fate = Random::named(&format!("fate {index}"));
    if maker.is_new() && index < maker.scaled(SCRIPTS) && fate.per_thousand(REMOVED_PER_THOUSAND) {
        return Ok(());
    }
    let mut speaker = Speaker::new(&maker.vocabulary, Random::named(&format!("script {index}")));
    let module = module(index, maker);
    let path = format!("srv/app/node_modules/{module}/lib/{index:04}-{}.js", speaker.word());
    let bytes = file_bytes(&mut speaker.random, SCRIPT_BYTES);
    let mut lines = script(&mut speaker, bytes);
    let is_edited = maker.is_new() && fate.per_thousand(EDITED_PER_THOUSAND);
    if is_edited {
        edit(&mut lines, 25, &mut speaker);
    }
    let version = if is_edited { "4.17.21" } else { "4.17.20" };
    lines.insert(0, format!("/*! {module} v{version} */"));
    layer.add(&path, time, &file_of(&lines))
}

/// The module of a script. Scripts of a module lie together; added scripts are spread over all modules.
fn module(index: u32, maker: &Maker) -> String {
    let scripts = maker.scaled(SCRIPTS);
    let module = (if index < scripts { index } else { index * 37 % scripts }) / SCRIPTS_PER_MODULE;
    let mut speaker = Speaker::new(&maker.vocabulary, Random::named(&format!("module {module}")));
    format!("m{module:03}-{}", speaker.word())
}

/// A bundle: scripts without their indentation, put end to end.
fn bundle(maker: &Maker, index: u32) -> Vec<u8> {
    let mut speaker = Speaker::new(&maker.vocabulary, Random::named(&format!("bundle {index}")));
    let bytes = maker.scaled(BUNDLE_BYTES) as usize;
    let mut lines = script(&mut speaker, bytes * 11 / 10);
    if maker.is_new() && index < CHANGED_BUNDLES {
        edit(&mut lines, 900, &mut speaker);
    }
    lines.iter().map(|line| line.trim()).collect::<String>().into_bytes()
}
