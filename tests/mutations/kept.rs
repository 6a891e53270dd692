//! Caches and the leftovers of unfinished runs, with changed bytes and names. They must give nothing wrong.

use super::chance::Chance;
use super::index::Site;
use super::judge::Judge;
use crate::server::Server;

/// Changes the bytes of an entry, or its name, so that it claims to be another part of the pack.
fn change_entry(site: &Site, folder: &str, chance: &mut Chance) {
    let entries = site.env.files(folder);
    let name = &entries[chance.below(entries.len())];
    let mut bytes = site.env.read(name);
    if chance.one_in(2) {
        chance.mutate(&mut bytes);
    }
    let mut named = name.clone();
    if chance.one_in(2) && name.matches('-').count() >= 2 {
        let parts: Vec<&str> = name.rsplitn(3, '-').collect();
        let mut numbers = [parts[1], parts[0]].map(|text| text.parse::<u64>().unwrap_or(0));
        let n = chance.below(2);
        chance.change(&mut numbers[n]);
        named = format!("{}-{}-{}", parts[2], numbers[0], numbers[1]);
        site.env.remove(name);
    }
    site.env.write(&named, &bytes);
}

fn copy(site: &Site, from: &str, to: &str) {
    let _ = std::fs::remove_dir_all(site.env.path(to));
    for name in site.env.files(from) {
        site.env.write(&format!("{to}{}", &name[from.len()..]), &site.env.read(&name));
    }
}

#[test]
fn caches_and_unfinished_outputs() {
    let site = Site::new(false);
    site.env.run("patch -q --patch-level 3 --old old --new app old.rgx app.rgx").success();
    let server = Server::new(site.env.root());
    let url = server.url("app.rgx");
    // This leaves one entry of each kind: frames, ends of packs, and a patch.
    site.env.run(&format!("extract -q --cache filled {url} first")).success();
    site.env.run(&format!("extract -q --cache filled --seed old {url} first-patched")).success();
    Judge::all("cache", &site.env, |judge, chance| {
        let seed = if chance.one_in(2) { "--seed old" } else { "" };
        let succeeded = if chance.one_in(2) {
            copy(&site, "filled", "kept");
            (0..1 + chance.below(3)).for_each(|_| change_entry(&site, "kept", chance));
            judge.extract(&format!("--cache kept {seed} {url}"), b"old", &site.image)
        } else {
            copy(&site, "filled", ".out.regrow-meta");
            (0..chance.below(3)).for_each(|_| change_entry(&site, ".out.regrow-meta", chance));
            let mut part = site.image.clone();
            chance.mutate(&mut part);
            site.env.write(".out.regrow-part", &part);
            judge.extract(&format!("{seed} {url}"), b"old", &site.image)
        };
        judge.expect(succeeded, "what was kept stood in the way");
        let left: Vec<_> =
            [".out.regrow-part", ".out.regrow-meta"].into_iter().filter(|name| site.env.exists(name)).collect();
        judge.expect(left.is_empty(), &format!("{left:?} are left"));
    });
}
