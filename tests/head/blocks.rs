//! What lies behind the head is fetched where no patch serves, with no more requests than before.

use super::*;

#[test]
fn an_unknown_base_takes_one_more_range() {
    let site = Site::new();
    let server = Server::new(site.env.root());
    site.env.write("other", &site.old[..5000]);
    let last = site.env.read("new.rgx").len() as u64 - 1;
    let (report, outcome) = site.extract(&server, "--seed other");
    check_chunked(&report);
    assert_eq!(warnings(&outcome), Vec::<&str>::new());
    assert_eq!(asked(&server), [Some((0, 2047)), Some((2048, last))]);
    // Now the whole index is known, so its head is asked for, and nothing else.
    let (report, _) = site.extract(&server, "--seed other");
    check_chunked(&report);
    assert_eq!(asked(&server), [Some((0, site.head_bytes() + 255))]);
    // No patch was asked for that nobody announced.
    assert!(server.requests().iter().all(|request| !request.path.ends_with(".patch")));
}

#[test]
fn an_index_without_patches_asks_for_none() {
    let site = Site::without_patch(2);
    let server = Server::new(site.env.root());
    let (report, _) = site.extract(&server, "--seed old");
    check_chunked(&report);
    assert_eq!(asked(&server).len(), 2);
    let requests = server.request_count();
    std::fs::create_dir(site.env.path("v1")).unwrap();
    // With version 1, an unannounced patch was asked for without success.
    site.env.json("make --allow-partial --avg-size 256 --pack-size 256KiB --store v1/store v1/new.rgx new");
    site.env.run(&format!("extract --catalog other --seed old {} out", server.url("v1/new.rgx"))).success();
    server.reset_counts();
    site.env.remove("out");
    site.env.run(&format!("extract --catalog other --seed old {} out", server.url("v1/new.rgx"))).success();
    assert!(requests <= server.request_count(), "{requests} requests instead of {}", server.request_count());
}

#[test]
fn hosts_without_ranges_send_all_and_it_is_used() {
    let site = Site::new();
    for answer in [Answer::Whole, Answer::WholeUnsized, Answer::Tagged] {
        let name = format!("{answer:?}");
        let server = Server::with(site.env.root(), move |request| match is_index(request) {
            true => answer.clone(),
            false => Answer::Serve,
        });
        let (report, outcome) = site.extract(&server, "--seed old");
        check_patched(&report);
        assert_eq!(warnings(&outcome), Vec::<&str>::new(), "{name}");
        assert_eq!((server.request_count(), asked(&server).len()), (2, 1), "{name}");
    }
}

#[test]
fn hosts_that_send_less_than_they_are_asked_for_are_asked_for_all() {
    let site = Site::new();
    let server = Server::with(site.env.root(), |request| if is_index(request) { Answer::Less } else { Answer::Serve });
    check_patched(&site.extract(&server, "--seed old").0);
    assert_eq!(asked(&server), [Some((0, 2047)), None]);
}

#[test]
fn a_patch_that_fails_leads_to_chunks_with_one_warning() {
    let site = Site::new();
    let patch = site.env.files("store/patches")[0].clone();
    let mut damaged = site.env.read(&patch);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for (answer, warned) in [
        (Answer::Status(404), 0),
        (Answer::Status(500), 1),
        (Answer::Instead(damaged), 1),
        (Answer::Short, 1),
        (Answer::HangInBody, 1),
    ] {
        let name = format!("{:.40}", format!("{answer:?}"));
        let server = Server::with(site.env.root(), move |request| match request.path.ends_with(".patch") {
            true => answer.clone(),
            false => Answer::Serve,
        });
        let (report, outcome) = site.extract(&server, "--tries 2 --timeout 1 --seed old");
        assert!(number(&report, "chunks_store") > 0, "{name}: {report}");
        assert_eq!(warnings(&outcome).len(), warned, "{name}: {}", outcome.stderr);
        assert!(server.requests().iter().any(|request| request.path.ends_with(".patch")), "{name}");
    }
}

#[test]
fn a_patch_that_costs_more_than_chunks_is_not_taken() {
    let site = Site::new();
    let patch = site.env.files("store/patches")[0].clone();
    let mut bytes = site.env.read(&patch);
    bytes[88..96].copy_from_slice(&0u64.to_le_bytes());
    site.env.write(&patch, &crate::patch::hostile::sealed(bytes));
    let server = Server::new(site.env.root());
    let (report, outcome) = site.extract(&server, "--seed old");
    check_chunked(&report);
    assert_eq!(warnings(&outcome), Vec::<&str>::new());
    let patches = server.requests().into_iter().filter(|request| request.path.ends_with(".patch"));
    assert_eq!(patches.count(), 1);
}

#[test]
fn a_patch_that_makes_another_image_leads_to_chunks() {
    let site = Site::new();
    // The patch is one to another image, and says that it is the wanted one.
    let mut other = site.new.clone();
    // This lies in a chunk that the old image does not have.
    let middle = other.len() - 624_080;
    other[middle..middle + 64].fill(b'~');
    site.make(2, "other", &other);
    site.env.json("patch --patch-level 3 --old old --new other old.rgx other.rgx");
    let name = |index: &str| {
        let index = regrow_index::Index::decode(&site.env.read(index)).unwrap();
        index.image_id()
    };
    let (old, new, other) = (name("old.rgx"), name("new.rgx"), name("other.rgx"));
    let path = |target| format!("store/{}", regrow_store::patch_name(&old, target));
    let mut patch = site.env.read(&path(&other));
    patch[48..80].copy_from_slice(new.as_bytes());
    site.env.write(&path(&new), &crate::patch::hostile::sealed(patch));
    let server = Server::new(site.env.root());
    let (report, outcome) = site.extract(&server, "--seed old");
    assert!(number(&report, "chunks_store") > 0, "{report}");
    assert_eq!(warnings(&outcome).len(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("its base: is not the image that it was made for"), "{}", outcome.stderr);
}

#[test]
fn layers_that_are_made_again_come_from_a_head_too() {
    let env = TestEnvironment::new();
    let [old, new] = regrow_demo::version_layers();
    let image = |layers: &[regrow_demo::Tree]| {
        regrow_demo::oci(layers, 1_700_000_000, |layer| regrow_demo::gzip(layer, regrow_demo::PGZIP))
    };
    let (old, new) = (image(&old), image(&new));
    let site = Site { env, old, new };
    site.make(2, "old", &site.old);
    site.make(2, "new", &site.new);
    site.env.json("patch --patch-level 3 --old old --new new old.rgx new.rgx");
    let server = Server::new(site.env.root());
    let (report, outcome) = site.extract(&server, "--seed old");
    assert_eq!(warnings(&outcome), Vec::<&str>::new());
    check_patched(&report);
    // Codings of more than 512 bytes lie in a block of their own.
    let head = site.head();
    let is_apart = head.codings_block().end > 2048 && !head.codings_block().is_empty();
    assert_eq!(server.request_count(), if is_apart { 3 } else { 2 }, "{:?}", server.requests());
}

#[test]
fn a_temporary_folder_that_is_full_leads_to_chunks() {
    for format in [1, 2] {
        let site = Site::of_format(format);
        let Some(disk) = crate::disk::SmallDisk::mount(&site.env, "4m") else { return };
        // The patch says that nothing waits for its end, so the room for that is not looked for.
        let patch = site.env.files("store/patches")[0].clone();
        let mut bytes = site.env.read(&patch);
        bytes[104..112].copy_from_slice(&0u64.to_le_bytes());
        site.env.write(&patch, &crate::patch::hostile::sealed(bytes));
        let server = Server::new(site.env.root());
        let mut ended_in_chunks = 0;
        for kib in (40..=400).step_by(40) {
            disk.resize(&format!("{kib}k"));
            site.env.write("device", &vec![7; site.new.len()]);
            let arguments =
                format!("extract --head-first --json --seed old --in-place {} device", server.url("new.rgx"));
            let outcome = Outcome::of(site.env.command(&arguments).env("TMPDIR", site.env.path("small")));
            assert!(warnings(&outcome).len() <= 1, "{format}, {kib} KiB: {}", outcome.stderr);
            if outcome.code != Some(0) {
                // There is no room for the skeleton either.
                assert!(outcome.stderr.contains("room") || outcome.stderr.contains("space"), "{}", outcome.stderr);
                continue;
            }
            assert!(site.env.read("device") == site.new, "{format}, {kib} KiB");
            let is_chunked = number(&outcome.json(), "chunks_store") > 0;
            assert_eq!(warnings(&outcome).len() == 1, is_chunked, "{format}, {kib} KiB: {}", outcome.stderr);
            ended_in_chunks += usize::from(is_chunked);
        }
        assert!(ended_in_chunks > 0, "{format}");
    }
}
