//! Files by path, and their next version.

use std::collections::BTreeMap;

use crate::noise::{noise, pick};
use crate::ustar::{add_file, end};

/// The files of an image by path.
#[derive(Debug, Clone, Default)]
pub struct Tree(pub BTreeMap<String, Vec<u8>>);

impl Tree {
    /// Files of 1 byte to some KiB, some empty, and a few large ones.
    pub fn sample(name: &str, files: usize) -> Self {
        let mut tree = Self::default();
        for number in 0..files {
            let path = format!("usr/lib/{name}-{}/file-{number}.so", number % 7);
            let bytes = match number % 10 {
                0 => 0,
                1 => 20_000 + pick(&path, 60_000),
                _ => 1 + pick(&path, 3000),
            };
            tree.0.insert(path.clone(), noise(&path, bytes as usize));
        }
        tree
    }

    /// The next version: one file in `every` changes a few bytes, one is new, and one is gone.
    pub fn changed(&self, every: usize) -> Self {
        let mut next = self.clone();
        for (number, bytes) in next.0.values_mut().enumerate() {
            if number % every == 1 && bytes.len() > 20 {
                let middle = bytes.len() / 2;
                bytes[middle..middle + 10].copy_from_slice(b"0123456789");
            }
        }
        next.0.pop_last();
        next.0.insert("usr/new".into(), noise("new", 5000));
        next
    }

    /// The size of all files together.
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|bytes| bytes.len() as u64).sum()
    }

    /// The files as a tar, with `time` in all headers.
    pub fn tar(&self, time: u64) -> Vec<u8> {
        let mut tar = Vec::new();
        for (path, bytes) in &self.0 {
            add_file(&mut tar, path, bytes, time);
        }
        end(tar)
    }
}
