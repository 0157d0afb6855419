//! How the process ends.

/// The exit codes of every calling verb; the table is in the crate's first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// An answer below 400.
    Success,
    /// The command line, or a file of this machine.
    Usage,
    /// 400 to 499.
    ClientError,
    /// 500 and above.
    ServerError,
    /// No answer, or not the whole of it.
    NoAnswer,
    /// `--max-time` or `--connect-timeout` ran out.
    TimedOut,
}

// === impl Exit ===

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Usage => 1,
            Exit::ClientError => 4,
            Exit::ServerError => 5,
            Exit::NoAnswer => 6,
            Exit::TimedOut => 7,
        }
    }

    /// For an answer with this status.
    #[must_use]
    pub fn of_status(status: http::StatusCode) -> Exit {
        match status.as_u16() {
            ..400 => Exit::Success,
            400..500 => Exit::ClientError,
            _ => Exit::ServerError,
        }
    }
}
