//! Frames, packs, the store's layout, and the places that stores lie in. Knows nothing of images or indexes.

mod error;
mod read;

pub use error::StoreError;
pub use read::{ByteStream, Download, Meter, ReadStore, Span};
