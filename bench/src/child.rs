//! Flows in processes of their own, so that each flow's time and memory are measured alone.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use regrow_sync::{
    BucketCredentials, BucketOptions, Catalog, ExtractOptions, HttpOptions, Location, MakeOptions, Network, NoProgress,
    Output, RetryPolicy, extract, make,
};

use crate::Result;
use crate::s3server::{ACCESS_KEY, SECRET_KEY};

/// The first argument of a process that runs one flow.
pub(crate) const MARK: &str = "--run-flow";
/// The environment variable with the URL of the server of its buckets.
pub(crate) const ENDPOINT: &str = "REGROW_BENCH_ENDPOINT";

/// The time and memory that a process took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    pub(crate) peak_bytes: u64,
}

/// Runs the flow that the arguments ask for, and prints its report as JSON.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let report = match arguments {
        [flow, store, index, image, olds @ ..] if flow == "make" => {
            let mut file = std::fs::File::open(image)?;
            let total = file.metadata()?.len();
            let mut options = MakeOptions::new(Location::parse(store)?, Location::parse(index)?);
            // An old index and its image are given: make a patch from them.
            if let [old_index, old] = olds {
                options.patch_from = vec![Location::parse(old_index)?.into()];
                options.old_files = vec![old.into()];
                options.image_file = Some(std::fs::File::open(image)?);
            }
            let mut network = network()?;
            serde_json::to_string(&make(
                &mut file,
                Path::new(image),
                Some(total),
                &options,
                &mut network,
                &NoProgress,
            )?)?
        }
        [flow, url, out, catalog, seeds @ ..] if flow == "extract" => {
            let options = ExtractOptions {
                seeds: seeds.iter().map(PathBuf::from).collect(),
                catalog: Some(Catalog::open(Path::new(catalog))),
                ..ExtractOptions::default()
            };
            let mut network = Network::new(HttpOptions::default(), RetryPolicy::default(), std::env::temp_dir())?;
            let output = Output::File(out.into());
            serde_json::to_string(&extract(&Location::parse(url)?, output, &options, &mut network, &NoProgress)?)?
        }
        _ => return Err("a flow that is not known".into()),
    };
    println!("{report}");
    Ok(())
}

/// A network whose buckets are on the parent's server.
fn network() -> Result<Network> {
    let credentials = BucketCredentials::Keys { id: ACCESS_KEY.to_owned(), secret: SECRET_KEY.to_owned(), token: None };
    let buckets = BucketOptions {
        endpoint: std::env::var(ENDPOINT).ok(),
        region: Some("us-east-1".to_owned()),
        credentials,
        ..BucketOptions::default()
    };
    Ok(Network::new(HttpOptions::default(), RetryPolicy::default(), std::env::temp_dir())?.with_buckets(buckets))
}

/// Runs a flow in a process of its own, and returns its report.
pub(crate) fn flow(arguments: &[&str]) -> Result<(serde_json::Value, Cost)> {
    flow_with(arguments, &[])
}

/// Runs a flow with these environment variables.
pub(crate) fn flow_with(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(serde_json::Value, Cost)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(MARK).args(arguments).envs(variables.iter().copied());
    let (output, cost) = watched(&mut command)?;
    Ok((serde_json::from_str(&output)?, cost))
}

/// Runs a command that must succeed. Returns its standard output, which must fit a pipe.
pub(crate) fn watched(command: &mut Command) -> Result<(String, Cost)> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_bytes = 0;
    let status: ExitStatus = loop {
        // The peak only grows, so the last value is the peak, except for the last moment.
        peak_bytes = peak_of(Path::new(&status_file)).unwrap_or(0).max(peak_bytes);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let cost = Cost { time: start.elapsed(), peak_bytes };
    let output = child.wait_with_output()?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok((String::from_utf8(output.stdout)?, cost))
}

/// `VmHWM` of a process: the most memory that it held (proc(5)).
fn peak_of(status: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}
