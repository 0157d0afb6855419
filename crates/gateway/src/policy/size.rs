//! How large a request body may be. The declared size is judged here; the real one is counted while it streams.

use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};

/// Judges a declared size.
///
/// # Errors
/// `body_too_large`.
pub fn check(declared: Option<u64>, body_max: u64) -> Result<(), Refused> {
    match declared {
        Some(bytes) if bytes > body_max => Err(too_large(&format!("{bytes} bytes"), body_max)),
        _ => Ok(()),
    }
}

/// The refusal for a body that is larger than it may be.
#[must_use]
pub fn too_large(size: &str, body_max: u64) -> Refused {
    Refusal::new(Code::BodyTooLarge, format!("The body has {size}; `body_max` is {body_max} bytes."))
        .rule("body_max")
        .gate_side(format!("body_max is {body_max} bytes here; the call brought {size}"))
}
