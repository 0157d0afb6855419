//! The phases of a call, in their order.

use serde::{Deserialize, Serialize};

/// Where in its life a call is. The order is the order of the variants, and of the chart in ARCHITECTURE.md; a test
/// holds the two together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Connection bounds and TLS.
    Accept,
    /// The head's bytes, inspected before the HTTP library sees them; host and path normalised once.
    Read,
    /// Host, path and method lead to an API and a route.
    Route,
    /// What can be judged without knowing the caller: addresses, limits per address, types, sizes.
    Admit,
    /// The credential leads to a caller.
    Identify,
    /// What this caller may do.
    Authorize,
    /// Limits, quotas, concurrency.
    Meter,
    /// The call's content.
    Check,
    /// The call goes to the upstream.
    Forward,
    /// The upstream's answer.
    Inspect,
    /// What is kept of the call.
    Record,
}

impl Phase {
    /// All phases in their order.
    pub const ALL: [Phase; 11] = [
        Phase::Accept,
        Phase::Read,
        Phase::Route,
        Phase::Admit,
        Phase::Identify,
        Phase::Authorize,
        Phase::Meter,
        Phase::Check,
        Phase::Forward,
        Phase::Inspect,
        Phase::Record,
    ];

    /// The phase's name as it is written in records, charts and documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Accept => "accept",
            Phase::Read => "read",
            Phase::Route => "route",
            Phase::Admit => "admit",
            Phase::Identify => "identify",
            Phase::Authorize => "authorize",
            Phase::Meter => "meter",
            Phase::Check => "check",
            Phase::Forward => "forward",
            Phase::Inspect => "inspect",
            Phase::Record => "record",
        }
    }

    /// One sentence for people: what happens in this phase.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Phase::Accept => "the connection is accepted within its bounds, TLS is agreed on",
            Phase::Read => "the head is inspected byte by byte; host and path are normalised once",
            Phase::Route => "host, path and method lead to an API and a route",
            Phase::Admit => "addresses, limits per address, content type and declared size are judged",
            Phase::Identify => "the credential leads to a caller",
            Phase::Authorize => "the caller's scopes, APIs and addresses are compared with the route's",
            Phase::Meter => "every limit and quota is tested, then all are charged",
            Phase::Check => "the body is compared with what the route asks of it",
            Phase::Forward => "the call goes to the upstream",
            Phase::Inspect => "the upstream's answer is judged and cleaned",
            Phase::Record => "one record is kept of the call",
        }
    }
}
