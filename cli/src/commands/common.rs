//! What several commands need: the network from its arguments, locations, the user's folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regrow_catalog::Catalog;
use regrow_store::{RateLimit, RetryPolicy, parse_header_lines};
use regrow_sync::{Addressing, BucketCredentials, BucketOptions, HttpOptions, Location, Network, Progress};

use crate::args::{AddressingArg, NetworkArgs};
use crate::failure::{Code, Failure};

/// A network as the command line wants it.
pub(crate) fn network(args: &NetworkArgs) -> Result<Network, Failure> {
    let mut options = HttpOptions::default();
    for header in &args.headers {
        if let Some(path) = header.strip_prefix('@') {
            options.headers.extend(headers_of(Path::new(path))?);
            continue;
        }
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| Failure::new(Code::Usage, "--header: write it like \"Name: value\""))?;
        options.headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    options.ca_file.clone_from(&args.ca_file);
    options.limit = args.limit_rate.map(|rate| Arc::new(RateLimit::new(rate)));
    options.stall_timeout = Duration::from_secs(args.timeout);
    let policy = RetryPolicy { attempts: args.tries, ..RetryPolicy::default() };
    Ok(Network::new(options, policy)?.with_buckets(buckets(args)))
}

/// The headers in a file, a line each: on a command line, others could see them.
fn headers_of(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Code::General, format!("--header @{}: {error}", path.display())))?;
    parse_header_lines(&text)
        .map_err(|error| Failure::new(Code::Usage, format!("--header @{}: {error}", path.display())))
}

/// How buckets are reached. Everything that is not said is found by the provider's own ways.
fn buckets(args: &NetworkArgs) -> BucketOptions {
    BucketOptions {
        endpoint: args.endpoint.clone(),
        region: args.region.clone(),
        profile: args.profile.clone(),
        addressing: match args.addressing {
            AddressingArg::Auto => Addressing::Auto,
            AddressingArg::Path => Addressing::Path,
            AddressingArg::Virtual => Addressing::Virtual,
        },
        credentials: if args.no_sign_request { BucketCredentials::Anonymous } else { BucketCredentials::Ambient },
        staging: std::env::temp_dir(),
    }
}

/// Locations as the command line gives them.
pub(crate) fn locations(texts: &[String]) -> Result<Vec<Location>, Failure> {
    Ok(texts.iter().map(|text| Location::parse(text)).collect::<Result<_, _>>()?)
}

/// The catalog: where asked for, else in the user's cache folder (XDG base directories), else in memory. A file that was asked for
/// and is something else is left alone, with a warning.
pub(crate) fn catalog(asked: Option<PathBuf>, progress: &dyn Progress) -> Catalog {
    if let Some(path) = asked.as_deref().filter(|path| Catalog::is_foreign(path)) {
        progress.warn(&format!("{}: is no catalog and is left alone; nothing is remembered", path.display()));
        return Catalog::in_memory();
    }
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    match asked.or_else(|| Some(cache()?.join("regrow").join("catalog.sqlite"))) {
        Some(path) => Catalog::open(&path),
        None => Catalog::in_memory(),
    }
}
