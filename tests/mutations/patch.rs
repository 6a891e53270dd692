//! Patches with changed headers, lists and bodies, and correct checksums. The image comes from the store where they
//! give nothing.

use regrow_chunker::varint;
use regrow_delta::Coding;

use super::chance::Chance;
use super::index::Site;
use super::judge::Judge;
use crate::patch::hostile::{body, literals, sealed};
use crate::server::Server;

/// The patch with made-up lists of members.
fn with_lists(patch: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut lists = Vec::new();
    for _ in 0..2 {
        let count = chance.below(40) as u64;
        varint::put(&mut lists, if chance.one_in(4) { chance.number() } else { count });
        for _ in 0..count * 4 {
            varint::put(&mut lists, if chance.one_in(5) { chance.number() } else { chance.below(4000) as u64 });
        }
    }
    let stored = body(&literals(&lists, Coding::Streams), Coding::Streams);
    let before = u32::from_le_bytes(patch[112..116].try_into().unwrap()) as usize;
    let mut out = [&patch[..128], &stored, &patch[128 + before..]].concat();
    let bytes = out.len() as u64;
    out[80..88].copy_from_slice(&bytes.to_le_bytes());
    out[112..116].copy_from_slice(&(stored.len() as u32).to_le_bytes());
    out[116..120].copy_from_slice(&(lists.len() as u32).to_le_bytes());
    out
}

/// The patch with changed bytes, and its own size in the header.
fn changed(patch: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut out = match chance.below(3) {
        0 => with_lists(patch, chance),
        1 => {
            let mut body = patch[128..patch.len() - 32].to_vec();
            chance.mutate(&mut body);
            [&patch[..128], &body, &[0; 32]].concat()
        }
        _ => patch.to_vec(),
    };
    let bytes = out.len() as u64;
    out[80..88].copy_from_slice(&bytes.to_le_bytes());
    if chance.one_in(2) {
        let (at, width) =
            [(8, 4), (12, 4), (80, 8), (88, 8), (96, 8), (104, 8), (112, 4), (116, 4), (120, 8)][chance.below(9)];
        let number = chance.number().to_le_bytes();
        out[at..at + width].copy_from_slice(&number[..width]);
    }
    sealed(out)
}

#[test]
fn patches() {
    let site = Site::new(false);
    site.env.run("patch -q --patch-level 3 --old old --new app old.rgx app.rgx").success();
    let name = site.env.files("store/patches")[0].clone();
    let (patch, server) = (site.env.read(&name), Server::new(site.env.root()));
    let url = server.url("app.rgx");
    Judge::all("patch", &site.env, |judge, chance| {
        site.env.write(&name, &changed(&patch, chance));
        let before: &[u8] = if chance.one_in(3) { &site.old } else { b"old" };
        let succeeded = judge.extract(&format!("--seed old {url}"), before, &site.image);
        judge.expect(succeeded, "a patch stood in the way of the store");
        if chance.one_in(3) {
            judge.run("verify -q --store store app.rgx");
        }
        if chance.one_in(3) {
            judge.run(&format!("extract -q --dry-run --seed old {url} never"));
        }
    });
}
