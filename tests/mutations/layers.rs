//! Archives with changed gzip layers: streams, headers, members, and the bytes behind them, with correct trailers.

use std::io::Read;

use super::chance::Chance;
use super::index::Site;
use super::judge::Judge;
use super::tars;
use regrow_demo::{GNU_GZIP, GO, PGZIP, Tree, add_file, end, gzip};

/// Gives the member the checksum and length of its plain bytes, if it inflates.
fn retrailed(mut member: Vec<u8>) -> Vec<u8> {
    let mut plain = Vec::new();
    let inflater = flate2::read::DeflateDecoder::new(member.get(10..).unwrap_or_default());
    if inflater.take(4 << 20).read_to_end(&mut plain).is_ok() && member.len() >= 18 {
        let mut crc = flate2::Crc::new();
        crc.update(&plain);
        let at = member.len() - 8;
        member[at..at + 4].copy_from_slice(&crc.sum().to_le_bytes());
        member[at + 4..].copy_from_slice(&(plain.len() as u32).to_le_bytes());
    }
    member
}

/// A gzip file of one to three members that differ a little from an encoder's output.
fn layer(chance: &mut Chance) -> Vec<u8> {
    let tree = Tree::sample(&format!("layer {}", chance.below(4)), 12);
    let encoder = [PGZIP, GO, GNU_GZIP][chance.below(3)];
    let plain = if chance.one_in(3) { tars::changed(&tree.tar(3), chance) } else { tree.tar(3) };
    let mut members: Vec<Vec<u8>> =
        plain.chunks(plain.len().div_ceil(1 + chance.below(3))).map(|part| gzip(part, encoder)).collect();
    if chance.one_in(4) {
        chance.mutate_list(&mut members);
        members.truncate(20);
    }
    let at = chance.below(members.len());
    if let Some(member) = members.get_mut(at) {
        if chance.one_in(4) {
            chance.mutate(member);
        } else {
            let mut stream = member[10..member.len() - 8].to_vec();
            chance.mutate(&mut stream);
            *member = retrailed([&member[..10], &stream, &[0; 8]].concat());
        }
    }
    let mut out = members.concat();
    if chance.one_in(5) {
        out.extend(vec![0; chance.below(1000)]);
    }
    out
}

#[test]
fn archives_with_gzip_layers() {
    let site = Site::new(true);
    Judge::all("layer", &site.env, |judge, chance| {
        let layer = layer(chance);
        let image = if chance.one_in(4) {
            layer
        } else {
            let mut tar = Vec::new();
            add_file(&mut tar, "oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}", 4);
            add_file(&mut tar, "blobs/sha256/0123", &layer, 4);
            end(tar)
        };
        tars::try_image(&site, &image, judge, chance);
    });
}
