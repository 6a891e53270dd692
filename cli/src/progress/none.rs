//! The board of a command that is built without bars: it shows nothing.

/// A board without bars.
#[derive(Default)]
pub(super) struct Board(());

#[expect(clippy::unused_self, reason = "the same calls as with bars")]
impl Board {
    pub(super) fn begin(&self, _: &'static str, _: Option<u64>) {}

    pub(super) fn add(&self, _: &'static str, _: u64) {}

    pub(super) fn end(&self, _: &'static str) {}

    pub(super) fn suspend(&self, print: impl FnOnce()) {
        print();
    }
}
