//! Inputs that are mutated in places that their checksums no longer guard, by the thousand. There must be no panic
//! and no wrong output. No run may take more memory or time than an honest input of that size could ask for.
//!
//! `REGROW_MUTATIONS` is the number of inputs of all kinds together. `REGROW_UNDER_TEST` names another build of the
//! command, such as a release build for thousands of inputs. A fault is printed with the number of its input, and
//! `REGROW_MUTATION=N` tries that input alone.

mod catalog;
mod chance;
mod index;
mod judge;
mod kept;
mod layers;
mod pack;
mod patch;
mod stream;
mod tars;
mod units;
