//! Which known encoder wrote a stream.

use super::{Encoder, GoGeneration, KnownEncoder, ZlibFamily};
use crate::encoders::klauspost::recognise as recognise_klauspost;

/// The encoders that write most layers, but for klauspost's.
const DEFAULTS: [KnownEncoder; 6] = [
    KnownEncoder::Go { generation: GoGeneration::Before127, level: 6 },
    KnownEncoder::Go { generation: GoGeneration::From127, level: 6 },
    KnownEncoder::Zlib(ZlibFamily::Gzip { level: 6 }),
    KnownEncoder::Zlib(ZlibFamily::Zlib { level: 6, memory: 8 }),
    KnownEncoder::Zlib(ZlibFamily::Pigz { level: 6 }),
    KnownEncoder::Zlib(ZlibFamily::Gzip { level: 9 }),
];

/// The plain bytes that an encoder is given before the stream it made of them is compared.
const PIECE_BYTES: usize = 64 << 10;

/// The known encoders that may have written the stream that begins with `stored_prefix`, whose plain bytes begin with
/// `plain_prefix` (1 MiB, say, or all there are), the likelier ones first.
///
/// Each candidate is tried when it is asked for: it encodes the beginning and is dropped at the first byte that
/// differs. Those that are given fit so far; only encoding all of the plain bytes proves it. An encoder that makes
/// nothing of these few plain bytes (of very repetitive ones, a block may be of some MiB) is not among them.
pub fn recognise<'a>(stored_prefix: &'a [u8], plain_prefix: &'a [u8]) -> impl Iterator<Item = KnownEncoder> + 'a {
    let fits =
        move |known: &KnownEncoder| !stored_prefix.is_empty() && fit(*known, stored_prefix, plain_prefix).is_some();
    let klauspost = (!stored_prefix.is_empty()).then(|| recognise_klauspost(stored_prefix, plain_prefix));
    let klauspost = klauspost.into_iter().flatten().map(KnownEncoder::Klauspost);
    let rest = KnownEncoder::all_of_go().chain(KnownEncoder::all_of_zlib()).filter(|known| !DEFAULTS.contains(known));
    DEFAULTS.into_iter().filter(fits).chain(klauspost).chain(rest.filter(fits))
}

fn fit(known: KnownEncoder, stored: &[u8], plain: &[u8]) -> Option<()> {
    let (mut encoder, mut made, mut compared) = (Encoder::new(known), Vec::new(), 0);
    for piece in plain.chunks(PIECE_BYTES) {
        encoder.write(piece, &mut made);
        agree(stored.get(compared..)?, &made)?;
        compared += made.len();
        made.clear();
        if compared >= stored.len() {
            return Some(());
        }
    }
    encoder.finish(&mut made);
    let rest = stored.get(compared..)?;
    // Nothing that is made of a beginning alone says anything against it.
    (rest == made || compared > 0).then_some(())
}

/// Whether the shorter of the two begins the other.
fn agree(stored: &[u8], made: &[u8]) -> Option<()> {
    let common = stored.len().min(made.len());
    (stored[..common] == made[..common]).then_some(())
}
