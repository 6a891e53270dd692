//! The small part of XML that is read here: the text of elements that hold only text.

/// The text of the first element `name`, or `None` if there is none.
pub(super) fn text_of(document: &str, name: &str) -> Option<String> {
    elements(document, name).next().map(unescaped)
}

/// The contents of the elements `name`, as written. None of them may hold another of its name.
pub(super) fn elements<'a>(document: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    pieces(document, name).filter_map(|piece| piece.1)
}

/// The document in pieces. Each is the text before an element `name`, tags included, and the contents of that
/// element.
pub(super) fn pieces<'a>(document: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = Some(document);
    std::iter::from_fn(move || {
        let text = rest?;
        let found = text.find(&open).and_then(|start| {
            let inside = start + open.len();
            Some((start, inside, inside + text[inside..].find(&close)?))
        });
        let Some((start, inside, end)) = found else {
            rest = None;
            return Some((text, None));
        };
        rest = Some(&text[end + close.len()..]);
        Some((&text[..start], Some(&text[inside..end])))
    })
}

/// The text with its entities resolved. Entities that XML does not define stay as they are.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let resolved = rest.find(';').and_then(|end| Some((character(&rest[1..end])?, end + 1)));
        let (c, bytes) = resolved.unwrap_or(('&', 1));
        plain.push(c);
        rest = &rest[bytes..];
    }
    plain + rest
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_elements_are_found_and_unescaped() {
        let document = "<a><b>x &amp; &#65;&#x42; &unknown; &</b><b>two</b><c/></a>";
        assert_eq!(text_of(document, "b").as_deref(), Some("x & AB &unknown; &"));
        assert_eq!(elements(document, "b").count(), 2);
        assert_eq!(text_of(document, "c"), None);
        assert_eq!(text_of("<b>never closed", "b"), None);
    }
}
