//! The coding of a target that is made from nothing: its bytes are sorted by kind into lanes, and each lane is
//! compressed by LZMA2 as a whole, machine code behind a filter for its branches. Lanes are read side by side.
//! docs/format/patch-body.md, section 4.

mod kind;
mod read;
mod table;
mod write;

#[cfg(test)]
mod tests;

use liblzma::stream::{Filters, LzmaOptions, Stream};

pub use kind::LaneKind;
pub use read::decode_sorted;
pub use write::SortedEncoder;

use crate::error::DeltaError;
use table::LaneForm;
#[cfg(test)]
use table::{LaneEntry, Table};

/// The byte that stands for this coding.
const SORTED: u8 = 3;
/// The most lanes.
const MAX_LANES: usize = 16;
/// The largest dictionary of a lane, as a logarithm, and the smallest.
const MAX_DICTIONARY_LOG: u8 = 25;
const MIN_DICTIONARY_LOG: u8 = 16;
/// The most bytes of the dictionaries of all lanes.
const MAX_DICTIONARIES_BYTES: u64 = 128 << 20;

/// A filter for machine code before LZMA2, by its number in the .xz format.
fn put_filter(filters: &mut Filters, number: u8) -> Result<(), DeltaError> {
    match number {
        0 => {}
        4 => drop(filters.x86()),
        5 => drop(filters.powerpc()),
        6 => drop(filters.ia64()),
        7 => drop(filters.arm()),
        8 => drop(filters.arm_thumb()),
        9 => drop(filters.sparc()),
        10 => drop(filters.arm64()),
        11 => drop(filters.riscv()),
        _ => return Err(DeltaError::Damaged("a filter that is not known")),
    }
    Ok(())
}

fn filters(form: &LaneForm, preset: u32) -> Result<Filters, DeltaError> {
    let mut options = LzmaOptions::new_preset(preset).map_err(coder)?;
    let (lc, pb) = form.context_bits();
    options.dict_size(1 << form.dictionary_log).literal_context_bits(lc).literal_position_bits(0).position_bits(pb);
    let mut filters = Filters::new();
    put_filter(&mut filters, form.filter)?;
    filters.lzma2(&options);
    Ok(filters)
}

fn decoder(form: &LaneForm) -> Result<Stream, DeltaError> {
    Stream::new_raw_decoder(&filters(form, 6)?).map_err(coder)
}

fn coder(error: liblzma::stream::Error) -> DeltaError {
    DeltaError::Coder(error.into())
}
