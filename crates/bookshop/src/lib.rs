//! The sample API: books, orders, customers, a login, health.
