//! `GET /orders`, `POST /orders`, `GET /orders/{id}`: a customer's own orders.

use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::{Answer, json};
use crate::ask::Ask;
use crate::problem::Problem;
use crate::seed;
use crate::shop::{ORDERS_MAX, Shop};

/// Lines of one order.
const LINES_MAX: usize = 20;
/// Copies of one book in an order.
const QUANTITY_MAX: u32 = 99;

/// An order that was placed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u32,
    pub(crate) customer: u32,
    pub(crate) items: Vec<Line>,
    pub(crate) total_cents: u64,
    pub(crate) status: Status,
}

/// One book of an order, so many times.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) book: u32,
    #[serde(default = "once")]
    pub(crate) quantity: u32,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Placed,
    Sent,
}

/// The body of `POST /orders`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    items: Vec<Line>,
}

fn once() -> u32 {
    1
}

/// The caller's orders.
pub(crate) fn list(shop: &Shop, ask: &Ask) -> Answer {
    let customer = shop.customer(&ask.headers)?;
    let changing = shop.changing();
    let own: Vec<&Order> = changing.orders.values().filter(|order| order.customer == customer).collect();
    json(StatusCode::OK, &json!({ "orders": own }))
}

/// One order of the caller's. Somebody else's is not there, so that numbers can't be tried.
pub(crate) fn get(shop: &Shop, ask: &Ask) -> Answer {
    let customer = shop.customer(&ask.headers)?;
    let changing = shop.changing();
    match ask.id().and_then(|id| changing.orders.get(&id)).filter(|order| order.customer == customer) {
        Some(order) => json(StatusCode::OK, order),
        None => Err(Problem::new(StatusCode::NOT_FOUND, format!("You have no order {}.", ask.id))),
    }
}

/// Places an order.
pub(crate) async fn create(shop: &Shop, ask: Ask) -> Answer {
    let customer = shop.customer(&ask.headers)?;
    let new: NewOrder = ask.json().await?;
    let total_cents = price(shop, &new.items)?;
    let order = {
        let mut changing = shop.changing();
        if changing.orders.len() >= ORDERS_MAX
            && let Some(oldest) = changing.orders.keys().copied().find(|id| *id > seed::LAST_ORDER)
        {
            changing.orders.remove(&oldest);
        }
        let id = changing.next_order;
        changing.next_order = id.wrapping_add(1).max(seed::LAST_ORDER + 1);
        let order = Order { id, customer, items: new.items, total_cents, status: Status::Placed };
        changing.orders.insert(id, order.clone());
        order
    };
    let mut response = json(StatusCode::CREATED, &order)?;
    // Relative to `/orders` (RFC 9110 section 10.2.2), so that it also holds behind a gate that adds a prefix.
    let location = format!("orders/{}", order.id);
    let location = HeaderValue::from_str(&location).map_err(|cause| Problem::internal(&cause))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// What the lines cost together, or everything that is wrong with them.
fn price(shop: &Shop, lines: &[Line]) -> Result<u64, Problem> {
    if lines.is_empty() || lines.len() > LINES_MAX {
        let detail = format!("has {} lines; send 1 to {LINES_MAX}", lines.len());
        return Err(Problem::unfit(vec![("/items".to_owned(), detail)]));
    }
    let mut errors = Vec::new();
    let mut total_cents = 0;
    for (at, line) in lines.iter().enumerate() {
        match shop.book(line.book) {
            Some(book) => total_cents += u64::from(book.price_cents) * u64::from(line.quantity),
            None => errors.push((format!("/items/{at}/book"), format!("the shop has no book {}", line.book))),
        }
        if !(1..=QUANTITY_MAX).contains(&line.quantity) {
            let detail = format!("is {}; order 1 to {QUANTITY_MAX}", line.quantity);
            errors.push((format!("/items/{at}/quantity"), detail));
        }
    }
    if errors.is_empty() { Ok(total_cents) } else { Err(Problem::unfit(errors)) }
}
