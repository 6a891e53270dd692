//! Arguments that several commands share.

mod network;
mod reading;
#[cfg(feature = "publish")]
mod sign;
#[cfg(feature = "publish")]
mod source;
mod trust;

pub(crate) use network::{AddressingArg, NetworkArgs, RedirectsArg};
pub(crate) use reading::ReadingArgs;
#[cfg(feature = "publish")]
pub(crate) use sign::{ClaimArgs, PasswordArgs};
#[cfg(feature = "publish")]
pub(crate) use source::SourceArgs;
pub(crate) use trust::{MEMORY_FOLDER, TrustArgs, state_folder};
