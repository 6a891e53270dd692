//! Streams of disk images are proved, made and read as blocks are.

use flate2::write::DeflateEncoder;
use regrow_deflate::encoders::{Encoder, KnownEncoder, ZlibFamily};
use regrow_disk::StreamCodec;
use regrow_disk::codec::{Lzma2Encoder, XzStreams};
use regrow_index::StreamPiece;

use super::*;

/// The parameters of presets 6, with a dictionary of 1 MiB, and 1e for code of x86, with one of 64 KiB.
const PRESETS: [([u8; 7], u32, u8); 2] =
    [([0xb1, 0x40, 6, 0x80, 0x80, 0x40, 0], 1 << 20, 0), ([0xb1, 0x40, 22, 0x80, 0x80, 4, 4], 64 << 10, 4)];

impl Image {
    fn stream(&mut self, codec: StreamCodec, stored: &[u8], plain: &[u8]) {
        self.stored.extend_from_slice(stored);
        self.plain.extend_from_slice(plain);
        let form = StoredForm::Stream { codec, plain_bytes: plain.len() as u64 };
        self.pieces.push(StoredPiece { bytes: stored.len() as u64, form });
    }

    fn deflate(&mut self, plain: &[u8]) {
        let mut encoder = Encoder::new(KnownEncoder::Zlib(ZlibFamily::Zlib { level: 6, memory: 8 }));
        let mut stored = Vec::new();
        encoder.write(plain, &mut stored);
        encoder.finish(&mut stored);
        self.stream(StreamCodec::Deflate, &stored, plain);
    }

    fn zstd(&mut self, plain: &[u8]) {
        self.stream(StreamCodec::Zstd, &zstd::bulk::compress(plain, 3).unwrap(), plain);
    }

    fn xz(&mut self, number: usize, plain: &[u8]) {
        let (encoder, dictionary_bytes, filter) = PRESETS[number];
        let mut encoder = Lzma2Encoder::new(XzStreams::take_numbered(&mut encoder.as_slice()).unwrap()).unwrap();
        let mut stored = Vec::new();
        encoder.write(plain, &mut stored).unwrap();
        encoder.finish(&mut stored).unwrap();
        self.stream(StreamCodec::Lzma2 { dictionary_bytes, filter }, &stored, plain);
    }
}

/// An image with streams of all kinds, blocks among them, and zeros.
fn streams() -> Image {
    let mut image = Image::default();
    image.zstd(&[text(900_000, 1), vec![0; 3 << 20], text(400_000, 2)].concat());
    image.plain(&[5; 3]);
    image.xz(0, &text(1_500_000, 3));
    image.plain(&text(70_000, 4));
    image.block(9, &text(9000, 5));
    image.block(9, &text(9000, 6));
    // What comes first is very repetitive.
    image.xz(1, &[vec![0; 5 << 20], text(30_000, 7), vec![1; 100_000]].concat());
    image.xz(0, b"few bytes");
    image.deflate(&text(600_000, 8));
    image
}

#[test]
fn streams_are_proved_and_made_and_read() {
    let image = streams();
    let coding = proved(&image);
    let names: Vec<String> = coding
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            DiskPiece::Stream(stream) => stream_encoder_name(stream),
            _ => None,
        })
        .collect();
    assert_eq!(names[1], "liblzma, preset 6, dictionary of 1024 KiB");
    // Of bytes like these, several presets make the same.
    assert!(names[2].ends_with("dictionary of 64 KiB, x86 filter"), "{}", names[2]);
    assert_eq!((names.len(), coding.blocks()), (5, (7, 0)));
    assert!(coding.pieces.iter().all(|piece| piece_encoder(piece).is_ok()));
    assert!(disk_memory_bytes(&coding.pieces) < 400 << 20);
    for step in [1000, 70_001, usize::MAX] {
        assert!(unfold(&image.stored, &image.pieces, step) == image.plain, "{step}");
    }
}

#[test]
fn streams_are_read_at_random_where_there_is_room() {
    let image = streams();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&image.stored).unwrap();
    let starts = Starts::Blocks(DiskPlaces::of(&image.pieces).unwrap());
    let unfolded = Unfolded { stored: 0..image.stored.len() as u64, plain: 0..image.plain.len() as u64, starts };
    let mut blob = Vec::new();
    unfolded.encode(&mut blob);
    assert_eq!(Unfolded::decode(&mut blob.as_slice()).as_ref(), Some(&unfolded));
    for cut in 0..blob.len() {
        assert_eq!(Unfolded::decode(&mut &blob[..cut]), None, "{cut}");
    }
    let scratch = tempfile::tempdir().unwrap();
    let plain_file = PlainFile::new(file, vec![unfolded]);
    // Without a folder, only what is no stream is read.
    let plain = &image.plain;
    let at = plain.len() - 700_000;
    plain_file.read_exact_at(&mut [0; 10], at as u64).unwrap_err();
    let plain_file = plain_file.with_scratch(Some(scratch.path()));
    let places = [(0, plain.len()), (4_000_000, 500_000), (4_600_000, 1_600_000), (plain.len() - 1, 1)];
    for (at, bytes) in places {
        let mut read = vec![0; bytes];
        plain_file.read_exact_at(&mut read, at as u64).unwrap();
        assert!(read == plain[at..at + bytes], "{at}");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn streams_that_are_damaged_or_odd_say_so() {
    let mut odd = streams();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
    for piece in text(400_000, 1).chunks(5000) {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
    }
    odd.stream(StreamCodec::Deflate, &encoder.finish().unwrap(), &text(400_000, 1));
    assert!(reason(&odd).contains("deflate stream"), "{}", reason(&odd));
    let mut damaged = streams();
    let at = damaged.stored.len() - 100_000;
    damaged.stored[at] ^= 1;
    assert!(reason(&damaged).contains("deflate stream"), "{}", reason(&damaged));
    // Zeros stand for what cannot be read, so that all behind it keeps its place.
    damaged.plain(b"behind");
    let plain = unfold(&damaged.stored, &damaged.pieces, 9000);
    assert!(plain.len() == damaged.plain.len() && plain.ends_with(b"behind"));
}

#[test]
fn streams_of_other_lengths_than_stated_are_refused() {
    let image = streams();
    let coding = proved(&image);
    let (pool, plain) = (Pool::new(), &image.plain);
    let make = |change: &dyn Fn(&mut StreamPiece)| {
        let mut pieces = coding.pieces.clone();
        if let Some(DiskPiece::Stream(stream)) = pieces.last_mut() {
            change(stream);
        }
        let mut maker = DiskMaker::new(&pool, &pieces, None);
        let mut sink = |_: &[u8]| Ok::<(), LocalError>(());
        plain.chunks(1 << 20).try_for_each(|piece| maker.write(piece, &mut sink)).and_then(|()| maker.finish(&mut sink))
    };
    make(&|_| ()).unwrap();
    make(&|stream| stream.coded_bytes -= 1).unwrap_err();
    make(&|stream| stream.coded_bytes += 1).unwrap_err();
    make(&|stream| stream.plain_bytes -= 1).unwrap_err();
    make(&|stream| stream.plain_bytes += 1).unwrap_err();
    make(&|stream| stream.encoder = [0xb2, 0x40].as_slice().into()).unwrap_err();
    make(&|stream| stream.corrections = vec![1, 2, 3]).unwrap_err();
}
