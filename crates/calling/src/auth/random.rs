//! Texts that nobody guesses, and the challenge of one (RFC 7636 section 4).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AuthError;

/// 32 random bytes, in 43 characters.
pub(super) fn text() -> Result<String, AuthError> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_| AuthError::NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// S256.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_challenge_is_the_one_of_the_standard() {
        let challenge = super::challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(super::text().unwrap().len(), 43);
    }
}
