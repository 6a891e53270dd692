//! Inputs that are mutated after their checksums would have told, by thousands: no panic, no wrong output, and no run that
//! takes more memory or time than an honest input of that size could ask for.
//!
//! `REGROW_MUTATIONS` is the number of inputs of all kinds together. `REGROW_UNDER_TEST` names another build of the command,
//! a release build for thousands of inputs. A fault is printed with the number of its input, which gives it again:
//! `REGROW_MUTATION=N` tries that one alone.

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
