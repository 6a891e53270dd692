//! Text that is safe in a page.

use crate::terminal::clean_line;

/// Makes text safe as contents of elements and as values of quoted attributes. Control characters, and characters
/// that change a text's direction, are made visible.
pub(super) fn text(raw: &str) -> String {
    let clean = clean_line(raw);
    let mut out = String::with_capacity(clean.len());
    for c in clean.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_nowhere_allowed(c) => out.push_str(&c.escape_unicode().to_string()),
            c => out.push(c),
        }
    }
    out
}

/// Noncharacters, which no page may have.
fn is_nowhere_allowed(c: char) -> bool {
    let number = u32::from(c);
    (0xfdd0..=0xfdef).contains(&number) || number & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_harmless() {
        assert_eq!(text("<a href='x'>&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;");
        assert_eq!(text("a\u{1b}[2J\u{202e}\n\0\u{ffff}"), r"a\u{1b}[2J\u{202e}\u{a}\u{0}\u{ffff}");
        assert_eq!(text("usr/lib/Ünï-☃.so"), "usr/lib/Ünï-☃.so");
    }
}
