//! regrow's: tables on the heap, made in place without a crate of macros.

/// A table of zeros.
pub fn zeros<T: Clone + Default, const N: usize>() -> Box<[T; N]> {
    match vec![T::default(); N].try_into() {
        Ok(table) => table,
        Err(_) => unreachable!("the length is N"),
    }
}
