//! Refusals as gRPC says them: one of its seventeen statuses.

use crate::refusal::Code;

/// A status of gRPC (`google.rpc.Code`), of those that a gate needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum GrpcStatus {
    /// Nothing fits better.
    Unknown = 2,
    /// The call itself is wrong.
    InvalidArgument = 3,
    /// It took too long; it may have taken effect.
    DeadlineExceeded = 4,
    /// The caller may not.
    PermissionDenied = 7,
    /// Too many, too much, too large.
    ResourceExhausted = 8,
    /// There is no such method.
    Unimplemented = 12,
    /// An answer that makes no sense.
    Internal = 13,
    /// Try again.
    Unavailable = 14,
    /// The credential.
    Unauthenticated = 16,
}

// === impl GrpcStatus ===

impl GrpcStatus {
    /// The number that `grpc-status` holds.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name that gRPC's documents give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            GrpcStatus::Unknown => "UNKNOWN",
            GrpcStatus::InvalidArgument => "INVALID_ARGUMENT",
            GrpcStatus::DeadlineExceeded => "DEADLINE_EXCEEDED",
            GrpcStatus::PermissionDenied => "PERMISSION_DENIED",
            GrpcStatus::ResourceExhausted => "RESOURCE_EXHAUSTED",
            GrpcStatus::Unimplemented => "UNIMPLEMENTED",
            GrpcStatus::Internal => "INTERNAL",
            GrpcStatus::Unavailable => "UNAVAILABLE",
            GrpcStatus::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl Code {
    /// What a caller that speaks gRPC hears. Clients repeat UNAVAILABLE by themselves, so it stands only for calls that did
    /// not reach the API, or may not have.
    #[must_use]
    pub fn grpc_status(self) -> GrpcStatus {
        match (self, self.status()) {
            (Code::UpstreamUnreachable, _) | (_, 421 | 503) => GrpcStatus::Unavailable,
            (_, 502) => GrpcStatus::Internal,
            (_, 401) => GrpcStatus::Unauthenticated,
            (_, 403) => GrpcStatus::PermissionDenied,
            (_, 404 | 405 | 501) => GrpcStatus::Unimplemented,
            (_, 408 | 504) => GrpcStatus::DeadlineExceeded,
            (_, 413 | 414 | 429 | 431) => GrpcStatus::ResourceExhausted,
            (_, 400 | 406 | 415 | 426) => GrpcStatus::InvalidArgument,
            _ => GrpcStatus::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_status_that_says_something() {
        for code in Code::ALL {
            assert_ne!(code.grpc_status(), GrpcStatus::Unknown, "{}", code.name());
        }
        assert_eq!(Code::RateLimited.grpc_status().number(), 8);
        assert_eq!(Code::CredentialMissing.grpc_status().number(), 16);
    }
}
