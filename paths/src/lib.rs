//! Folders to which others may also write, and files of one's own in them.
//!
//! regrow writes beside files that are not its own: in the folder of an output, in `/tmp`, in a cache that others
//! can see. There, somebody else may swap a folder between two steps, or put a link under the name that regrow is
//! about to use.
//!
//! A [`Place`] is such a folder, held open. Every operation goes through its handle, so nobody can swap the folder.
//! Only a file to which nobody else can write counts as regrow's own, and everything else is [`Ownership::Foreign`].
//! [`walk`] follows the links of a path through handles, by the rule that the kernel has for such folders, and
//! [`follow_links`] gives the path that results.
//!
//! ```
//! use std::ffi::OsStr;
//!
//! use regrow_paths::{Access, Ownership, Place};
//!
//! let folder = tempfile::tempdir()?;
//! let place = Place::open(folder.path())?;
//! let name = OsStr::new("state");
//! assert!(matches!(place.find_file(name, Access::Read)?, Ownership::Absent));
//!
//! let file = place.new_file(name)?;
//! assert!(place.names(name, &file));
//! assert!(place.find_file(name, Access::ReadWrite)?.own().is_some());
//! # Ok::<(), std::io::Error>(())
//! ```

mod durable;
mod links;
mod place;
mod private;
mod walk;

pub use durable::sync_open_folder;
pub use links::{LinkError, MAX_LINKS, Trust, is_trusted};
pub use place::{Access, NEW_ENTRY, Ownership, Place, is_shared, is_sticky};
pub use private::{PrivateProblem, open_private};
pub use walk::{Walked, follow_links, walk};
