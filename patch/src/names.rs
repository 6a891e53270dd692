//! Names of files as hashes, by which the same file is recognised in another image. They only guide guesses.

use std::num::NonZeroU32;

use regrow_image::TreeEntry;

/// Hashes of a file's path: of the whole path, and of smaller and smaller parts. With 32 bits, a name among a million
/// others is taken for one of them in one case of 4,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FileName {
    /// The hash of the path within its archive, without a leading `./`. It is `None` for a part of an archive that
    /// is no entry.
    pub(crate) path: Option<NonZeroU32>,
    /// The hash of the loose path, which leaves out versions and the like: see [`loose`].
    pub(crate) loose_path: u32,
    /// The hashes of the loose path's last three parts, last two parts and last part.
    pub(crate) endings: [u32; ENDINGS],
}

/// The number of endings of a path that are kept.
pub(crate) const ENDINGS: usize = 3;

impl FileName {
    /// The name of an entry of an image's tars.
    pub(crate) fn of(entry: &TreeEntry) -> Self {
        entry.path.as_deref().map_or_else(Self::default, Self::of_path)
    }

    /// The name of a file with this path.
    pub(crate) fn of_path(path: &[u8]) -> Self {
        let path = path.strip_prefix(b"./").unwrap_or(path);
        let loose = loose(path);
        let ending = |parts: usize| {
            let slashes = loose.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
            let start = slashes.map(|(at, _)| at + 1).nth(parts - 1).unwrap_or(0);
            hash(&loose[start..])
        };
        let whole = NonZeroU32::new(hash(path)).unwrap_or(NonZeroU32::MIN);
        Self { path: Some(whole), loose_path: hash(&loose), endings: [ending(3), ending(2), ending(1)] }
    }
}

/// A path without the parts that change with a new version. Each number becomes one `0`: a run of digits with
/// dots or hyphens between them, or a long hexadecimal number that has digits. An ending of a compressed file is
/// dropped.
fn loose(path: &[u8]) -> Vec<u8> {
    let path =
        [b".gz".as_slice(), b".xz", b".bz2"].iter().find_map(|ending| path.strip_suffix(*ending)).unwrap_or(path);
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while !rest.is_empty() {
        let len = number_len(rest);
        if len > 0 {
            out.push(b'0');
            rest = &rest[len..];
        } else {
            // A word is passed as a whole, since letters within it do not begin a number.
            let word = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count().max(1);
            out.extend_from_slice(&rest[..word]);
            rest = &rest[word..];
        }
    }
    out
}

/// The length of the number at the beginning of `text`: a version such as `1.2.3`, or a hash of at least 6 digits.
fn number_len(text: &[u8]) -> usize {
    let hex = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if hex >= 6 && text[..hex].iter().any(u8::is_ascii_digit) {
        return hex;
    }
    if !text[0].is_ascii_digit() {
        return 0;
    }
    let mut len = 0;
    while len < text.len() && (text[len].is_ascii_digit() || is_dot_within(text, len)) {
        len += 1;
    }
    len
}

fn is_dot_within(text: &[u8], at: usize) -> bool {
    matches!(text[at], b'.' | b'_' | b'-') && text.get(at + 1).is_some_and(u8::is_ascii_digit)
}

fn hash(bytes: &[u8]) -> u32 {
    regrow_chunker::Digest::of(bytes).prefix() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        String::from_utf8(loose(path.as_bytes())).unwrap()
    }

    #[test]
    fn versions_and_hashes_do_not_count() {
        assert_eq!(shown("usr/lib/libssl.so.3.0.11"), "usr/lib/libssl.so.0");
        assert_eq!(shown("site/foo-1.2.3.dist-info/METADATA"), "site/foo-0.dist-info/METADATA");
        assert_eq!(shown("js/main.8f3a2c91.js"), "js/main.0.js");
        assert_eq!(shown("doc/changelog.gz"), "doc/changelog");
        assert_eq!(shown("a/facade/decade"), "a/facade/decade");
    }

    #[test]
    fn endings_are_of_whole_parts() {
        let entry = |path: &[u8]| TreeEntry {
            archive: None,
            path: Some(path.to_vec()),
            type_flag: b'0',
            contents: 0..1,
            skeleton_bytes: 0,
            stated: Default::default(),
            is_coded: false,
        };
        let (a, b) = (FileName::of(&entry(b"./x/b/c/d")), FileName::of(&entry(b"y/b/c/d")));
        assert_eq!(a.endings, b.endings);
        assert_ne!(a.path, b.path);
        assert_eq!(FileName::of(&entry(b"x/b/c/d")).path, a.path);
    }
}
