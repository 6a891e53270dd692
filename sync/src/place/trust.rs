//! The check that an image is one that this machine wants: by its digest, or by signatures of what the index states.
//!
//! The check comes right after an index, or its head, was read. Nothing of the image was fetched or written then. All
//! of it is [`Trust::check`], whatever the statement came from.

mod detached;
mod keys;
mod state;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use regrow_chunker::Digest;
use regrow_index::{Claims, Index, Statement};
use regrow_sign::{KeyId, Keys, SignError, Signature, SignatureKind};

use crate::{Location, Progress, SyncError, Timestamp, TrustError};

pub use detached::{DetachedSignature, MAX_DETACHED_SIGNATURES};
pub use keys::{keys_in, read_key};
#[cfg(feature = "sign")]
pub use keys::{read_secret_key, read_signature};
use state::State;

/// The time before which no clock of a machine that runs this version can be right. Builds that set
/// `SOURCE_DATE_EPOCH`, as packages do, know it exactly. All others know the time of the last release before them.
const RELEASED: Timestamp = Timestamp(released(option_env!("SOURCE_DATE_EPOCH")));
/// The time of the last release when this was written.
const LAST_RELEASE: u64 = 1_795_910_400;
/// The difference that clocks of a signer and a reader may have.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(86_400);

/// The later one of the last release and of the time of the sources, in seconds since 1970.
const fn released(source_date: Option<&str>) -> u64 {
    let Some(text) = source_date else { return LAST_RELEASE };
    match u64::from_str_radix(text, 10) {
        // A time of a future century is a mistake of the build, which must not make all clocks wrong.
        Ok(time) if time > LAST_RELEASE && time < 1 << 33 => time,
        _ => LAST_RELEASE,
    }
}

/// What makes an image one that this machine takes. By default every image is taken.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The keys that are trusted. If there are any, every image must be signed.
    pub keys: Keys,
    /// The number of trusted keys that must have signed. It counts as 1 if it is 0.
    pub threshold: usize,
    /// Signatures of the image beside those in its index.
    pub signatures: Vec<DetachedSignature>,
    /// The channel that the image must belong to. `None` stands for the channel of the last image from the same place,
    /// if that is known.
    pub channel: Option<String>,
    /// The BLAKE3 digest that the image must have. It needs no keys, and protects images of version 1 too.
    pub digest: Option<[u8; 32]>,
    /// Whether to take an image that is older than one that was seen. Its counter is the one to remember from then on.
    pub allow_older: bool,
    /// The folder that remembers channels and their counters, for this user alone. Without it, nothing is remembered.
    pub state: Option<PathBuf>,
    /// The time by which it is decided whether a statement has expired.
    pub now: SystemTime,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            threshold: 1,
            signatures: Vec::new(),
            channel: None,
            digest: None,
            allow_older: false,
            state: None,
            now: SystemTime::now(),
        }
    }
}

/// What follows from a state folder that cannot be used.
const UNNOTICED: &str = "an older image in the place of a newer one will not be noticed";

/// What an index or a head states about its image, and who signed that.
#[derive(Debug, Clone)]
pub(crate) struct Stated {
    digest: [u8; 32],
    signed: Option<Signed>,
}

/// A statement and its signatures. An index of version 1 has none.
#[derive(Debug, Clone)]
struct Signed {
    statement: Vec<u8>,
    claims: Claims,
    signatures: Vec<Signature>,
}

impl Stated {
    pub(crate) fn by_index(index: &Index) -> Self {
        let signed = index.statement().zip(index.units.as_ref());
        let signed = signed.map(|(statement, units)| Signed::of(&statement, &units.signatures));
        Self { digest: index.image_digest, signed }
    }
}

impl Signed {
    fn of(statement: &Statement, signatures: &[regrow_index::Signature]) -> Self {
        let signatures = signatures.iter().map(signature_of).collect();
        Self { statement: statement.encode(), claims: statement.claims.clone(), signatures }
    }
}

/// A signature as the keys check it.
pub(crate) fn signature_of(signature: &regrow_index::Signature) -> Signature {
    let kind = match signature.kind {
        regrow_index::SignatureKind::Pure => SignatureKind::Pure,
        regrow_index::SignatureKind::Prehashed => SignatureKind::Prehashed,
    };
    Signature { kind, key: KeyId(signature.key_id), bytes: signature.signature }
}

/// An image that passed the check.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The number of trusted keys that signed.
    pub(crate) signers: usize,
    state: Option<State>,
}

impl Accepted {
    /// Remembers the image's channel and counter, if there are keys and a folder for it. A warning says if that is not
    /// possible.
    pub(crate) fn remember(self, progress: &dyn Progress) {
        let Some(state) = self.state else { return };
        if let Err(problem) = state.write()
            && !state.is_told(&problem)
        {
            progress.warn(&format!("{problem}; {UNNOTICED}"));
        }
    }
}

impl Trust {
    /// Whether images are checked at all.
    #[must_use]
    pub fn checks(&self) -> bool {
        self.digest.is_some() || !self.keys.is_empty()
    }

    /// Whether the bytes of an image that passed the check are right before all of it was verified. A signature covers
    /// the ids of all chunks, but not how coded files are made from them. A digest covers the whole image alone. Without
    /// a check there is nothing to bind.
    pub(crate) fn binds_prefix(&self, is_coded: bool) -> bool {
        !self.checks() || (!self.keys.is_empty() && !is_coded)
    }

    /// Checks what is stated about the image at `location`. This reads no file but those of the state folder.
    ///
    /// # Errors
    /// [`SyncError::Untrusted`] with the reason.
    pub(crate) fn check(
        &self,
        location: &Location,
        stated: &Stated,
        progress: &dyn Progress,
    ) -> Result<Accepted, SyncError> {
        let refused = |reason| SyncError::Untrusted { location: location.to_string(), reason };
        if self.digest.is_some_and(|wanted| wanted != stated.digest) {
            return Err(refused(TrustError::Digest { stated: Digest::from_bytes(stated.digest).to_string() }));
        }
        if self.keys.is_empty() {
            self.check_unsigned_channel(stated).map_err(refused)?;
            return Ok(Accepted { signers: 0, state: None });
        }
        let signed = stated.signed.as_ref().ok_or(TrustError::Version1).map_err(refused)?;
        let signers = self.signers_of(signed).map_err(|error| refused(error.into()))?;
        let state = self.state.as_ref().map(|folder| State::read(folder, location, &signed.claims));
        if let Some(state) = &state {
            state.problems().for_each(|problem| progress.warn(&format!("{problem}; {UNNOTICED}")));
        }
        self.check_channel(&signed.claims, state.as_ref()).map_err(refused)?;
        self.check_time(location, &signed.claims, progress).map_err(refused)?;
        self.check_counter(&signed.claims, state.as_ref()).map_err(refused)?;
        Ok(Accepted { signers, state })
    }

    /// The number of trusted keys that signed, in the index or beside it.
    fn signers_of(&self, signed: &Signed) -> Result<usize, SignError> {
        let (mut signatures, mut unfit) = (Vec::new(), None);
        for file in &self.signatures {
            match self.keys.signature_in(file.bytes(), &signed.statement) {
                Ok(signature) => signatures.push(signature),
                Err(error) => unfit = Some(error),
            }
        }
        signatures.extend(&signed.signatures);
        let signers = self.keys.check(&signed.statement, &signatures, self.threshold);
        signers.map_err(|error| unfit.unwrap_or(error))
    }

    /// Without keys, a channel that is asked for only guards against a mistake.
    fn check_unsigned_channel(&self, stated: &Stated) -> Result<(), TrustError> {
        let claimed = stated.signed.as_ref().map(|signed| signed.claims.channel.as_str()).unwrap_or_default();
        match &self.channel {
            Some(wanted) if wanted != claimed => {
                Err(TrustError::Channel { stated: claimed.to_owned(), wanted: wanted.clone() })
            }
            _ => Ok(()),
        }
    }

    fn check_channel(&self, claims: &Claims, state: Option<&State>) -> Result<(), TrustError> {
        let stated = || claims.channel.clone();
        match (&self.channel, state.and_then(State::last_channel)) {
            (Some(wanted), _) if *wanted != claims.channel => {
                Err(TrustError::Channel { stated: stated(), wanted: wanted.clone() })
            }
            (Some(_), _) => Ok(()),
            // A publisher may begin to name channels.
            (None, Some(last)) if !last.is_empty() && last != claims.channel => {
                Err(TrustError::OtherChannel { stated: stated(), last: last.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// A clock that is certainly wrong decides nothing: a device without a battery would refuse all images until it
    /// knows the time, or take expired ones without a word.
    fn check_time(&self, location: &Location, claims: &Claims, progress: &dyn Progress) -> Result<(), TrustError> {
        if claims.expires_at == 0 {
            return Ok(());
        }
        let (now, at) = (Timestamp::of(self.now), Timestamp(claims.expires_at));
        let earliest = RELEASED.max(Timestamp(claims.signed_at).before(CLOCK_TOLERANCE));
        if now < earliest {
            progress.warn(&format!(
                "{location}: this machine's clock shows {now}, which is too early to be right; whether the image has \
                 expired ({at}) is not known"
            ));
            return Ok(());
        }
        if now > at { Err(TrustError::Expired { at }) } else { Ok(()) }
    }

    fn check_counter(&self, claims: &Claims, state: Option<&State>) -> Result<(), TrustError> {
        let seen = state.map_or(0, State::highest_counter);
        if claims.counter >= seen || self.allow_older {
            return Ok(());
        }
        Err(TrustError::Older { stated: claims.channel.clone(), counter: claims.counter, seen })
    }

    /// Warns if an index came over a connection that others can change, and nothing checks it.
    pub(crate) fn warn_of_plain(&self, location: &Location, progress: &dyn Progress) {
        if !self.checks()
            && let Some(host) = plain_host_elsewhere(location)
        {
            progress.warn_of(&crate::SyncWarning::Unprotected { host });
        }
    }
}

/// The host of a URL.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // A port follows the last colon, unless that is part of an IPv6 address.
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    }
}

/// The host of a location that is reached without encryption, on another machine.
fn plain_host_elsewhere(location: &Location) -> Option<String> {
    let url = match location {
        Location::Url(url) => url.clone(),
        Location::Registry(url) => url.origin(),
        Location::Path(_) | Location::Bucket(_) => return None,
    };
    let is_plain = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let host = host_of(&url).filter(|_| is_plain)?;
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_near =
        is_loopback || host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    (!is_near).then(|| host.to_owned())
}

#[cfg(test)]
mod tests;
