//! Folders that others may write too, and files of one's own in them.
//!
//! regrow writes beside files that are not its own: in the folder of an output, in `/tmp`, in a cache that others can see. A
//! [`Place`] is such a folder, held open. Every operation goes through its handle, so nobody can swap the folder between two
//! steps, and only files that nobody else can write count as regrow's own. [`follow_links`] resolves a path by the rule that
//! the kernel has for such folders.

mod durable;
mod links;
mod place;

pub use durable::sync_open_folder;
pub use links::{LinkError, MAX_LINKS, Trust, follow_links, is_trusted};
pub use place::{Access, Found, NEW_ENTRY, Place, is_shared, is_sticky};
