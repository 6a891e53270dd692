//! SHA-256 that continues from a state that was remembered.
//!
//! Only `sha2` gives its state away. Where nothing is remembered, as on devices, `ring` hashes, which TLS has already.

#[cfg(not(feature = "names"))]
pub(super) use by_ring::{CONTINUES, STATE_BYTES, Sha256};
#[cfg(feature = "names")]
pub(super) use by_sha2::{CONTINUES, STATE_BYTES, Sha256};

/// SHA-256 of a beginning, in a form from which hashing continues.
pub(super) type HashState = [u8; STATE_BYTES];

#[cfg(feature = "names")]
mod by_sha2 {
    use sha2::Digest;
    use sha2::digest::common::hazmat::{SerializableState, SerializedState};

    use super::HashState;

    /// Whether hashing can continue from a state.
    pub(in super::super) const CONTINUES: bool = true;
    /// The size of a state: eight words, the number of blocks, and the bytes of a block with their number.
    pub(in super::super) const STATE_BYTES: usize = 32 + 8 + 64;

    /// A hash of the bytes so far.
    #[derive(Clone, Default)]
    pub(in super::super) struct Sha256(sha2::Sha256);

    impl Sha256 {
        pub(in super::super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(in super::super) fn finish(self) -> [u8; 32] {
            self.0.finalize().into()
        }

        pub(in super::super) fn state(&self) -> HashState {
            self.0.serialize().into()
        }

        /// The hash that has this state, if there is one.
        pub(in super::super) fn of_state(state: &HashState) -> Option<Self> {
            sha2::Sha256::deserialize(&SerializedState::<sha2::Sha256>::from(*state)).ok().map(Self)
        }
    }
}

#[cfg(not(feature = "names"))]
mod by_ring {
    use ring::digest::{Context, SHA256};

    use super::HashState;

    /// Whether hashing can continue from a state.
    pub(in super::super) const CONTINUES: bool = false;
    /// The size of a state, which tells nothing.
    pub(in super::super) const STATE_BYTES: usize = 0;

    /// A hash of the bytes so far.
    #[derive(Clone)]
    pub(in super::super) struct Sha256(Context);

    impl Default for Sha256 {
        fn default() -> Self {
            Self(Context::new(&SHA256))
        }
    }

    impl Sha256 {
        pub(in super::super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(in super::super) fn finish(self) -> [u8; 32] {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(self.0.finish().as_ref());
            bytes
        }

        pub(in super::super) fn state(&self) -> HashState {
            []
        }

        pub(in super::super) fn of_state(_: &HashState) -> Option<Self> {
            None
        }
    }
}
