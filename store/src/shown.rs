//! URLs in a form for people. A password stands before the host and a signature in the query, and others read the
//! logs in which errors end up. So every place that prints a URL prints what one of these functions leaves of it.

use reqwest::Url;

/// A URL without user, password, query and fragment. A text that is no URL is shown as [`shown_malformed`] shows
/// it.
#[must_use]
pub fn shown_url(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.username().is_empty() && url.password().is_none() => before_query(text).to_owned(),
        Ok(url) => without_secrets(&url),
        Err(_) => shown_malformed(text),
    }
}

/// A text that was meant to be a URL, for the line that refuses it. It is not certain where its user and password
/// end: an unescaped `/`, `?` or `#` in a password is a common reason for the refusal. So everything up to the last
/// `@` is left out.
#[must_use]
pub fn shown_malformed(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    let shown = before_query(rest);
    if rest.len() > shown.len() && rest[shown.len()..].contains('@') {
        // The text behind a question mark may be the rest of a password.
        return format!("{scheme}...");
    }
    format!("{scheme}{}", shown.rsplit('@').next().unwrap_or_default())
}

/// A parsed URL without user, password, query and fragment.
pub(crate) fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    // Neither call fails for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn before_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_secrets() {
        for (text, shown) in [
            ("https://host.example/a@1/x.rgx?sig=PW#PW", "https://host.example/a@1/x.rgx"),
            ("https://user:PW@host.example/store/?sig=abc#x", "https://host.example/store/"),
            ("https:///user:PW@host.example/x", "https://host.example/x"),
            ("https://user:PW@host:bad/x", "https://host:bad/x"),
            ("https://us@er:PW@host:bad/x", "https://host:bad/x"),
            ("https://user:P#PW@host/x", "https://..."),
            ("https://user:P?PW@host/x", "https://..."),
            ("https://user:P/W@host/x", "https://host/x"),
            ("https://host:bad/x?sig=a@PW", "https://..."),
            ("app.rgx", "app.rgx"),
        ] {
            assert_eq!(shown_url(text), shown, "{text}");
        }
    }

    #[test]
    fn keys_before_a_bucket_are_left_out() {
        assert_eq!(shown_malformed("s3://KEY:SEC/RET@bucket/x"), "s3://bucket/x");
        assert_eq!(shown_malformed("ftp://user:PW@host/x?PW"), "ftp://host/x");
    }
}
