//! Explains calls, codes and statuses to people.
//!
//! Everything here gives a [`Page`]: structured, so that `--json` shows it as it is and a terminal colours it. Start at
//! [`call`], the answer to "why was this refused?".

mod asked;
mod call;
mod code;
mod lessons;
mod page;
mod status;

pub use asked::Asked;
pub use call::{call, call_in_short};
pub use code::{code, code_in_short};
pub use page::{Mark, Page, Row, Section, Tone};
pub use status::{class, status};

pub(crate) use lessons::lesson;

#[cfg(test)]
mod tests;
