//! What layers hold, case by case.

use super::shown::{Made, metadata, paths, shown, with_xattr};
use super::*;

/// The entries of the layer from one layer to another.
fn between(old: Vec<u8>, new: Vec<u8>, options: &DifferenceOptions) -> Vec<String> {
    let mut layers = Layers::default();
    let (old, new) = (layers.tree([old]), layers.tree([new]));
    let (layer, made) = layers.between(&old, &new, options);
    if options.below.is_root() && !options.ignore_times {
        assert_eq!(shown(&made), shown(&new));
    }
    paths(&layer)
}

fn all() -> DifferenceOptions {
    DifferenceOptions::default()
}

fn base() -> Made {
    Made::new().folder("./").folder("a/").folder("a/b/")
}

#[test]
fn equal_trees_need_nothing() {
    let layer = || base().file("a/x", "1").link("a/y", "a/x").symlink("a/b/l", "../x").end();
    let mut layers = Layers::default();
    let (old, new) = (layers.tree([layer()]), layers.tree([layer()]));
    let difference = Difference::new(&old, &new, all());
    assert!(difference.is_empty());
    let mut out = Vec::new();
    assert!(write_layer(&difference, &mut layers, &mut out).unwrap().is_empty());
    assert_eq!(out, [0; 1024]);
}

#[test]
fn a_changed_file_comes_with_the_folders_around_it() {
    let old = base().file("a/b/x", "1").file("a/y", "2").end();
    let new = base().file("a/b/x", "3").file("a/y", "2").end();
    assert_eq!(between(old, new, &all()), ["/", "a/", "a/b/", "a/b/x"]);
}

#[test]
fn all_names_of_a_changed_file_are_written() {
    let old = || base().file("a/x", "1").link("a/b/y", "a/x").link("z", "a/x");
    let changed = base().file("a/x", "2").link("a/b/y", "a/x").link("z", "a/x").end();
    let names = ["/", "a/", "a/b/", "a/b/y", "a/x = a/b/y", "z = a/b/y"];
    assert_eq!(between(old().end(), changed, &all()), names);
    // A further name makes other links of those that were there.
    assert_eq!(between(old().end(), old().link("a/w", "z").end(), &all()).len(), 7);
    assert_eq!(
        between(old().end(), base().file("a/x", "1").link("a/b/y", "a/x").end(), &all()),
        ["/", ".wh.z", "a/", "a/b/", "a/b/y", "a/x = a/b/y"]
    );
    // The same contents as two files.
    let apart = base().file("a/x", "1").file("a/b/y", "1").link("z", "a/x").end();
    assert_eq!(between(old().end(), apart, &all()), ["/", "a/", "a/b/", "a/b/y", "a/x", "z = a/x"]);
    let two = base().file("a/x", "1").link("a/b/y", "a/x").file("a/v", "1").link("a/w", "a/v").end();
    let crossed = base().file("a/x", "1").link("a/w", "a/x").file("a/v", "1").link("a/b/y", "a/v").end();
    assert_eq!(between(two, crossed, &all()).len(), 7);
}

#[test]
fn what_is_gone_is_hidden_once() {
    let old = base().file("a/b/x", "1").file("a/b/y", "1").file("a/z", "1").folder("c/").end();
    let new = Made::new().folder("./").folder("a/").file("a/z", "1").end();
    assert_eq!(between(old, new, &all()), ["/", ".wh.c", "a/", "a/.wh.b"]);
}

#[test]
fn a_file_for_a_folder_and_back_needs_no_whiteout() {
    let (folder, file) = (|| base().file("a/b/x", "1").end(), || Made::new().folder("./").file("a", "1").end());
    assert_eq!(between(folder(), file(), &all()), ["/", "a"]);
    assert_eq!(between(file(), folder(), &all()), ["/", "a/", "a/b/", "a/b/x"]);
    let link = Made::new().folder("./").symlink("a", "b").end();
    assert_eq!(between(folder(), link, &all()), ["/", "a"]);
}

#[test]
fn times_may_be_passed_over() {
    let old = base().file_with("a/x", "1", &metadata(0o644, 1)).file("a/y", "1").end();
    let new = Made::new().folder("./").folder_with("a/", &metadata(0o755, 9)).folder("a/b/");
    let new = new.file_with("a/x", "1", &metadata(0o644, 9)).file_with("a/y", "1", &metadata(0o600, 9)).end();
    assert_eq!(between(old.clone(), new.clone(), &all()), ["/", "a/", "a/x", "a/y"]);
    let without_times = DifferenceOptions { ignore_times: true, ..all() };
    assert_eq!(between(old, new, &without_times), ["/", "a/", "a/y"]);
}

#[test]
fn one_path_may_be_compared_alone() {
    let below = |path: &[u8]| DifferenceOptions { below: FsPath::clean(path).unwrap(), ..all() };
    let old = base().file("a/b/x", "1").file("a/y", "1").file("c", "1").end();
    let new = Made::new().folder_with("a/", &metadata(0o700, 5)).folder("a/b/").file("a/b/x", "2");
    let new = new.file("a/y", "2").file("d", "1").folder("e/").file("e/f", "1").end();
    for (path, names) in [
        (&b"/a/b"[..], &["/", "a/", "a/b/", "a/b/x"][..]),
        (b"a/b/x", &["/", "a/", "a/b/", "a/b/x"]),
        (b"a/y", &["/", "a/", "a/y"]),
        (b"c", &["/", ".wh.c"]),
        (b"e", &["/", "e/", "e/f"]),
        (b"e/f", &["/", "e/", "e/f"]),
        (b"nothing/there", &[]),
    ] {
        assert_eq!(between(old.clone(), new.clone(), &below(path)), names);
    }
    // Folders on the way stay what they were.
    let mut layers = Layers::default();
    let (old, new) = (layers.tree([old]), layers.tree([new]));
    let (_, made) = layers.between(&old, &new, &below(b"a/b"));
    assert_eq!(shown(&made)["/a"], shown(&old)["/a"]);
    let (a, b) = (base().file("a/b/x", "1").end(), Made::new().folder("./").file("a", "1").end());
    assert_eq!(between(a.clone(), b.clone(), &below(b"a/b")), ["/", "a/", "a/.wh.b"]);
    assert_eq!(between(b, a, &below(b"a/b")), ["/", "a/", "a/b/", "a/b/x"]);
}

#[test]
fn links_that_lead_out_of_the_path_count_within_it_alone() {
    let old = base().file("a/b/x", "1").link("z", "a/b/x").end();
    let new = base().file("a/b/x", "1").link("y", "a/b/x").end();
    let below = DifferenceOptions { below: FsPath::clean(b"a").unwrap(), ..all() };
    assert!(between(old.clone(), new.clone(), &below).is_empty());
    assert_eq!(between(old, new, &all()), ["/", ".wh.z", "a/", "a/b/", "a/b/x", "y = a/b/x"]);
}

#[test]
fn attributes_devices_and_pipes_are_compared() {
    let plain = metadata(0o755, 1);
    let old = base().file("a/x", "1").device("a/null", b'3', 1, 3).device("a/p", b'6', 0, 0).end();
    let capable = with_xattr(metadata(0o644, 1), "security.capability", b"\x01\0\0\x02");
    let new = base().file_with("a/x", "1", &capable).device("a/null", b'3', 1, 5).device("a/p", b'6', 0, 0);
    assert_eq!(between(old, new.end(), &all()), ["/", "a/", "a/null", "a/x"]);
    let old = Made::new().folder_with("a/", &with_xattr(plain.clone(), "user.a", b"1")).end();
    assert_eq!(between(old, Made::new().folder_with("a/", &plain).end(), &all()), ["a/"]);
}

#[test]
fn folders_that_no_layer_describes_count_as_equal() {
    let (stated, implied) = (base().file("a/b/x", "1").end(), Made::new().file("a/b/x", "1").end());
    let mut layers = Layers::default();
    let (old, new) = (layers.tree([stated]), layers.tree([implied]));
    assert!(Difference::new(&old, &new, all()).is_empty());
    let added = layers.tree([Made::new().file("a/b/x", "1").file("a/b/y", "1").end()]);
    let (layer, made) = layers.between(&old, &added, &all());
    assert_eq!(paths(&layer), ["a/", "a/b/", "a/b/y"]);
    assert_eq!(shown(&made)["/a"], shown(&old)["/a"]);
}
