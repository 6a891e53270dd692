//! Paths of entries, made clean as engines do it (Go's `filepath.Clean`), and the names of whiteouts.

use crate::error::{RootfsError, shown};

/// The longest path that Linux takes, without its end.
const MAX_PATH_BYTES: usize = 4095;
/// The longest name.
const MAX_NAME_BYTES: usize = 255;
/// The prefix of a whiteout's name.
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// The prefix of names that AUFS used for itself. Engines pass over all of them but the next one.
const RESERVED: &[u8] = b".wh..wh.";
/// The name of the entry that hides everything which lower layers have in its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// A path within the root file system: names that are separated by `/`, without `.`, `..` or empty ones. The path of
/// the root is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FsPath(Vec<u8>);

impl FsPath {
    /// Makes the path of an entry clean. `..` takes away the name before it, whatever that is.
    ///
    /// # Errors
    /// The path leads out of the root, or cannot exist on Linux.
    pub fn clean(path: &[u8]) -> Result<Self, RootfsError> {
        let mut names: Vec<&[u8]> = Vec::new();
        for name in path.split(|&byte| byte == b'/') {
            match name {
                b"" | b"." => {}
                // Beneath an absolute path, Go drops a `..` at the root.
                b".." if names.is_empty() && path.first() == Some(&b'/') => {}
                b".." => {
                    names.pop().ok_or_else(|| RootfsError::Outside { path: shown(path) })?;
                }
                name if name.len() > most_bytes(name, MAX_NAME_BYTES) || name.contains(&0) => {
                    return Err(RootfsError::Path { path: shown(path) });
                }
                name => names.push(name),
            }
        }
        let clean = names.join(&b'/');
        if clean.len() > most_bytes(names.last().unwrap_or(&&b""[..]), MAX_PATH_BYTES) {
            return Err(RootfsError::Path { path: shown(path) });
        }
        Ok(Self(clean))
    }

    /// The bytes of the path.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the path of the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the other path, or lies beneath it.
    #[must_use]
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(other.as_bytes());
        other.is_root() || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// The path of the folder around it, and its own name. The root has neither.
    pub(crate) fn split(&self) -> Option<(Self, &[u8])> {
        if self.is_root() {
            return None;
        }
        let slash = self.0.iter().rposition(|&byte| byte == b'/');
        Some(match slash {
            Some(at) => (Self(self.0[..at].to_vec()), &self.0[at + 1..]),
            None => (Self::default(), &self.0),
        })
    }

    /// The path of which these are the first bytes.
    pub(crate) fn prefix(&self, bytes: usize) -> Self {
        Self(self.0[..bytes.min(self.0.len())].to_vec())
    }

    /// Appends a name.
    pub(crate) fn push(&mut self, name: &[u8]) {
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
    }

    /// Takes the last name away.
    pub(crate) fn pop(&mut self) {
        let slash = self.0.iter().rposition(|&byte| byte == b'/');
        self.0.truncate(slash.unwrap_or(0));
    }
}

/// The largest number of bytes of a name or of the path that ends with it. A whiteout's prefix comes on top, since it
/// is never a file's name.
fn most_bytes(name: &[u8], most: usize) -> usize {
    if name.starts_with(WHITEOUT) { most + WHITEOUT.len() } else { most }
}

/// The meaning of an entry's name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'n> {
    /// The name of something that the layer holds.
    Entry,
    /// Whatever lower layers have under this name is hidden.
    Whiteout(&'n [u8]),
    /// Everything that lower layers have in the folder is hidden.
    Opaque,
    /// Engines pass it over.
    Nothing,
}

/// The meaning of a name, by the rules of the OCI's layer format. `path` is for errors.
pub(crate) fn meaning<'n>(name: &'n [u8], path: &FsPath) -> Result<Meaning<'n>, RootfsError> {
    Ok(match name.strip_prefix(WHITEOUT) {
        None => Meaning::Entry,
        Some(_) if name == OPAQUE => Meaning::Opaque,
        Some(_) if name.starts_with(RESERVED) => Meaning::Nothing,
        Some(b"" | b"." | b"..") => return Err(RootfsError::Whiteout { path: shown(path.as_bytes()) }),
        Some(hidden) => Meaning::Whiteout(hidden),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_clean_as_engines_do_it() {
        for (path, clean) in [
            (&b"./"[..], &b""[..]),
            (b"", b""),
            (b"/", b""),
            (b"./etc//passwd", b"etc/passwd"),
            (b"/etc/", b"etc"),
            (b"a/../b/./c", b"b/c"),
            (b"/../../etc", b"etc"),
            (b"caf\xe9", b"caf\xe9"),
        ] {
            assert_eq!(FsPath::clean(path).unwrap().as_bytes(), clean);
        }
        for path in [&b".."[..], b"a/../../b", b"../x"] {
            assert!(matches!(FsPath::clean(path), Err(RootfsError::Outside { .. })));
        }
        for path in [&b"a\0b"[..], &[b'x'; 256], &b"abc/".repeat(1024 + 1)] {
            assert!(matches!(FsPath::clean(path), Err(RootfsError::Path { .. })));
        }
    }

    #[test]
    fn names_are_pushed_and_popped() {
        let mut path = FsPath::default();
        for (name, whole) in [("a", "a"), ("b", "a/b"), ("c", "a/b/c")] {
            path.push(name.as_bytes());
            assert_eq!(path.as_bytes(), whole.as_bytes());
        }
        assert_eq!(path.names().count(), 3);
        assert_eq!(path.split().unwrap(), (FsPath(b"a/b".to_vec()), b"c".as_slice()));
        for whole in ["a/b", "a", "", ""] {
            path.pop();
            assert_eq!(path.as_bytes(), whole.as_bytes());
        }
        assert!(path.split().is_none());
    }

    #[test]
    fn paths_lie_beneath_others() {
        let path = |path: &[u8]| FsPath::clean(path).unwrap();
        for (inner, outer, is_below) in [
            ("a/b", "a", true),
            ("a", "a", true),
            ("ab", "a", false),
            ("a", "a/b", false),
            ("a", "", true),
            ("", "", true),
        ] {
            assert_eq!(path(inner.as_bytes()).is_at_or_below(&path(outer.as_bytes())), is_below, "{inner} {outer}");
        }
    }

    #[test]
    fn whiteouts_are_known_by_their_names() {
        let of = |name: &'static [u8]| meaning(name, &FsPath::default());
        assert_eq!(of(b"a.wh.b").unwrap(), Meaning::Entry);
        assert_eq!(of(b".wh.b").unwrap(), Meaning::Whiteout(b"b"));
        assert_eq!(of(b".wh..wh..opq").unwrap(), Meaning::Opaque);
        assert_eq!(of(b".wh..wh.plnk").unwrap(), Meaning::Nothing);
        assert!(matches!(of(b".wh."), Err(RootfsError::Whiteout { .. })));
        assert!(matches!(of(b".wh..."), Err(RootfsError::Whiteout { .. })));
    }
}
