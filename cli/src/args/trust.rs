//! The arguments that say which images are taken.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use regrow_sync::{
    DetachedSignature, Keys, Location, MAX_DETACHED_SIGNATURES, Network, Progress, SyncError, Trust, keys_in, read_key,
};

use crate::failure::{Code, Failure};

/// The keys of the machine, which hold for every user.
const KEYS_FOLDER: &str = "/etc/regrow/keys.d";
/// The state folder of root. Others have one each. It has the memory of channels and counters.
const STATE_FOLDER: &str = "/var/lib/regrow";
/// The folder in it with what is remembered of images that were made.
pub(crate) const MEMORY_FOLDER: &str = "images";

/// The arguments that say which images are taken.
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Take only images that are signed by this public key (minisign's format or PEM), or by one of those in
    /// /etc/regrow/keys.d; may be repeated
    #[arg(long = "key", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) keys: Vec<PathBuf>,
    /// How many of the keys must have signed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) threshold: u8,
    /// Also look at this signature, which `sign --detached`, minisign or openssl wrote; may be repeated
    #[arg(long = "signature", value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    pub(crate) signatures: Vec<String>,
    /// Take only images of this channel [default: the channel that this index had when it was used last]
    #[arg(long = "name", value_name = "CHANNEL")]
    pub(crate) channel: Option<String>,
    /// Take only the image with this BLAKE3 digest
    #[arg(long, value_name = "HEX", value_parser = digest)]
    pub(crate) digest: Option<[u8; 32]>,
    /// Take an image even if a newer one of its channel was seen, and count from it
    #[arg(long)]
    pub(crate) allow_older: bool,
    /// Where to remember the newest image of each channel, and the layers of images that were made [default:
    /// /var/lib/regrow for root, else the user's state folder]
    #[arg(long, env = "REGROW_STATE", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,
}

fn digest(text: &str) -> Result<[u8; 32], &'static str> {
    let hash = blake3::Hash::from_hex(text).map_err(|_| "give the 64 hexadecimal digits that make and info print")?;
    Ok(*hash.as_bytes())
}

impl TrustArgs {
    /// Reads the keys and the signatures, and finds the state folder.
    pub(crate) fn trust(&self, network: &mut Network, progress: &dyn Progress) -> Result<Trust, Failure> {
        let mut keys = keys_in(Path::new(KEYS_FOLDER))?;
        for path in &self.keys {
            keys.push(read_key(path)?);
        }
        let keys = Keys::new(keys).map_err(|error| Failure::new(Code::Usage, format!("--key: {error}")))?;
        let threshold = usize::from(self.threshold);
        if threshold > keys.len() && threshold > 1 {
            let message = format!("--threshold {threshold}: the number of trusted keys is only {}", keys.len());
            return Err(Failure::new(Code::Usage, message));
        }
        if keys.is_empty() && !self.signatures.is_empty() {
            return Err(Failure::new(Code::Usage, "--signature: there is no key to check it by; give one with --key"));
        }
        let signatures = self.detached(network, progress)?;
        let state = if keys.is_empty() { None } else { self.state.clone().or_else(|| default_state(progress)) };
        Ok(Trust {
            keys,
            threshold,
            signatures,
            channel: self.channel.clone(),
            digest: self.digest,
            allow_older: self.allow_older,
            state,
            ..Trust::default()
        })
    }
}

impl TrustArgs {
    /// Reads the signatures in files of their own. Those that cannot be had are passed over as long as there is another:
    /// whether the rest is enough, the check of the image tells.
    fn detached(&self, network: &mut Network, progress: &dyn Progress) -> Result<Vec<DetachedSignature>, Failure> {
        if self.signatures.len() > MAX_DETACHED_SIGNATURES {
            let message = format!("--signature: more than {MAX_DETACHED_SIGNATURES} signatures were given");
            return Err(Failure::new(Code::Usage, message));
        }
        let (mut signatures, mut missing) = (Vec::with_capacity(self.signatures.len()), Vec::new());
        for signature in &self.signatures {
            match DetachedSignature::read(&Location::parse(signature)?, network) {
                Ok(signature) => signatures.push(signature),
                Err(error @ SyncError::Store(_)) => missing.push(error),
                Err(error) => return Err(error.into()),
            }
        }
        if signatures.is_empty() && !missing.is_empty() {
            return Err(missing.remove(0).into());
        }
        for error in missing {
            progress.warn(&format!("--signature: {error}"));
        }
        Ok(signatures)
    }
}

/// The state folder, unless the command line names another.
pub(crate) fn state_folder() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(STATE_FOLDER.into());
    }
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
    Some(folder?.join("regrow"))
}

fn default_state(progress: &dyn Progress) -> Option<PathBuf> {
    let folder = state_folder();
    if folder.is_none() {
        progress.warn(
            "there is no home folder, so an older image in the place of a newer one will not be noticed; \
                       give a folder with --state",
        );
    }
    folder
}
