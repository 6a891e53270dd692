//! How much is remembered, and forgetting it.

use super::*;

#[test]
fn nothing_is_remembered_where_that_is_not_wanted() {
    let (site, [old, _]) = Site::usual(plain);
    site.env.run("extract --no-state old.rgx out").success();
    site.env.run("extract --dry-run old.rgx other").success();
    assert!(!site.env.exists("home-state"));
    site.env.remove("out");
    // What is remembered is not used then, either.
    unpack(&site.env, &old, "rootfs");
    site.make_old();
    let server = Server::new(site.env.root());
    assert!(number(&site.update(&server, "--seed rootfs").0, "chunks_store") > 0);
    // An index of version 1 has no parts.
    site.env.remove("home-state");
    site.env.json("make --format 1 --avg-size 1KiB one.rgx old");
    site.env.run("extract one.rgx out").success();
    assert_eq!(site.env.files("home-state"), Vec::<String>::new());
}

#[test]
fn files_are_small_private_and_written_once() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (site, _) = Site::usual(plain);
    site.make_old();
    let files = site.env.files(MEMORY);
    assert_eq!(files.len(), 3 + 1, "{files:?}");
    let state = |name: &String| {
        let metadata = site.env.path(name).metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        (metadata.ino(), metadata.len())
    };
    let parts: Vec<&String> = files.iter().filter(|name| name.contains("part-")).collect();
    let before: Vec<_> = parts.iter().map(|name| state(name)).collect();
    site.make_old();
    assert_eq!(site.env.files(MEMORY), files);
    assert_eq!(parts.iter().map(|name| state(name)).collect::<Vec<_>>(), before, "they stay as they are");
}

#[test]
fn the_oldest_are_forgotten_first() {
    let (site, _) = Site::usual(plain);
    let [old, new] = ["old", "new"].map(|name| {
        site.env.run(&format!("extract {name}.rgx made")).success();
        site.env.remove("made");
        std::thread::sleep(std::time::Duration::from_millis(20));
        site.env.json(&format!("info {name}.rgx"))["image_digest"].clone()
    });
    let list = |arguments: &str| {
        let report = site.env.json(&format!("state {arguments}"));
        let images = report["images"].as_array().unwrap().iter();
        (images.map(|image| image["image_digest"].clone()).collect::<Vec<_>>(), report)
    };
    let (images, report) = list("list");
    assert_eq!(images, [new.clone(), old.clone()], "{report}");
    let text = String::from_utf8(site.env.run("state list").success().stdout).unwrap();
    assert!(text.contains(old.as_str().unwrap()) && text.contains("3 of 3 parts"), "{text}");
    // Bytes that the images share count once.
    let bytes: Vec<u64> = report["images"].as_array().unwrap().iter().map(|image| number(image, "bytes")).collect();
    let used: u64 = site.env.files(MEMORY).iter().map(|name| site.env.read(name).len() as u64).sum();
    assert!(used < bytes.iter().sum(), "{used} {bytes:?}");
    assert_eq!(list(&format!("prune --max-size {used}")).0.len(), 2);
    let (images, report) = list(&format!("prune --max-size {}", used - 1));
    assert_eq!((images, number(&report, "images_forgotten")), (vec![new.clone()], 1), "{report}");
    let left: u64 = site.env.files(MEMORY).iter().map(|name| site.env.read(name).len() as u64).sum();
    assert_eq!(left + number(&report, "bytes_forgotten"), used);
    // One that is made again is the newest.
    site.make_old();
    assert_eq!(list("list").0, [old.clone(), new]);
    assert_eq!(list("prune --keep 1").0, [old]);
    assert_eq!(site.env.files(MEMORY).len(), 4);
    assert_eq!(list("prune --keep 0").0, Vec::<Value>::new());
    assert_eq!(site.env.files(MEMORY).len(), 0);
    assert_eq!(list("prune --state nowhere").0, Vec::<Value>::new());
    // Other files of the folder are left alone.
    site.env.write(&format!("{MEMORY}/notes"), b"notes");
    list("prune --keep 0");
    assert!(site.env.exists(&format!("{MEMORY}/notes")));
}
