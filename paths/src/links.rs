//! Links on the way to a file that is written.
//!
//! In a folder like `/tmp`, anybody can put a link under a name to which somebody else will write. So the kernel
//! does not follow such links if `fs.protected_symlinks` is on (proc_sys_fs(5)). Because regrow replaces the file
//! at a link's end, it resolves links itself, and must keep the same rule.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The largest number of links that are followed, as in the kernel.
pub const MAX_LINKS: u32 = 40;
/// The mode bits of a shared folder: sticky, and writable by everybody.
const SHARED: u32 = 0o1002;

/// The links that are followed. Those of this user and of root always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Links of other users are followed too, unless they lie in a sticky folder that everybody can write to.
    AsTheKernel,
    /// Links of other users are not followed, since the owner of a link decides what is used.
    OwnLinks,
}

/// The reason why a path could not be followed to its end.
#[derive(Debug)]
pub enum LinkError {
    /// A link of another user is not followed.
    Foreign {
        /// The link.
        link: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// There are more links than the kernel would follow.
    TooMany,
    /// A link or a folder could not be read.
    Io {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Whether a link or a file of this owner may decide where regrow writes. This user and root may.
#[must_use]
pub fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

/// The path to which links lead, from the root on. Names that do not exist yet are taken as they are.
///
/// # Errors
/// [`LinkError`] says why the path cannot be followed.
pub fn follow_links(path: &Path, trust: Trust) -> Result<PathBuf, LinkError> {
    let whole = std::path::absolute(path).map_err(failed(path))?;
    let (mut ahead, mut place, mut links) = (steps(&whole), PathBuf::new(), 0);
    while let Some(step) = ahead.pop_front() {
        if step == ".." {
            place.pop();
            continue;
        }
        // An absolute step replaces all steps before it.
        let next = place.join(step);
        match next.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(LinkError::TooMany);
                }
                check(&next, metadata.uid(), &place, trust)?;
                let target = next.read_link().map_err(failed(&next))?;
                steps(&target).into_iter().rev().for_each(|step| ahead.push_front(step));
            }
            _ => place = next,
        }
    }
    Ok(place)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> LinkError {
    let path = path.to_owned();
    move |source| LinkError::Io { path, source }
}

fn steps(path: &Path) -> VecDeque<OsString> {
    path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned()).collect()
}

fn check(link: &Path, owner: u32, folder: &Path, trust: Trust) -> Result<(), LinkError> {
    let is_followed = is_trusted(owner)
        || (trust == Trust::AsTheKernel && folder.metadata().map_err(failed(folder))?.mode() & SHARED != SHARED);
    if is_followed { Ok(()) } else { Err(LinkError::Foreign { link: link.to_owned(), owner }) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;

    fn follow(path: &Path) -> Result<PathBuf, LinkError> {
        follow_links(path, Trust::AsTheKernel)
    }

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
            // Only root can act as another user.
            return;
        }
        assert_eq!(follow(&link.join("file")).unwrap(), root.join("file"));
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
        for path in [link.clone(), link.join("file")] {
            assert!(matches!(follow(&path), Err(LinkError::Foreign { owner: 1234, .. })), "{}", path.display());
        }
        lchown(&link, Some(0), Some(0)).unwrap();
        assert_eq!(follow(&link.join("file")).unwrap(), root.join("file"));
    }
}
