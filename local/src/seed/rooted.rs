//! Opens files of a folder as if the folder were the whole world. An absolute link in it begins at the folder, and
//! nothing leads out of it, as in the image that was unpacked there.
//!
//! This holds whoever made the links. Otherwise a stranger's link would let a host find out, by watching what is
//! fetched, whether some file of this machine has certain contents.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use regrow_paths::MAX_LINKS;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// The number of attempts, if the kernel says that a folder on the way was renamed meanwhile.
const ATTEMPTS: usize = 8;
/// Flags for a look, which does nothing to the file, be it a pipe or a device.
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
/// Flags for reading without waiting for a pipe's other end.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A folder that counts as the whole world.
#[derive(Debug)]
pub(crate) struct Rooted {
    root: OwnedFd,
    /// Whether the kernel has no `openat2`, or a sandbox forbids it. Paths are then walked step by step.
    walks: AtomicBool,
}

impl Rooted {
    /// Opens the folder at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let root = rustix::fs::openat(CWD, path, LOOK | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Self { root, walks: AtomicBool::new(false) })
    }

    /// Opens the regular file at a relative path. Links are followed within the folder.
    pub(crate) fn open_file(&self, path: &Path) -> io::Result<File> {
        // Opening a device may do something to it, so a look comes first. The cheap look fails where a folder on
        // the way is a link, so it is believed only when it finds a regular file. The look after the opening is the
        // one that counts.
        let seen = rustix::fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW);
        if !seen.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile) {
            check_regular(&self.resolve(path, LOOK)?)?;
        }
        let file = self.resolve(path, READ)?;
        check_regular(&file)?;
        Ok(File::from(file))
    }

    /// The kernel's description of the regular file at a relative path. Links are followed within the folder.
    pub(crate) fn stat_file(&self, path: &Path) -> io::Result<Stat> {
        let stat = rustix::fs::fstat(self.resolve(path, LOOK)?)?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if is_file { Ok(stat) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// The folder at a relative path, as a world of its own. Links are followed within this folder.
    pub(crate) fn folder(&self, path: &Path) -> io::Result<Self> {
        let root = self.resolve(path, LOOK | OFlags::DIRECTORY)?;
        Ok(Self { root, walks: AtomicBool::new(self.walks.load(Ordering::Relaxed)) })
    }

    /// The folder of this name, as a world of its own. A link is none.
    pub(crate) fn own_folder(&self, name: &Path) -> io::Result<Self> {
        let root = rustix::fs::openat(&self.root, name, LOOK | OFlags::DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(Self { root, walks: AtomicBool::new(self.walks.load(Ordering::Relaxed)) })
    }

    /// The names in this folder, sorted, at most `most` of them.
    pub(crate) fn names(&self, most: usize) -> io::Result<Vec<OsString>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&self.root, c".", flags, Mode::empty())?;
        let names = rustix::fs::Dir::read_from(&folder)?.flatten();
        let names = names.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
        let mut names: Vec<_> = names.filter(|name| name != "." && name != "..").take(most).collect();
        names.sort();
        Ok(names)
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        if self.walks.load(Ordering::Relaxed) {
            return self.walk(path, flags);
        }
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..ATTEMPTS {
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), how) {
                Err(Errno::AGAIN) => {}
                // A sandbox that does not know the call answers with EPERM.
                Err(Errno::NOSYS | Errno::PERM) => {
                    self.walks.store(true, Ordering::Relaxed);
                    return self.walk(path, flags);
                }
                opened => return Ok(opened?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Walks a path as the kernel does with `RESOLVE_IN_ROOT`, one step at a time.
    fn walk(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        // The folders between the root and the current place, and the names that are still ahead. The next name
        // comes last.
        let (mut folders, mut ahead, mut links): (Vec<OwnedFd>, _, _) = (Vec::new(), steps(path), 0);
        while let Some(step) = ahead.pop() {
            let name = match step {
                Step::Root => {
                    folders.clear();
                    continue;
                }
                Step::Up => {
                    folders.pop();
                    continue;
                }
                Step::Name(name) => name,
            };
            let here = folders.last().map_or(self.root.as_fd(), |folder| folder.as_fd());
            let next = rustix::fs::openat(here, &name, LOOK | OFlags::NOFOLLOW, Mode::empty())?;
            match kind_of(&next)? {
                FileType::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    let target = rustix::fs::readlinkat(next, c"", Vec::new())?.into_bytes();
                    ahead.extend(steps(Path::new(&OsString::from_vec(target))));
                }
                FileType::Directory => folders.push(next),
                _ if !ahead.is_empty() => return Err(Errno::NOTDIR.into()),
                _ => return Ok(rustix::fs::openat(here, &name, flags | OFlags::NOFOLLOW, Mode::empty())?),
            }
        }
        if !flags.contains(OFlags::DIRECTORY) {
            return Err(Errno::ISDIR.into());
        }
        folders.pop().map_or_else(|| self.root.try_clone(), Ok)
    }

    /// The regular files of at least `min_bytes`, with their paths, in an order that is the same in every run. No
    /// link is followed. Files and folders that cannot be read are passed over, and so are folders on which other
    /// file systems are mounted.
    pub(crate) fn list(&self, min_bytes: u64, max_depth: usize) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let device = rustix::fs::fstat(&self.root)?.st_dev;
        let wanted = Wanted { min_bytes, device };
        list(self.root.as_fd(), c".", Path::new(""), &wanted, max_depth, &mut found)?;
        Ok(found)
    }
}

/// The path of a tar's entry below some root. A path with `..` is refused.
pub(crate) fn safe_path(path: &[u8]) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    let mut safe = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => safe.push(name),
            Component::CurDir | Component::RootDir => {}
            _ => return None,
        }
    }
    (!safe.as_os_str().is_empty()).then_some(safe)
}

enum Step {
    Root,
    Up,
    Name(OsString),
}

/// The steps of a path in reverse order.
fn steps(path: &Path) -> Vec<Step> {
    let step = |part: Component<'_>| match part {
        Component::RootDir | Component::Prefix(_) => Some(Step::Root),
        Component::CurDir => None,
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Name(name.to_owned())),
    };
    let mut steps: Vec<Step> = path.components().filter_map(step).collect();
    steps.reverse();
    steps
}

fn kind_of(file: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode))
}

fn check_regular(file: &OwnedFd) -> io::Result<()> {
    if kind_of(file)? == FileType::RegularFile { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// The conditions for a file to be listed.
struct Wanted {
    min_bytes: u64,
    /// The file system on which folders must be. Files are not checked, since with overlaid file systems they name
    /// another one.
    device: u64,
}

fn list(
    parent: BorrowedFd<'_>,
    name: &CStr,
    path: &Path,
    wanted: &Wanted,
    depth_left: usize,
    found: &mut Vec<PathBuf>,
) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let mut names: Vec<_> = rustix::fs::Dir::read_from(&folder)?
        .flatten()
        .map(|entry| entry.file_name().to_owned())
        .filter(|name| name.as_c_str() != c"." && name.as_c_str() != c"..")
        .collect();
    names.sort();
    for name in names {
        let Ok(stat) = rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let inner = path.join(OsStr::from_bytes(name.to_bytes()));
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if depth_left > 0 && stat.st_dev == wanted.device => {
                // A folder that may not be read holds nothing for us.
                let _ = list(folder.as_fd(), &name, &inner, wanted, depth_left - 1, found);
            }
            FileType::RegularFile if u64::try_from(stat.st_size).is_ok_and(|bytes| bytes >= wanted.min_bytes) => {
                found.push(inner);
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Reads a file that is opened in the kernel's way and in our own, and checks that both agree.
    fn read(rooted: &Rooted, path: &str) -> Option<String> {
        let read = || {
            let mut text = String::new();
            rooted.open_file(Path::new(path)).ok()?.read_to_string(&mut text).ok()?;
            Some(text)
        };
        rooted.walks.store(false, Ordering::Relaxed);
        let by_kernel = read();
        rooted.walks.store(true, Ordering::Relaxed);
        assert_eq!(by_kernel, read(), "{path}");
        by_kernel
    }

    #[test]
    fn links_stay_within_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let at = |path: &str| outer.path().join(path);
        std::fs::create_dir_all(at("root/etc/deep/er")).unwrap();
        std::fs::create_dir_all(at("root/var")).unwrap();
        std::fs::write(at("secret"), "outside").unwrap();
        std::fs::write(at("root/secret"), "inside").unwrap();
        std::fs::write(at("root/etc/file"), "file").unwrap();
        for (link, target) in [
            ("root/etc/absolute", "/secret"),
            ("root/etc/up", "../../../../secret"),
            ("root/var/run", "/etc/deep"),
            ("root/etc/deep/back", "../../etc/file"),
            ("root/folder", "etc"),
            ("root/loop", "loop"),
            ("root/out", outer.path().to_str().unwrap()),
            ("root/magic", "/proc/self/cwd"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        rustix::fs::mkfifoat(CWD, at("root/pipe"), Mode::RUSR).unwrap();
        let rooted = Rooted::open(&at("root")).unwrap();
        for (path, text) in [
            ("etc/file", Some("file")),
            ("etc/absolute", Some("inside")),
            ("etc/up", Some("inside")),
            ("var/run/back", Some("file")),
            ("folder/deep/../file", Some("file")),
            ("out/secret", None),
            ("loop", None),
            ("pipe", None),
            ("etc", None),
            ("etc/file/x", None),
            ("magic/Cargo.toml", None),
            ("nowhere", None),
        ] {
            assert_eq!(read(&rooted, path).as_deref(), text, "{path}");
        }
        let listed = rooted.list(5, 10).unwrap();
        assert_eq!(listed, [PathBuf::from("secret")]);
        assert_eq!(rooted.list(1, 10).unwrap(), [PathBuf::from("etc/file"), PathBuf::from("secret")]);
        assert_eq!(rooted.list(1, 0).unwrap(), [PathBuf::from("secret")]);
    }
}
