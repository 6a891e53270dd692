//! Finds, by the names, the file of the base that a file of the target was.

use std::collections::HashSet;

use crate::names::{ENDINGS, FileName};
use crate::side::{Side, SideFile};

/// The largest number of files with the same path that are all considered.
const MAX_SAME_PATH: usize = 64;

/// A file of the base that has the name of a file of the target, more or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Partner {
    pub(super) file: u32,
    /// Whether more than the last part of the path agrees.
    pub(super) is_likely: bool,
}

/// The number of keys by which names are compared, the surest first.
const KEYS: usize = 2 + ENDINGS;

/// The partner in the base of each file of the target for which `is_wanted` holds.
pub(super) fn by_name(base: &Side, target: &Side, is_wanted: impl Fn(u32) -> bool) -> Vec<Option<Partner>> {
    let mut found = vec![None; target.files().len()];
    let mut wanted: Vec<u32> = (0..found.len() as u32).filter(|&number| is_wanted(number)).collect();
    // One key is used at a time, and of the base only the names that are wanted, since all names of an image with many
    // files would take much memory.
    for key in 0..KEYS {
        let key_of = |number: u32| name_key(target.name(&target.file(number)), key);
        let keys: HashSet<u32> = wanted.iter().filter_map(|&number| key_of(number)).collect();
        let mut known: Vec<(u32, u64, u32)> = (0..)
            .zip(base.files())
            .filter_map(|(number, file)| Some((name_key(base.name(&file), key)?, file.bytes(), number)))
            .filter(|(name, ..)| keys.contains(name))
            .collect();
        known.sort_unstable();
        wanted.retain(|&number| {
            let Some(name) = key_of(number) else { return true };
            let first = known.partition_point(|entry| entry.0 < name);
            let len = known[first..].partition_point(|entry| entry.0 == name);
            let best = best_of((base, target), &target.file(number), &known[first..first + len], key == 0);
            found[number as usize] = best.map(|file| Partner { file, is_likely: key + 1 < KEYS });
            best.is_none()
        });
    }
    found
}

fn name_key(name: &FileName, key: usize) -> Option<u32> {
    let path = name.path?;
    Some(match key {
        0 => path.get(),
        1 => name.loose_path,
        key => name.endings[key - 2],
    })
}

/// Chooses among files with the same key, which are sorted by size. With the same path, the best is the one in the
/// same archive, by name or else by number. Otherwise it is the one of the nearest size.
fn best_of((base, target): (&Side, &Side), file: &SideFile, same: &[(u32, u64, u32)], is_path: bool) -> Option<u32> {
    if is_path && same.len() <= MAX_SAME_PATH {
        let numbers = same.iter().map(|(_, _, number)| *number);
        return numbers.max_by_key(|&number| {
            let other = base.file(number);
            let is_same_name = base.archive_name(&other) == target.archive_name(file);
            (is_same_name, base.archive(&other) == target.archive(file), number)
        });
    }
    let at = same.partition_point(|(_, bytes, _)| *bytes < file.bytes());
    let around = &same[at.saturating_sub(1)..same.len().min(at + 1)];
    around.iter().min_by_key(|(_, bytes, _)| bytes.abs_diff(file.bytes())).map(|(_, _, number)| *number)
}
