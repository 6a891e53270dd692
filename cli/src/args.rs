//! Arguments that several commands share.

mod network;
mod trust;

pub(crate) use network::{AddressingArg, NetworkArgs, RedirectsArg};
pub(crate) use trust::TrustArgs;
