//! Parts that several commands share: the network made from their arguments, locations, and the user's folders.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regrow_catalog::Catalog;
use regrow_store::{
    GivenHeader, HeaderLine, RateLimit, Redirects, RetryPolicy, origin_of, parse_header_line, parse_header_lines,
};
use regrow_sync::{
    Addressing, BucketCredentials, BucketOptions, ClaimsReport, Deadline, ExtractOptions, HttpOptions, Location,
    Network, Progress, ReaderLimits, RegistryLogins, RegistryOptions, SyncError, Timestamp,
};
#[cfg(feature = "publish")]
use regrow_sync::{SecretKey, read_secret_key};

#[cfg(feature = "publish")]
use super::sources::{Cut, Sources};
#[cfg(feature = "publish")]
use crate::args::PasswordArgs;
use crate::args::{AddressingArg, MEMORY_FOLDER, NetworkArgs, ReadingArgs, RedirectsArg, state_folder};
use crate::failure::{Code, Failure};
use crate::print::line;
use crate::progress::{Bars, Verbosity};

/// The places that a command line names. They decide where headers go.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Named<'a> {
    /// The indexes that are read.
    pub(crate) indexes: &'a [&'a [String]],
    /// The stores that are read.
    pub(crate) stores: &'a [String],
}

/// Makes the network that the command line asks for, for a run that must be over by `deadline`.
pub(crate) fn network(args: &NetworkArgs, named: Named<'_>, deadline: Option<Deadline>) -> Result<Network, Failure> {
    let lines = header_lines(&args.headers)?;
    let options = HttpOptions {
        named_origins: lines.iter().filter_map(|line| line.origin.clone()).collect(),
        headers: headers(lines, named)?,
        redirects: match args.redirects {
            RedirectsArg::None => Redirects::None,
            RedirectsArg::SameOrigin => Redirects::SameOrigin,
            RedirectsArg::Safe => Redirects::Safe,
            RedirectsArg::Any => Redirects::Any,
        },
        ca_file: args.ca_file.clone(),
        limit: args.limit_rate.map(|rate| Arc::new(RateLimit::new(rate))),
        stall_timeout: Duration::from_secs(args.timeout),
        min_rate: args.min_rate,
        ..HttpOptions::default()
    };
    let policy = RetryPolicy { attempts: args.tries, deadline, ..RetryPolicy::default() };
    Ok(Network::new(options, policy, std::env::temp_dir())?
        .with_buckets(buckets(args))
        .with_registries(registries(args))
        .with_limits(limits(args)))
}

/// An image that is about to be read.
pub(crate) struct Reading {
    pub(crate) options: ExtractOptions,
    pub(crate) network: Network,
    pub(crate) bars: Bars,
}

/// Prepares for reading the image of an index, as the command line asks for it.
pub(crate) fn reading(args: &ReadingArgs, index: &String, verbosity: Verbosity) -> Result<Reading, Failure> {
    let deadline = deadline(&args.network);
    let indexes: [&[String]; 2] = [std::slice::from_ref(index), &args.trust.signatures];
    let named = Named { indexes: &indexes, stores: &args.stores };
    let mut network = network(&args.network, named, deadline)?;
    let bars = Bars::new(verbosity).until(deadline);
    let trust = args.trust.trust(&mut network, &bars)?;
    let memory = if args.no_state { None } else { args.trust.state.clone().or_else(state_folder) };
    let options = ExtractOptions {
        stores: locations(&args.stores)?,
        seeds: args.seeds.iter().map(|seed| seed_path(seed)).collect(),
        cache: args.cache.clone(),
        catalog: Some(catalog(args.catalog.clone(), &bars)),
        memory: memory.map(|folder| folder.join(MEMORY_FOLDER)),
        connections: args.connections as usize,
        patches: !args.no_patch,
        head_first: args.head_first,
        dry_run: args.dry_run,
        trust,
        ..ExtractOptions::default()
    };
    Ok(Reading { options, network, bars })
}

/// The path of a seed. Standard input goes by its name as a file, because it may be one.
fn seed_path(seed: &Path) -> PathBuf {
    if seed == Path::new("-") { "/dev/stdin".into() } else { seed.to_owned() }
}

/// Says what the catalog could not do, if the user wants to know.
pub(crate) fn warn_of_catalog(catalog: Option<&Catalog>, bars: &Bars, verbosity: Verbosity) {
    if verbosity == Verbosity::Verbose
        && let Some(problem) = catalog.and_then(Catalog::last_problem)
    {
        bars.warn(&format!("catalog: {problem}"));
    }
}

/// The limits on what an index may ask for.
fn limits(args: &NetworkArgs) -> ReaderLimits {
    let default = ReaderLimits::default();
    ReaderLimits {
        min_avg_bytes: args.min_avg_size.unwrap_or(default.min_avg_bytes),
        max_image_bytes: args.max_size.unwrap_or(default.max_image_bytes),
    }
}

/// The time that a run may go on after its deadline while it does not look at the clock. It may wait for a pipe or a
/// disk, or work on one large piece.
const PATIENCE: Duration = Duration::from_secs(5);

/// The deadline of the run, if the command line sets one. A run that does not end by itself is ended, since it may
/// be killed at any point without harm.
pub(crate) fn deadline(args: &NetworkArgs) -> Option<Deadline> {
    let deadline = Deadline::after(args.max_time?);
    let watch = move || {
        std::thread::sleep(deadline.left().saturating_add(PATIENCE));
        std::process::exit(i32::from(Failure::from(SyncError::from(deadline.error())).print()));
    };
    // Without the thread the run still ends by itself in nearly all cases.
    let _ = std::thread::Builder::new().name("max-time".to_owned()).spawn(watch);
    Some(deadline)
}

/// The headers as they were written, on the command line or in files.
fn header_lines(given: &[String]) -> Result<Vec<HeaderLine>, Failure> {
    let mut lines = Vec::new();
    for header in given {
        match header.strip_prefix('@') {
            Some(path) => lines.extend(headers_of(Path::new(path))?),
            // The library calls the option what the flag is called, but for the dashes.
            None => {
                lines.push(parse_header_line(header).map_err(|error| Failure::new(Code::Usage, format!("--{error}")))?)
            }
        }
    }
    Ok(lines)
}

/// The headers with the origins that get them.
fn headers(lines: Vec<HeaderLine>, named: Named<'_>) -> Result<Vec<GivenHeader>, Failure> {
    let mut found = Vec::new();
    for HeaderLine { origin, name, value } in lines {
        let origins = origin.map_or_else(|| named.origins(), |origin| Ok(vec![origin]))?;
        let header = |origin| GivenHeader { origin, name: name.clone(), value: value.clone() };
        found.extend(origins.into_iter().map(header));
    }
    Ok(found)
}

impl Named<'_> {
    /// The origins of headers that name no host: the hosts of the indexes, or the host of the stores if no index is
    /// on one.
    fn origins(self) -> Result<Vec<String>, Failure> {
        let indexes = origins(self.indexes.iter().copied().flatten());
        if !indexes.is_empty() {
            return Ok(indexes);
        }
        let stores = origins(self.stores);
        if stores.len() > 1 {
            let message = "--header: the stores are on several hosts; say which gets it: --header \"HOST=Name: value\"";
            return Err(Failure::new(Code::Usage, message));
        }
        Ok(stores)
    }
}

/// The origins of the places that are URLs of hosts, each once.
fn origins<'a>(places: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for place in places {
        let origin = match Location::parse(place) {
            Ok(Location::Url(url)) => origin_of(&url),
            Ok(Location::Registry(url)) => origin_of(&url.origin()),
            _ => None,
        };
        if let Some(origin) = origin
            && !found.contains(&origin)
        {
            found.push(origin);
        }
    }
    found
}

/// Reads headers from a file, one on each line. On a command line, other users could see them.
fn headers_of(path: &Path) -> Result<Vec<HeaderLine>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(Code::General, format!("--header @{}: {error}", path.display())))?;
    parse_header_lines(&text)
        .map_err(|error| Failure::new(Code::Usage, format!("--header @{}: {error}", path.display())))
}

/// The settings for buckets. The provider's own tools decide everything that the command line does not set.
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
        ..BucketOptions::default()
    }
}

/// The settings for registries. The files and helpers of Docker and Podman decide about logins.
fn registries(args: &NetworkArgs) -> RegistryOptions {
    let logins = if args.no_sign_request { RegistryLogins::Anonymous } else { RegistryLogins::Ambient };
    RegistryOptions { logins }
}

/// Parses the locations of a command line.
pub(crate) fn locations(texts: &[String]) -> Result<Vec<Location>, Failure> {
    Ok(texts.iter().map(|text| Location::parse(text)).collect::<Result<_, _>>()?)
}

/// Reads the bases of patches on a command line. Images that are no file get an index for the run.
#[cfg(feature = "publish")]
pub(crate) fn base_choices(
    texts: &[String],
    sources: &mut Sources<'_>,
    cut: impl Fn(&mut Network) -> Result<Cut, Failure>,
    network: &mut Network,
) -> Result<Vec<regrow_sync::BaseChoice>, Failure> {
    let mut choices = Vec::new();
    for text in texts {
        choices.push(match sources.index(text, &cut, network)? {
            Some(index) => index.into(),
            None => regrow_sync::BaseChoice::parse(text)?,
        });
    }
    Ok(choices)
}

/// Opens the catalog: at the given path, or in the user's cache folder (XDG base directories), or in memory. A
/// given file that is something else is left alone, and so is one that others could have written; a warning says
/// so.
pub(crate) fn catalog(asked: Option<PathBuf>, progress: &dyn Progress) -> Catalog {
    if let Some(path) = asked.as_deref().filter(|path| Catalog::is_foreign(path)) {
        progress.warn(&format!("{}: is not a catalog, so it is left alone and nothing is remembered", path.display()));
        return Catalog::in_memory();
    }
    let Some(path) = asked.or_else(|| default_catalog(progress)) else { return Catalog::in_memory() };
    let catalog = Catalog::open(&path);
    if let Some(reason) = catalog.refusal() {
        progress.warn(&reason);
    }
    catalog
}

/// The path of the catalog in the user's cache folder.
fn default_catalog(progress: &dyn Progress) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let (name, folder) = ["XDG_CACHE_HOME", "HOME"].into_iter().find_map(|name| Some((name, variable(name)?)))?;
    // `sudo` may leave the user's own folder in place.
    let is_root = rustix::process::geteuid().is_root();
    if is_root && folder.metadata().is_ok_and(|metadata| metadata.uid() != 0) {
        let folder = folder.display();
        progress.warn(&format!("{name} is {folder}, another user's folder; nothing is remembered without --catalog"));
        return None;
    }
    let cache = if name == "HOME" { folder.join(".cache") } else { folder };
    let folder = cache.join("regrow");
    take_back(&folder);
    Some(folder.join("catalog.sqlite"))
}

/// Makes regrow's own folder private again, if an earlier version let the umask give it to a group. Files that
/// others put into it meanwhile belong to them, and are not used.
fn take_back(folder: &Path) {
    let Ok(metadata) = folder.symlink_metadata() else { return };
    let is_own = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
    if is_own && metadata.mode() & 0o022 != 0 {
        let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    }
}

/// The lines of a summary for what a statement claims. What is not claimed has none.
pub(crate) fn claims_text(claims: &ClaimsReport) -> String {
    let time = |seconds: u64| (seconds > 0).then(|| Timestamp(seconds).to_string());
    let lines = [
        ("channel", Some(claims.channel.clone()).filter(|channel| !channel.is_empty())),
        ("counter", Some(claims.counter.to_string()).filter(|_| claims.counter > 0)),
        ("signed", time(claims.signed_at)),
        ("valid until", time(claims.expires_at)),
    ];
    lines.into_iter().filter_map(|(name, value)| Some(line(name, value?))).collect()
}

/// Reads secret keys. The password is that of all of them which are encrypted.
#[cfg(feature = "publish")]
pub(crate) fn secret_keys(paths: &[PathBuf], password: &PasswordArgs) -> Result<Vec<SecretKey>, Failure> {
    let password = password.password()?;
    let read = |path: &PathBuf| read_secret_key(path, || password.clone());
    Ok(paths.iter().map(read).collect::<Result<_, _>>()?)
}
