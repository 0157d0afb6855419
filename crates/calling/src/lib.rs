//! Making calls: the thin client behind `callgate get|post|put|patch|delete|head|options|call` and `callgate curl`.
//!
//! A command line becomes a [`Request`] ([`verbs`] for HTTPie's letters, [`curl`] for curl's), [`send()`] sends it and
//! [`show`] shows the answer; [`make()`] is all of it. This crate never knows the gate: a gate is a server like any
//! other, only that its refusals carry `Callgate-Refused`, for which there is a hint. It also never knows the command
//! line's parser: the binary fills [`Arguments`]. Start reading at [`make()`], then [`verbs`].
//!
//! # Exit codes
//!
//! | code | when |
//! |---|---|
//! | 0 | an answer below 400 |
//! | 1 | the command line is wrong, or a file of this machine can't be read or written |
//! | 4 | an answer from 400 to 499 |
//! | 5 | an answer of 500 or above |
//! | 6 | no answer, or not the whole of it: name, connection, TLS, HTTP, too many redirects |
//! | 7 | `--max-time` or `--connect-timeout` ran out |

pub mod auth;
pub mod curl;
mod draft;
pub mod error;
mod exit;
mod intake;
pub mod items;
mod last;
mod make;
mod percent;
mod problem;
mod request;
pub mod secrecy;
pub mod send;
pub mod show;
#[cfg(test)]
mod tests;
pub mod url;
pub mod verbs;

pub use curl::curl_args;
pub use error::CallError;
pub use exit::Exit;
pub use last::LastFailure;
pub use make::make;
pub use problem::Problem;
pub use request::{Payload, Request};
pub use send::{Answer, Http, Sending, send};
pub use show::{Form, Showing, Streams};
pub use verbs::{Arguments, Prepared};
