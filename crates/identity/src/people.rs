//! What signing in needs beside the store: hashing passwords without giving all cores to it, and slowing down who guesses.

mod passwords;
mod throttle;

pub(crate) use passwords::{Busy, Passwords};
pub(crate) use throttle::Throttle;
