//! Arguments that several commands share.

mod network;
#[cfg(feature = "publish")]
mod sign;
mod trust;

pub(crate) use network::{AddressingArg, NetworkArgs, RedirectsArg};
#[cfg(feature = "publish")]
pub(crate) use sign::{ClaimArgs, PasswordArgs};
pub(crate) use trust::TrustArgs;
