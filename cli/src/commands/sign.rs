//! `regrow sign`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use regrow_sync::{
    Location, Network, Progress, PublicKey, SignOptions, SignReport, Signer, SyncError, read_key, read_signature, sign,
};

use super::common::{self, Named};
use crate::args::{ClaimArgs, NetworkArgs, PasswordArgs};
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To, line};
use crate::progress::{Bars, Verbosity};

/// Sign what indexes say about their images, so that machines can check who published them
#[derive(Debug, Args)]
#[command(
    after_help = "Claims that change remove the signatures of the earlier ones.\n\nExamples:\n  regrow sign --key release.key --channel example.org/app/stable --counter auto --expires 90 app.rgx\n  regrow sign --print --channel example.org/app/stable --counter auto app.rgx > statement\n  regrow sign --attach signature --public release.pem app.rgx"
)]
pub(crate) struct SignArgs {
    /// Sign with this secret key: minisign's format or PEM; may be repeated
    #[arg(long = "key", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) keys: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// Add this signature of what --print prints: minisign's format, 64 bytes, or those in base64
    #[arg(long, value_name = "SIGNATURE", requires = "public", value_hint = ValueHint::FilePath, conflicts_with_all = ["channel", "counter", "expires", "keys", "detached"])]
    pub(crate) attach: Option<PathBuf>,
    /// The public key of the signature that is added
    #[arg(long, value_name = "KEY", requires = "attach", value_hint = ValueHint::FilePath)]
    pub(crate) public: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) claims: ClaimArgs,
    /// Print the bytes that are signed, for an HSM or a cloud service; claims that are given go into the index first
    #[arg(long, conflicts_with_all = ["keys", "attach", "detached", "json"])]
    pub(crate) print: bool,
    /// Write the signature to this file instead of the index, as minisign -V or openssl pkeyutl -verify takes it
    #[arg(long, value_name = "FILE", requires = "keys", value_hint = ValueHint::FilePath)]
    pub(crate) detached: Option<PathBuf>,
    /// How many seconds caches may keep the index
    #[arg(long, value_name = "SECONDS", default_value_t = regrow_sync::MakeOptions::DEFAULT_INDEX_MAX_AGE.as_secs())]
    pub(crate) index_max_age: u64,
    /// Print one JSON object for each index on standard output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The indexes to sign: files, s3://, gs://, az:// or oci://
    #[arg(value_name = "INDEX", required = true)]
    pub(crate) indexes: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &SignArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let deadline = common::deadline(&args.network);
    let bars = Bars::new(verbosity).until(deadline);
    let is_of_one = args.print || args.detached.is_some() || args.attach.is_some();
    if is_of_one && args.indexes.len() > 1 {
        let message = "--print, --detached and --attach take one index, since each has a statement of its own";
        return Err(Failure::new(Code::Usage, message));
    }
    if args.detached.is_some() && args.keys.len() > 1 {
        return Err(Failure::new(Code::Usage, "--detached takes one --key"));
    }
    if args.keys.is_empty() && args.attach.is_none() && !args.print {
        return Err(Failure::new(Code::Usage, "give a --key, a signature with --attach, or --print"));
    }
    let signers = signers(args)?;
    if let (Some(path), Some(Signer::Key(key))) = (&args.detached, signers.first()) {
        check_detached(path, &key.public())?;
    }
    let options = SignOptions {
        embeds: args.detached.is_none(),
        index_max_age: Duration::from_secs(args.index_max_age),
        ..SignOptions::new(signers, args.claims.changes())
    };
    let named = Named { indexes: &[&args.indexes], stores: &[] };
    let mut network = common::network(&args.network, named, deadline)?;
    args.indexes.iter().try_for_each(|index| sign_one(args, index, &options, &mut network, &bars, verbosity))
}

fn signers(args: &SignArgs) -> Result<Vec<Signer>, Failure> {
    if let (Some(signature), Some(public)) = (&args.attach, &args.public) {
        let key = read_key(public)?;
        return Ok(vec![Signer::Signature { signature: read_signature(signature, &key)?, key }]);
    }
    common::secret_keys(&args.keys, &args.password).map(|keys| keys.into_iter().map(Signer::Key).collect())
}

fn sign_one(
    args: &SignArgs,
    index: &str,
    options: &SignOptions,
    network: &mut Network,
    progress: &dyn Progress,
    verbosity: Verbosity,
) -> Result<(), Failure> {
    let report = sign(&Location::parse(index)?, options, network, progress)?;
    if args.print {
        let mut out = std::io::stdout().lock();
        return Ok(out.write_all(&report.statement).and_then(|()| out.flush())?);
    }
    if let (Some(path), Some(file)) = (&args.detached, report.detached.first()) {
        write(path, file)?;
    }
    Reporter { verbosity, json: args.json }.print(&report, &summary(&report), To::Summary)
}

/// Refuses to write over a file that is no signature: it may be the key, which nobody could bring back.
fn check_detached(path: &Path, key: &PublicKey) -> Result<(), Failure> {
    let is_file = path.metadata().is_ok_and(|found| found.is_file() && found.len() > 0);
    if !is_file || read_signature(path, key).is_ok() {
        return Ok(());
    }
    let message = format!("{}: is there already, and is no signature, so it is not written over", path.display());
    Err(Failure::new(Code::Usage, message))
}

fn write(path: &Path, file: &[u8]) -> Result<(), Failure> {
    Ok(std::fs::write(path, file).map_err(SyncError::io(path))?)
}

fn summary(report: &SignReport) -> String {
    [line("index", &report.index), line("digest (BLAKE3)", &report.image_digest)].concat()
        + &common::claims_text(&report.claims)
        + &line("signatures", report.claims.signatures)
}
