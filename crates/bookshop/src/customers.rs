//! `GET /customers/{id}`: what the shop knows of the customer who asks.

use http::StatusCode;
use serde::Serialize;

use crate::answer::{Answer, json};
use crate::ask::Ask;
use crate::problem::Problem;
use crate::shop::Shop;

/// A customer, with the data that a shop has and should not give away.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Customer {
    pub(crate) id: u32,
    pub(crate) name: &'static str,
    pub(crate) email: &'static str,
    pub(crate) phone: String,
    pub(crate) address: &'static str,
    pub(crate) member_since: &'static str,
    /// For `POST /login`.
    #[serde(skip)]
    pub(crate) user: &'static str,
    /// Sample data, the same in every copy of the shop; never shown.
    #[serde(skip)]
    pub(crate) password: &'static str,
    /// May see `GET /admin/stats` with a session.
    #[serde(skip)]
    pub(crate) admin: bool,
}

/// The caller's own entry. Somebody else's is not there.
pub(crate) fn get(shop: &Shop, ask: &Ask) -> Answer {
    let caller = shop.customer(&ask.headers)?;
    match shop.customers.iter().find(|customer| Some(customer.id) == ask.id() && customer.id == caller) {
        Some(customer) => json(StatusCode::OK, customer),
        None => Err(Problem::new(StatusCode::NOT_FOUND, format!("You are not customer {}.", ask.id))),
    }
}
