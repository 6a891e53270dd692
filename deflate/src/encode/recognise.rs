//! Which known encoder wrote a stream.

use super::{Encoder, Known};
use crate::klauspost::recognise as recognise_klauspost;

/// How many plain bytes an encoder is given before what it made of them is compared.
const PIECE_BYTES: usize = 64 << 10;

/// The known encoders that may have written the stream that begins with `stored_prefix`, whose plain bytes begin with
/// `plain_prefix` (1 MiB, say, or all there are).
///
/// Each candidate encodes the beginning and is dropped at the first byte that differs. Where one makes all of
/// `stored_prefix` of just these plain bytes, only such are given: then it is the whole stream. Otherwise what is given
/// fits so far; only encoding all of the plain bytes proves it. An encoder that makes nothing of so few plain bytes (of
/// very repetitive ones, a block may be of some MiB) is not among them.
#[must_use]
pub fn recognise(stored_prefix: &[u8], plain_prefix: &[u8]) -> Vec<Known> {
    if stored_prefix.is_empty() {
        return Vec::new();
    }
    let klauspost = recognise_klauspost(stored_prefix, plain_prefix).into_iter().map(Known::Klauspost);
    klauspost.chain(others(stored_prefix, plain_prefix)).collect()
}

fn others(stored_prefix: &[u8], plain_prefix: &[u8]) -> Vec<Known> {
    let others = Known::all_of_go().chain(Known::all_of_zlib());
    let fits: Vec<(Known, Fit)> =
        others.filter_map(|known| Some((known, fit(known, stored_prefix, plain_prefix)?))).collect();
    let best = fits.iter().map(|&(_, fit)| fit).max();
    fits.into_iter().filter(|&(_, fit)| Some(fit) == best).map(|(known, _)| known).collect()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Beginning,
    Whole,
}

fn fit(known: Known, stored: &[u8], plain: &[u8]) -> Option<Fit> {
    let (mut encoder, mut made, mut compared) = (Encoder::new(known), Vec::new(), 0);
    for piece in plain.chunks(PIECE_BYTES) {
        encoder.write(piece, &mut made);
        agree(stored.get(compared..)?, &made)?;
        compared += made.len();
        made.clear();
        if compared >= stored.len() {
            return Some(Fit::Beginning);
        }
    }
    encoder.finish(&mut made);
    let rest = stored.get(compared..)?;
    if rest == made {
        return Some(Fit::Whole);
    }
    // Nothing that is made of a beginning alone says anything against it.
    (compared > 0).then_some(Fit::Beginning)
}

/// Whether the shorter of the two begins the other.
fn agree(stored: &[u8], made: &[u8]) -> Option<()> {
    let common = stored.len().min(made.len());
    (stored[..common] == made[..common]).then_some(())
}
