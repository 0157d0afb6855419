//! How long a connection may take for what. Times are the bounds of the product; tests shorten them.

use std::time::Duration;

use callgate_model::bounds;

/// The clocks of one client connection. Every field starts as the bound of the same name in `model::bounds`.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The TLS handshake.
    pub handshake_max: Duration,
    /// From the first byte of a head to its last.
    pub head_max: Duration,
    /// Without a call, and without a byte of the next one.
    pub idle_max: Duration,
    /// How long a call goes on after the client closed its sending side: it may be gone, and it may be waiting.
    pub half_closed_max: Duration,
    /// Between two bytes of a request body, counted only while the gate waits for the client.
    pub body_idle_max: Duration,
    /// How long the gate waits for a request body in all before its rate must hold.
    pub body_rate_grace: Duration,
    /// The rate, in bytes per second of waiting.
    pub body_rate_min_per_s: u64,
    /// A write that makes no progress because the client does not read.
    pub write_stall_max: Duration,
    /// How long the rest of an unread request is discarded before the connection is closed.
    pub linger_max: Duration,
    /// How much of it, in bytes.
    pub linger_bytes_max: u64,
    /// How long nothing of it may come.
    pub linger_quiet_max: Duration,
}

/// A gone client's call is wasted for this long; a half-closed one's may take this long.
const HALF_CLOSED_MAX: Duration = Duration::from_secs(2);

// === impl Timing ===

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            handshake_max: bounds::HANDSHAKE_TIME_MAX,
            head_max: bounds::HEAD_TIME_MAX,
            idle_max: bounds::IDLE_TIME_MAX,
            half_closed_max: HALF_CLOSED_MAX,
            body_idle_max: bounds::BODY_IDLE_MAX,
            body_rate_grace: bounds::BODY_RATE_GRACE,
            body_rate_min_per_s: bounds::BODY_RATE_MIN_PER_S,
            write_stall_max: bounds::WRITE_STALL_MAX,
            linger_max: bounds::LINGER_TIME_MAX,
            linger_bytes_max: bounds::LINGER_BYTES_MAX,
            linger_quiet_max: bounds::LINGER_QUIET_TIME_MAX,
        }
    }
}
