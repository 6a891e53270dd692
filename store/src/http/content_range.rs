//! The `Content-Range` header (RFC 9110, section 14.4).

use std::ops::Range;

/// The bytes that a body holds, and the size of the object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The range of the bytes, without its end.
    pub(super) range: Range<u64>,
    /// The object's size, if it is stated.
    pub(super) object_bytes: Option<u64>,
}

impl ContentRange {
    /// Parses `bytes 0-99/1000`, or `bytes 0-99/*` from a host that does not know the size when it answers.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (part, size) = after_unit(text)?.split_once('/')?;
        let (first, last) = part.split_once('-')?;
        let object_bytes = if size.trim() == "*" { None } else { Some(number(size)?) };
        let range = number(first)?..number(last)?.checked_add(1)?;
        let fits = !range.is_empty() && object_bytes.is_none_or(|bytes| range.end <= bytes);
        fits.then_some(Self { range, object_bytes })
    }
}

/// The object's size in `bytes */1000`, the answer to an unsatisfiable range.
pub(super) fn unsatisfied_size(text: &str) -> Option<u64> {
    let (part, size) = after_unit(text)?.split_once('/')?;
    if part.trim() == "*" { number(size) } else { None }
}

fn after_unit(text: &str) -> Option<&str> {
    let (unit, rest) = text.trim().split_once(' ')?;
    unit.eq_ignore_ascii_case("bytes").then_some(rest)
}

/// Parses digits only, since `u64::from_str` would also accept a sign.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_with_their_last_byte() {
        let expected = ContentRange { range: 10..20, object_bytes: Some(100) };
        assert_eq!(ContentRange::parse("bytes 10-19/100"), Some(expected));
        let last = ContentRange::parse("Bytes 99-99/100").unwrap();
        assert_eq!(last.range, 99..100);
        let unsized_part = ContentRange::parse("bytes 10-19/*");
        assert_eq!(unsized_part, Some(ContentRange { range: 10..20, object_bytes: None }));
    }

    #[test]
    fn ranges_that_contradict_themselves_are_refused() {
        for text in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 9-0/*",
            "bytes */*",
            "bytes 0-9/**",
            "bytes */100",
            "bytes 9-0/100",
            "bytes 0-100/100",
            "bytes +0-9/100",
            "bytes 0-18446744073709551615/18446744073709551615",
            "bytes 0-99999999999999999999/100",
            "pages 0-9/100",
        ] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_of_refused_ranges() {
        assert_eq!(unsatisfied_size("bytes */0"), Some(0));
        assert_eq!(unsatisfied_size("bytes */77"), Some(77));
        assert_eq!(unsatisfied_size("bytes 0-9/77"), None);
        assert_eq!(unsatisfied_size("bytes */*"), None);
    }
}
