//! Says why a folder that is a seed gives little.

use regrow_local::Seeds;

use crate::Progress;
use crate::plan::target::Target;

/// A folder gives little if it has less than this share of the image, of 1,000.
const LITTLE: u64 = 100;

/// Warns of each folder that has few of the image's files. `shares` has how many of 1,000 files each folder has.
pub(super) fn warn(seeds: &Seeds, shares: &[usize], target: &Target, progress: &dyn Progress) {
    let records = target.contents.records();
    let all: u64 = records.iter().map(|record| u64::from(record.len)).sum();
    for (folder, &files) in seeds.folders.iter().zip(shares) {
        if files as u64 >= LITTLE || folder.has_archives() {
            continue;
        }
        let held = records.iter().filter(|record| folder.holds(&record.id)).map(|record| u64::from(record.len));
        let held = (held.sum::<u64>() * 1000).checked_div(all).unwrap_or(LITTLE);
        if held < LITTLE {
            let (path, files, held) = (folder.path().display(), files / 10, held / 10);
            progress.warn(&format!(
                "seed: {path}: gives little: it has {files} % of the image's files, and {held} % of its bytes in large \
                 files; a folder serves where an image of this kind is unpacked in it"
            ));
        }
    }
}
