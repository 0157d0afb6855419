//! `GET /admin/stats`: for the shop's own people. Without a session the gate before the shop has decided; a session of
//! a customer who is no administrator is refused.

use http::StatusCode;
use serde_json::json;

use crate::answer::{Answer, json};
use crate::ask::Ask;
use crate::problem::Problem;
use crate::shop::Shop;

/// Counts of everything.
pub(crate) fn stats(shop: &Shop, ask: &Ask) -> Answer {
    if let Some(caller) = shop.session(&ask.headers)?
        && !shop.customers.iter().any(|customer| customer.id == caller && customer.admin)
    {
        return Err(Problem::new(StatusCode::FORBIDDEN, "This is for administrators of the shop."));
    }
    let changing = shop.changing();
    let sold_cents: u64 = changing.orders.values().map(|order| order.total_cents).sum();
    let document = json!({
        "books": shop.books.len(),
        "customers": shop.customers.len(),
        "orders": changing.orders.len(),
        "sold_cents": sold_cents,
        "calls": shop.calls(),
    });
    json(StatusCode::OK, &document)
}
