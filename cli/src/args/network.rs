//! The arguments for reaching hosts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::{duration, size};

/// The arguments for reaching hosts.
#[derive(Debug, Args)]
pub(crate) struct NetworkArgs {
    /// Send this header to the host of the index, such as "Authorization: Bearer TOKEN"; with HOST=NAME: VALUE, to
    /// another host (HOST or https://HOST:PORT); with @FILE, send the lines of that file
    #[arg(long = "header", value_name = "[HOST=]NAME: VALUE|@FILE")]
    pub(crate) headers: Vec<String>,
    /// Trust the certificates in this PEM file too: of authorities, or of a server that signed its own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Which redirects to follow
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = RedirectsArg::Safe)]
    pub(crate) redirects: RedirectsArg,
    /// Give up a request after this many seconds without a byte; the first byte of a pack may take longer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) timeout: u64,
    /// Give up if bodies bring fewer bytes a second than this over a minute of waiting, all bodies in flight
    /// together; 0 turns this off
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = "1KiB")]
    pub(crate) min_rate: u64,
    /// End the whole run with exit code 4 after this time, such as 10m [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = max_time)]
    pub(crate) max_time: Option<Duration>,
    /// Try a request up to this many times if it fails for a passing reason
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) tries: u32,
    /// Use at most this many bytes a second, such as 2MB
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    pub(crate) limit_rate: Option<u64>,
    /// Accept chunks as small as this on average; smaller ones cost memory and time [default: 4KiB]
    #[arg(long, value_name = "SIZE", value_parser = size::parse, env = "REGROW_MIN_AVG_SIZE", hide_env = true)]
    pub(crate) min_avg_size: Option<u64>,
    /// Refuse images that are larger than this
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) max_size: Option<u64>,
    /// Server of s3://, gs:// or az:// [default: the provider's, or AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Region of the bucket [default: as AWS's tools find it, or asked of the bucket]
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// Profile in ~/.aws/config
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Access the bucket as anybody may, without credentials
    #[arg(long)]
    pub(crate) no_sign_request: bool,
    /// How a bucket's name goes into URLs [default: as the host's name at AWS, in the path elsewhere]
    #[arg(long, value_name = "STYLE", value_enum, default_value_t = AddressingArg::Auto, hide_default_value = true)]
    pub(crate) addressing: AddressingArg,
}

/// Parses a rate in bytes a second. A rate of 0 is refused, since a run would never end.
fn rate(text: &str) -> Result<u64, String> {
    size::parse(text).and_then(|rate| if rate > 0 { Ok(rate) } else { Err("must be more than 0".to_owned()) })
}

/// Parses a time, which must be at least a second.
fn max_time(text: &str) -> Result<Duration, String> {
    duration::parse(text).and_then(|time| if time.is_zero() { Err("must be more than 0".to_owned()) } else { Ok(time) })
}

/// The redirects to follow (`--redirects`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RedirectsArg {
    /// None
    None,
    /// To the same scheme, host and port
    SameOrigin,
    /// To the same host, to https at public addresses, and never nearer to this machine than the server itself is
    Safe,
    /// All, except from https to http
    Any,
}

/// The form of a bucket's URLs (`--addressing`), in the words of AWS's tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AddressingArg {
    /// Host's name at AWS, path elsewhere
    Auto,
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    Virtual,
}
