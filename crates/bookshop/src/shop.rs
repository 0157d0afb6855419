//! What the shop has in memory, with every bound of it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use crate::books::Book;
use crate::customers::Customer;
use crate::orders::Order;
use crate::problem::Problem;
use crate::seed;

/// Orders kept; past it, the oldest that was placed since the start goes. The seeded ones stay.
pub(crate) const ORDERS_MAX: usize = 1_000;
/// Sessions kept; past it, the oldest goes.
const SESSIONS_MAX: usize = 1_000;
/// Every session's text begins with this, so that a gate's key in the same field is not taken for one.
const SESSION_MARK: &str = "session-";
/// Who calls when no session says so.
const WALK_IN_CUSTOMER: u32 = 1;

/// The whole shop.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) books: Vec<Book>,
    pub(crate) customers: Vec<Customer>,
    /// What changes. Held for single reads and writes only, never over an await.
    changing: Mutex<Changing>,
    calls: AtomicU64,
}

/// The part that calls change.
#[derive(Debug)]
pub(crate) struct Changing {
    /// By number; at most [`ORDERS_MAX`].
    pub(crate) orders: BTreeMap<u32, Order>,
    pub(crate) next_order: u32,
    /// Session text and customer, oldest first; at most [`SESSIONS_MAX`].
    sessions: VecDeque<(String, u32)>,
}

// === impl Shop ===

impl Shop {
    /// The shop as it is on every start.
    pub(crate) fn open() -> Shop {
        let orders: BTreeMap<u32, Order> = seed::orders().into_iter().map(|order| (order.id, order)).collect();
        let next_order = orders.keys().next_back().map_or(1, |last| last + 1);
        Shop {
            books: seed::books(),
            customers: seed::customers(),
            changing: Mutex::new(Changing { orders, next_order, sessions: VecDeque::new() }),
            calls: AtomicU64::new(0),
        }
    }

    pub(crate) fn changing(&self) -> MutexGuard<'_, Changing> {
        // Nothing panics while it holds the lock, and a half-written shop is still a shop.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn book(&self, id: u32) -> Option<&Book> {
        self.books.iter().find(|book| book.id == id)
    }

    /// Begins a session for a customer.
    pub(crate) fn begin_session(&self, customer: u32) -> String {
        let token = format!("{SESSION_MARK}{:016x}{:016x}", random(), random());
        let mut changing = self.changing();
        if changing.sessions.len() >= SESSIONS_MAX {
            changing.sessions.pop_front();
        }
        changing.sessions.push_back((token.clone(), customer));
        token
    }

    /// The customer of the session that the request brings, if it brings one. One that the shop doesn't know is a
    /// problem: its owner believes to be logged in.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Result<Option<u32>, Problem> {
        let field = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
        let (scheme, token) = field.split_once(' ').unwrap_or((field, ""));
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || !token.starts_with(SESSION_MARK) {
            return Ok(None);
        }
        let known = self.changing().sessions.iter().find(|(known, _)| known == token).map(|(_, customer)| *customer);
        match known {
            Some(customer) => Ok(Some(customer)),
            None => Err(Problem::new(StatusCode::UNAUTHORIZED, "The session is over; POST /login for a new one.")),
        }
    }

    /// The customer who calls.
    pub(crate) fn customer(&self, headers: &HeaderMap) -> Result<u32, Problem> {
        Ok(self.session(headers)?.unwrap_or(WALK_IN_CUSTOMER))
    }
}

/// 64 bits that a caller cannot guess: the standard library seeds its hash keys from the operating system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_bounded_and_the_oldest_goes_first() {
        let shop = Shop::open();
        let headers = |token: &str| HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
        let oldest = shop.begin_session(2);
        assert_eq!(shop.customer(&headers(&oldest)).unwrap(), 2);
        for _ in 0..SESSIONS_MAX {
            shop.begin_session(3);
        }
        assert!(shop.customer(&headers(&oldest)).is_err());
        assert_eq!(shop.customer(&headers("cg_live_a_key_of_a_gate")).unwrap(), WALK_IN_CUSTOMER);
    }
}
