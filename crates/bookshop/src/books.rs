//! `GET /books`, `GET /books/{id}`.

use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::answer::{Answer, json};
use crate::ask::Ask;
use crate::problem::Problem;
use crate::shop::Shop;

/// Books on one page of the list.
const PAGE_BOOKS: usize = 10;

/// A book on the shelf.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Book {
    pub(crate) id: u32,
    pub(crate) title: &'static str,
    pub(crate) author: &'static str,
    pub(crate) year: u16,
    pub(crate) price_cents: u32,
}

/// One page, of all books or of those whose title or author contains `q` in whatever case.
pub(crate) fn list(shop: &Shop, ask: &Ask) -> Answer {
    let words = ask.query("q").unwrap_or_default().to_lowercase();
    let page = ask.query_number("page")?.unwrap_or(1).max(1);
    let found: Vec<&Book> = shop
        .books
        .iter()
        .filter(|book| book.title.to_lowercase().contains(&words) || book.author.to_lowercase().contains(&words))
        .collect();
    let skip = PAGE_BOOKS.saturating_mul(page as usize - 1);
    let on_page: Vec<&&Book> = found.iter().skip(skip).take(PAGE_BOOKS).collect();
    let pages = found.len().div_ceil(PAGE_BOOKS);
    json(StatusCode::OK, &json!({ "books": on_page, "page": page, "pages": pages, "total": found.len() }))
}

/// One book.
pub(crate) fn get(shop: &Shop, ask: &Ask) -> Answer {
    match ask.id().and_then(|id| shop.book(id)) {
        Some(book) => json(StatusCode::OK, book),
        None => Err(Problem::new(StatusCode::NOT_FOUND, format!("The shop has no book {}.", ask.id))),
    }
}
