//! Tells whether a run probably starts from an image that the catalog knows, so that the head of an index may be enough.

use std::path::Path;

use regrow_catalog::{Catalog, SeedKey};
use regrow_image::WalkRules;
use regrow_local::unfolding_rules_begin;

use super::ExtractOptions;
use super::output::Destination;
use crate::place::network::HeadFirst;

/// When to ask for the head of the index alone. Where a seed or the output was read by the walking rules of version 2
/// of the index before, the next index likely has that version, and a patch may start from what was read.
pub(super) fn head_first(options: &ExtractOptions, output: &Destination) -> HeadFirst {
    if options.head_first {
        return HeadFirst::Always;
    }
    let replaced = output.replaced();
    let mut paths = options.seeds.iter().map(AsRef::as_ref).chain(replaced.as_deref());
    match options.catalog.as_ref().is_some_and(|catalog| paths.any(|path| is_known(catalog, path))) {
        true => HeadFirst::Likely,
        false => HeadFirst::WhereKnown,
    }
}

/// Whether the catalog knows a file by the walking rules of version 2 of the index, however it was cut.
fn is_known(catalog: &Catalog, path: &Path) -> bool {
    // By the rules for the seeds of most images, and for those of opaque ones.
    [WalkRules::V6, WalkRules::V4].into_iter().any(|rules| {
        let rules = unfolding_rules_begin(rules);
        let key = path.metadata().and_then(|metadata| SeedKey::of(path, &metadata, &rules));
        key.is_ok_and(|key| catalog.has_seed(&key))
    })
}
