//! Lists as hosts send them, without the keys that no store could have. `object_store` would refuse the whole page
//! because of them.

use bytes::Bytes;
use http::Uri;

use super::xml;
use crate::name::{check_name, is_index_name};

/// Whether a GET asks for a list.
pub(super) fn is_list(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|part| matches!(part, "list-type=2" | "comp=list"))
}

/// The reason why an answer is no page of a list. If a list only seemed to end, the objects that it left out would
/// be lost.
pub(super) fn problem(uri: &Uri, page: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(page).unwrap_or_default();
    let is_azure = is_azure(uri);
    let root = if is_azure { "EnumerationResults" } else { "ListBucketResult" };
    if !text.contains(&format!("<{root}")) || !text.contains(&format!("</{root}>")) && !text.contains("/>") {
        return Some("the answer is not a list");
    }
    let says = |key: &str| xml::text_of(text, key).unwrap_or_default();
    if !is_azure && says("IsTruncated") == "true" && says("NextContinuationToken").is_empty() {
        return Some("the list goes on, but does not say where");
    }
    None
}

fn is_azure(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|part| part == "comp=list")
}

/// The names of the elements for objects and for folders, each with the element of its name.
pub(super) fn kinds(uri: &Uri) -> [(&'static str, &'static str); 2] {
    if is_azure(uri) {
        [("Blob", "Name"), ("BlobPrefix", "Name")]
    } else {
        [("Contents", "Key"), ("CommonPrefixes", "Prefix")]
    }
}

/// The key of an index whose name no store can have, if this is a page of a list of all depths. A caller that must
/// see all indexes must not pass one over.
pub(super) fn unnameable_index(uri: &Uri, page: &[u8]) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    if query.split('&').any(|part| part.starts_with("delimiter=")) {
        return None;
    }
    let text = std::str::from_utf8(page).ok()?;
    let [(element, key), _] = kinds(uri);
    xml::elements(text, element)
        .filter(|inside| !is_good(inside, key))
        .filter_map(|inside| xml::text_of(inside, key).or_else(|| encoded_name(inside)))
        .find(|name| is_index_name(name))
}

/// The page without objects and folders whose names are no plain relative paths. Such names are `a//b`, and `a/`,
/// which consoles make for a folder.
pub(super) fn tidied(uri: &Uri, page: Bytes) -> Bytes {
    let kinds = kinds(uri);
    let Ok(text) = std::str::from_utf8(&page) else { return page };
    if kinds.iter().all(|(element, key)| xml::elements(text, element).all(|inside| is_good(inside, key))) {
        return page;
    }
    let mut text = text.to_owned();
    for (element, key) in kinds {
        text = without_bad(&text, element, key);
    }
    text.into()
}

fn without_bad(text: &str, element: &str, key: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for (before, inside) in xml::pieces(text, element) {
        kept.push_str(before);
        if let Some(inside) = inside.filter(|inside| is_good(inside, key)) {
            kept.extend(["<", element, ">", inside, "</", element, ">"]);
        }
    }
    kept
}

/// Whether an element's name is a plain relative path. The name of a folder ends with a slash.
fn is_good(inside: &str, key: &str) -> bool {
    let Some(name) = xml::text_of(inside, key) else { return encoded_name(inside).is_none() };
    let name = if key == "Key" { name.as_str() } else { name.strip_suffix('/').unwrap_or(&name) };
    check_name("", name).is_ok()
}

/// The name of a blob that XML cannot hold, as Azure escapes it: `<Name Encoded="true">`.
fn encoded_name(inside: &str) -> Option<String> {
    let (_, rest) = inside.split_once("<Name ")?;
    let (_, rest) = rest.split_once('>')?;
    Some(xml::unescaped(rest.split_once("</Name>")?.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn odd_keys_are_passed_over() {
        let uri: Uri = "http://h/b?delimiter=%2F&list-type=2&prefix=p".parse().unwrap();
        assert!(is_list(&uri));
        let entry = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
        let page = |keys: &[&str]| {
            let entries: String = keys.iter().map(|key| entry(key)).collect();
            format!(
                "<ListBucketResult>{entries}<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></ListBucketResult>"
            )
        };
        let odd = page(&["a", "folder/", "b//c", "x&#x1;y", "d&amp;e", "../f"]);
        assert_eq!(tidied(&uri, odd.into()), page(&["a", "d&amp;e"]));
        let plain = page(&["a", "b/c"]);
        assert_eq!(tidied(&uri, plain.clone().into()), plain);
    }

    #[test]
    fn indexes_that_have_no_name_are_found() {
        let all: Uri = "http://h/b?list-type=2&prefix=p".parse().unwrap();
        let folder: Uri = "http://h/b?delimiter=%2F&list-type=2&prefix=p".parse().unwrap();
        let page = |key: &str| format!("<ListBucketResult><Contents><Key>{key}</Key></Contents></ListBucketResult>");
        let found = |uri: &Uri, key: &str| unnameable_index(uri, page(key).as_bytes());
        for odd in ["b//c.rgx", "b\\c.RGX", "../c.rgx", "/c.rgx", "x&#x1;.rgx", "./c.rgx"] {
            assert!(found(&all, odd).is_some(), "{odd}");
            assert_eq!(found(&folder, odd), None, "{odd}");
        }
        for other in ["b/c.rgx", "b//c.pack", "b//", "c.rgx/", "b//c.rgx.old"] {
            assert_eq!(found(&all, other), None, "{other}");
        }
        let azure: Uri = "http://h/c?restype=container&comp=list".parse().unwrap();
        let blob = |name: &str| format!("<EnumerationResults><Blob>{name}</Blob></EnumerationResults>");
        let encoded = blob("<Name Encoded=\"true\">a%01.rgx</Name>");
        assert_eq!(unnameable_index(&azure, encoded.as_bytes()).as_deref(), Some("a%01.rgx"));
        assert_eq!(tidied(&azure, encoded.into()), "<EnumerationResults></EnumerationResults>");
        assert_eq!(unnameable_index(&azure, blob("<Name>a%01.rgx</Name>").as_bytes()), None);
    }

    #[test]
    fn other_requests_are_no_lists() {
        for uri in ["http://h/b/list-type=2", "http://h/b/x?list-type=22", "/"] {
            assert!(!is_list(&uri.parse().unwrap()), "{uri}");
        }
        assert!(is_list(&"http://h/c?restype=container&comp=list".parse().unwrap()));
    }
}
