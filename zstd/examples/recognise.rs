//! Says of each frame of zstd files which known encoder makes it again, and how long that takes to find out.
//!
//!     recognise FILE...
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use regrow_zstd::{Beginning, KnownEncoder, Reencoder, ZstdError, ZstdPart, ZstdReader};

fn main() -> std::io::Result<()> {
    for file in std::env::args().skip(1) {
        let stored = std::fs::read(&file)?;
        match frames(&stored) {
            Ok(frames) => report(&file, &frames),
            Err(error) => println!("{file}: {error}"),
        }
    }
    Ok(())
}

/// A frame with its plain bytes.
type Frame<'a> = (&'a [u8], Vec<u8>);

fn frames(stored: &[u8]) -> Result<Vec<Frame<'_>>, ZstdError> {
    let (mut reader, mut frames, mut plain, mut at) = (ZstdReader::default(), Vec::new(), Vec::new(), 0);
    loop {
        let before = plain.len();
        let step = reader.push(&stored[at..], &mut plain, 1 << 20)?;
        at += step.taken;
        if step.ended_part
            && let Some(ZstdPart::Frame { stored: place, .. }) = reader.parts().last()
        {
            frames.push((&stored[place.start as usize..place.end as usize], std::mem::take(&mut plain)));
        }
        if step.taken == 0 && plain.len() == before && !step.ended_part {
            return reader.finish().map(|_| frames);
        }
    }
}

/// An encoder that is kept for the next frame.
#[derive(Default)]
struct Kept(Option<(KnownEncoder, Reencoder)>);

impl Kept {
    /// Whether an encoder makes a frame. It is given up at the first byte that differs.
    fn makes(&mut self, known: KnownEncoder, plain: &[u8], stored: &[u8]) -> bool {
        let bytes = plain.len() as u64;
        let kept = self.0.take().filter(|(last, _)| *last == known).map(|(_, mut encoder)| {
            encoder.restart(bytes);
            encoder
        });
        let (mut encoder, mut made, mut at) = (kept.unwrap_or_else(|| Reencoder::new(known, bytes)), Vec::new(), 0);
        for piece in plain.chunks(1 << 18) {
            made.clear();
            encoder.write(piece, &mut made);
            if !stored[at..].starts_with(&made) {
                return false;
            }
            at += made.len();
        }
        made.clear();
        encoder.finish(&mut made);
        self.0 = Some((known, encoder));
        stored[at..] == made
    }
}

fn report(file: &str, frames: &[Frame<'_>]) {
    let (mut last, mut exact, mut bytes, mut kinds) = (None, 0, 0, Vec::new());
    let (mut finding, mut encoding, mut kept) = (Duration::ZERO, Duration::ZERO, Kept::default());
    for (stored, plain) in frames {
        let start = Instant::now();
        // The encoder of one frame most likely made the next one too.
        let again = last.filter(|known| plain.len() <= 1 << 20 && kept.makes(*known, plain, stored));
        let beginning = if again.is_none() { Beginning::of(stored) } else { None };
        let found = beginning
            .as_ref()
            .and_then(|beginning| beginning.encoders().find(|known| kept.makes(*known, plain, stored)));
        let known = again.or(found);
        finding += start.elapsed();
        let Some(known) = known else { continue };
        let start = Instant::now();
        kept.makes(known, plain, stored);
        encoding += start.elapsed();
        exact += 1;
        bytes += stored.len();
        last = Some(known);
        if !kinds.contains(&known) {
            kinds.push(known);
        }
    }
    println!("{file}: {exact} of {} frames are made again, {bytes} bytes", frames.len());
    println!("    found and proven in {finding:.2?}, encoded in {encoding:.2?}");
    for known in kinds {
        let mut written = Vec::new();
        known.put(&mut written);
        println!("    {known}: {} bytes of parameters; {known:?}", written.len());
    }
}
