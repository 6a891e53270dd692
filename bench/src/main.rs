//! Measures regrow's steps and whole flows, each compared with the limits of this machine, and prints Markdown
//! tables. `cargo run --release -p regrow-bench -- --help` describes the options.

mod against;
mod chart;
mod child;
#[path = "../../store/tests/delay_proxy/mod.rs"]
mod delay_proxy;
mod far;
mod flows;
#[path = "../../deflate/tests/go_encoders/real.rs"]
mod go;
mod gzip;
mod host;
mod options;
mod peers;
#[path = "../../store/tests/s3server/mod.rs"]
mod s3server;
mod stages;
mod table;
mod timing;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use options::Options;

/// Any error ends the run with its message.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[expect(clippy::print_stderr, reason = "the one place that prints errors")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == child::MARK => child::run(rest),
        _ => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("regrow-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the tables are what this is for")]
fn run(arguments: &[String]) -> Result<()> {
    let Some(options) = Options::parse(arguments)? else {
        print!("{}", options::HELP);
        return Ok(());
    };
    let work = tempfile::Builder::new().prefix("regrow-bench-").tempdir_in(&options.folder)?;
    let mut pairs = options.pairs.clone();
    if pairs.is_empty() {
        pairs.push(regrow_demo::shop::write_pair(work.path())?);
    }
    let mut panels = Vec::new();
    println!("Made with `{}` on {}.\n", options.command(), table::machine());
    for (old, new) in &pairs {
        let name =
            new.parent().and_then(Path::file_name).map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let title = if options.pairs.is_empty() { "a generated pair".to_owned() } else { name };
        let (old_bytes, new_bytes) = (old.metadata()?.len(), new.metadata()?.len());
        println!("### {title}: {} to {}\n", table::megabytes(old_bytes), table::megabytes(new_bytes));
        if let Some((older, newer)) = &options.against {
            println!("{}", against::measure((older, newer), (old, new), work.path(), options.runs)?);
            continue;
        }
        let (stages, limits) = stages::measure(new, work.path(), options.runs)?;
        println!("{stages}");
        let (flows, update) = flows::measure(old, new, work.path(), options.runs, &limits)?;
        println!("{flows}");
        if options.gzip {
            println!("{}", gzip::measure(new, work.path(), options.runs)?);
        }
        if options.s3 {
            println!("{}", far::publish(old, new, work.path(), options.runs)?);
            println!("{}", far::update(old, new, work.path(), options.runs)?);
        }
        if options.peers || options.chart.is_some() {
            let (table, points) = peers::measure(old, new, work.path(), &update)?;
            println!("{table}");
            panels.push(chart::Panel { title: format!("{title}, {}", table::megabytes(new_bytes)), points });
        }
    }
    if let Some(path) = &options.chart {
        std::fs::write(path, chart::svg(&panels))?;
    }
    Ok(())
}
