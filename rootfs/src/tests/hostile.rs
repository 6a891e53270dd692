//! Layers that no engine writes.

use proptest::prelude::*;

use super::forms::{header, with_data};
use super::shown::{Made, shown};
use super::*;

fn refusal(layers: &[Vec<u8>]) -> String {
    let mut tree = Tree::new();
    for layer in layers {
        if let Err(error) = tree.apply(layer.as_slice(), 0) {
            return error.to_string();
        }
    }
    panic!("{:?}", shown(&tree));
}

#[test]
fn what_engines_refuse_or_do_differently_is_refused_by_name() {
    let base = || Made::new().folder("usr/").symlink("lib", "usr/lib").file("f", "1").end();
    for (upper, words) in [
        (Made::new().file("../x", "1").end(), "../x: leads out of the image"),
        (Made::new().file("lib/x", "1").end(), "lib/x: lies below lib, which is no folder there"),
        (Made::new().file("lib/.wh.x", "").end(), "lib: lies below lib, which is no folder there"),
        (Made::new().file("f/x", "1").end(), "f/x: lies below f, which is no folder there"),
        (Made::new().symlink("l", "usr").file("l/x", "1").end(), "l/x: lies below l, which"),
        (Made::new().link("x", "usr").end(), "x: is a hard link to usr, which is no file of the image"),
        (Made::new().link("x", "nothing").end(), "x: is a hard link to nothing, which is no file"),
        (Made::new().file("./", "1").end(), "the root of the image is no folder"),
        (Made::new().file(".wh..wh..opq", "").end(), "hides everything at the root"),
        (Made::new().file("usr/.wh.", "").end(), "usr/.wh.: is no whiteout that engines understand"),
        (Made::new().file("usr/.wh.a/b", "").end(), "usr/.wh.a/b: is no whiteout that engines understand"),
        (header(&[(0, b"x"), (156, b"7")]), "x: has the type 0x37, which engines do not unpack"),
        (header(&[(0, b"x"), (108, &[0x80, 0, 0, 1, 0, 0, 0, 0])]), "x: its user number is not one that Linux allows"),
        (header(&[(0, b"x"), (156, b"3"), (329, b"7777777\0")]), "x: its device number is not one"),
        (header(&[(0, b"x"), (156, b"2")]), "x: its target is not one that Linux allows"),
        (b"x".repeat(512), "there is no tar header at byte 0"),
        (b"x".repeat(100), "ends early, at byte 100"),
        (with_data(b'0', b"x", b"123")[..600].to_vec(), "ends early, at byte 600"),
        (with_data(b'x', b"x", b"123"), "the extension header at byte 0 is damaged or too long"),
        (header(&[(0, b"x"), (124, b"00007777777\0"), (156, b"L")]), "the extension header at byte 0 is damaged or"),
    ] {
        let said = refusal(&[base(), upper]);
        assert!(said.starts_with(words), "{said}");
    }
}

#[test]
fn holes_are_bounded() {
    let huge = header(&[
        (0, b"x"),
        (156, b"S"),
        (257, b"ustar  \0"),
        (483, &[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ]);
    assert!(refusal(&[huge]).contains("bytes of holes in sparse files"));
}

#[test]
fn deep_trees_need_no_deep_stack() {
    let deep = "d/".repeat(2000);
    let mut layers = Layers::default();
    let old = layers.tree([Made::new().file(&format!("{deep}x"), "1").end()]);
    let new = layers.tree([Made::new().file(&format!("{deep}x"), "1").file(&format!("{deep}y"), "1").end()]);
    layers.between(&old, &new, &DifferenceOptions::default());
    layers.between(&new, &layers_tree_empty(), &DifferenceOptions::default());
}

fn layers_tree_empty() -> Tree {
    Tree::new()
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        mut layer in proptest::collection::vec(any::<u8>(), 0..2048),
        flags in proptest::collection::vec(prop_oneof![Just(b'x'), Just(b'S'), Just(b'L'), any::<u8>()], 0..4),
    ) {
        let _ = Tree::new().apply(layer.as_slice(), 0);
        for flag in flags {
            layer.splice(0..0, with_data(flag, b"x", b"17 path=some/name"));
        }
        let _ = Tree::new().apply(layer.as_slice(), 0);
    }

    #[test]
    fn changed_bytes_do_not_make_it_panic(at in 0usize..8000, byte in any::<u8>()) {
        let long = "n".repeat(120);
        let mut layer = Made::new().folder("a/").file("a/x", "1").link("a/y", "a/x").symlink("l", &long).end();
        let place = at % layer.len();
        layer[place] = byte;
        let _ = Tree::new().apply(layer.as_slice(), 0);
    }
}
