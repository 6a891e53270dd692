//! Random trees and layers: what a layer makes is what was wanted, and layers apply as a slow and obvious model says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::shown::{Made, entries, metadata, shown, with_xattr};
use super::*;
use crate::tar::read::Found;

/// What a random tree has at a path.
#[derive(Debug, Clone, PartialEq)]
enum Thing {
    Folder(u16, i64),
    File(u8, u16, i64),
    /// A further name of the first file in the tree.
    Link,
    Symlink(u8),
    Capable,
    Device(u8),
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        3 => (prop_oneof![Just(0o755u16), Just(0o700)], 0i64..3).prop_map(|(mode, at)| Thing::Folder(mode, at)),
        4 => (0u8..3, prop_oneof![Just(0o644u16), Just(0o4755)], 0i64..3)
            .prop_map(|(data, mode, at)| Thing::File(data, mode, at)),
        2 => Just(Thing::Link),
        1 => (0u8..3).prop_map(Thing::Symlink),
        1 => Just(Thing::Capable),
        1 => (0u8..3).prop_map(Thing::Device),
    ]
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")], 1..4)
        .prop_map(|names| names.join("/"))
}

/// Things by path. Whatever is around another thing is a folder.
fn things() -> impl Strategy<Value = BTreeMap<String, Thing>> {
    proptest::collection::vec((path(), thing()), 0..14).prop_map(|list| {
        let mut all = BTreeMap::new();
        for (path, thing) in list {
            let mut above = path.as_str();
            while let Some((folder, _)) = above.rsplit_once('/') {
                if !matches!(all.get(folder), Some(Thing::Folder(..))) {
                    all.insert(folder.to_owned(), Thing::Folder(0o711, 7));
                }
                above = folder;
            }
            all.retain(|other: &String, _| !other.starts_with(&format!("{path}/")));
            all.insert(path, thing);
        }
        all
    })
}

fn add(made: Made, path: &str, thing: &Thing, first_file: &mut Option<String>) -> Made {
    match thing {
        Thing::Folder(mode, at) => made.folder_with(&format!("{path}/"), &metadata(*mode, *at)),
        Thing::File(data, mode, at) => {
            first_file.get_or_insert_with(|| path.to_owned());
            made.file_with(path, &"x".repeat(usize::from(*data)), &metadata(*mode, *at))
        }
        Thing::Link => match first_file {
            Some(first) => made.link(path, first),
            None => made.symlink(path, "nowhere"),
        },
        Thing::Symlink(number) => made.symlink(path, &format!("to-{number}")),
        Thing::Capable => made.file_with(path, "1", &with_xattr(metadata(0o755, 1), "security.capability", b"c")),
        Thing::Device(minor) => made.device(path, b'3', 1, u32::from(*minor)),
    }
}

fn layer_of(things: &BTreeMap<String, Thing>) -> Vec<u8> {
    let mut first = None;
    things.iter().fold(Made::new(), |made, (path, thing)| add(made, path, thing, &mut first)).end()
}

/// The rules that engines need, whatever the layer is for.
fn check_rules(layer: &[u8], old: &BTreeMap<String, String>) {
    let (mut folders, mut names, mut hidden) = (BTreeSet::from([String::new()]), BTreeSet::new(), BTreeSet::new());
    let text = |path: &FsPath| format!("/{}", String::from_utf8_lossy(path.as_bytes()));
    for entry in entries(layer) {
        let path = text(&entry.path);
        let (folder, name) = path.rsplit_once('/').unwrap();
        assert!(folders.contains(folder), "{path} comes before its folder");
        match (name.strip_prefix(".wh."), entry.found) {
            (Some(gone), _) => {
                let gone = format!("{folder}/{gone}");
                assert!(old.contains_key(&gone), "{gone} was in no layer");
                assert!(hidden.insert(gone));
            }
            (None, Found::Folder) => assert!(folders.insert(path)),
            (None, Found::Link(target)) => {
                assert!(names.contains(&text(&target)), "{path} is a link to what is not in the layer");
                assert!(names.insert(path));
            }
            (None, Found::Special(_)) => assert!(names.insert(path)),
        }
    }
    assert!(hidden.iter().all(|gone| !folders.contains(gone) && !names.contains(gone)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_layer_makes_the_new_tree_of_the_old_one(old in things(), new in things()) {
        let mut layers = Layers::default();
        let (old_tree, new_tree) = (layers.tree([layer_of(&old)]), layers.tree([layer_of(&new)]));
        let (layer, made) = layers.between(&old_tree, &new_tree, &DifferenceOptions::default());
        prop_assert_eq!(shown(&made), shown(&new_tree));
        let old_shown = shown(&old_tree);
        check_rules(&layer, &old_shown);
        // What is the same, with all its links, is not written, except for folders.
        let new_shown = shown(&new_tree);
        for entry in entries(&layer).into_iter().filter(|entry| matches!(entry.found, Found::Special(_))) {
            let path = format!("/{}", String::from_utf8_lossy(entry.path.as_bytes()));
            let links = |all: &BTreeMap<String, String>| {
                let own = all.get(&path).cloned();
                let same = all.iter().filter(|(_, text)| Some(*text) == own.as_ref());
                same.map(|(path, _)| path.clone()).collect::<Vec<_>>()
            };
            let is_same = old_shown.get(&path) == new_shown.get(&path) && links(&old_shown) == links(&new_shown);
            prop_assert!(!is_same || path.contains("/.wh."), "{} is the same", path);
        }
    }

    #[test]
    fn the_layer_of_the_layer_is_empty_and_the_way_back_works(old in things(), new in things()) {
        let mut layers = Layers::default();
        let (old_tree, new_tree) = (layers.tree([layer_of(&old)]), layers.tree([layer_of(&new)]));
        let (_, made) = layers.between(&old_tree, &new_tree, &DifferenceOptions::default());
        let (again, _) = layers.between(&made, &new_tree, &DifferenceOptions::default());
        prop_assert_eq!(again, vec![0; 1024]);
        let (_, back) = layers.between(&made, &old_tree, &DifferenceOptions::default());
        prop_assert_eq!(shown(&back), shown(&old_tree));
    }

    #[test]
    fn below_a_path_and_without_times_all_else_stays(
        old in things(),
        new in things(),
        below in path(),
        times in any::<bool>(),
    ) {
        let mut layers = Layers::default();
        let (old_tree, new_tree) = (layers.tree([layer_of(&old)]), layers.tree([layer_of(&new)]));
        let options = DifferenceOptions { below: FsPath::clean(below.as_bytes()).unwrap(), ignore_times: times };
        let (layer, made) = layers.between(&old_tree, &new_tree, &options);
        let is_within = |path: &str| path == format!("/{below}") || path.starts_with(&format!("/{below}/"));
        let is_on_the_way = |path: &str| format!("/{below}").starts_with(&format!("{path}/"));
        let rest = |tree: &Tree| -> Vec<String> {
            let all = shown(tree).into_iter();
            all.filter(|(path, _)| !is_within(path) && !is_on_the_way(path)).map(|(path, _)| path).collect()
        };
        // A file on the way may become a folder, with everything else beneath the old one gone.
        let is_in_the_way = |(path, text): (&String, &String)| {
            is_on_the_way(path) && !text.starts_with("folder") && !path.is_empty()
        };
        if !shown(&old_tree).iter().any(is_in_the_way) {
            prop_assert_eq!(rest(&made), rest(&old_tree));
        }
        check_rules(&layer, &shown(&old_tree));
    }

    #[test]
    fn layers_apply_as_the_model_says(
        lower in things(),
        upper in things(),
        hidden in proptest::collection::btree_set(path(), 0..4),
        opaque in path(),
        first in any::<bool>(),
    ) {
        // Within a layer that says nothing else of the folders.
        let is_free = |path: &str| {
            let is_file = |folder: &String| upper.get(folder).is_some_and(|thing| !matches!(thing, Thing::Folder(..)));
            let names: Vec<&str> = path.split('/').collect();
            !(1..=names.len()).any(|count| is_file(&names[..count].join("/")))
        };
        let folder_of = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
        let hidden: BTreeSet<String> = hidden.into_iter().filter(|path| is_free(&folder_of(path))).collect();
        let opaque = Some(opaque).filter(|path| !hidden.is_empty() && is_free(path));
        let mut made = Made::new();
        let mut file = None;
        let whiteouts = |mut made: Made| {
            for gone in &hidden {
                let (folder, name) = gone.rsplit_once('/').unwrap_or(("", gone));
                made = made.file(&format!("{folder}/.wh.{name}"), "");
            }
            match &opaque {
                Some(folder) => made.file(&format!("{folder}/.wh..wh..opq"), ""),
                None => made,
            }
        };
        if first {
            made = whiteouts(made);
        }
        made = upper.iter().fold(made, |made, (path, thing)| add(made, path, thing, &mut file));
        if !first {
            made = whiteouts(made);
        }
        let layer = made.end();
        let mut tree = Layers::default().tree([layer_of(&lower)]);
        let expected = model(&shown(&tree), &layer);
        match (tree.apply(layer.as_slice(), 1), expected) {
            (Ok(()), Some(expected)) => prop_assert_eq!(shown(&tree).into_keys().collect::<BTreeSet<_>>(), expected),
            (Err(RootfsError::BelowNoFolder { .. }), None) => {}
            (result, expected) => prop_assert!(false, "{:?}, not {:?}", result, expected),
        }
    }
}

/// The paths that there are when a layer was applied: whiteouts first, then the entries. `None` if something lies below
/// what is no folder.
fn model(lower: &BTreeMap<String, String>, layer: &[u8]) -> Option<BTreeSet<String>> {
    let is_folder = |text: &String| text.starts_with("folder") || text == "implied";
    let mut all: BTreeMap<String, bool> = lower.iter().map(|(path, text)| (path.clone(), is_folder(text))).collect();
    let entries: Vec<_> = entries(layer)
        .into_iter()
        .map(|entry| {
            (format!("/{}", String::from_utf8_lossy(entry.path.as_bytes())), matches!(entry.found, Found::Folder))
        })
        .collect();
    let split = |path: &str| path.rsplit_once('/').map(|(folder, name)| (folder.to_owned(), name.to_owned()));
    for (path, _) in &entries {
        let (folder, name) = split(path)?;
        if let Some(gone) = name.strip_prefix(".wh.") {
            let gone = if gone == ".wh..opq" { folder.clone() } else { format!("{folder}/{gone}") };
            let is_opaque = name == ".wh..wh..opq";
            all.retain(|path, _| !path.starts_with(&format!("{gone}/")) && (is_opaque || *path != gone));
        }
    }
    let mut own = BTreeMap::new();
    for (path, is_folder) in &entries {
        let (mut folder, name) = split(path)?;
        while !folder.is_empty() {
            // Within the layer, or by what is below it, unless the layer has it itself.
            let is_stated = entries.iter().any(|(path, _)| *path == folder);
            if own.get(&folder).or(all.get(&folder).filter(|_| !is_stated)) == Some(&false) {
                return None;
            }
            own.entry(folder.clone()).or_insert(true);
            all.insert(folder.clone(), true);
            folder = split(&folder)?.0;
        }
        if name.starts_with(".wh.") {
            continue;
        }
        if !is_folder {
            all.retain(|other, _| !other.starts_with(&format!("{path}/")));
        }
        own.insert(path.clone(), *is_folder);
        all.insert(path.clone(), *is_folder);
    }
    Some(all.into_keys().collect())
}
