//! `regrow key`.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use regrow_sync::{SecretKey, SignError, SyncError, read_key, read_secret_key};

use crate::args::PasswordArgs;
use crate::failure::{Code, Failure};
use crate::print::write_out;
use crate::progress::Verbosity;

/// The commands for keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    New(NewArgs),
    Show(ShowArgs),
}

/// Make a key in minisign's format: FILE, which is secret, and FILE.pub
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  regrow key new --password-file password release.key")]
pub(crate) struct NewArgs {
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// The file for the secret key
    #[arg(value_name = "FILE", default_value = "regrow.key", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// Print the public key of a public or secret key, in minisign's format
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  regrow key show --pem release.pub > release.pem")]
pub(crate) struct ShowArgs {
    /// Print it in PEM instead
    #[arg(long)]
    pub(crate) pem: bool,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
    /// The key: minisign's format or PEM
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// Runs the command.
pub(crate) fn run(command: &KeyCommand, verbosity: Verbosity) -> Result<(), Failure> {
    match command {
        KeyCommand::New(args) => new(args, verbosity),
        KeyCommand::Show(args) => show(args),
    }
}

fn new(args: &NewArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let mut public_name = OsString::from(&args.file);
    public_name.push(".pub");
    let public_path = PathBuf::from(public_name);
    for path in [&args.file, &public_path] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::new(
                Code::General,
                format!("{}: is there already, and keys are not written over", path.display()),
            ));
        }
    }
    let password = args.password.password()?;
    let is_encrypted = password.is_some();
    let (key, file) = SecretKey::generate(password).map_err(|error| Failure::new(Code::General, error.to_string()))?;
    write_new(&args.file, &file, 0o600)?;
    write_new(&public_path, &key.public().to_minisign(), 0o644)?;
    if verbosity != Verbosity::Quiet {
        let kept =
            if is_encrypted { "encrypted with the password" } else { "not encrypted: whoever reads the file can sign" };
        write_out(&format!(
            "key {}\nsecret {} ({kept})\npublic {}\n",
            key.public().id(),
            args.file.display(),
            public_path.display()
        ))?;
    }
    Ok(())
}

/// Writes a file that must not exist.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(SyncError::io(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(SyncError::io(path))?;
    Ok(())
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let public = match read_key(&args.file) {
        Err(SyncError::Key { source: SignError::SecretInstead, .. }) => {
            let password = args.password.password()?;
            read_secret_key(&args.file, || password)?.public()
        }
        read => read?,
    };
    write_out(&if args.pem { public.to_pem() } else { public.to_minisign() })
}
