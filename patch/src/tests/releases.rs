//! Made-up releases: each is made of the one before.

use proptest::prelude::*;

use super::*;

/// The fate of a file between two releases.
#[derive(Debug, Clone)]
enum Fate {
    Stays,
    Goes,
    Moves(u8),
    Edits(Vec<(u16, u8)>),
    Grows(u16, u8),
    Shrinks(u16),
    Merges(u8),
    Swaps(u8),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => Just(Fate::Stays),
        1 => Just(Fate::Goes),
        1 => any::<u8>().prop_map(Fate::Moves),
        2 => proptest::collection::vec(any::<(u16, u8)>(), 1..20).prop_map(Fate::Edits),
        1 => any::<(u16, u8)>().prop_map(|(at, len)| Fate::Grows(at, len)),
        1 => any::<u16>().prop_map(Fate::Shrinks),
        1 => any::<u8>().prop_map(Fate::Merges),
        1 => any::<u8>().prop_map(Fate::Swaps),
    ]
}

/// A file before it is put into an image: its path, its bytes, and whether it is compressed.
type Plain = (String, Vec<u8>, bool);

fn released(old: &[Plain], fates: &[Fate]) -> Vec<Plain> {
    let mut new = Vec::new();
    for ((path, bytes, is_gz), fate) in old.iter().zip(fates) {
        let (mut path, mut bytes) = (path.clone(), bytes.clone());
        let place = |at: u16| usize::from(at) % (bytes.len() + 1);
        match fate {
            Fate::Stays => {}
            Fate::Goes => continue,
            Fate::Moves(to) => path = format!("moved-{to}/{path}"),
            Fate::Edits(edits) => {
                for (at, byte) in edits {
                    let at = usize::from(*at) % bytes.len().max(1);
                    bytes.iter_mut().skip(at).take(1).for_each(|old| *old = *byte);
                }
            }
            Fate::Grows(at, len) => drop(bytes.splice(place(*at)..place(*at), noise(77, (*len).into()))),
            Fate::Shrinks(at) => bytes.truncate(place(*at)),
            Fate::Merges(other) => bytes.extend_from_slice(&old[usize::from(*other) % old.len()].1),
            Fate::Swaps(other) => bytes = old[usize::from(*other) % old.len()].1.clone(),
        }
        new.push((path, bytes, *is_gz));
    }
    new
}

fn image(files: &[Plain]) -> Vec<u8> {
    let stored = |(path, bytes, is_gz): &Plain| match is_gz {
        true => (format!("{path}.gz"), gzip(bytes, "-6")),
        false => (path.clone(), bytes.clone()),
    };
    tar(&files.iter().map(stored).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_release_is_made_of_the_one_before(
        kinds in proptest::collection::vec((0u64..12, 0usize..6000, any::<bool>(), proptest::bool::weighted(0.2)), 1..14),
        fates in proptest::collection::vec(fate(), 14),
        cut in proptest::option::weighted(0.2, any::<u16>()),
        level in 1u8..=9,
    ) {
        let file = |(number, &(seed, len, is_text, is_gz)): (usize, &(u64, usize, bool, bool))| {
            let bytes = if is_text { text(seed, len / 4) } else { noise(seed, len) };
            (format!("dir{}/file-{number}.{seed}", number % 3), bytes, is_gz)
        };
        let old: Vec<Plain> = kinds.iter().enumerate().map(file).collect();
        let (base, mut target) = (image(&old), image(&released(&old, &fates)));
        if let Some(cut) = cut {
            target.truncate(usize::from(cut) * 3 % target.len());
        }
        Pair::new(&base, &target).check(level);
        Pair::new(&target, &base).check(level);
    }
}
