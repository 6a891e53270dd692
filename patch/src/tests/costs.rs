//! The costs of a patch by file.

use super::*;
use crate::costs::PatchCosts;

/// The costs of the patch, and the cost of each of the target's files. All parts must add up to the patch.
fn costs(base: &[File], target: &[File]) -> (PatchCosts, Vec<u64>) {
    let pair = Pair::new(&tar(base), &tar(target));
    let mut patch = tempfile::tempfile().unwrap();
    let written = made(write(&pair.between(), &mut patch).unwrap());
    let costs = PatchCosts::of(&pair.between()).unwrap();
    assert_eq!(costs.bytes, written.header.patch_bytes);
    let files = costs.files.iter().map(|(_, bytes)| bytes).sum::<u64>();
    assert_eq!(costs.skeleton + files + costs.other, costs.bytes);
    let starts = pair.target.seed().scan().layout.files().map(|file| file.start);
    let of = |start| costs.files.iter().find(|(range, _)| range.start == start).map_or(0, |(_, bytes)| *bytes);
    let by_file = starts.map(of).collect();
    (costs, by_file)
}

/// Text of which a share is other words than before.
fn edited(seed: u64, words: usize) -> Vec<u8> {
    [text(seed, words), text(seed + 1000, words / 5)].concat()
}

#[test]
fn the_new_random_file_is_what_costs() {
    let old: Vec<File> = (0..20).map(|n| file(&format!("doc/{n}"), text(n, 20_000))).collect();
    let mut new: Vec<File> = (0..20).map(|n| file(&format!("doc/{n}"), edited(n, 20_000))).collect();
    new.insert(10, file("doc/9-random", noise(7, 300_000)));
    let (costs, by_file) = costs(&old, &new);
    assert!((285_000..=309_000).contains(&by_file[10]), "{by_file:?}");
    let rest: u64 = by_file.iter().sum::<u64>() - by_file[10];
    assert!(rest > 5_000 && rest < 120_000, "{by_file:?}");
    assert!(costs.skeleton < 1_000 && (100..1_000).contains(&costs.other), "{} {}", costs.skeleton, costs.other);
}

#[test]
fn compressed_files_pay_for_their_members() {
    let other = |n: u64| file(&format!("doc/{n}"), text(50 + n, 2_000));
    let old = [file("doc/a.gz", gzip(&text(1, 30_000), "-9")), other(1), other(2)];
    let new = [file("doc/a.gz", gzip(&edited(1, 30_000), "-9")), other(1), other(2)];
    let (_, by_file) = costs(&old, &new);
    assert!(by_file[0] > 1_000, "{by_file:?}");
    assert!(by_file[1] + by_file[2] < 20, "{by_file:?}");
}

#[test]
fn what_did_not_change_costs_nothing() {
    let files = [file("a", noise(1, 5_000)), file("b", text(2, 5_000))];
    let (costs, by_file) = costs(&files, &files);
    assert!(by_file.iter().sum::<u64>() < 10 && costs.skeleton < 10, "{by_file:?}");
}

#[test]
fn a_change_beside_hundreds_of_equal_files_costs_itself() {
    // Each package has the same licence, as in a folder of node modules, and the first one changes.
    let licence = text(9, 200);
    let package = |n: u64| [file(&format!("{n}/LICENSE"), licence.clone()), file(&format!("{n}/a"), noise(n, 300))];
    let old: Vec<File> = (0..400).flat_map(package).collect();
    let mut new = old.clone();
    new[1].1 = noise(1000, 300);
    let (costs, _) = costs(&old, &new);
    assert!(costs.bytes < 300 + 260, "{}", costs.bytes);
}
