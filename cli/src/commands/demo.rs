//! `regrow demo`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::demo::{self, DemoReport, Images, Trouble};
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To};
use crate::progress::{Bars, Verbosity};
use crate::serve::{RequestLog, signal};
use crate::size::show;

/// The most bytes that the made-up pair needs on disk: both images, the store, and the rebuilt image.
const PAIR_BYTES: u64 = 256 << 20;

/// Show an update from end to end, on this machine
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  regrow demo\n  regrow demo app-1.tar app-2.tar")]
pub(crate) struct DemoArgs {
    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// An old image [default: a made-up one]
    #[arg(requires = "new", value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub(crate) old: Option<PathBuf>,
    /// A new image
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    pub(crate) new: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &DemoArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let given = given_images(args)?;
    let parent = std::env::temp_dir();
    // The error names the path already.
    let on_disk = |error: io::Error| Failure::new(Code::General, format!("temporary folder: {error}"));
    let folder = tempfile::Builder::new().prefix("regrow-demo-").tempdir().map_err(on_disk)?;
    remove_on_signal(folder.path().to_owned())?;
    let outcome = run_in(folder.path(), given, verbosity);
    let removed = folder.close().map_err(on_disk);
    let report = outcome.map_err(|trouble| match trouble {
        Trouble::NoRoom => no_room(&parent, args.new.as_deref()),
        Trouble::Other(failure) => failure,
    })?;
    Reporter { verbosity, json: args.json }.print(&report, &report.table(), To::Output)?;
    report.check()?;
    removed
}

fn run_in(folder: &Path, given: Option<Images>, verbosity: Verbosity) -> Result<DemoReport, Trouble> {
    if free_bytes(folder).is_some_and(|free| free < least_bytes(given.as_ref().map(|images| images.new.as_path()))) {
        return Err(Trouble::NoRoom);
    }
    let images = match given {
        Some(images) => images,
        None => made_up(folder, verbosity)?,
    };
    let log = if verbosity == Verbosity::Verbose { RequestLog::StandardError } else { RequestLog::Off };
    demo::run(folder, &images, log, &Bars::new(verbosity))
}

/// The images of the command line. They must be files, since each is read more than once.
fn given_images(args: &DemoArgs) -> Result<Option<Images>, Failure> {
    let (Some(old), Some(new)) = (&args.old, &args.new) else { return Ok(None) };
    for image in [old, new] {
        let failure = |reason: String| Failure::new(Code::General, format!("{}: {reason}", image.display()));
        let metadata = image.metadata().map_err(|error| failure(error.to_string()))?;
        if !metadata.is_file() {
            return Err(failure("not a file".to_owned()));
        }
    }
    Ok(Some(Images { old: old.clone(), new: new.clone() }))
}

fn made_up(folder: &Path, verbosity: Verbosity) -> io::Result<Images> {
    if verbosity != Verbosity::Quiet && io::stderr().is_terminal() {
        // This only tells the user why there is a wait.
        let _ = writeln!(io::stderr().lock(), "making two images of a small application, before and after a release");
    }
    let images = folder.join("images");
    std::fs::create_dir(&images)?;
    let (old, new) = regrow_demo::shop::write_pair(&images)?;
    Ok(Images { old, new })
}

/// The least number of bytes that is needed: a given new image is rebuilt as a whole, whatever the store takes.
fn least_bytes(new: Option<&Path>) -> u64 {
    new.map_or(PAIR_BYTES, |new| new.metadata().map_or(0, |metadata| metadata.len()))
}

fn no_room(folder: &Path, new: Option<&Path>) -> Failure {
    let message = format!(
        "{}: no room; the demo needs {}{}; set TMPDIR to a folder that has it",
        folder.display(),
        show(least_bytes(new)),
        if new.is_some() { " and what the compressed images take" } else { "" }
    );
    Failure::new(Code::General, message)
}

/// The free bytes for this user on a folder's disk, if the system tells.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// The free bytes for this user on a folder's disk, if the system tells.
#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

/// Makes Ctrl-C remove the folder too.
fn remove_on_signal(folder: PathBuf) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Ok(signal) = runtime.block_on(signal()) {
            remove(&folder);
            std::process::exit(signal.exit_code());
        }
    })?;
    Ok(())
}

/// Removes a folder that others may still write into.
fn remove(folder: &Path) {
    for _ in 0..10 {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {}
            _ => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn room_is_measured_and_its_want_told() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::write(&image, [0; 2048]).unwrap();
        assert_eq!((least_bytes(None), least_bytes(Some(&image))), (PAIR_BYTES, 2048));
        #[cfg(unix)]
        assert!(free_bytes(folder.path()).unwrap() > 0);
        let message = format!("{:?}", no_room(Path::new("/tmp"), None));
        assert!(message.contains("/tmp: no room; the demo needs 256 MiB; set TMPDIR"), "{message}");
    }

    #[test]
    fn images_are_files() {
        let folder = tempfile::tempdir().unwrap();
        let args =
            |old: &Path| DemoArgs { json: false, old: Some(old.to_owned()), new: Some(folder.path().to_owned()) };
        given_images(&args(&folder.path().join("none"))).unwrap_err();
        let message = format!("{:?}", given_images(&args(folder.path())).unwrap_err());
        assert!(message.contains("not a file"), "{message}");
    }
}
