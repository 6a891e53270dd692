//! `regrow patch`.

use std::time::Duration;

use regrow_sync::{Location, PatchOptions, PatchReport, patch};

use super::common::{self, Named};
use crate::args::PatchArgs;
use crate::failure::Failure;
use crate::progress::{Bars, Verbosity};
use crate::report::{Reporter, To, exact, line};
use crate::size::commas;

/// Runs the command.
pub(crate) fn run(args: &PatchArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let deadline = common::deadline(&args.network);
    let bars = Bars::new(verbosity).until(deadline);
    let options = PatchOptions {
        store: args.store.as_deref().map(Location::parse).transpose()?,
        old_files: args.old_file.iter().cloned().collect(),
        new_file: args.new_file.clone(),
        level: args.patch_level,
        replace: args.replace,
        announce: !args.no_announce,
        index_max_age: Duration::from_secs(args.index_max_age),
        catalog: Some(common::catalog(args.catalog.clone(), &bars)),
        scratch: std::env::temp_dir(),
        ..PatchOptions::new(Location::parse(&args.old)?, Location::parse(&args.new)?)
    };
    let named = Named {
        indexes: &[std::slice::from_ref(&args.old), std::slice::from_ref(&args.new)],
        stores: args.store.as_slice(),
    };
    let mut network = common::network(&args.network, named, deadline)?;
    let report = patch(&options, &mut network, &bars)?;
    Reporter { verbosity, json: args.json }.print(&report, &summary(&report), To::Summary)
}

fn summary(report: &PatchReport) -> String {
    let mut lines = vec![line("patch", &report.patch), line("size", exact(report.bytes))];
    if report.present {
        lines.push(line("already there", "left as it is (--replace makes it again)"));
    } else {
        lines.push(line("instead of", format!("{} as chunks", exact(report.bytes_chunks))));
        if report.members > 0 {
            let cost = exact(report.bytes_members);
            lines.push(line("seen through", format!("{} compressed files, {cost}", commas(report.members))));
        }
    }
    lines.push(line("announced", if report.announced { "in the index" } else { "no" }));
    lines.push(line("time", format!("{:.2} s", report.elapsed.as_secs_f64())));
    lines.concat()
}
