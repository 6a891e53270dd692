//! Tells whether two indexes are releases of one image.

use regrow_index::Index;

/// What tells whether images are releases of one.
pub(super) struct Release<'a> {
    /// The name of the index.
    pub(super) name: &'a str,
    /// The channel that it claims, if any.
    pub(super) channel: Option<&'a str>,
}

impl Release<'_> {
    /// Whether two indexes are releases of one image: both have the same channel or, where one of them has none, the
    /// same name but for its version.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self.channel, other.channel) {
            (Some(one), Some(other)) => one == other,
            _ => unversioned(self.name) == unversioned(other.name),
        }
    }
}

/// The channel that an index claims.
pub(crate) fn channel_of(index: &Index) -> Option<&str> {
    index.units.as_ref().map(|units| units.claims.channel.as_str()).filter(|channel| !channel.is_empty())
}

/// The words of an index's name before the first one that looks like a version. A name may begin with a version, but a
/// first word such as `7zip` is none.
pub(crate) fn unversioned(name: &str) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    let stem = lower.strip_suffix(".rgx").unwrap_or(&lower);
    let mut words = stem.split(['-', '_', '.', '+', '@', ' ']).skip_while(|word| is_number(word));
    let first = words.next();
    first.into_iter().chain(words.take_while(|word| !is_version(word))).map(str::to_owned).collect()
}

/// What orders names so that `app-10` comes after `app-9`: their runs of digits as numbers, by their lengths without
/// zeros in front and then as texts, and all else as texts.
pub(super) fn natural(name: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let number = part.trim_start_matches('0');
        parts.push(if is_digit { (number.len() + 1, number) } else { (0, part) });
        rest = after;
    }
    parts
}

/// Whether a word is nothing but a number (`2`, `v2`).
fn is_number(word: &str) -> bool {
    let number = word.strip_prefix('v').unwrap_or(word);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a word is a number (`2`, `v2`, `20260501`, `1rc3`), or the beginning of a hash.
fn is_version(word: &str) -> bool {
    let number = word.strip_prefix(['v', 'r']).unwrap_or(word);
    let is_hash = word.len() >= 7
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_digit());
    number.starts_with(|c: char| c.is_ascii_digit()) || is_hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_in_order() {
        let names = ["app-v1.9.rgx", "app-v1.010.rgx", "app-v1.10b.rgx", "app-v1.11.rgx", "app-v2.rgx", "app-x.rgx"];
        assert!(names.is_sorted_by_key(|name| natural(name)), "{:?}", names.map(natural));
        assert_eq!(natural("7-00"), [(2, "7"), (0, "-"), (1, "")]);
    }

    #[test]
    fn versions_end_a_name() {
        for (name, words) in [
            ("app-2.rgx", "app"),
            ("app.rgx", "app"),
            ("App-v1.2.3-rc1.RGX", "app"),
            ("my_app-20260501.rgx", "my app"),
            ("my_app-deadbe3.rgx", "my app"),
            ("k3s-arm64-1.30.rgx", "k3s arm64"),
            ("7.rgx", ""),
            ("7zip-1.rgx", "7zip"),
            ("r2d2-5.rgx", "r2d2"),
            ("v8-engine-3.rgx", "engine"),
        ] {
            assert_eq!(unversioned(name).join(" "), words, "{name}");
        }
    }
}
