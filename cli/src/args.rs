//! The command line. Parsing it has no effects; completions and the man page come from the same definitions.

mod network;

use clap::{Parser, Subcommand};

use crate::commands::demo::DemoArgs;
use crate::commands::diff::DiffArgs;
use crate::commands::extract::ExtractArgs;
use crate::commands::gc::GcArgs;
use crate::commands::info::InfoArgs;
use crate::commands::make::MakeArgs;
use crate::commands::patch::PatchArgs;
use crate::commands::push::PushArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::verify::VerifyArgs;

pub(crate) use network::{AddressingArg, NetworkArgs, RedirectsArg};

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

/// The commands. Each one stands with its arguments in a file of its own in `commands/`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Make(MakeArgs),
    Patch(PatchArgs),
    Extract(ExtractArgs),
    Info(InfoArgs),
    Diff(DiffArgs),
    Verify(VerifyArgs),
    Push(PushArgs),
    Gc(GcArgs),
    Serve(ServeArgs),
    Demo(DemoArgs),
    /// Print a shell's completions
    #[command(after_help = "Example:\n  regrow completions bash > /etc/bash_completion.d/regrow")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page
    #[command(after_help = "Example:\n  regrow man > /usr/local/share/man/man1/regrow.1")]
    Man,
}
