//! A walk along a path, step by step through handles, so that nobody can swap a folder behind it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::links::{LinkError, MAX_LINKS, Trust, is_trusted};
use crate::place::{Place, is_shared};

/// The point at which a walk along a path ended: at a folder, and at the names after it that are no folders.
#[derive(Debug)]
pub struct Walked {
    /// The last folder on the way, or `None` for the current one.
    folder: Option<OwnedFd>,
    /// The path of that folder, without links.
    text: PathBuf,
    /// The names after the folder. There is none if the whole path leads to a folder.
    pub rest: Vec<OsString>,
    /// The reason why the first of these names could not be opened. `None` stands for an object that is no folder.
    pub obstacle: Option<io::Error>,
    /// A link of another user that stood at the end of the path, and its owner.
    pub foreign: Option<(PathBuf, u32)>,
    /// Whether the path, or a link at its end, ends with a slash, so that it can only mean a folder.
    pub means_folder: bool,
}

impl Walked {
    /// The path without links: the folder's and the names after it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.rest.iter().fold(self.text.clone(), |path, name| stepped(path, name))
    }

    /// The last folder on the way.
    ///
    /// # Errors
    /// The current folder cannot be opened.
    pub fn into_place(self) -> io::Result<Place> {
        let folder = match self.folder {
            Some(folder) => folder,
            None => open(None, OsStr::new("."))?,
        };
        Ok(Place::of_handle(folder, self.text))
    }
}

/// Walks along a path, as far as it leads through folders and links. If another user put a link into a folder like
/// `/tmp`, it is refused, as the kernel does with `fs.protected_symlinks`. The kernel cannot check this itself, because
/// each step goes through a handle.
///
/// # Errors
/// [`LinkError`] says which link was not followed. Any other obstacle is part of the result.
pub fn walk(path: &Path, trust: Trust) -> Result<Walked, LinkError> {
    let end = Walked {
        folder: None,
        text: PathBuf::new(),
        rest: Vec::new(),
        obstacle: None,
        foreign: None,
        means_folder: false,
    };
    let mut walk = Walk { trust, steps: Vec::new(), links: 0, end };
    walk.add(path);
    walk.run()
}

/// The path to which links lead, from the root on. Names that do not exist yet are taken as they are.
///
/// # Errors
/// [`LinkError`] says why the path cannot be followed.
pub fn follow_links(path: &Path, trust: Trust) -> Result<PathBuf, LinkError> {
    let failed = |source| LinkError::Io { path: path.to_owned(), source };
    Ok(walk(&std::path::absolute(path).map_err(failed)?, trust)?.path())
}

struct Walk {
    trust: Trust,
    /// The steps that are left, with the next one last.
    steps: Vec<OsString>,
    links: u32,
    end: Walked,
}

impl Walk {
    /// Adds the steps of a path before those that are left.
    fn add(&mut self, path: &Path) {
        let bytes = path.as_os_str().as_bytes();
        self.end.means_folder |= self.steps.is_empty() && (bytes.ends_with(b"/") || bytes.ends_with(b"/."));
        self.steps.extend(path.components().rev().map(|step| step.as_os_str().to_owned()));
    }

    fn run(mut self) -> Result<Walked, LinkError> {
        while let Some(step) = self.steps.pop() {
            let opened = open(self.end.folder.as_ref(), &step)
                .and_then(|handle| rustix::fs::fstat(&handle).map(|stat| (handle, stat)));
            let (handle, stat) = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    self.end.obstacle = Some(error.into());
                    return Ok(self.ended_at(step));
                }
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => self.follow(&step, &handle, &stat)?,
                FileType::Directory => {
                    self.end.text = stepped(std::mem::take(&mut self.end.text), &step);
                    self.end.folder = Some(handle);
                }
                _ => return Ok(self.ended_at(step)),
            }
        }
        Ok(self.end)
    }

    fn ended_at(mut self, step: OsString) -> Walked {
        self.steps.push(step);
        self.steps.reverse();
        Walked { rest: self.steps, ..self.end }
    }

    fn follow(&mut self, step: &OsStr, link: &OwnedFd, stat: &Stat) -> Result<(), LinkError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(LinkError::TooMany);
        }
        let path = stepped(self.end.text.clone(), step);
        if !is_trusted(stat.st_uid) {
            if self.trust == Trust::OwnLinks || self.is_folder_shared()? {
                return Err(LinkError::Foreign { link: path, owner: stat.st_uid });
            }
            if self.steps.is_empty() {
                self.end.foreign = Some((path.clone(), stat.st_uid));
            }
        }
        let target = rustix::fs::readlinkat(link, "", Vec::new())
            .map_err(|error| LinkError::Io { path, source: error.into() })?;
        self.add(Path::new(&OsString::from_vec(target.into_bytes())));
        Ok(())
    }

    fn is_folder_shared(&self) -> Result<bool, LinkError> {
        let folder = match &self.end.folder {
            Some(folder) => rustix::fs::fstat(folder),
            None => rustix::fs::stat("."),
        };
        let failed = |error: Errno| LinkError::Io { path: self.end.text.clone(), source: error.into() };
        folder.map(|stat| is_shared(&stat)).map_err(failed)
    }
}

/// The path after one more step from a folder's path that has no links.
fn stepped(mut path: PathBuf, step: &OsStr) -> PathBuf {
    let parts = (path.components().next_back(), Path::new(step).components().next());
    match parts {
        (Some(Component::Normal(_)), Some(Component::ParentDir)) => {
            path.pop();
        }
        // The root has no parent, and a path does not pass through the folder where it is already.
        (Some(Component::RootDir), Some(Component::ParentDir)) | (Some(_), Some(Component::CurDir)) => {}
        // The root replaces all before it.
        _ => path.push(step),
    }
    path
}

/// Opens an object by name in a folder, or in the current one. A link is opened itself.
fn open(folder: Option<&OwnedFd>, step: &OsStr) -> rustix::io::Result<OwnedFd> {
    // Without this, a folder that is mounted on demand would not be mounted.
    match open_with(folder, step, OFlags::DIRECTORY) {
        Err(Errno::NOTDIR | Errno::LOOP) => open_with(folder, step, OFlags::empty()),
        opened => opened,
    }
}

fn open_with(folder: Option<&OwnedFd>, step: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // The kernel does not look at the folder if the step is the root.
    rustix::fs::openat(folder.map_or(CWD, AsFd::as_fd), step, flags, Mode::empty())
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

    #[test]
    fn a_walk_ends_at_the_first_name_that_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/file"), b"").unwrap();
        symlink("./real/", root.join("link")).unwrap();
        for (path, names, obstacle) in [
            ("link/file", vec!["file"], None),
            ("link/../link/file/more", vec!["file", "more"], None),
            ("link/new", vec!["new"], Some(io::ErrorKind::NotFound)),
            ("link/new/er", vec!["new", "er"], Some(io::ErrorKind::NotFound)),
            ("link/.", vec![], None),
        ] {
            let walked = walk(&root.join(path), Trust::AsTheKernel).unwrap();
            assert_eq!(walked.rest, names, "{path}");
            assert_eq!(walked.obstacle.as_ref().map(io::Error::kind), obstacle, "{path}");
            assert_eq!(walked.means_folder, names.is_empty(), "{path}");
            let expected = names.iter().fold(root.join("real"), |path, name| path.join(name));
            assert_eq!(walked.path().as_os_str(), expected.as_os_str(), "{path}");
            assert!(walked.into_place().unwrap().stat_folder().is_ok());
        }
    }
}
