//! The command line. Parsing it has no effects; completions and the man page come from the same definitions.

mod network;

use clap::{Parser, Subcommand};

#[cfg(feature = "demo")]
use crate::commands::demo::DemoArgs;
#[cfg(feature = "publish")]
use crate::commands::diff::DiffArgs;
use crate::commands::extract::ExtractArgs;
#[cfg(feature = "publish")]
use crate::commands::gc::GcArgs;
use crate::commands::info::InfoArgs;
#[cfg(feature = "publish")]
use crate::commands::make::MakeArgs;
#[cfg(feature = "publish")]
use crate::commands::patch::PatchArgs;
#[cfg(feature = "publish")]
use crate::commands::push::PushArgs;
#[cfg(feature = "serve")]
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
    #[cfg(feature = "publish")]
    Make(MakeArgs),
    #[cfg(feature = "publish")]
    Patch(PatchArgs),
    Extract(ExtractArgs),
    Info(InfoArgs),
    #[cfg(feature = "publish")]
    Diff(DiffArgs),
    Verify(VerifyArgs),
    #[cfg(feature = "publish")]
    Push(PushArgs),
    #[cfg(feature = "publish")]
    Gc(GcArgs),
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
