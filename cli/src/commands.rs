//! The command line, and one file for each command with its arguments. Parsing has no effects; completions and the man
//! page come from the same definitions.

mod common;
#[cfg(feature = "manual")]
mod completions;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "publish")]
mod diff;
mod extract;
#[cfg(feature = "publish")]
mod gc;
mod info;
#[cfg(feature = "publish")]
mod key;
#[cfg(feature = "publish")]
mod layer;
mod load;
#[cfg(feature = "publish")]
mod make;
#[cfg(feature = "manual")]
mod man;
#[cfg(feature = "publish")]
mod patch;
#[cfg(feature = "publish")]
mod push;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "publish")]
mod sign;
#[cfg(feature = "publish")]
mod sources;
mod state;
mod verify;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::progress::Verbosity;

#[cfg(feature = "demo")]
use demo::DemoArgs;
#[cfg(feature = "publish")]
use diff::DiffArgs;
use extract::ExtractArgs;
#[cfg(feature = "publish")]
use gc::GcArgs;
use info::InfoArgs;
#[cfg(feature = "publish")]
use key::KeyCommand;
#[cfg(feature = "publish")]
use layer::LayerArgs;
use load::LoadArgs;
#[cfg(feature = "publish")]
use make::MakeArgs;
#[cfg(feature = "publish")]
use patch::PatchArgs;
#[cfg(feature = "publish")]
use push::PushArgs;
#[cfg(feature = "serve")]
use serve::ServeArgs;
#[cfg(feature = "publish")]
use sign::SignArgs;
use state::StateCommand;
use verify::VerifyArgs;

/// Ships images over a plain static host, and sends a machine only what it cannot make from what it already holds.
#[derive(Debug, Parser)]
#[command(
    name = "regrow",
    version,
    max_term_width = 100,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print no progress, no summary, and no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Also say what is skipped, and what the catalog cannot do
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// The commands. Each has a file of its own, with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "publish")]
    Make(MakeArgs),
    #[cfg(feature = "publish")]
    Patch(PatchArgs),
    Extract(ExtractArgs),
    Load(LoadArgs),
    Info(InfoArgs),
    #[cfg(feature = "publish")]
    Diff(DiffArgs),
    #[cfg(feature = "publish")]
    Layer(LayerArgs),
    Verify(VerifyArgs),
    #[command(subcommand)]
    State(StateCommand),
    #[cfg(feature = "publish")]
    Push(PushArgs),
    #[cfg(feature = "publish")]
    Gc(GcArgs),
    #[cfg(feature = "publish")]
    Sign(SignArgs),
    /// Make and show keys for signing
    #[cfg(feature = "publish")]
    #[command(subcommand)]
    Key(KeyCommand),
    #[cfg(feature = "serve")]
    Serve(ServeArgs),
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Print a shell's completions
    #[cfg(feature = "manual")]
    #[command(after_help = "Example:\n  regrow completions bash > /etc/bash_completion.d/regrow")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page
    #[cfg(feature = "manual")]
    #[command(after_help = "Example:\n  regrow man > /usr/local/share/man/man1/regrow.1")]
    Man,
}

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
        Command::Load(args) => load::run(args, verbosity),
        Command::Info(args) => info::run(args, verbosity),
        #[cfg(feature = "publish")]
        Command::Diff(args) => diff::run(args, verbosity),
        #[cfg(feature = "publish")]
        Command::Layer(args) => layer::run(&args, verbosity),
        Command::Verify(args) => verify::run(args, verbosity),
        Command::State(command) => state::run(command, verbosity),
        #[cfg(feature = "publish")]
        Command::Push(args) => push::run(&args, verbosity),
        #[cfg(feature = "publish")]
        Command::Gc(args) => gc::run(&args, verbosity),
        #[cfg(feature = "publish")]
        Command::Sign(args) => sign::run(&args, verbosity),
        #[cfg(feature = "publish")]
        Command::Key(command) => key::run(&command, verbosity),
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
