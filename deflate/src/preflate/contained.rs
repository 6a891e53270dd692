//! Keeping another crate's panics from becoming ours.
//!
//! preflate-rs checks what it reads with indexing, `unwrap` and `assert!`: wrong corrections make it panic. It forbids
//! `unsafe` and is given nothing that outlives a call, so that unwinding out of it leaves nothing half done. Where
//! `panic = "abort"` is set, a wrong patch ends the process; regrow's profiles do not set it.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, and returns `None` where it panics, without printing anything of that.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    silence_this_thread_when_asked();
    let before = SILENT.replace(true);
    // All that `work` borrows is either read only or dropped with it.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    SILENT.set(before);
    done.ok()
}

/// The panic hook is the whole process's: put in once, in front of the one there is, which still gets all other panics.
fn silence_this_thread_when_asked() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.try_with(Cell::get).unwrap_or(false) {
                next(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_inside_are_silent_and_those_outside_are_not() {
        assert_eq!(contained(|| SILENT.get()), Some(true));
        assert!(!SILENT.get());
        assert_eq!(contained(|| panic!("within")), None::<()>);
        assert!(!SILENT.get());
        assert_eq!(contained(|| contained(|| panic!("deeper")).is_none() && SILENT.get()), Some(true));
    }
}
