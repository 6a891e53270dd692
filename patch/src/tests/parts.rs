//! Patches of version 2, which start from parts. The parts lie in other archives than the base image.

mod left_out;

use super::*;
use crate::base::LocalPart;
use crate::check::check_from;
use crate::header::PatchHeader;
use crate::lists::Lists;
use crate::space::FilesOfBase;

fn params() -> Params {
    Params::new(256, 1024, 4096).unwrap()
}

/// A layer of some files, which follow from a number.
pub(super) fn layer(seed: u64) -> Vec<u8> {
    let small = (0..20).map(|n| file(&format!("etc/{seed}/{n}"), text(seed * 100 + n, 40 * n as usize)));
    tar(&small.chain([file("usr/bin/tool", noise(seed, 20_000))]).collect::<Vec<_>>())
}

/// A layer, after an update of one of its files.
pub(super) fn updated(seed: u64) -> Vec<u8> {
    let mut layer = layer(seed);
    let at = layer.len() - 10_000;
    layer[at] ^= 1;
    layer
}

/// An archive of layers and other large files, in this order, with a manifest of its own.
fn archive(name: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut files: Vec<File> = (0..).zip(parts).map(|(n, part)| file(&format!("{name}/{n}"), part.clone())).collect();
    files.push(file("manifest.json", format!("[\"{name}\"]").into_bytes()));
    tar(&files)
}

fn gz(layer: &[u8]) -> Vec<u8> {
    gzip(layer, "-6")
}

/// A pair with a patch of version 2 between its images.
struct Parted {
    pair: Pair,
    patch: std::fs::File,
    header: PatchHeader,
    bytes: Vec<u8>,
}

impl Parted {
    /// Makes the patch between two archives and checks it.
    fn new(base: &[u8], target: &[u8]) -> Self {
        let pair = Pair::of_version(PatchVersion::V2, (base, target), params());
        let mut patch = tempfile::tempfile().unwrap();
        let header = made(write(&pair.between(), &mut patch).unwrap()).header;
        assert_eq!(header.version, PatchVersion::V2);
        crate::check::check(&pair.between(), &mut patch).unwrap();
        std::io::Seek::rewind(&mut patch).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut patch, &mut bytes).unwrap();
        Self { pair, patch, header, bytes }
    }

    /// Applies the patch to the same parts in other images, and checks the result.
    fn apply_from(&mut self, images: &[Vec<u8>]) {
        let others: Vec<_> = (0..).zip(images).map(|(n, bytes)| self.pair.open(&format!("other {n}"), bytes)).collect();
        let there: Vec<LocalPart<'_>> =
            others.iter().flat_map(|image| LocalPart::all_of(image.seed(), self.pair.params)).collect();
        let wanted = LocalPart::base_of(self.pair.base.seed(), self.pair.params);
        let find = |wanted: &LocalPart<'_>| {
            *there.iter().find(|part| part.id == wanted.id).expect("the part is in another archive")
        };
        let base = PatchBase::of_parts(wanted.iter().map(find));
        check_from(&self.pair.between(), &base, &mut self.patch).unwrap();
    }

    /// The parts of the target that are held.
    fn held(&self) -> Vec<u64> {
        self.pair.sides().held.iter().map(|part| part.target).collect()
    }
}

/// The layers of an old image and those of a new one, which has the numbered parts unchanged.
fn check_held(old: &[Vec<u8>], new: &[Vec<u8>], held: &[u64]) {
    let mut parted = Parted::new(&archive("old", old), &archive("new", new));
    assert_eq!(parted.held(), held);
    let reversed: Vec<Vec<u8>> = old.iter().rev().cloned().collect();
    let (some, others) = reversed.split_at(old.len() / 2);
    // An archive without layers would be one part.
    let with_layer = |name, parts: &[Vec<u8>]| archive(name, &[&[layer(99)], parts].concat());
    parted.apply_from(&[with_layer("a", some), with_layer("b", others)]);
    // Each part may also be an image of its own.
    parted.apply_from(old);
}

#[test]
fn held_parts_lie_anywhere() {
    let [a, b, c] = [1, 2, 3].map(layer);
    check_held(&[a.clone(), b.clone(), c.clone()], &[a.clone(), updated(2), updated(3)], &[0]);
    check_held(&[a.clone(), b.clone(), c.clone()], &[updated(1), b.clone(), updated(3)], &[1]);
    check_held(&[a.clone(), b.clone(), c.clone()], &[updated(1), layer(9), updated(2), c.clone()], &[3]);
    check_held(&[a.clone(), b.clone()], &[layer(7), layer(8)], &[]);
    check_held(&[a.clone(), b.clone(), c.clone()], &[c, a, b], &[0, 1, 2]);
}

#[test]
fn large_files_are_parts_too() {
    let (a, disk, other) = (layer(1), noise(50, 64).repeat(20_000), noise(51, 64).repeat(20_000));
    let mut edited = disk.clone();
    edited[500_000..500_010].fill(7);
    check_held(&[a.clone(), disk.clone()], &[disk.clone(), a.clone(), other.clone()], &[0, 1]);
    check_held(&[disk.clone(), a.clone(), other.clone()], &[updated(1), edited, other, disk], &[2, 3]);
}

#[test]
fn parts_may_come_twice() {
    let [a, b] = [1, 2].map(layer);
    check_held(&[a.clone(), b.clone(), a.clone()], &[b.clone(), a.clone(), updated(1), b, a], &[0, 1, 3, 4]);
}

#[test]
fn layers_are_the_same_plain_and_compressed() {
    let [a, b] = [1, 2].map(layer);
    let plain = archive("plain", &[a.clone(), b.clone()]);
    let coded = archive("coded", &[gz(&a), gz(&b)]);
    let new = archive("new", &[gz(&a), gz(&updated(2)), layer(3)]);
    for base in [&plain, &coded] {
        let mut parted = Parted::new(base, &new);
        assert_eq!(parted.held(), [0]);
        parted.apply_from(std::slice::from_ref(&plain));
        parted.apply_from(std::slice::from_ref(&coded));
        parted.apply_from(&[archive("x", &[gz(&b)]), gz(&a)]);
    }
    let mut all = Parted::new(&plain, &coded);
    assert_eq!(all.held(), [0, 1]);
    assert!(all.bytes.len() < 1_000, "{}", all.bytes.len());
    all.apply_from(&[archive("x", &[b, a])]);
}

#[test]
fn images_of_one_part() {
    // A root file system's tar, a disk image, and those as parts of an archive.
    for (old, new) in [(layer(1), updated(1)), (noise(3, 2 << 20), [noise(3, 2 << 20), noise(4, 9)].concat())] {
        let mut parted = Parted::new(&old, &new);
        assert!(parted.held().is_empty());
        parted.apply_from(&[archive("x", &[layer(5), old.clone()])]);
        let mut same = Parted::new(&old, &old);
        assert_eq!(same.held(), [0]);
        same.apply_from(&[archive("x", &[old.clone(), layer(5)])]);
        assert!(same.bytes.len() < 200, "{}", same.bytes.len());
    }
    for (old, new) in [(vec![], layer(1)), (layer(1), vec![]), (vec![], vec![]), (noise(1, 5000), noise(2, 300))] {
        Parted::new(&old, &new);
    }
}

#[test]
fn a_layer_that_lost_an_entry_is_cut_short() {
    let old = archive("old", &[layer(1), layer(2)]);
    let mut new = archive("new", &[layer(1), updated(2)]);
    new.truncate(new.len() - 20_000);
    Parted::new(&old, &new);
    Parted::new(&new, &old);
}

#[test]
fn compressed_files_in_layers_are_matched_by_what_they_hold() {
    let doc = |words| tar(&[file("a", text(4, 900)), file("doc/changelog.gz", gz(&text(1, words)))]);
    let old = archive("old", &[layer(2), doc(30_000), layer(1)]);
    let new = archive("new", &[layer(1), file_part(), doc(30_010), layer(2)]);
    let mut parted = Parted::new(&old, &new);
    assert_eq!(parted.held(), [0, 3]);
    assert!(parted.header.rebuilder != 0 && parted.bytes.len() < 3_000, "{}", parted.bytes.len());
    parted.apply_from(&[archive("x", &[layer(1), doc(30_000)]), archive("y", &[layer(2)])]);
}

fn file_part() -> Vec<u8> {
    vec![0; 1 << 20]
}

#[test]
fn held_parts_cost_nothing_and_the_costs_add_up() {
    let old = archive("old", &[layer(1), layer(2), layer(3)]);
    let new = archive("new", &[layer(1), [layer(2), noise(70, 8_000)].concat(), layer(3)]);
    let parted = Parted::new(&old, &new);
    let costs = crate::costs::PatchCosts::of(&parted.pair.between()).unwrap();
    assert_eq!(costs.bytes, parted.header.patch_bytes);
    let files = costs.files.iter().map(|(_, bytes)| bytes).sum::<u64>();
    assert_eq!(costs.skeleton + files + costs.other, costs.bytes);
    let layers = parted.pair.target.parts();
    let is_in = |number: usize, at: u64| layers[number].contents.bytes.contains(&at);
    let of_layer = |number| costs.files.iter().filter(|(range, _)| is_in(number, range.start)).map(|(_, b)| b).sum();
    let of_layers: [u64; 3] = [0, 1, 2].map(of_layer);
    assert_eq!((of_layers[0], of_layers[2]), (0, 0));
    assert!((8_000..9_000).contains(&of_layers[1]), "{of_layers:?}");
}

#[test]
fn a_base_of_another_kind_is_refused() {
    let mut parted = Parted::new(&archive("old", &[layer(1)]), &archive("new", &[updated(1)]));
    let whole = PatchBase::of_image(parted.pair.base.seed());
    let error = check_from(&parted.pair.between(), &whole, &mut parted.patch).unwrap_err();
    assert!(error.to_string().contains("another kind of base"), "{error}");
    let other = parted.pair.open("other", &archive("old", &[layer(2)]));
    let wrong = PatchBase::of_parts(LocalPart::all_of(other.seed(), params()));
    check_from(&parted.pair.between(), &wrong, &mut parted.patch).unwrap_err();
    let none = PatchBase::of_parts([]);
    check_from(&parted.pair.between(), &none, &mut parted.patch).unwrap_err();
}

/// Lists that were changed or cut give an error, or other streams, but no panic.
#[test]
fn hostile_lists_are_refused_or_give_another_image() {
    let doc = |words| tar(&[file("doc/changelog.gz", gz(&text(1, words)))]);
    let old = archive("old", &[layer(1), doc(3_000), layer(2)]);
    let parted = Parted::new(&old, &archive("new", &[layer(1), layer(2), doc(3_010), layer(1)]));
    let base = base_of(&parted.pair.between());
    let files = FilesOfBase::new(&base);
    let start = crate::header::HEADER_BYTES;
    let coded = &parted.bytes[start..start + parted.header.lists_stored as usize];
    let mut plain = Vec::new();
    decode(&[][..], coded, u64::from(parted.header.lists_plain), |bytes| {
        plain.extend_from_slice(bytes);
        Ok(())
    })
    .unwrap();
    assert_eq!(Lists::decode((PatchVersion::V2, false, false), &plain, &files).unwrap().held, parted.pair.sides().held);
    let with_lists = |lists: &[u8]| {
        let (stored, _) = crate::write::code_lists(lists, None).unwrap();
        let header = PatchHeader {
            lists_stored: stored.len() as u32,
            lists_plain: lists.len() as u32,
            patch_bytes: parted.bytes.len() as u64 + stored.len() as u64 - coded.len() as u64,
            ..parted.header.clone()
        };
        let mut file = tempfile::tempfile().unwrap();
        let body = &parted.bytes[start + coded.len()..];
        [&header.encode()[..], &stored, body].iter().for_each(|bytes| file.write_all(bytes).unwrap());
        crate::write::seal(&mut file, &header).unwrap();
        check_from(&parted.pair.between(), &base, &mut file)
    };
    with_lists(&plain).unwrap();
    for cut in 0..plain.len() {
        assert!(with_lists(&plain[..cut]).is_err(), "{cut}");
    }
    // The held parts come first, in 17 bytes or a few more.
    for at in 0..plain.len().min(40) {
        for bit in 0..8 {
            let mut bad = plain.clone();
            bad[at] ^= 1 << bit;
            let _ = with_lists(&bad);
        }
    }
}

#[test]
fn a_patch_may_have_the_codings_of_its_target() {
    let (old, new) = (archive("old", &[layer(1), layer(2)]), archive("new", &[layer(1), updated(2)]));
    let pair = Pair::of_version(PatchVersion::V2, (&old, &new), params());
    for codings in [noise(5, 3000), vec![7], Vec::new()] {
        let between = Between { codings: &codings, ..pair.between() };
        let mut patch = tempfile::tempfile().unwrap();
        let header = made(write(&between, &mut patch).unwrap()).header;
        assert_eq!(header.has_codings, !codings.is_empty());
        assert_eq!(header.encode()[8], if codings.is_empty() { 2 } else { 3 });
        crate::check::check(&between, &mut patch).unwrap();
        let found = crate::apply::codings(&mut patch, &header).unwrap();
        assert_eq!(found, (!codings.is_empty()).then_some(codings));
    }
    for lists in [&[][..], &[3, 1, 2], &[0xff; 12]] {
        assert!(crate::lists::take_codings(&mut &*lists).is_err(), "{lists:?}");
    }
}
