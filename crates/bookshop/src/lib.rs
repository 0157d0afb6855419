//! The sample API: a bookshop with books, orders, customers, a login and a few mirrors for looking at what a gate
//! forwards.
//!
//! It is what `callgate demo` guards and what the documents call, so it behaves as a decent small API does: JSON in and
//! out, problem documents for errors, an OpenAPI document that is true. All data is in memory, the same on every start,
//! and bounded. It never knows the gate: it depends on no crate of Callgate. Start reading at `route.rs`: the table of
//! operations, then the file of the resource that interests you.
//!
//! **Who is calling.** A session from `POST /login` says which customer calls. Without one, the shop does what an
//! upstream behind a gate does: it takes whoever was let through, as the walk-in customer (number 1).

mod admin;
mod answer;
mod ask;
mod books;
mod customers;
mod echo;
mod events;
mod headers;
mod health;
mod login;
mod openapi;
mod orders;
mod problem;
mod query;
mod route;
mod seed;
mod server;
mod shop;
mod slow;
#[cfg(test)]
mod tests;

pub use openapi::DOCUMENT as OPENAPI_JSON;
pub use server::{Bookshop, Running};
