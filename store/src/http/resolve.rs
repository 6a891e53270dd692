//! Guards against names that lead somewhere else than they did before.
//!
//! Whoever controls a name can let it resolve to a public address when the index is fetched, and to `127.0.0.1`
//! when the packs are. This machine would then ask itself, without any redirect.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::reach::Reach;

/// Resolves names. A name never resolves to nearer addresses than the farthest one that it had at its first
/// look-up.
#[derive(Default)]
pub(super) struct SteadyResolver(Arc<Mutex<BTreeMap<String, Reach>>>);

/// The error for a name that leads nearer to this machine than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nearer(Reach);

impl fmt::Display for Nearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the host's name leads to {} now, which it did not before", self.0.name())
    }
}

impl Error for Nearer {}

impl Resolve for SteadyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let known = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(Box::new(steady(known.entry(name.as_str().to_owned()), found)?.into_iter()) as Addrs)
        })
    }
}

fn steady(known: Entry<'_, String, Reach>, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Nearer> {
    let reach = |address: &SocketAddr| Reach::of(address.ip());
    let (Some(farthest), Some(nearest)) = (found.iter().map(reach).min(), found.iter().map(reach).max()) else {
        return Ok(found);
    };
    match known {
        Entry::Vacant(unknown) => drop(unknown.insert(farthest)),
        Entry::Occupied(first) => found.retain(|address| reach(address) <= *first.get()),
    }
    if found.is_empty() { Err(Nearer(nearest)) } else { Ok(found) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_come_nearer() {
        let mut known = BTreeMap::new();
        let mut look_up = |name: &str, list: &[&str]| {
            let found = list.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
            let kept = steady(known.entry(name.to_owned()), found);
            kept.map(|kept| kept.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(look_up("far", &[]).unwrap(), [""; 0]);
        assert_eq!(look_up("far", &["1.1.1.1", "10.0.0.1"]).unwrap(), ["1.1.1.1", "10.0.0.1"]);
        assert_eq!(look_up("far", &["127.0.0.1", "8.8.8.8"]).unwrap(), ["8.8.8.8"]);
        assert_eq!(look_up("far", &["10.0.0.1", "127.0.0.1"]), Err(Nearer(Reach::Machine)));
        assert_eq!(look_up("near", &["192.168.0.1"]).unwrap(), ["192.168.0.1"]);
        assert_eq!(look_up("near", &["10.0.0.1", "1.1.1.1"]).unwrap(), ["10.0.0.1", "1.1.1.1"]);
        assert_eq!(look_up("near", &["169.254.169.254"]), Err(Nearer(Reach::Link)));
        assert_eq!(look_up("here", &["127.0.0.1"]).unwrap(), look_up("here", &["127.0.0.1"]).unwrap());
    }
}
