//! The command `regrow`: arguments, progress, reports, exit codes. Everything that a library user would want is in
//! `regrow-sync`.

mod args;
mod commands;
#[cfg(feature = "demo")]
mod demo;
mod duration;
mod failure;
mod hints;
#[cfg(feature = "publish")]
mod html;
mod print;
mod progress;
#[cfg(feature = "serve")]
mod serve;
mod size;
mod terminal;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let arguments = commands::Arguments::parse();
    match commands::run(arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
