//! Symbolic links on the way to files that regrow writes. In a folder like `/tmp` anybody can put a link under a
//! name that somebody else will write to. So the kernel does not follow such links if `fs.protected_symlinks` is on
//! (proc_sys_fs(5)). regrow resolves links itself, to replace their targets, and so must keep the same rule.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::StoreError;

/// The most links that are followed, which is the kernel's limit.
const MAX_LINKS: u32 = 40;
/// The mode bits of a folder that is sticky and writable by everybody.
const SHARED: u32 = 0o1002;

/// The path with its links resolved. Parts that do not exist yet have no links.
///
/// # Errors
/// [`StoreError::Link`] for a link that another user put into a folder that everybody can write;
/// [`StoreError::Io`].
pub(super) fn follow(path: &Path) -> Result<PathBuf, StoreError> {
    let whole = std::path::absolute(path).map_err(StoreError::io(path))?;
    let (mut ahead, mut place, mut links) = (steps(&whole), PathBuf::new(), 0);
    while let Some(step) = ahead.pop_front() {
        if step == ".." {
            place.pop();
            continue;
        }
        // An absolute step replaces the path before it.
        let next = place.join(step);
        match next.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(StoreError::io(path)(rustix::io::Errno::LOOP.into()));
                }
                check(&next, metadata.uid(), &place)?;
                let target = next.read_link().map_err(StoreError::io(&next))?;
                steps(&target).into_iter().rev().for_each(|step| ahead.push_front(step));
            }
            _ => place = next,
        }
    }
    Ok(place)
}

fn steps(path: &Path) -> VecDeque<OsString> {
    path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned()).collect()
}

fn check(link: &Path, owner: u32, folder: &Path) -> Result<(), StoreError> {
    let is_trusted = owner == 0 || owner == rustix::process::geteuid().as_raw();
    let is_shared = folder.metadata().map_err(StoreError::io(folder))?.mode() & SHARED == SHARED;
    if is_trusted || !is_shared {
        return Ok(());
    }
    Err(StoreError::Link { path: link.to_owned(), owner })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;

    #[test]
    fn links_lead_on() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        symlink("real", root.join("one")).unwrap();
        symlink("../one/deep", root.join("real/two")).unwrap();
        symlink(root.join("real/two"), root.join("three")).unwrap();
        assert_eq!(follow(&root.join("three/new/er")).unwrap(), root.join("real/deep/new/er"));
        assert_eq!(follow(&root.join("three/../file")).unwrap(), root.join("real/file"));
        symlink("round", root.join("round")).unwrap();
        follow(&root.join("round")).unwrap_err();
    }

    #[test]
    fn a_link_of_another_user_in_a_shared_folder_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (shared, link) = (root.join("shared"), root.join("shared/link"));
        fs::create_dir(&shared).unwrap();
        symlink(&root, &link).unwrap();
        if lchown(&link, Some(1234), Some(1234)).is_err() {
            // Only root can play another user.
            return;
        }
        assert_eq!(follow(&link.join("file")).unwrap(), root.join("file"));
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
        for path in [link.clone(), link.join("file")] {
            assert!(matches!(follow(&path), Err(StoreError::Link { owner: 1234, .. })), "{}", path.display());
        }
        lchown(&link, Some(0), Some(0)).unwrap();
        assert_eq!(follow(&link.join("file")).unwrap(), root.join("file"));
    }
}
