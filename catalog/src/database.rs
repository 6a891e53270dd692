//! The database: one table of entries.
//!
//! `PRAGMA application_id` tells the catalog from other databases, and `user_version` is the version of its tables.
//! A catalog of another version is replaced, since nothing in it is worth converting.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::checksum::checksum;
use crate::entry::EntryKey;
use crate::key::now_ns;
use crate::problem::Problem;

/// The ASCII bytes "rgct".
pub(crate) const APPLICATION_ID: i32 = 0x7267_6374;
const VERSION: i32 = 2;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const TABLE: &str = "CREATE TABLE entries (
    name BLOB NOT NULL,
    rules TEXT NOT NULL,
    state BLOB NOT NULL,
    last_used_ns INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    blob BLOB NOT NULL,
    UNIQUE (name, rules)
) STRICT";

/// The result of looking up a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FoundEntry {
    Nothing,
    Damaged,
    Blob(Vec<u8>),
}

/// An open catalog database that has its table.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
}

impl Database {
    /// Opens the database at `path`, a path without links. An absent or empty file becomes an empty catalog.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(path, flags).map_err(Problem::sqlite("open"))?;
        Self::prepare(connection)
    }

    pub(crate) fn in_memory() -> Result<Self, Problem> {
        let connection = Connection::open_in_memory().map_err(Problem::sqlite("open in memory"))?;
        Self::prepare(connection)
    }

    fn prepare(mut connection: Connection) -> Result<Self, Problem> {
        configure(&connection).map_err(Problem::sqlite("open"))?;
        let is_read_only = connection.is_readonly("main").map_err(Problem::sqlite("open"))?;
        if is_read_only {
            return Err(Problem::Unusable("it is read-only"));
        }
        // One read transaction: two looks could straddle the moment at which another process makes the table.
        let is_made = has_table(&*connection.transaction().map_err(Problem::sqlite("open"))?)?;
        if !is_made {
            create_table(&mut connection)?;
        }
        Ok(Self { connection })
    }

    /// Whether there is an entry for a key, by rules that begin with those of the key.
    pub(crate) fn has(&self, key: &EntryKey) -> Result<bool, Problem> {
        let sql = "SELECT 1 FROM entries WHERE name = ?1 AND substr(rules, 1, length(?2)) = ?2 AND state = ?3 LIMIT 1";
        let row = self.connection.query_row(sql, params![key.name, key.rules, key.state], |_| Ok(())).optional();
        Ok(row.map_err(Problem::sqlite("read"))?.is_some())
    }

    /// Looks up the blob of a key, checks it, and marks its entry as the last used.
    pub(crate) fn get(&self, key: &EntryKey) -> Result<FoundEntry, Problem> {
        let sql = "SELECT rowid, checksum, blob FROM entries WHERE name = ?1 AND rules = ?2 AND state = ?3";
        let row = self
            .connection
            .query_row(sql, params![key.name, key.rules, key.state], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
            })
            .optional()
            .map_err(Problem::sqlite("read"))?;
        let Some((rowid, stored_checksum, blob)) = row else { return Ok(FoundEntry::Nothing) };
        if stored_checksum != checksum(key, &blob) {
            self.connection
                .execute("DELETE FROM entries WHERE rowid = ?1", [rowid])
                .map_err(Problem::sqlite("clean"))?;
            return Ok(FoundEntry::Damaged);
        }
        // A failure here only changes which entry is dropped first.
        let _ =
            self.connection.execute("UPDATE entries SET last_used_ns = ?1 WHERE rowid = ?2", params![clock(), rowid]);
        Ok(FoundEntry::Blob(blob))
    }

    /// Stores a blob in place of an older one for its name and rules. The entries that were unused for longest are
    /// dropped until all blobs take at most `limit_bytes`.
    pub(crate) fn put(&mut self, key: &EntryKey, blob: &[u8], limit_bytes: u64) -> Result<(), Problem> {
        let room_bytes = limit_bytes.saturating_sub(blob.len() as u64);
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .and_then(|transaction| {
                make_room(&transaction, key, room_bytes)?;
                insert(&transaction, key, blob)?;
                transaction.commit()
            })
            .map_err(Problem::sqlite("write"))
    }
}

#[cfg(test)]
impl Database {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Applies settings that hold for a connection, not for the file, and that guard against a damaged file.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;")?;
    // This matters only if a damaged header says otherwise. The answer differs in memory, so it is not checked.
    connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    // In rare cases a power loss may damage the catalog; the checksums will show it.
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;")
}

fn pragma(connection: &Connection, name: &str) -> Result<i32, Problem> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0)).map_err(Problem::sqlite("open"))
}

/// Whether this is a catalog of our version (true) or an empty database (false).
fn has_table(connection: &Connection) -> Result<bool, Problem> {
    let objects: Vec<String> = connection
        .prepare("SELECT coalesce(sql, '') FROM sqlite_schema ORDER BY rowid")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .map_err(Problem::sqlite("open"))?;
    let application_id = pragma(connection, "application_id")?;
    if objects.is_empty() && application_id == 0 {
        return Ok(false);
    }
    if application_id != APPLICATION_ID {
        return Err(Problem::Unusable("it is another program's database"));
    }
    if pragma(connection, "user_version")? != VERSION {
        return Err(Problem::Unusable("it is of another version"));
    }
    // The expected objects: the table, and the index of its UNIQUE constraint, which has no SQL.
    if objects != [TABLE, ""] {
        return Err(Problem::Unusable("its tables are not a catalog's"));
    }
    Ok(true)
}

fn create_table(connection: &mut Connection) -> Result<(), Problem> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Problem::sqlite("make"))?;
    // Another process may have made it since the last look.
    if !has_table(&transaction)? {
        let sql = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; {TABLE};");
        transaction.execute_batch(&sql).map_err(Problem::sqlite("make"))?;
    }
    transaction.commit().map_err(Problem::sqlite("make"))
}

fn make_room(transaction: &Transaction<'_>, key: &EntryKey, room_bytes: u64) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM entries WHERE name = ?1 AND rules = ?2", params![key.name, key.rules])?;
    // total() cannot overflow, whatever a damaged row says; sum() can.
    let sql = "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM (
        SELECT rowid, total(length(blob)) OVER (ORDER BY last_used_ns DESC, rowid DESC) AS bytes_up_to FROM entries
    ) WHERE bytes_up_to > ?1)";
    transaction.execute(sql, [room_bytes as f64])?;
    Ok(())
}

fn insert(transaction: &Transaction<'_>, key: &EntryKey, blob: &[u8]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO entries (name, rules, state, last_used_ns, checksum, blob) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    transaction.execute(sql, params![key.name, key.rules, key.state, clock(), checksum(key, blob), blob])?;
    Ok(())
}

/// The current time as SQLite stores it; it fits until 2262.
fn clock() -> i64 {
    i64::try_from(now_ns()).unwrap_or(i64::MAX)
}
