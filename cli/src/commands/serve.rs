//! `regrow serve`.

use std::io::Write;

use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::progress::Verbosity;
use crate::serve::{RequestLog, Server};

/// Runs the command until Ctrl-C, which is its regular end.
pub(crate) fn run(args: &ServeArgs, verbosity: Verbosity) -> Result<(), Failure> {
    let log = if verbosity == Verbosity::Verbose { RequestLog::StandardError } else { RequestLog::Off };
    let server = Server::start(&args.folder, args.listen, log)?;
    if verbosity != Verbosity::Quiet {
        // Scripts read this line to learn the port. If nobody reads it, that does no harm.
        let _ = writeln!(
            std::io::stderr().lock(),
            "regrow: serving {} at {}",
            crate::terminal::clean_line(&args.folder.display().to_string()),
            server.url()
        );
    }
    server.wait_for_signal()?;
    server.stop();
    Ok(())
}
