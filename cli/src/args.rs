//! Arguments that several commands share.

mod network;

pub(crate) use network::{AddressingArg, NetworkArgs, RedirectsArg};
