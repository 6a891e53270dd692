//! A cache of what seeds were found to hold, so that a large old image need not be read and cut again; and of what was
//! fetched (indexes, tables of packs), so that it need not be fetched again.
//!
//! It is a cache and never the truth: everything in it can be made again from the seeds, whoever uses
//! it must work without it, and bytes that a seed is said to hold are checked by those who read them.
//! So nothing here fails: a [`Catalog`] that cannot be read is made anew, one that cannot be written
//! works in memory, and [`Catalog::last_problem`] tells what happened.
//!
//! # What is assumed, and what guards it
//! - A file that kept its path, device, inode, size, and times holds what it held. The exception, a
//!   file written again within one tick of its clock, is guarded by [`SeedKey::is_settled`]. Not guarded:
//!   writes through a memory map that the kernel has not yet dated, clocks of file servers that are
//!   more than [`SETTLED_AFTER`] behind, and clocks that are set back.
//! - Entries are checked against a BLAKE3 over their key and their bytes: a damaged one is dropped.
//! - Several processes may use one catalog at once. It keeps SQLite's rollback journal: writes are few
//!   and short, and a write-ahead log would need memory that is shared between all users, which file
//!   systems that serve several machines do not have.
//! - What it says is believed of files that kept their state, and of indexes whose host says that they are what they were. So
//!   the file must be this user's, in a folder that nobody else can write, and only links of this user or of root lead there;
//!   anything else is not used ([`Catalog::refusal`]). It is made with mode 0600, its folder with 0700.
//! - The file is replaced only under an exclusive lock of the `.lock` file beside it, of which every
//!   user holds a shared lock; so no one's database is pulled from under them.

mod catalog;
mod checksum;
mod database;
mod entry;
mod guard;
mod key;
mod place;
mod problem;

pub use catalog::{BLOB_BYTES_MAX, Catalog, MEMORY_BLOB_BYTES_MAX};
pub use key::{SETTLED_AFTER, SeedKey};
