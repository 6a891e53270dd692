//! Arguments that several commands share.

mod network;
mod reading;
#[cfg(feature = "publish")]
mod sign;
mod trust;

pub(crate) use network::{AddressingArg, NetworkArgs, RedirectsArg};
pub(crate) use reading::ReadingArgs;
#[cfg(feature = "publish")]
pub(crate) use sign::{ClaimArgs, PasswordArgs};
pub(crate) use trust::TrustArgs;
