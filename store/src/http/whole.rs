//! Objects of hosts that do not support ranges. Each is read once, front to back, into a file without a name, and
//! all wanted bytes come from there.
//!
//! A pack's end is asked for first. So without the file, each range would cost all of the pack before it.

mod object;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::{Response, Url};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard};

use super::answer::MAX_SKIPPED_BYTES;
use super::body::Body;
use super::pace::Pace;
use crate::{Meter, StoreError};

pub(super) use object::{Expected, WholeObject};

/// The largest size of a file. No pack and no patch comes near it.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// The objects that were asked for in parts but came whole. The stores of a run share them.
///
/// A file takes room on the disk, so the free room is checked first. If there is too little, files that nobody
/// reads are removed. If that is not enough, the object is read again for each range.
pub struct WholeObjects {
    room: Mutex<Room>,
    known: Mutex<KnownObjects>,
    /// Held while an object of a host without ranges is requested, so that no two readers request the same one.
    asking: AsyncMutex<()>,
    clock: AtomicU64,
}

/// An answer that brings a whole object.
pub(super) struct Offer {
    pub(super) response: Response,
    pub(super) expected: Expected,
    /// The offset up to which the object is wanted.
    pub(super) wanted_bytes: u64,
    /// Whether others may read it too.
    pub(super) is_shared: bool,
}

/// The folder in which the files lie.
struct Room {
    folder: PathBuf,
    /// The number of bytes that others will write there.
    reserved_bytes: u64,
}

#[derive(Default)]
struct KnownObjects {
    /// The objects by URL, each with the time of its last use.
    objects: BTreeMap<String, (Arc<WholeObject>, u64)>,
    /// The origins that sent a whole object for a range.
    hosts: BTreeSet<String>,
    notices: Vec<String>,
}

impl fmt::Debug for WholeObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WholeObjects").field("folder", &self.lock_room().folder).finish_non_exhaustive()
    }
}

impl WholeObjects {
    /// Begins with no object. Files will lie in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            room: Mutex::new(Room { folder, reserved_bytes: 0 }),
            known: Mutex::default(),
            asking: AsyncMutex::default(),
            clock: AtomicU64::new(0),
        }
    }

    /// Puts files into `folder` from now on. Others will write `reserved_bytes` to its disk.
    pub fn lie_in(&self, folder: &Path, reserved_bytes: u64) {
        *self.lock_room() = Room { folder: folder.to_owned(), reserved_bytes };
    }

    /// The facts that users should know about hosts, one line each. Each line is given once.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().notices)
    }

    fn lock(&self) -> MutexGuard<'_, KnownObjects> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object that was read whole, or is being read. If its body broke off, it is forgotten.
    pub(super) fn get(&self, url: &Url) -> Option<Arc<WholeObject>> {
        let mut known = self.lock();
        let (object, used) = known.objects.get_mut(url.as_str())?;
        if object.is_broken() {
            known.objects.remove(url.as_str());
            return None;
        }
        *used = self.clock.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(object))
    }

    /// The right to ask a host that is known not to support ranges. All other hosts may be asked by many at once.
    pub(super) async fn turn(&self, url: &Url) -> Option<AsyncGuard<'_, ()>> {
        let is_known = self.lock().hosts.contains(&url.origin().ascii_serialization());
        if is_known { Some(self.asking.lock().await) } else { None }
    }

    /// Notes that a host sent a whole object for a range.
    pub(super) fn note(&self, url: &Url) {
        let origin = url.origin().ascii_serialization();
        let mut known = self.lock();
        if known.hosts.insert(origin.clone()) {
            known.notices.push(format!(
                "{origin}: the host gives no ranges; every pack that is needed is fetched whole, once (use a host that \
                 supports Range requests)"
            ));
        }
    }

    /// Keeps the object that an answer brings. If there is no room for it, the answer is given back. If the same
    /// object came meanwhile, that one is used instead.
    pub(super) fn keep(
        &self,
        url: &Url,
        offer: Offer,
        meter: &Arc<Meter>,
        pace: Pace,
    ) -> Result<Arc<WholeObject>, Box<Response>> {
        let found = if offer.is_shared { self.get(url) } else { None };
        if let Some(object) = found {
            return Ok(object);
        }
        let Offer { response, expected, wanted_bytes, is_shared } = offer;
        let needed = expected.object_bytes.unwrap_or(wanted_bytes).max(wanted_bytes);
        if needed > MAX_FILE_BYTES || !self.has_room(needed) {
            return Err(Box::new(response));
        }
        let folder = self.lock_room().folder.clone();
        let Ok(file) = tempfile::tempfile_in(&folder) else { return Err(Box::new(response)) };
        let body = Body::new(response, expected.object.clone(), Arc::clone(meter), pace);
        let most_bytes = self.free_room().min(MAX_FILE_BYTES);
        let object = Arc::new(WholeObject::begin(file, folder, body, (expected, most_bytes)));
        if is_shared {
            let used = self.clock.fetch_add(1, Ordering::Relaxed);
            self.lock().objects.insert(url.as_str().to_owned(), (Arc::clone(&object), used));
        }
        Ok(object)
    }

    /// Whether this many bytes can be written. Files that nobody reads are removed for them, the least recently
    /// used ones first.
    fn has_room(&self, needed: u64) -> bool {
        loop {
            if needed <= self.free_room() {
                return true;
            }
            let mut known = self.lock();
            let idle = known.objects.iter().filter(|(_, (object, _))| Arc::strong_count(object) == 1);
            let oldest = idle.min_by_key(|(_, (_, used))| *used).map(|(url, _)| url.clone());
            let Some(oldest) = oldest else { return false };
            known.objects.remove(&oldest);
        }
    }
}

impl WholeObjects {
    /// The number of bytes that files may take. The rest is left to everything else that writes there.
    fn free_room(&self) -> u64 {
        let (folder, reserved) = {
            let room = self.lock_room();
            (room.folder.clone(), room.reserved_bytes)
        };
        let Some(free) = free_bytes(&folder) else { return u64::MAX };
        let known = self.lock();
        let coming = known.objects.values().map(|(object, _)| object.missing_bytes()).fold(0, u64::saturating_add);
        free.saturating_sub(reserved).saturating_sub(coming) / 4 * 3
    }
}

/// The number of free bytes on a folder's disk, or `None` if the system does not tell.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    if disk.f_blocks == 0 {
        return None;
    }
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// The number of bytes of an object that are read in search of its end, if that is unknown and `tail_bytes` before
/// it are wanted.
pub(super) fn most_before_end(tail_bytes: u64) -> u64 {
    MAX_SKIPPED_BYTES.saturating_add(tail_bytes)
}

/// The error for an object whose end is not found within these bytes.
fn too_long(object: &str, max_bytes: u64) -> StoreError {
    StoreError::TooLarge { object: object.to_owned(), max_bytes }
}
