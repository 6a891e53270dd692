//! The rules of a scan, which are part of its key in the catalog.

use regrow_chunker::Params;
use regrow_image::WalkRules;

/// The version of [`crate::coded::guess`]. It must go up when the guess gives other answers, since remembered scans
/// are then of no use.
pub(super) const GUESS_VERSION: u32 = 3;
/// The version of the search behind damaged headers, for the same purpose.
const SEARCH_VERSION: u32 = 1;
/// The same for the newest rules by which disk images are divided. It must go up when images are divided that were opaque.
const DIVISION_VERSION: u32 = 2;

/// The rules under which the catalog remembers a file that is split by `walk`, is cut with these parameters, and whose
/// gzip files are read in uncompressed form.
pub fn unfolding_rules(walk: WalkRules, params: &Params) -> String {
    rules(walk, GUESS_VERSION, params)
}

/// The beginning of all [`unfolding_rules`] by these walking rules, whatever the parameters.
pub fn unfolding_rules_begin(walk: WalkRules) -> String {
    rules_begin(walk, GUESS_VERSION)
}

/// The rules of a scan, which are part of its key in the catalog.
pub(crate) fn rules(walk: WalkRules, guess_version: u32, params: &Params) -> String {
    let [min, avg, max] = [params.min_bytes(), params.avg_bytes(), params.max_bytes()];
    let alone = if walk.cut_small_files() { " alone" } else { "" };
    let pieces = walk.pieces().map(|pieces| format!(" pieces {}", pieces.number())).unwrap_or_default();
    format!("{}{min} {avg} {max}{alone}{pieces}", rules_begin(walk, guess_version))
}

fn rules_begin(walk: WalkRules, guess_version: u32) -> String {
    let latest = walk.latest_version();
    let division = if latest >= 6 { format!(".{DIVISION_VERSION}") } else { String::new() };
    format!("{latest}.{guess_version}.{SEARCH_VERSION}{division} ")
}
