//! Why a request head is refused.

/// Why a request head is refused. Every text is constant, so a refusal never repeats hostile bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// Not well-formed: 400. The text says what, and what to send instead.
    #[error("{0}")]
    Malformed(&'static str),
    /// Over `HEAD_BYTES_MAX`, `HEAD_FIELDS_MAX` or `FIELD_VALUE_BYTES_MAX`: 431.
    #[error("the request head has too many bytes or too many fields")]
    TooLarge,
    /// Over `TARGET_BYTES_MAX`: 414.
    #[error("the request target is too long")]
    UriTooLong,
    /// CONNECT, TRACE, authority-form, or a method longer than any: 501.
    #[error("this method is not served here (CONNECT and TRACE never are)")]
    MethodUnsupported,
}

/// Shorthand of the inspections.
pub(crate) fn malformed<T>(why: &'static str) -> Result<T, HeadFault> {
    Err(HeadFault::Malformed(why))
}
