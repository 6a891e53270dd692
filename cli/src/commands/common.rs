//! What several commands need: the network from its arguments, locations, the user's folders.

use std::path::PathBuf;
use std::time::Duration;

use regrow_catalog::Catalog;
use regrow_store::RetryPolicy;
use regrow_sync::{HttpOptions, Location, Network, Progress};

use crate::args::NetworkArgs;
use crate::failure::{Code, Failure};

/// A network as the command line wants it.
pub(crate) fn network(args: &NetworkArgs) -> Result<Network, Failure> {
    let mut options = HttpOptions::default();
    for header in &args.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| Failure::new(Code::Usage, "--header: write it like \"Name: value\""))?;
        options.headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    options.ca_file.clone_from(&args.ca_file);
    options.stall_timeout = Duration::from_secs(args.timeout);
    let policy = RetryPolicy { attempts: args.tries, ..RetryPolicy::default() };
    Ok(Network::new(options, policy)?)
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
