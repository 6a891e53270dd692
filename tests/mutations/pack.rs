//! Packs with changed frames, segments, tables and trailers, under their right names and with checksums that hold.

use regrow_chunker::PackId;
use regrow_index::Index;
use regrow_store::pack_name;

use super::chance::Chance;
use super::index::Site;
use super::judge::Judge;

/// The pack with changed bytes in one of its parts, and a trailer that fits.
fn changed(pack: &[u8], chance: &mut Chance) -> Vec<u8> {
    let (body, trailer) = pack.split_at(pack.len() - 96);
    let mut trailer = trailer.to_vec();
    let place = |n: usize| u64::from_le_bytes(trailer[n * 8..n * 8 + 8].try_into().unwrap()) as usize;
    let borders = [0, place(0), place(1), place(2), body.len()];
    let mut parts: Vec<Vec<u8>> = borders.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect();
    // Tables are small but say most, so they are chosen most often.
    let part = [0, 1, 2, 3, 3, 3][chance.below(6)];
    chance.mutate(&mut parts[part]);
    let mut at = 0;
    for n in 0..3 {
        at += parts[n].len() as u64;
        trailer[n * 8..n * 8 + 8].copy_from_slice(&at.to_le_bytes());
    }
    let bytes = at + parts[3].len() as u64 + 96;
    trailer[24..32].copy_from_slice(&bytes.to_le_bytes());
    trailer[32..64].copy_from_slice(blake3::hash(&parts[2..].concat()).as_bytes());
    if chance.one_in(6) {
        let (n, number) = (chance.below(4), chance.number());
        trailer[n * 8..n * 8 + 8].copy_from_slice(&number.to_le_bytes());
    }
    [parts.concat(), trailer].concat()
}

#[test]
fn packs() {
    let site = Site::new(false);
    let right = Index::decode(&site.env.read("app.rgx")).unwrap();
    let packs: Vec<Vec<u8>> =
        right.packs.iter().map(|pack| site.env.read(&format!("store/{}", pack_name(&pack.id)))).collect();
    Judge::all("pack", &site.env, |judge, chance| {
        let (mut index, at) = (right.clone(), chance.below(packs.len()));
        let bytes = changed(&packs[at], chance);
        let id = PackId::of(&bytes);
        let number = |at: usize| u64::from_le_bytes(bytes[bytes.len() - at..][..8].try_into().unwrap());
        let reference = &mut index.packs[at];
        (reference.id, reference.bytes) = (id, bytes.len() as u64);
        (reference.skeleton_at, reference.tail_at) = (number(96), number(88));
        let name = format!("store/{}", pack_name(&id));
        site.env.write(&name, &bytes);
        site.env.write("app.rgx", &index.encode());
        site.read_all(judge, chance);
        if chance.one_in(4) {
            judge.run("make -q again.rgx app");
        }
        if chance.one_in(4) {
            let good = site.env.write("good.rgx", &right.encode());
            judge.expect(good.exists(), "an index");
            judge.extract("--seed app.rgx good.rgx", b"old", &site.image);
        }
        site.env.remove(&name);
    });
}
