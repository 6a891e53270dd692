//! Tars with changed headers whose checksums hold, as images and as seeds. Any bytes must come back as they were.

use super::chance::Chance;
use super::index::Site;
use super::judge::Judge;
use regrow_demo::{Tree, add_file, end};

/// A tar with long names, sizes that an earlier header gives, and tars within it.
fn extended() -> Vec<u8> {
    let mut tar = Vec::new();
    add_file(&mut tar, "pax", b"13 size=1000\n20 path=some/where\n", 7);
    tar[156] = b'x';
    reseal(&mut tar[..512]);
    add_file(&mut tar, "after", &[7; 1000], 7);
    add_file(&mut tar, "inner.tar", &Tree::sample("inner", 9).tar(3), 7);
    let whole = end(tar.clone());
    add_file(&mut tar, "twice.tar", &whole, 7);
    let from = tar.len();
    add_file(&mut tar, "././@LongLink", &[b'n'; 3000], 7);
    tar[from + 156] = b'L';
    reseal(&mut tar[from..from + 512]);
    add_file(&mut tar, "short", b"contents", 7);
    end(tar)
}

/// Gives a header its correct checksum.
fn reseal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn is_header(block: &[u8]) -> bool {
    block.len() == 512 && &block[257..262] == b"ustar"
}

/// Changes fields of headers, or bytes of all kinds, and gives all headers correct checksums.
pub(crate) fn changed(tar: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut tar = tar.to_vec();
    if chance.one_in(3) {
        chance.mutate(&mut tar);
    }
    let headers: Vec<usize> = (0..tar.len() / 512).filter(|&n| is_header(&tar[n * 512..n * 512 + 512])).collect();
    for _ in 0..chance.below(6) {
        let Some(&block) = headers.get(chance.below(headers.len())) else { break };
        let header = &mut tar[block * 512..block * 512 + 512];
        match chance.below(4) {
            0 => header[156] = *b"0157xgLKSVX\0".get(chance.below(14)).unwrap_or(&(chance.next() as u8)),
            1 => header[124..136].copy_from_slice(format!("{:011o}\0", chance.number() & 0x1_ffff_ffff).as_bytes()),
            2 => {
                header[124..136].fill(0);
                header[124] = 0x80;
                header[128..136].copy_from_slice(&chance.number().to_be_bytes());
            }
            _ => header[chance.below(512)] = chance.next() as u8,
        }
        reseal(header);
    }
    if chance.one_in(4) {
        let mut blocks: Vec<[u8; 512]> = tar.as_chunks().0.to_vec();
        chance.mutate_list(&mut blocks);
        tar = blocks.concat();
    }
    tar
}

/// Makes, inspects, rebuilds, and uses an image that may be anything.
pub(crate) fn try_image(site: &Site, image: &[u8], judge: &mut Judge<'_>, chance: &mut Chance) {
    site.env.write("image", image);
    // Most of these images are cut somewhere. They must come back nevertheless.
    if judge.success("make -q --allow-partial --avg-size 4KiB --store made image.rgx image") {
        let force = if image.is_empty() { "--force " } else { "" };
        let seed = ["", "--seed image", "--seed old"][chance.below(3)];
        let succeeded = judge.extract(&format!("{force}{seed} image.rgx"), b"old", image);
        judge.expect(succeeded, "an image that was made is not rebuilt");
        judge.success(["info image.rgx", "diff image.rgx old.rgx", "diff old.rgx image.rgx"][chance.below(3)]);
    }
    let succeeded = judge.extract("--seed image app.rgx", image, &site.image);
    judge.expect(succeeded, "a seed stood in the way");
    if chance.one_in(3) {
        site.env.write("seeds/image", image);
        judge.extract("--seed seeds app.rgx", b"old", &site.image);
    }
    if chance.one_in(10) {
        let _ = std::fs::remove_dir_all(site.env.path("made"));
    }
}

#[test]
fn tars() {
    let site = Site::new(false);
    let extended = extended();
    Judge::all("tar", &site.env, |judge, chance| {
        let base = if chance.one_in(2) { &extended } else { &site.image };
        let image = changed(base, chance);
        try_image(&site, &image, judge, chance);
    });
}
