//! Text that is safe for a terminal. Names in images, fields of an index and answers of hosts come from strangers.
//! Their control characters could move the cursor, change the title, or hide parts of a line. They are made visible
//! here, in the one place that all printed text goes through.

use std::borrow::Cow;
use std::fmt::Write;

/// Makes text safe for one line. Control characters, which include line breaks, and characters that change a line's
/// direction or that nobody sees become escapes such as `\u{1b}`.
pub(crate) fn clean_line(text: &str) -> Cow<'_, str> {
    clean(text, is_harmful, |out, c| write!(out, "{}", c.escape_unicode()))
}

/// Makes text of several lines safe. Its line breaks stay.
pub(crate) fn clean_text(text: &str) -> Cow<'_, str> {
    clean(text, |c| c != '\n' && is_harmful(c), |out, c| write!(out, "{}", c.escape_unicode()))
}

/// Makes JSON safe by escapes of JSON, so that it says the same. Its writer has escaped characters below U+0020
/// already.
pub(crate) fn clean_json(json: &str) -> Cow<'_, str> {
    // All of them are in the first plane of Unicode, so each takes one escape.
    clean(json, is_harmful, |out, c| write!(out, "\\u{:04x}", u32::from(c)))
}

fn clean(text: &str, is_harmful: fn(char) -> bool, escape: fn(&mut String, char) -> std::fmt::Result) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            // Writing into a string does not fail.
            let _ = escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, the marks that change a text's direction, and
/// characters that nobody sees, by which two names look the same. Joiners stay, since scripts need them.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_terminal_is_made_visible() {
        let text = "a\u{1b}]0;x\u{7}\u{9b}2J\u{7f}\u{202e}\u{2066}\u{200f}\u{2028}é b\n";
        let shown = r"a\u{1b}]0;x\u{7}\u{9b}2J\u{7f}\u{202e}\u{2066}\u{200f}\u{2028}é b";
        assert_eq!(clean_line(text), format!(r"{shown}\u{{a}}"));
        assert_eq!(clean_text(text), format!("{shown}\n"));
        assert_eq!(clean_line("a\u{200b}b\u{feff}\u{ad}c"), r"a\u{200b}b\u{feff}\u{ad}c");
        assert!(matches!(clean_line("names like Ünï-☃.tar"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_what_it_is() {
        let names = ["a\u{1b}\u{9b}\u{202e}\u{7f}\n", "é"];
        let json = serde_json::to_string(&names).unwrap_or_default();
        let clean = clean_json(&json);
        assert!(!clean.contains(is_harmful), "{clean}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&clean).unwrap_or_default(), names);
    }
}
