//! Patches in stores: those that gc keeps, those that push takes along, and what older readers see.

use std::time::{Duration, SystemTime};

use super::*;

/// Makes all files of the store look a month old.
fn age(site: &Site) {
    for name in site.env.files("store") {
        let file = std::fs::File::options().append(true).open(site.env.path(&name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(30 * 24 * 3600)).unwrap();
    }
}

#[test]
fn gc_keeps_patches_to_images_that_are_kept() {
    let site = Site::new();
    let forward = site.patch();
    site.env.run("patch --patch-level 1 --old new --new old new.rgx old.rgx").success();
    assert_eq!(site.env.files("store/patches").len(), 2);
    age(&site);
    // Both patches are kept.
    assert_eq!(number(&site.env.json("gc --store store"), "patches_deleted"), 0);
    // Machines may have the old image, whether there is an index of it or not.
    site.env.remove("old.rgx");
    assert_eq!(number(&site.env.json("gc --dry-run --store store"), "patches_deleted"), 1);
    assert_eq!(site.env.files("store/patches").len(), 2);
    assert_eq!(number(&site.env.json("gc --store store"), "patches_deleted"), 1);
    assert_eq!(site.patch(), forward);
    let server = Server::new(site.env.root());
    check_patched(&site.extract(&server, "--seed old").0);
    site.env.run("verify --store store new.rgx").success();
}

#[test]
fn gc_that_repacks_keeps_what_an_index_announces() {
    let site = Site::new();
    let announced = |site: &Site| regrow_index::Index::decode(&site.env.read("new.rgx")).unwrap().patches;
    let before = announced(&site);
    assert_eq!(before.len(), 1);
    site.env.remove("old.rgx");
    age(&site);
    site.env.json("gc --grace 0s --repack --store store");
    assert_eq!(announced(&site), before);
    check_patched(&site.extract(&Server::new(site.env.root()), "--seed old").0);
}

/// Extracts from the target of a push.
#[track_caller]
fn check_pushed(site: &Site, is_patched: bool) {
    let server = Server::new(site.env.root());
    let report = site.env.json(&format!("extract --catalog fresh --seed old {} out", server.url("to/new.rgx")));
    assert!(site.env.read("out") == site.new);
    site.env.remove("out");
    site.env.remove("fresh");
    if is_patched { check_patched(&report) } else { check_chunked(&report) }
}

#[test]
fn a_push_takes_patches_along_if_asked() {
    let site = Site::new();
    let report = site.env.json("push new.rgx to/store");
    assert_eq!(number(&report, "patches_copied"), 0, "{report}");
    assert!(!site.env.exists("to/store/patches"));
    check_pushed(&site, false);
    let report = site.env.json("push --patches new.rgx to/store");
    assert_eq!((number(&report, "patches_copied"), number(&report, "patches_present")), (1, 0), "{report}");
    assert!(site.env.read(&format!("to/{}", site.patch())) == site.env.read(&site.patch()));
    check_pushed(&site, true);
    let report = site.env.json("push --patches new.rgx to/store");
    assert_eq!((number(&report, "patches_copied"), number(&report, "patches_present")), (0, 1), "{report}");
    assert_eq!(site.env.files("to/store/tmp"), Vec::<String>::new());
}

#[test]
fn patches_between_what_is_pushed_go_along() {
    let site = Site::without_patch();
    site.env.run("patch --patch-level 1 --no-announce --old old --new new old.rgx new.rgx").success();
    let report = site.env.json("push --patches new.rgx alone/store");
    assert_eq!(number(&report, "patches_copied"), 0, "{report}");
    let report = site.env.json("push --patches old.rgx new.rgx to/store");
    assert_eq!(number(&report, "patches_copied"), 1, "{report}");
    check_pushed(&site, true);
}

#[test]
fn a_push_passes_over_what_is_damaged_or_gone() {
    let site = Site::new();
    let (name, patch) = (site.patch(), site.env.read(&site.patch()));
    for at in [3, 20, 85, 300, patch.len() - 1] {
        let mut damaged = patch.clone();
        damaged[at] ^= 1;
        site.env.write(&name, &damaged);
        let server = Server::new(site.env.root());
        for from in ["new.rgx".to_owned(), server.url("new.rgx")] {
            let outcome = site.env.run(&format!("push --json --patches {from} to/store")).success();
            assert_eq!(number(&outcome.json(), "patches_copied"), 0, "{at}: {from}");
            let [warning] = warnings(&outcome)[..] else { panic!("{at}: {}", outcome.stderr) };
            assert!(warning.contains(&name["store/".len()..]), "{warning}");
            assert_eq!(site.env.files("to/store/patches"), Vec::<String>::new(), "{at}");
            check_pushed(&site, false);
            site.env.remove("to");
        }
    }
    site.env.remove("store/patches");
    let report = site.env.json("push --patches new.rgx to/store");
    assert_eq!(number(&report, "patches_copied"), 0, "{report}");
    check_pushed(&site, false);
    site.env.write(&name, &patch);
    let server = Server::new(site.env.root());
    let report = site.env.json(&format!("push --patches {} to/store", server.url("new.rgx")));
    assert_eq!(number(&report, "patches_copied"), 1, "{report}");
    check_pushed(&site, true);
}

#[test]
fn a_patch_under_another_ones_name_is_not_pushed() {
    let site = Site::new();
    let name = site.patch();
    site.env.run("patch --patch-level 1 --old new --new old --no-announce new.rgx old.rgx").success();
    let reverse = site.env.files("store/patches").into_iter().find(|found| *found != name).unwrap();
    site.env.write(&name, &site.env.read(&reverse));
    let outcome = site.env.run("push --json --patches new.rgx to/store").success();
    assert_eq!((number(&outcome.json(), "patches_copied"), warnings(&outcome).len()), (0, 1), "{}", outcome.stderr);
}

/// An index with another tag in place of that of patches, or with one more section.
fn with_sections(index: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = index[16..index.len() - 32].to_vec();
    change(&mut body);
    let mut out = [&index[..12], &(body.len() as u32).to_le_bytes(), &body].concat();
    let checksum = blake3::hash(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

#[test]
fn an_index_is_read_by_who_knows_no_patches() {
    let site = Site::new();
    let index = site.env.read("new.rgx");
    // The section of patches comes last: a tag, the length of one image id, and the id.
    let at = index.len() - 32 - 34;
    assert_eq!(index[at..at + 2], [129, 32]);
    let server = Server::new(site.env.root());
    // Nobody knows this tag yet, but the patch is found nevertheless.
    site.env.write("new.rgx", &with_sections(&index, |body| body[at - 16] = 130));
    check_patched(&site.extract(&server, "--seed old").0);
    site.env.write("new.rgx", &with_sections(&index, |body| body.extend_from_slice(&[200, 3, 1, 2, 3])));
    check_patched(&site.extract(&server, "--seed old").0);
    // These ids are cut off, or more than are allowed.
    for (what, ids) in [("cut", vec![7; 33]), ("none", vec![]), ("many", vec![7; 32 * 65])] {
        let section = with_sections(&index, |body| {
            body.truncate(at - 16);
            body.push(129);
            let len = ids.len();
            if len < 128 {
                body.push(len as u8)
            } else {
                body.extend_from_slice(&[len as u8 | 0x80, (len >> 7) as u8])
            }
            body.extend_from_slice(&ids);
        });
        site.env.write("new.rgx", &section);
        let outcome = site.env.run(&format!("extract --seed old {} out", server.url("new.rgx")));
        if outcome.code == Some(0) {
            assert!(site.env.read("out") == site.new, "{what}");
            site.env.remove("out");
        } else {
            drop(outcome.failure(3, "new.rgx"));
        }
    }
    // The announced bases are images that nobody has. A machine with the right base still finds its patch.
    site.env.write("new.rgx", &with_sections(&index, |body| body[at - 14..].fill(7)));
    check_patched(&site.extract(&server, "--seed old").0);
}
