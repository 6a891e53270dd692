//! A cache of what seeds hold, so that a large old image need not be read and cut again. It also remembers what was
//! fetched (indexes, tables of packs), so that it need not be fetched again.
//!
//! The catalog is a cache and never the truth. Everything in it can be made again from the seeds. Its users must
//! work without it, and they check the bytes that a seed is said to hold. So nothing here fails. A [`Catalog`] that
//! cannot be read is replaced, and one that cannot be written works in memory; [`Catalog::last_problem`] says what
//! happened.
//!
//! ```
//! use regrow_catalog::Catalog;
//!
//! let catalog = Catalog::in_memory();
//! assert_eq!(catalog.get_document("index", "https://host/app.rgx"), None);
//! catalog.put_document("index", "https://host/app.rgx", b"its bytes");
//! assert_eq!(catalog.get_document("index", "https://host/app.rgx"), Some(b"its bytes".to_vec()));
//! ```
//!
//! What a seed holds is kept under its [`SeedKey`], which is made before the first byte is read:
//!
//! ```no_run
//! use std::{fs::File, path::Path};
//!
//! use regrow_catalog::{Catalog, SeedKey};
//!
//! let catalog = Catalog::open(Path::new("/var/cache/regrow/catalog.sqlite"));
//! let seed = Path::new("old.tar");
//! let key = SeedKey::of_file(seed, &File::open(seed)?, "walk 2, average 16384")?;
//! if catalog.get_seed(&key).is_none() {
//!     let chunks = b"scan the seed here".to_vec();
//!     catalog.put_seed(&key, &chunks);
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Assumptions, and what guards them
//! - A file that kept its path, device, inode, size and times holds the same bytes. A file that is written again
//!   within one tick of its clock is the exception, which [`SeedKey::is_settled`] guards. Three things are not
//!   guarded: writes through a memory map that the kernel has not dated yet, clocks of file servers that are more
//!   than [`SETTLED_AFTER`] behind, and clocks that are set back.
//! - Each entry is checked against a BLAKE3 hash over its key and its bytes. A damaged entry is dropped.
//! - Several processes may use one catalog at once. It keeps SQLite's rollback journal, since writes are few and
//!   short. A write-ahead log would need memory that all users share, which file systems that serve several
//!   machines do not have.
//! - The catalog is believed about files that kept their state, and about indexes whose host says that they did not
//!   change. So the file must belong to this user, and lie in a folder that nobody else can write; only links of
//!   this user or of root may lead there. Any other file is not used ([`Catalog::refusal`]). The file is made with
//!   mode 0600, its folder with mode 0700.
//! - The file is replaced only under an exclusive lock of the `.lock` file beside it. Every user of the catalog
//!   holds a shared lock of it, so nobody loses a database that is in use.

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
