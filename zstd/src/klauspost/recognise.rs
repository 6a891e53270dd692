//! The kinds of klauspost's encoders that a frame's beginning leaves.

use std::rc::Rc;

use super::parameters::{Form, Klauspost, Level, MAX_BLOCK_LOG, MAX_WINDOW_LOG, MIN_WINDOW_LOG};
use super::version::Version;
use crate::beginning::Beginning;
use crate::format::FrameHeader;

/// The kinds that may have written a frame, the likeliest first, of these levels.
pub(crate) fn candidates<'a>(
    beginning: &'a Beginning<'_>,
    similar: Vec<Level>,
) -> impl Iterator<Item = Klauspost> + 'a {
    let similar: Rc<[Level]> = similar.into();
    let options = [(false, false), (true, false), (false, true), (true, true)];
    options.into_iter().flat_map(move |(other_literals, plain_literals)| {
        let similar = Rc::clone(&similar);
        Version::ALL.into_iter().flat_map(move |version| {
            levels(beginning, version, Rc::clone(&similar)).flat_map(move |level| {
                let usual = Klauspost::new(version, level);
                let codes_all_literals = usual.codes_all_literals != other_literals;
                let usual = Klauspost { codes_all_literals, plain_literals, ..usual };
                forms(&beginning.header).filter_map(move |form| fitted(Klauspost { form, ..usual }, beginning))
            })
        })
    })
}

/// The levels, those first whose usual windows and blocks are these.
fn levels(beginning: &Beginning<'_>, version: Version, similar: Rc<[Level]>) -> impl Iterator<Item = Level> {
    let window_log = window_log_of(&beginning.header);
    let first = beginning.blocks.first().copied();
    let is_usual = move |level: &Level| {
        let usual = Klauspost::new(version, *level);
        window_log.is_none_or(|log| log == usual.window_log) && first.is_none_or(|bytes| bytes <= 1 << usual.block_log)
    };
    let others = Level::ALL.into_iter().filter(move |level| !is_usual(level));
    let all = Level::ALL.into_iter().filter(is_usual).chain(others);
    all.filter(move |level| version.is_first_at(*level) && similar.contains(level))
}

/// The forms whose frames have such a header.
fn forms(header: &FrameHeader) -> impl Iterator<Item = Form> {
    let is_sized = header.plain_bytes.is_some();
    let is_single = header.is_single_segment;
    Form::ALL.into_iter().filter(move |form| match form {
        // Those are frames of no more than a block.
        Form::Stream => true,
        Form::SizedStream => is_sized && !is_single,
        Form::All => is_sized,
    })
}

/// A kind with the window and the blocks of a frame; `None` if it has no such frames.
fn fitted(kind: Klauspost, beginning: &Beginning<'_>) -> Option<Klauspost> {
    let Beginning { header, plain, blocks, is_whole, .. } = beginning;
    let least_log = |bytes: u64| bytes.max(1).next_power_of_two().ilog2() as u8;
    let window_log = match (window_log_of(header), header.plain_bytes) {
        (None, Some(bytes)) if header.is_single_segment => kind.window_log.max(least_log(bytes)),
        // A header tells of no more window than a frame needs whose size is known.
        (Some(log), Some(bytes)) if bytes < 1 << log => kind.window_log.max(log),
        (Some(log), None) if *is_whole && plain.len() <= 1 << MIN_WINDOW_LOG && log == MIN_WINDOW_LOG => {
            kind.window_log
        }
        (Some(log), _) => log,
        (None, _) => return None,
    };
    let full =
        blocks.iter().copied().max().filter(|bytes| bytes.is_power_of_two()).map(|bytes| least_log(bytes as u64));
    let usual = kind.block_log.min(window_log);
    let block_log = match full {
        Some(log) if blocks.len() > 1 || !is_whole => log.max(MIN_WINDOW_LOG),
        _ if blocks.iter().any(|bytes| *bytes > 1 << usual) => MAX_BLOCK_LOG.min(window_log),
        _ => usual,
    };
    let flushed_at = flushed_at(blocks, *is_whole, 1 << block_log);
    let checksum = header.has_checksum;
    let known = Klauspost { window_log, block_log, flushed_at, checksum, ..kind };
    (window_log <= MAX_WINDOW_LOG && known.is_possible()).then_some(known)
}

/// The plain bytes before the first short block, unless that ends the frame; 0 if there is none.
fn flushed_at(blocks: &[usize], is_whole: bool, block_bytes: usize) -> u64 {
    let ended = blocks.len() - usize::from(is_whole && !blocks.is_empty());
    match blocks[..ended].iter().position(|bytes| *bytes < block_bytes) {
        Some(short) => blocks[..=short].iter().map(|bytes| *bytes as u64).sum(),
        None => 0,
    }
}

/// The size of window that a frame's header tells, as a power of two.
fn window_log_of(header: &FrameHeader) -> Option<u8> {
    let log = header.window.checked_ilog2()? as u8;
    (header.window.is_power_of_two() && !header.is_single_segment).then_some(log)
}
