//! Runs each target for some seconds on mutations of its seeds, without libFuzzer. The mutations are the same each
//! time. Run it by `cargo run --release --no-default-features --example smoke -- [SECONDS [TARGET]]`.

use std::time::{Duration, Instant};

use regrow_fuzz::{Cost, TARGETS, Target, run_within};

/// The generator SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn main() {
    let seconds = std::env::args().nth(1).map_or(10, |text| text.parse().expect("a number of seconds"));
    let named = std::env::args().nth(2);
    let targets = TARGETS.iter().filter(|target| named.as_ref().is_none_or(|name| name == target.name));
    targets.for_each(|target| run(target, Duration::from_secs(seconds)));
}

fn run(target: &Target, time: Duration) {
    let seeds = (target.seeds)();
    let mut most = seeds.iter().map(|seed| run_within(target, seed)).fold(Cost::default(), Cost::max);
    let (start, mut random, mut inputs) = (Instant::now(), Random(20), 0u64);
    while start.elapsed() < time {
        // A panic prints the input's number, which gives the input again.
        let input = mutated(&seeds, &mut random);
        let Ok(cost) = std::panic::catch_unwind(|| run_within(target, &input)) else {
            eprintln!("{}: panicked on input number {inputs}: {}", target.name, hex(&input));
            std::process::exit(1);
        };
        most = most.max(cost);
        inputs += 1;
    }
    println!(
        "{}: {} seeds, {inputs} mutations of them, no panic; at most {} KiB and {} ms",
        target.name,
        seeds.len(),
        most.bytes >> 10,
        most.time.as_millis()
    );
}

/// Makes one to eight changes to a seed: a bit, a byte, a run of one byte, a cut, or a part of another seed.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(input.len());
        match random.below(6) {
            0 if !input.is_empty() => input[at] ^= 1 << random.below(8),
            1 if !input.is_empty() => input[at] = [0, 1, 0x7f, 0x80, 0xff, random.next() as u8][random.below(6)],
            2 => drop(input.drain(at..(at + random.below(40)).min(input.len()))),
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let part = &other[from..(from + random.below(600)).min(other.len())];
                input.splice(at..at, part.iter().copied());
            }
            4 => drop(
                input.splice(at..at, std::iter::repeat_n(random.next() as u8, random.below(20)).collect::<Vec<_>>()),
            ),
            _ => input.truncate(input.len() - random.below(input.len()) / 4),
        }
    }
    input
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
