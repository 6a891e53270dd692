//! One file for each command.

mod common;
#[cfg(feature = "manual")]
mod completions;
#[cfg(feature = "demo")]
pub(crate) mod demo;
#[cfg(feature = "publish")]
pub(crate) mod diff;
pub(crate) mod extract;
#[cfg(feature = "publish")]
pub(crate) mod gc;
pub(crate) mod info;
#[cfg(feature = "publish")]
pub(crate) mod make;
#[cfg(feature = "manual")]
mod man;
#[cfg(feature = "publish")]
pub(crate) mod patch;
#[cfg(feature = "publish")]
pub(crate) mod push;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod verify;

use crate::args::{Arguments, Command};
use crate::failure::Failure;
use crate::progress::Verbosity;

/// Runs what the command line asks for.
pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    let verbosity = match (arguments.quiet, arguments.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    match arguments.command {
        #[cfg(feature = "publish")]
        Command::Make(args) => make::run(args, verbosity),
        #[cfg(feature = "publish")]
        Command::Patch(args) => patch::run(&args, verbosity),
        Command::Extract(args) => extract::run(args, verbosity),
        Command::Info(args) => info::run(args, verbosity),
        #[cfg(feature = "publish")]
        Command::Diff(args) => diff::run(args, verbosity),
        Command::Verify(args) => verify::run(args, verbosity),
        #[cfg(feature = "publish")]
        Command::Push(args) => push::run(&args, verbosity),
        #[cfg(feature = "publish")]
        Command::Gc(args) => gc::run(&args, verbosity),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args, verbosity),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args, verbosity),
        #[cfg(feature = "manual")]
        Command::Completions { shell } => completions::run(shell),
        #[cfg(feature = "manual")]
        Command::Man => man::run(),
    }
}
