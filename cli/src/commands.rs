//! One file for each command.

mod common;
mod completions;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod extract;
pub(crate) mod gc;
pub(crate) mod info;
pub(crate) mod make;
mod man;
pub(crate) mod patch;
pub(crate) mod push;
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
        Command::Make(args) => make::run(args, verbosity),
        Command::Patch(args) => patch::run(&args, verbosity),
        Command::Extract(args) => extract::run(args, verbosity),
        Command::Info(args) => info::run(args, verbosity),
        Command::Diff(args) => diff::run(args, verbosity),
        Command::Verify(args) => verify::run(args, verbosity),
        Command::Push(args) => push::run(&args, verbosity),
        Command::Gc(args) => gc::run(&args, verbosity),
        Command::Serve(args) => serve::run(&args, verbosity),
        Command::Demo(args) => demo::run(&args, verbosity),
        Command::Completions { shell } => completions::run(shell),
        Command::Man => man::run(),
    }
}
