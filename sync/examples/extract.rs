//! An updater in 30 lines: rebuilds the image behind an index's URL from what is on the machine and what is missing.
//!
//!     cargo run --release -p regrow-sync --example extract -- https://host/app-2.rgx app-2.tar app-1.tar

#![allow(clippy::print_stdout, reason = "an example talks")]

use regrow_sync::{ExtractOptions, HttpOptions, Location, Network, Output, Progress, RetryPolicy, Stage, extract};

/// Tells the updater's user what goes on.
struct Say;

impl Progress for Say {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        println!("{stage:?} of {total:?} bytes");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, index, output, seeds @ ..] = arguments.as_slice() else {
        return Err("usage: extract INDEX|URL OUT [SEED...]".into());
    };
    let seeds = seeds.iter().map(Into::into).collect();
    let options = ExtractOptions { seeds, ..ExtractOptions::default() };
    let mut network = Network::new(HttpOptions::default(), RetryPolicy::default(), std::env::temp_dir())?;
    let report = extract(&Location::parse(index)?, Output::File(output.into()), &options, &mut network, &Say)?;
    println!("{} bytes rebuilt, {} fetched", report.image_bytes, report.bytes_fetched);
    Ok(())
}
