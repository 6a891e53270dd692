//! The form of corrections does not change: old ones make the same streams.

use super::data::*;
use super::pairs::corrections;
use crate::corrections::Patcher;
use crate::encoders::GoGeneration;

/// Two streams that follow from the plain bytes, with differences of every kind between them.
const CORRECTIONS: &str = include_str!("golden.txt");

fn streams() -> (Vec<u8>, Vec<u8>) {
    let plain = mixed(9, 30_000);
    (go(&plain, GoGeneration::From127, 6), go(&plain, GoGeneration::Before127, 6))
}

#[test]
fn old_corrections() {
    let (actual, predicted) = streams();
    let found = corrections(&actual, &predicted, 1 << 20, 1000).unwrap();
    println!("of today:");
    found.chunks(60).for_each(|line| println!("{}", line.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
    let digits: Vec<u8> = CORRECTIONS.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    let corrections = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let (mut patcher, mut out) = (Patcher::new(corrections), Vec::new());
    patcher.push(&predicted, &mut out).unwrap();
    patcher.finish(&mut out).unwrap();
    assert!(out == actual);
}
