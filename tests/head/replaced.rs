//! Indexes that are damaged, or replaced between two requests.

use std::sync::{Arc, Mutex};

use super::*;

/// A host that gives these bytes for the nth request for an index, and then repeats the last ones.
fn host_of(site: &Site, indexes: Vec<Vec<u8>>) -> Server {
    let next = Arc::new(Mutex::new(0));
    Server::with(site.env.root(), move |request| {
        if !is_index(request) {
            return Answer::Serve;
        }
        let mut next = next.lock().unwrap();
        let number = (*next).min(indexes.len() - 1);
        *next += 1;
        Answer::Instead(indexes[number].clone())
    })
}

#[test]
fn blocks_of_another_index_lead_to_the_whole_index() {
    let site = Site::new();
    site.env.write("other", &site.old[..5000]);
    let (new, old) = (site.env.read("new.rgx"), site.env.read("old.rgx"));
    let mut damaged = new.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    // One that announces patches is completed only after the seeds were read.
    site.make(2, "older", &site.old[..100_000]);
    site.env.json("patch --patch-level 3 --old older --new old older.rgx old.rgx");
    let announcing = site.env.read("old.rgx");
    for (name, first) in [("old", old), ("announcing", announcing), ("damaged", damaged)] {
        assert!(first.len() > 2048, "{name}");
        let server = host_of(&site, vec![first, new.clone()]);
        let (report, outcome) = site.extract(&server, &format!("--catalog catalog-{name} --seed other"));
        check_chunked(&report);
        assert_eq!(warnings(&outcome), Vec::<&str>::new(), "{name}");
        assert!(asked(&server).len() <= 3, "{name}: {:?}", asked(&server));
    }
}

#[test]
fn an_index_that_is_replaced_while_a_patch_fails_is_followed() {
    let site = Site::new();
    let (new, old) = (site.env.read("new.rgx"), site.env.read("old.rgx"));
    site.env.remove("store/patches");
    let server = || host_of(&site, vec![new.clone(), old.clone()]);
    site.env.write("device", &vec![7; site.new.len()]);
    for (arguments, out) in [("", "out"), ("--in-place", "device")] {
        let server = server();
        let url = server.url("new.rgx");
        site.env.run(&format!("extract --head-first --catalog {out}.db --seed old {arguments} {url} {out}")).success();
        assert!(site.env.read(out) == site.old, "{out}");
        assert!(asked(&server).len() <= 4, "{out}: {:?}", asked(&server));
    }
    // A pipe cannot be begun again.
    let server = server();
    let outcome = site.env.run(&format!("extract --head-first --seed old {} -", server.url("new.rgx")));
    outcome.failure(1, "took its place while it was read; run it again");
}

#[test]
fn a_damaged_head_is_refused_as_a_damaged_index_is() {
    let site = Site::new();
    let new = site.env.read("new.rgx");
    let damaged = |at: usize| {
        let mut index = new.clone();
        index[at] ^= 1;
        index
    };
    let head_bytes = site.head_bytes() as usize;
    for index in [
        damaged(0),
        damaged(9),
        damaged(200),
        damaged(head_bytes - 1),
        new[..head_bytes - 7].to_vec(),
        new[..9].to_vec(),
        Vec::new(),
    ] {
        let server = host_of(&site, vec![index]);
        let outcome = site.env.run(&format!("extract --head-first --seed old {} out", server.url("new.rgx")));
        outcome.failure_of(&[1, 2, 3, 4], "new.rgx");
        assert!(!site.env.exists("out"));
        assert!(asked(&server).len() <= 3, "{:?}", asked(&server));
    }
}

#[test]
fn damaged_blocks_do_not_matter_where_a_patch_serves() {
    let site = Site::new();
    let mut index = site.env.read("new.rgx");
    let last = index.len() - 1;
    index[last] ^= 1;
    let cut = index[..last - 20].to_vec();
    for index in [index, cut] {
        let server = host_of(&site, vec![index]);
        check_patched(&site.extract(&server, "--catalog other --seed old").0);
        site.env.remove("other");
        site.env.write("none", &site.old[..5000]);
        let outcome = site.env.run(&format!("extract --head-first --seed none {} out", server.url("new.rgx")));
        outcome.failure_of(&[1, 2, 3, 4], "new.rgx");
        assert!(!site.env.exists("out"));
    }
}

#[test]
fn a_damaged_memory_of_a_head_is_no_harm() {
    use regrow_catalog::Catalog;
    let site = Site::new();
    let server = Server::new(site.env.root());
    site.extract(&server, "--catalog catalog --seed old");
    let key = blake3::hash(server.url("new.rgx").as_bytes()).to_hex().to_string();
    let known = Catalog::open(&site.env.path("catalog")).get_document("index", &key).unwrap();
    let mut damaged = known.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    for document in [damaged, known[..known.len() / 2].to_vec(), Vec::new()] {
        Catalog::open(&site.env.path("catalog")).put_document("index", &key, &document);
        check_patched(&site.extract(&server, "--catalog catalog --seed old").0);
        assert_eq!(asked(&server), [Some((0, 2047))]);
    }
}

#[test]
fn another_head_over_the_same_blocks_is_noticed() {
    // Only the patch that is announced differs, in the middle of the file. The sizes and the ends are the same.
    let site = Site::new();
    let (mut first, end) = (site.env.read("new.rgx"), site.head_bytes() as usize);
    let base = regrow_index::Index::decode(&site.env.read("old.rgx")).unwrap().image_id();
    let at = first.windows(32).position(|bytes| bytes == base.as_bytes()).unwrap();
    first[at] ^= 1;
    let checksum = blake3::hash(&first[..end - 32]);
    first[end - 32..end].copy_from_slice(checksum.as_bytes());
    let next = site.env.read("new.rgx");
    site.env.write("new.rgx", &first);
    let server =
        Server::with(site.env.root(), |request| if is_index(request) { Answer::Stamped } else { Answer::Serve });
    let asked_for = || {
        // Without a seed, the whole index is asked for.
        site.extract(&server, "--catalog catalog");
        asked(&server)
    };
    let proof = Some((end as u64 - 32, end as u64 - 1));
    assert_eq!(asked_for(), [None]);
    assert_eq!(asked_for(), [proof]);
    site.env.write("new.rgx", &next);
    assert_eq!(asked_for(), [proof, None]);
}
