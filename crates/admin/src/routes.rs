//! The handlers: one function an act, in the order of the command line.

pub(crate) mod admin_tokens;
pub(crate) mod audit;
pub(crate) mod calls;
pub(crate) mod clients;
pub(crate) mod consumers;
pub(crate) mod follow;
pub(crate) mod gate;
pub(crate) mod issuers;
pub(crate) mod keys;
pub(crate) mod signing_keys;
pub(crate) mod tokens;
pub(crate) mod upgrade;
pub(crate) mod users;

use callgate_identity::when;
use callgate_model::bounds::LISTING_MAX;

use crate::problem::{AdminCode, AdminError};

/// Entries of a listing when nobody says how many.
const LISTING_DEFAULT: usize = 100;

/// A moment that lies behind, from a query string.
fn past(name: &str, text: Option<&str>, now_ms: i64) -> Result<Option<i64>, AdminError> {
    let read = |text| when::parse_past(text, now_ms);
    text.map(read).transpose().map_err(|problem| AdminError::new(AdminCode::RequestUnfit, format!("{name}: {problem}")))
}

/// How many entries, within the bound.
fn limit(asked: Option<usize>) -> Result<Option<usize>, AdminError> {
    let count = asked.unwrap_or(LISTING_DEFAULT);
    if (1..=LISTING_MAX).contains(&count) {
        return Ok(Some(count));
    }
    Err(AdminError::new(AdminCode::RequestUnfit, format!("limit: write a number from 1 to {LISTING_MAX}")))
}

/// Keeps a listing within the bound; tells whether something was left out.
fn cut<T>(entries: &mut Vec<T>) -> bool {
    let truncated = entries.len() > LISTING_MAX;
    entries.truncate(LISTING_MAX);
    truncated
}
