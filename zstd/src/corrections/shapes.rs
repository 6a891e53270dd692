//! The forms of compressed blocks as numbers.

use super::channels::{Channel, NumberReader, NumberWriter};
use crate::anatomy::{LiteralsKind, Mode, Shape};
use crate::error::ZstdError;

/// The form is that of the predicted block.
const SAME: u64 = 0;
const FORMAT: u64 = 4;
const NEW_CODES: u64 = 16;
const MAX_FORM: u64 = 1 + 31;
/// The modes have six bits, and one more for each table that is not the predicted one.
const NEW_TABLES: u64 = 64;
const MAX_MODES: u64 = 8 * NEW_TABLES - 1;
/// The most bytes of a table.
const MAX_TABLE_BYTES: usize = 256;

/// Writes a form.
pub(super) fn put(shape: &Shape, predicted: Option<&Shape>, has_sequences: bool, out: &mut NumberWriter) {
    if predicted == Some(shape) {
        out.put(Channel::Shapes, SAME);
        return;
    }
    let empty = Shape::default();
    let predicted = predicted.unwrap_or(&empty);
    let has_codes = shape.literals == LiteralsKind::Compressed;
    let new_codes = has_codes && shape.codes != predicted.codes;
    let form = shape.literals as u64 + FORMAT * u64::from(shape.format) + NEW_CODES * u64::from(new_codes);
    out.put(Channel::Shapes, 1 + form);
    if new_codes {
        out.put_bytes(&shape.codes);
    }
    if !has_sequences {
        return;
    }
    let is_new = [0, 1, 2].map(|kind| has_table(shape.modes()[kind]) && shape.tables[kind] != predicted.tables[kind]);
    let new = is_new.iter().enumerate().map(|(kind, is_new)| u64::from(*is_new) << kind).sum::<u64>();
    out.put(Channel::Shapes, u64::from(shape.modes >> 2) + NEW_TABLES * new);
    for (table, _) in shape.tables.iter().zip(is_new).filter(|(_, is_new)| *is_new) {
        out.put_bytes(table);
    }
}

/// Reads a form.
pub(super) fn take(
    predicted: Option<&Shape>,
    has_sequences: bool,
    numbers: &mut NumberReader,
) -> Result<Shape, ZstdError> {
    let form = numbers.take_up_to(Channel::Shapes, MAX_FORM)?;
    let Some(form) = form.checked_sub(1) else { return predicted.cloned().ok_or(ZstdError::Corrections) };
    let literals = LiteralsKind::of(form as u8);
    let mut shape = Shape { literals, format: ((form / FORMAT) & 3) as u8, ..Shape::default() };
    if form & NEW_CODES != 0 {
        shape.codes = numbers.take_bytes(MAX_TABLE_BYTES)?;
    } else if literals == LiteralsKind::Compressed {
        shape.codes = predicted.map(|shape| shape.codes.clone()).unwrap_or_default();
    }
    if !has_sequences {
        return Ok(shape);
    }
    let modes = numbers.take_up_to(Channel::Shapes, MAX_MODES)?;
    shape.modes = (modes % NEW_TABLES) as u8 * 4;
    for (kind, mode) in shape.modes().into_iter().enumerate() {
        if ((modes / NEW_TABLES) >> kind) & 1 == 1 {
            shape.tables[kind] = numbers.take_bytes(MAX_TABLE_BYTES)?;
        } else if has_table(mode) {
            shape.tables[kind] = predicted.map(|shape| shape.tables[kind].clone()).unwrap_or_default();
        }
    }
    Ok(shape)
}

/// Whether a table, or a symbol, stands in the block.
fn has_table(mode: Mode) -> bool {
    matches!(mode, Mode::OneSymbol | Mode::New)
}
