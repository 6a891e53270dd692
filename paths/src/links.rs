//! Links on the way to a file that is written.
//!
//! In a folder like `/tmp`, anybody can put a link under a name to which somebody else will write. So the kernel
//! does not follow such links if `fs.protected_symlinks` is on (proc_sys_fs(5)). Because regrow replaces the file
//! at a link's end, it resolves links itself, and must keep the same rule.

use std::io;
use std::path::PathBuf;

/// The largest number of links that are followed, as in the kernel.
pub const MAX_LINKS: u32 = 40;

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
