//! `regrow state`.

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use regrow_sync::{Keep, MAX_MEMORY_BYTES, Memory, RememberedImage, Timestamp};
use serde_json::{Value, json};

use crate::args::{MEMORY_FOLDER, state_folder};
use crate::failure::{Code, Failure};
use crate::print::{Reporter, To, exact, line};
use crate::progress::Verbosity;
use crate::size;

/// Show and bound what is remembered of images that were made
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// List the images that are remembered, the newest first
    List(StateArgs),
    /// Forget the oldest images, and what belongs to none
    Prune {
        /// Keep this many images
        #[arg(long, value_name = "N")]
        keep: Option<usize>,
        /// Keep at most this many bytes of files
        #[arg(long, value_name = "SIZE", value_parser = size::parse)]
        max_size: Option<u64>,
        #[command(flatten)]
        state: StateArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// The state folder [default: /var/lib/regrow for root, else the user's state folder]
    #[arg(long = "state", env = "REGROW_STATE", value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,
    /// Print one JSON object on standard output
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(command: StateCommand, verbosity: Verbosity) -> Result<(), Failure> {
    let (args, keep) = match command {
        StateCommand::List(args) => (args, None),
        StateCommand::Prune { keep, max_size, state } => {
            (state, Some(Keep { bytes: max_size.unwrap_or(MAX_MEMORY_BYTES), images: keep.unwrap_or(usize::MAX) }))
        }
    };
    let no_folder = || Failure::new(Code::Usage, "there is no home folder; give a folder with --state");
    let folder = args.folder.or_else(state_folder).ok_or_else(no_folder)?.join(MEMORY_FOLDER);
    let memory = Memory::open(&folder).map_err(|problem| Failure::new(Code::General, problem.to_string()))?;
    let io = |error: io::Error| Failure::new(Code::General, format!("{}: {error}", folder.display()));
    let (mut report, mut text) = (json!({}), String::new());
    if let Some(keep) = keep {
        let forgotten = memory.as_ref().map(|memory| memory.prune(keep)).transpose().map_err(io)?.unwrap_or_default();
        report["images_forgotten"] = forgotten.images.into();
        report["bytes_forgotten"] = forgotten.bytes.into();
        text = line("forgotten", format!("{} images, {}", forgotten.images, exact(forgotten.bytes)));
    }
    let images = memory.map_or_else(|| Ok(Vec::new()), |memory| memory.images()).map_err(io)?;
    text.extend(images.iter().map(in_words));
    report["images"] = images.iter().map(in_json).collect();
    Reporter { verbosity, json: args.json }.print(&report, &text, To::Output)
}

fn made(image: &RememberedImage) -> Timestamp {
    Timestamp::of(image.made)
}

fn in_words(image: &RememberedImage) -> String {
    let (statement, parts) = (&image.statement, image.statement.parts.len());
    let channel = &statement.claims.channel;
    let channel = if channel.is_empty() { String::new() } else { format!("{channel}, ") };
    let size = size::show(statement.image_bytes);
    let described = format!("{} of {parts} parts in {}", image.described, size::show(image.bytes));
    line(&made(image).to_string(), format!("{} ({channel}{size}): {described}", hex(&statement.image_digest)))
}

fn in_json(image: &RememberedImage) -> Value {
    let statement = &image.statement;
    json!({
        "made_at": made(image).0,
        "image_digest": hex(&statement.image_digest),
        "image_id": statement.image_id().to_string(),
        "image_bytes": statement.image_bytes,
        "channel": statement.claims.channel,
        "parts": statement.parts.len(),
        "parts_described": image.described,
        "bytes": image.bytes,
    })
}

fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from(*digest).to_string()
}
