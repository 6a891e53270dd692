//! Signs what indexes state: claims and signatures go into the head of an index, and its blocks stay as they are.

mod claims;

use std::time::Duration;

use regrow_chunker::Digest;
use regrow_index::{Claims, Head, HeadRead, Index, IndexError, MAX_INDEX_BYTES, MAX_SIGNATURES, SignatureKind};
use regrow_sign::{PublicKey, SecretKey, SignError, Signature};
use regrow_store::{Condition, PutOutcome, Store, StoreError, read_small};
use serde::Serialize;

use crate::place::claims::ClaimsReport;
use crate::place::index_file::{self, put_index_if};
use crate::{Location, Network, Progress, SyncError};

pub use claims::{ClaimChanges, Counter};

/// The number of times that an index is written, if others write it at the same time.
const TRIES: usize = 5;

/// A signature that will be added, or the key to make it with.
#[derive(Debug)]
pub enum Signer {
    /// A key that signs.
    Key(SecretKey),
    /// A signature that was made elsewhere, of the statement as it is, and the key that it is checked by.
    Signature {
        /// The signature.
        signature: Signature,
        /// The public key.
        key: PublicKey,
    },
}

/// What is claimed and signed.
#[derive(Debug)]
pub struct SignOptions {
    /// The signatures to add. If there are none, only the claims change.
    pub signers: Vec<Signer>,
    /// What will be claimed.
    pub claims: ClaimChanges,
    /// Whether the signatures go into the index. The report has those of keys in any case.
    pub embeds: bool,
    /// The time for which caches may keep the index.
    pub index_max_age: Duration,
}

impl SignOptions {
    /// The default options at this time.
    #[must_use]
    pub fn new(signers: Vec<Signer>, claims: ClaimChanges) -> Self {
        Self { signers, claims, embeds: true, index_max_age: index_file::DEFAULT_MAX_AGE }
    }

    fn writes(&self) -> bool {
        !self.claims.is_empty() || (self.embeds && !self.signers.is_empty())
    }
}

/// What is claimed about a new image, and the keys that sign it.
#[derive(Debug)]
pub struct Signing {
    /// The keys. If there are none, the image can be signed later.
    pub keys: Vec<SecretKey>,
    /// The claims.
    pub claims: ClaimChanges,
}

impl Signing {
    /// Signs an index that is not written yet.
    pub(crate) fn sign(&self, index: &mut Index, location: &Location) -> Result<(), SyncError> {
        let refused = |source| SyncError::Signature { location: location.to_string(), source };
        let unsignable = || SyncError::Unsignable { location: location.to_string() };
        let units = index.units.as_mut().ok_or_else(unsignable)?;
        units.claims = self.claims.apply(&units.claims, !self.keys.is_empty());
        let statement = index.statement().ok_or_else(unsignable)?.encode();
        let made: Vec<_> = self.keys.iter().map(|key| of_index(&key.sign(&statement))).collect();
        index.units.as_mut().map_or(Ok(()), |units| add(&mut units.signatures, &made)).map_err(refused)
    }
}

/// A signed index.
#[derive(Debug, Clone, Serialize)]
pub struct SignReport {
    /// The index.
    pub index: String,
    /// The BLAKE3 digest of the image.
    pub image_digest: String,
    /// What the statement claims.
    #[serde(flatten)]
    pub claims: ClaimsReport,
    /// The number of signatures that were removed, since they were of other claims.
    pub removed: u64,
    /// The statement: the bytes that are signed.
    #[serde(skip)]
    pub statement: Vec<u8>,
    /// A file of its own for each signature that a key made here.
    #[serde(skip)]
    pub detached: Vec<Vec<u8>>,
}

/// Signs an index of version 2, and changes what it claims. If the claims change, all signatures that it has are
/// removed, with a warning. Without claims and signatures for the index, nothing is written.
///
/// # Errors
/// [`SyncError::Unsignable`] for an index of version 1, [`SyncError::Signature`] for a signature of something else, and
/// whatever keeps the index from being read or written.
pub fn sign(
    location: &Location,
    options: &SignOptions,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<SignReport, SyncError> {
    options.claims.check()?;
    let report = if options.writes() {
        let (place, name) = network.open_parent(location)?;
        network.block_on(rewrite(&*place, &name, location, options))?
    } else {
        let index = network.load_index(location)?;
        let unsignable = || SyncError::Unsignable { location: location.to_string() };
        let file = index.units.is_some().then(|| index.encode()).ok_or_else(unsignable)?;
        let mut head = head_of(&file, location)?.0;
        sign_head(&mut head, location, options)?
    };
    if report.removed > 0 {
        let number = report.removed;
        progress.warn(&format!(
            "{location}: {number} signatures of the earlier claims are removed; sign it again by those keys"
        ));
    }
    Ok(report)
}

/// Reads, changes and writes an index, until nobody else wrote it meanwhile.
async fn rewrite(
    place: &dyn Store,
    name: &str,
    location: &Location,
    options: &SignOptions,
) -> Result<SignReport, SyncError> {
    for _ in 0..TRIES {
        let found = read_small(place, name, MAX_INDEX_BYTES).await?;
        let absent = || StoreError::NotFound { object: location.to_string(), status: None };
        let (file, version) = found.ok_or_else(absent)?;
        let (mut head, blocks) = head_of(&file, location)?;
        let report = sign_head(&mut head, location, options)?;
        let written = [head.encode().as_slice(), blocks].concat();
        // Readers take it, or it is not written.
        Index::decode(&written).map_err(|source| SyncError::Index { location: location.to_string(), source })?;
        if written == *file {
            return Ok(report);
        }
        let condition = version.map_or(Condition::Always, Condition::IfVersion);
        let put = put_index_if(place, name, written.into(), options.index_max_age, condition).await?;
        if put == PutOutcome::Stored {
            return Ok(report);
        }
    }
    Err(SyncError::Contended { index: location.to_string() })
}

/// The head of an index of version 2, and the bytes behind it.
fn head_of<'a>(file: &'a [u8], location: &Location) -> Result<(Head, &'a [u8]), SyncError> {
    let malformed = |source| SyncError::Index { location: location.to_string(), source };
    match Head::decode(file).map_err(malformed)? {
        HeadRead::Head(head) => {
            let blocks = file.get(head.codings_block().start as usize..).unwrap_or_default();
            Ok((*head, blocks))
        }
        HeadRead::Whole(_) => Err(SyncError::Unsignable { location: location.to_string() }),
        HeadRead::NeedsMore(_) => Err(malformed(IndexError::Damaged("cut off"))),
    }
}

/// Changes the claims of a head, and adds signatures.
fn sign_head(head: &mut Head, location: &Location, options: &SignOptions) -> Result<SignReport, SyncError> {
    let refused = |source| SyncError::Signature { location: location.to_string(), source };
    let has_key = options.signers.iter().any(|signer| matches!(signer, Signer::Key(_)));
    let claims = options.claims.apply(&head.statement.claims, has_key && options.embeds);
    let removed = head.claim(claims);
    let statement = head.statement.encode();
    let (made, detached) = signatures_of(&statement, &options.signers, &head.statement.claims).map_err(refused)?;
    if options.embeds {
        add(&mut head.signatures, &made).map_err(refused)?;
    }
    Ok(SignReport {
        index: location.to_string(),
        image_digest: Digest::from_bytes(head.statement.image_digest).to_string(),
        claims: ClaimsReport::of(&head.statement.claims, head.signatures.len()),
        removed: removed as u64,
        statement,
        detached,
    })
}

/// The signatures by all signers, and a file of its own for each that is made here.
fn signatures_of(
    statement: &[u8],
    signers: &[Signer],
    claims: &Claims,
) -> Result<(Vec<regrow_index::Signature>, Vec<Vec<u8>>), SignError> {
    let (mut made, mut detached) = (Vec::new(), Vec::new());
    for signer in signers {
        let signature = match signer {
            Signer::Key(key) => {
                let signature = key.sign(statement);
                let comment = format!("regrow channel:{} counter:{}", claims.channel, claims.counter);
                detached.push(key.detached(&signature, &comment));
                signature
            }
            Signer::Signature { signature, key } => {
                signature.check(statement, key)?;
                Signature { key: key.id(), ..*signature }
            }
        };
        made.push(of_index(&signature));
    }
    Ok((made, detached))
}

/// Adds signatures in the place of earlier ones by the same keys.
fn add(signatures: &mut Vec<regrow_index::Signature>, made: &[regrow_index::Signature]) -> Result<(), SignError> {
    for signature in made {
        signatures.retain(|other| other.key_id != signature.key_id);
        signatures.push(*signature);
    }
    if signatures.len() > MAX_SIGNATURES { Err(SignError::TooManySignatures) } else { Ok(()) }
}

/// A signature as an index has it.
fn of_index(signature: &Signature) -> regrow_index::Signature {
    let kind = match signature.kind {
        regrow_sign::SignatureKind::Pure => SignatureKind::Pure,
        regrow_sign::SignatureKind::Prehashed => SignatureKind::Prehashed,
    };
    regrow_index::Signature { kind, key_id: signature.key.0, signature: signature.bytes }
}
