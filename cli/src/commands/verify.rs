//! `regrow verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use regrow_sync::{
    Location, StatementReport, StoreProblem, StoreVerifyReport, VerifyReport, verify_file, verify_statement,
    verify_store,
};

use super::common::{self, Named};
use crate::args::{NetworkArgs, TrustArgs};
use crate::failure::{Code, Failure};
use crate::hints;
use crate::print::{Reporter, To, exact, line};
use crate::progress::{Bars, Verbosity};
use crate::size::commas;
use crate::terminal::clean_line;

/// Check a file against an index, the signatures of an index, or a store
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  regrow verify app-2.rgx app-2.tar\n  regrow verify --key release.pub app-2.rgx\n  regrow verify --store /srv/www/store app-1.rgx app-2.rgx"
)]
pub(crate) struct VerifyArgs {
    /// Check this store, and that the indexes are complete in it
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) store: Option<String>,
    /// Where to remember the SHA-256 names of images [default: in the user's cache folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) catalog: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// INDEX FILE: check that the file is the image; INDEX: check who signed it; with --store: the indexes to check in
    /// it
    #[arg(value_name = "INDEX|FILE")]
    pub(crate) targets: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: VerifyArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let deadline = common::deadline(&args.network);
    let named = Named { indexes: &[&args.targets, &args.trust.signatures], stores: args.store.as_slice() };
    let mut network = common::network(&args.network, named, deadline)?;
    let bars = Bars::new(verbosity).until(deadline);
    let trust = args.trust.trust(&mut network, &bars)?;
    let reporter = Reporter { verbosity, json: args.json };
    if let Some(store) = &args.store {
        let report =
            verify_store(&Location::parse(store)?, &common::locations(&args.targets)?, &trust, &mut network, &bars)?;
        reporter.print(&report, &store_text(&report), To::Summary)?;
        return verdict(report.ok, &report.problems.first().map(shown).unwrap_or_default());
    }
    if let [index] = args.targets.as_slice() {
        let report = verify_statement(&Location::parse(index)?, &trust, &mut network, &bars)?;
        return reporter.print(&report, &statement_text(&report), To::Summary);
    }
    let [index, file] = args.targets.as_slice() else {
        return Err(Failure::new(Code::Usage, "verify takes INDEX FILE, or INDEX, or --store DIR|URL [INDEX...]"));
    };
    let (catalog, file_path) = (common::catalog(args.catalog, &bars), Path::new(file));
    let report = verify_file(&Location::parse(index)?, file_path, &trust, Some(&catalog), &mut network, &bars)?;
    reporter.print(&report, &file_text(&report), To::Summary)?;
    match report.wrong_names.first() {
        Some(wrong) => verdict(false, &format!("{index}: {wrong}")),
        None => verdict(report.ok, &format!("{file}: is not the image that {index} describes")),
    }
}

/// A problem with the hint for it.
fn shown(problem: &StoreProblem) -> String {
    format!("{}{}", problem.message, hints::of_problem(problem))
}

fn verdict(ok: bool, problem: &str) -> Result<(), Failure> {
    if ok { Ok(()) } else { Err(Failure::new(Code::Damaged, problem)) }
}

fn file_text(report: &VerifyReport) -> String {
    let mut lines = vec![
        line("image", exact(report.image_bytes)),
        line("file", exact(report.file_bytes)),
        line("digest by the index", &report.image_digest),
        line("digest of the file", &report.file_digest),
    ];
    lines.extend(report.file_sha256.as_ref().map(|hash| line("SHA-256 of the file", hash)));
    lines.extend(report.wrong_names.iter().map(|wrong| line("wrong name", wrong)));
    lines.concat()
}

fn statement_text(report: &StatementReport) -> String {
    [line("image", exact(report.image_bytes)), line("digest by the index", &report.image_digest)].concat()
        + &common::claims_text(&report.claims)
        + &line("signatures", format!("{}, {} by trusted keys", report.claims.signatures, report.signers))
}

fn store_text(report: &StoreVerifyReport) -> String {
    let mut lines = vec![
        line("packs", format!("{}, {}", commas(report.packs), exact(report.bytes))),
        line("chunks", commas(report.chunks)),
        line("patches", commas(report.patches)),
        line("indexes", commas(report.indexes)),
        line("problems", commas(report.problems.len() as u64)),
    ];
    lines.extend(report.problems.iter().map(|problem| format!("  {}\n", clean_line(&shown(problem)))));
    lines.concat()
}
