//! The end of an image that is cut at any place.

use super::*;

fn ending_of(image: &[u8], piece: usize) -> Ending {
    let mut splitter = Splitter::new(Params::default());
    for part in image.chunks(piece) {
        splitter.push(Bytes::copy_from_slice(part));
        splitter.take();
    }
    splitter.ending()
}

fn cut(path: &str, missing: impl Into<Option<u64>>) -> Ending {
    Ending::Cut(Cut { path: path.as_bytes().to_vec(), missing: missing.into() })
}

/// An entry with this many bytes of data, which do not look like a header.
fn entry(name: &str, bytes: usize) -> Vec<u8> {
    let data = vec![b'd'; bytes];
    [header(name, b'0', bytes as u64), data, vec![0; bytes.next_multiple_of(BLOCK) - bytes]].concat()
}

#[test]
fn a_tar_that_is_cut_anywhere() {
    let inner = [entry("deep", 700), entry("deeper", 2000), vec![0; 1024]].concat();
    let layer = [header("layer", b'0', inner.len() as u64), inner].concat();
    let entries = [entry("a", 700), layer, entry("b", 0), entry("c", 512)];
    let ends: Vec<usize> = entries
        .iter()
        .scan(0, |at, entry| {
            Some({
                *at += entry.len();
                *at
            })
        })
        .collect();
    let image = [entries.concat(), vec![0; 1024]].concat();
    for piece in [1, 100, 512, 700, 1 << 20] {
        for at in (0..image.len()).step_by(if piece < 512 { 509 } else { 37 }).chain(ends.iter().copied()) {
            let ending = ending_of(&image[..at], piece);
            let end = *ends.last().unwrap();
            match ending {
                _ if at < BLOCK => assert_eq!(ending, Ending::NoTar),
                _ if ends.contains(&at) => assert_eq!(ending, Ending::Unmarked, "{at}"),
                _ if at >= end + 1024 => assert_eq!(ending, Ending::Marked, "{at}"),
                _ if at > end => assert_eq!(ending, Ending::Unmarked, "{at}"),
                Ending::Cut(Cut { missing: Some(missing), .. }) => {
                    assert!(ends.contains(&(at + missing as usize)), "{at} + {missing}");
                }
                Ending::Cut(Cut { missing: None, .. }) => {
                    assert!(ends.iter().any(|end| (end + 1..end + BLOCK).contains(&at)), "{at}");
                }
                other => panic!("{at}: {other:?}"),
            }
        }
        assert_eq!(ending_of(&image, piece), Ending::Marked);
        assert_eq!(ending_of(&image[..900], piece), cut("a", 1536 - 900));
        assert_eq!(ending_of(&image[..1300], piece), cut("a", 1536 - 1300));
        assert_eq!(ending_of(&image[..4000], piece), cut("layer", ends[1] as u64 - 4000));
    }
}

#[test]
fn what_only_looks_cut() {
    let (file, end) = (entry("a", 700), vec![0; 1024]);
    let whole = |parts: &[&[u8]]| ending_of(&parts.concat(), 1 << 20);
    // Bytes behind the end are not part of the tar. Two tars, one behind the other, are not a tar that is cut.
    assert_eq!(whole(&[&file, &end, b"signature"]), Ending::Marked);
    assert_eq!(whole(&[&file, &end, &[7; 3000]]), Ending::Marked);
    assert_eq!(whole(&[&file, &end, &file, &end]), Ending::Marked);
    assert_eq!(whole(&[&file, &end, &file]), Ending::Unmarked);
    assert_eq!(whole(&[&file, &[7; 3000]]), Ending::Unmarked);
    // A link may state a size and have no data; a label and a global header may stand alone.
    assert_eq!(whole(&[&file, &header("link", b'1', 4000)]), Ending::Unmarked);
    assert_eq!(whole(&[&header("label", b'V', 0), &end]), Ending::Marked);
    assert_eq!(whole(&[&header("global", b'g', 0)]), Ending::Unmarked);
    // A long name belongs to an entry.
    let long = [header("././@LongLink", b'L', 200), vec![b'n'; 200], vec![0; 312]].concat();
    assert_eq!(whole(&[&file, &long]), cut("a", None));
    assert_eq!(whole(&[&file, &long[..600]]), cut("a", None));
    assert_eq!(whole(&[&file, &long, &file]), Ending::Unmarked);
    // An input that is no tar simply ends.
    assert_eq!(whole(&[&[7; 3000]]), Ending::NoTar);
    assert_eq!(whole(&[&end]), Ending::NoTar);
    assert_eq!(whole(&[]), Ending::NoTar);
}
