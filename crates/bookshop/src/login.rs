//! `POST /login`: user and password for a session.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde::Deserialize;
use serde_json::json;

use crate::answer::{Answer, json};
use crate::ask::Ask;
use crate::problem::Problem;
use crate::shop::Shop;

/// The body of the request. Not `Debug`: the password must not get into a log.
#[derive(Deserialize)]
struct Login {
    user: String,
    password: String,
}

/// A session for who knows the password. An unknown user and a wrong password get the same answer.
pub(crate) async fn login(shop: &Shop, ask: Ask) -> Answer {
    let login: Login = ask.json().await?;
    let known = shop
        .customers
        .iter()
        .find(|customer| customer.user == login.user && same(customer.password, &login.password))
        .ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "User and password don't belong together."))?;
    let token = shop.begin_session(known.id);
    let document = json!({ "token": token, "token_type": "Bearer", "customer": known.id });
    let mut response = json(StatusCode::OK, &document)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Compares in a time that depends on the lengths alone.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |unlike, (a, b)| unlike | (a ^ b)) == 0
}
