//! `regrow serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::failure::Failure;
use crate::progress::Verbosity;
use crate::serve::{RequestLog, Server};

/// Serve a folder over HTTP
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  regrow serve /srv/www --listen 0.0.0.0:8080")]
pub(crate) struct ServeArgs {
    /// The folder to serve
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Address and port; port 0 takes any free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    pub(crate) listen: SocketAddr,
}

/// Parses an address to listen at. Names are for clients, except for `localhost`, which everybody uses.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "write it like 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080".to_owned())
}

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
