//! How much per calendar period: quotas, spent from blocks that the store leased to this node.
//!
//! A call takes one from a block in memory ([`cell`]); the clerk ([`clerk`]) fetches the next block when half of this one
//! is gone. A crash wastes what was left of a block, and never gives one twice: a block is committed before it is spent,
//! but for the first of a cold subject, which may be spent on credit and is settled with the first lease. Whoever had nothing
//! left when the gate started gets no credit: that is recalled.

mod cell;
mod clerk;

pub use cell::{Booked, QuotaCell, Span, Spent};
pub use clerk::{Clerk, LeaseRequest, Quotas};
