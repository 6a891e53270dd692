//! Names of objects: relative paths with `/` between the parts.

use crate::StoreError;

/// Refuses a name that could lead out of the store, or mean different objects on different backends: absolute
/// names, empty parts, `.`, `..`, backslashes and control characters.
pub(crate) fn check_name(location: &str, name: &str) -> Result<(), StoreError> {
    let good_part = |part: &str| !matches!(part, "" | "." | "..");
    let good_char = |c: char| c != '\\' && !c.is_control();
    if name.split('/').all(good_part) && name.chars().all(good_char) {
        return Ok(());
    }
    Err(StoreError::InvalidRequest {
        object: format!("{location}/{}", name.escape_debug()),
        reason: "the name is not a plain relative path".to_owned(),
    })
}

/// Whether a file or a key has the name of an index.
pub(crate) fn is_index_name(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".rgx")
}

/// The error of a list that meets an index, or a folder that may hold one, whose name no store can have. The list
/// must not pass over it.
pub(crate) fn unnameable(object: String) -> StoreError {
    StoreError::InvalidRequest {
        object,
        reason: "no store can have this name, so the object cannot be read; rename it".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::check_name;

    #[test]
    fn plain_relative_paths_pass() {
        for name in ["regrow.json", "packs/ab/cd.pack", "a..b/..c", ".hidden"] {
            assert!(check_name("store", name).is_ok(), "{name}");
        }
    }

    #[test]
    fn paths_that_could_leave_the_store_are_refused() {
        for name in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\..\\b", "a\0b", "a\nb"] {
            let error = check_name("store", name).unwrap_err();
            assert!(error.to_string().starts_with("store/"), "{error}");
            assert!(!error.is_transient());
        }
    }
}
