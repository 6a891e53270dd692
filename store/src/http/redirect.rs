//! Decides where a server may send readers.
//!
//! A redirect makes this machine ask an address that the server chose. It may be one that the server cannot reach
//! itself: a service on this machine, a router, a cloud's metadata. So a redirect never leads nearer to this
//! machine than the server that sends it.
//!
//! Names are judged by the addresses to which they resolve when the connection is made. A name that was looked up
//! earlier may resolve to something else by then.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, Url};

use super::failure;
use super::proxies::Proxies;
use super::reach::Reach;
use super::resolve::Nearer;
use crate::{RedirectRefusal, StoreError};

/// The redirects that are followed. None ever leads from https to http.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirects {
    /// No redirects.
    None,
    /// Redirects to the same scheme, host and port.
    SameOrigin,
    /// Redirects to the same host, also from http to https; to https at a public address; and to addresses no
    /// nearer to this machine than the redirecting server. So a server in a private network may send readers to
    /// private addresses, but only a server on this machine may send them to this machine.
    #[default]
    Safe,
    /// All redirects.
    Any,
}

/// The way in which the next request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By the client that reaches all addresses.
    Free,
    /// By a client that reaches only some.
    Guarded(Guard),
}

/// The addresses to which a redirect may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Guard {
    /// Whether addresses of the internet are among them, which requires https.
    public: bool,
    /// The nearest of the addresses that are not public.
    nearest: Reach,
}

impl Guard {
    fn admits(self, reach: Reach) -> bool {
        if reach == Reach::Public { self.public } else { reach <= self.nearest }
    }

    /// The addresses to which a connection may be made. If there are none, the error names the nearest of the
    /// others.
    fn filter(self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Beyond> {
        let (good, bad): (Vec<_>, Vec<_>) = found.partition(|address| self.admits(Reach::of(address.ip())));
        match bad.iter().map(|address| Reach::of(address.ip())).max() {
            Some(reach) if good.is_empty() => Err(Beyond(reach)),
            _ => Ok(good),
        }
    }
}

/// The error for a name that resolves only to addresses that are not admitted, such as one of this reach.
#[derive(Debug, Clone, Copy)]
struct Beyond(Reach);

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.refusal().fmt(f)
    }
}

impl Error for Beyond {}

impl Reach {
    /// The reason why an address of this reach is not used.
    fn refusal(self) -> RedirectRefusal {
        match self {
            Self::Public => RedirectRefusal::Unencrypted,
            near => RedirectRefusal::Nearer(near.name()),
        }
    }
}

/// Resolves names to the addresses that a guard admits.
struct GuardedResolver(Guard);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(guard.filter(found)?.into_iter()) as Addrs)
        })
    }
}

/// Decides about redirects, and keeps the clients that follow them.
pub(super) struct Guide {
    policy: Redirects,
    /// The proxies, which resolve names themselves.
    proxies: Option<Proxies>,
    build: Box<dyn Fn(Arc<dyn Resolve>) -> reqwest::Result<Client> + Send + Sync>,
    guarded: Mutex<BTreeMap<Guard, Client>>,
}

impl fmt::Debug for Guide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guide").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Guide {
    /// Makes a guide. `build` makes a client that uses this resolver and no proxy.
    pub(super) fn new(
        policy: Redirects,
        proxies: Option<Proxies>,
        build: impl Fn(Arc<dyn Resolve>) -> reqwest::Result<Client> + Send + Sync + 'static,
    ) -> Self {
        Self { policy, proxies, build: Box::new(build), guarded: Mutex::default() }
    }

    /// The way to follow the redirect in `response`, the answer from `from` that came by `way`.
    pub(super) fn way(
        &self,
        response: &Response,
        (from, way): (&Url, Way),
        to: &Url,
        object: &str,
    ) -> Result<Way, StoreError> {
        let refused = |reason| Err(refusal(object, to, reason));
        match self.policy {
            Redirects::None => refused(RedirectRefusal::Any),
            Redirects::SameOrigin if from.origin() != to.origin() => refused(RedirectRefusal::OtherOrigin),
            _ => self.detour(response, (from, way), to, object),
        }
    }

    /// The way to another URL that `response` names, but does not redirect to.
    pub(super) fn detour(
        &self,
        response: &Response,
        (from, way): (&Url, Way),
        to: &Url,
        object: &str,
    ) -> Result<Way, StoreError> {
        let refused = |reason| Err(refusal(object, to, reason));
        if self.policy == Redirects::Any {
            return Ok(Way::Free);
        }
        let is_same_origin = from.origin() == to.origin();
        let is_upgrade = to.scheme() == "https" && from.host_str() == to.host_str();
        if is_same_origin || (is_upgrade && way == Way::Free) {
            return Ok(way);
        }
        let guard = Guard { public: to.scheme() == "https", nearest: self.reach_of(response, from) };
        match literal(to) {
            Some(address) if guard.admits(Reach::of(address)) => Ok(Way::Free),
            Some(address) => refused(Reach::of(address).refusal()),
            None if self.is_proxied(to) => match guard.public {
                true => Ok(Way::Free),
                false => refused(RedirectRefusal::UnencryptedByProxy),
            },
            None => Ok(Way::Guarded(guard)),
        }
    }

    /// The client for this way. If the way is free, that is `free`.
    pub(super) fn client(&self, way: Way, free: &Client, object: &str) -> Result<Client, StoreError> {
        let Way::Guarded(guard) = way else { return Ok(free.clone()) };
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = guarded.get(&guard) {
            return Ok(client.clone());
        }
        let client = (self.build)(Arc::new(GuardedResolver(guard)))
            .map_err(|error| failure::of_request(object, &error, None))?;
        guarded.insert(guard, client.clone());
        Ok(client)
    }

    /// The reach of the server that answered. Behind a proxy it is unknown, so the server counts as far away.
    fn reach_of(&self, response: &Response, url: &Url) -> Reach {
        let address = if self.is_proxied(url) { literal(url) } else { response.remote_addr().map(|at| at.ip()) };
        address.map_or(Reach::Public, Reach::of)
    }

    fn is_proxied(&self, url: &Url) -> bool {
        self.proxies.as_ref().is_some_and(|proxies| proxies.shown(url).is_some())
    }

    /// The proxy through which a request goes, in a form without secrets.
    pub(super) fn proxy_of(&self, url: &Url, way: Way) -> Option<String> {
        // Guarded requests use no proxy.
        self.proxies.as_ref().filter(|_| way == Way::Free)?.shown(url)
    }

    /// Refuses a URL that should go to a proxy that cannot be used.
    pub(super) fn check_proxy(&self, url: &Url) -> Result<(), StoreError> {
        self.proxies.as_ref().map_or(Ok(()), |proxies| proxies.check(url))
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    // The URL's parser has turned addresses in other notations into this one.
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

pub(super) fn refusal(object: &str, to: &Url, refusal: RedirectRefusal) -> StoreError {
    StoreError::Redirected { object: object.to_owned(), to: to.origin().ascii_serialization(), refusal }
}

/// The error of a request to `url`, which may be the target of a redirect. The request goes through this proxy.
pub(super) fn failed(object: &str, url: &Url, error: &reqwest::Error, proxy: Option<&str>) -> StoreError {
    if let Some(beyond) = failure::causes(error).find_map(|cause| cause.downcast_ref::<Beyond>()) {
        return refusal(object, url, beyond.0.refusal());
    }
    match failure::causes(error).find_map(|cause| cause.downcast_ref::<Nearer>()) {
        Some(nearer) => StoreError::Network { object: object.to_owned(), reason: nearer.to_string(), transient: false },
        None => failure::of_request(object, error, proxy),
    }
}

/// The target of a redirect, or `None` if the answer is no redirect.
pub(super) fn target(response: &Response, from: &Url, object: &str) -> Result<Option<Url>, StoreError> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| redirects) else {
        return Ok(None);
    };
    let refused = |reason: &str| StoreError::Network {
        object: object.to_owned(),
        reason: format!("redirected {reason}"),
        transient: false,
    };
    let target = location.to_str().ok().and_then(|location| from.join(location).ok());
    let mut target = target.ok_or_else(|| refused("to something that is not a URL"))?;
    match (from.scheme(), target.scheme()) {
        ("https", "http") => return Err(refusal(object, &target, RedirectRefusal::Downgrade)),
        (_, "http" | "https") => {}
        _ => return Err(refused("to a place that is neither http nor https")),
    }
    if target.origin() == from.origin() && target.username().is_empty() {
        // Neither call fails for a URL with a host.
        let _ = target.set_username(from.username());
        let _ = target.set_password(from.password());
    }
    Ok(Some(target))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn guards_admit_what_is_no_nearer() {
        let all = ["1.1.1.1", "10.0.0.1", "169.254.169.254", "127.0.0.1"];
        for (nearest, count) in [(Reach::Public, 0), (Reach::Private, 1), (Reach::Link, 2), (Reach::Machine, 3)] {
            for public in [false, true] {
                let kept = Guard { public, nearest }.filter(addresses(&all).into_iter());
                assert_eq!(kept.map_or(0, |kept| kept.len()), count + usize::from(public), "{nearest:?} {public}");
            }
        }
        let far = Guard { public: true, nearest: Reach::Public };
        // Other addresses of a name that also has good ones are dropped.
        assert_eq!(far.filter(addresses(&["127.0.0.1", "1.1.1.1"]).into_iter()).unwrap(), addresses(&["1.1.1.1"]));
        assert_eq!(far.filter(addresses(&["10.0.0.1", "127.0.0.1"]).into_iter()).unwrap_err().0, Reach::Machine);
        assert_eq!(far.filter(std::iter::empty()).unwrap(), []);
    }

    #[tokio::test]
    async fn names_are_judged_when_they_are_resolved() {
        let resolve = async |nearest| {
            let resolver = GuardedResolver(Guard { public: true, nearest });
            resolver.resolve("localhost".parse().unwrap()).await.map(Iterator::count)
        };
        assert!(resolve(Reach::Machine).await.unwrap() > 0);
        let error = resolve(Reach::Link).await.err().unwrap();
        assert!(error.to_string().starts_with("an address of this machine"), "{error}");
    }
}
