//! The handshake: a GET that asks for a session, and the 101 that agrees to it (RFC 6455 section 4).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};

use super::base64;
use crate::fault::{HeadFault, malformed};
use crate::octets;

/// The only version there ever was.
pub const VERSION: &[u8] = b"13";

/// What the accepting side appends to the key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether these fields offer to go on as WebSocket. An offer of another protocol is no business of a gate, which may
/// leave it alone (RFC 9110 section 7.8).
#[must_use]
pub fn is_offered(headers: &HeaderMap) -> bool {
    lists(headers, &UPGRADE, b"websocket") && lists(headers, &CONNECTION, b"upgrade")
}

/// Checks the key of an offer over HTTP/1.1.
///
/// # Errors
/// There is none, more than one, or it is not the base64 of 16 bytes.
pub fn check_key(headers: &HeaderMap) -> Result<(), HeadFault> {
    match only(headers, &SEC_WEBSOCKET_KEY) {
        Some(key) if base64::is_16_bytes(key) => Ok(()),
        _ => malformed("a WebSocket needs one Sec-WebSocket-Key, the base64 of 16 bytes (RFC 6455 section 4.1)"),
    }
}

/// Whether the offer is of the version that is spoken here.
#[must_use]
pub fn has_version(headers: &HeaderMap) -> bool {
    only(headers, &SEC_WEBSOCKET_VERSION) == Some(VERSION)
}

/// The text of a key.
#[must_use]
pub fn key(random: [u8; 16]) -> String {
    base64::encode(&random)
}

/// What agrees to the session of this key.
#[must_use]
pub fn accept(key: &[u8]) -> String {
    base64::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()).as_ref())
}

/// Whether a server's 101 agrees to the session that was offered with this key.
#[must_use]
pub fn is_accepted(headers: &HeaderMap, key: &[u8]) -> bool {
    is_offered(headers) && only(headers, &SEC_WEBSOCKET_ACCEPT) == Some(accept(key).as_bytes())
}

/// Whether a list in a field has this word, in whatever case.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &[u8]) -> bool {
    let mut words = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.any(|one| octets::trim(one).eq_ignore_ascii_case(word))
}

/// The value of a field that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of RFC 6455 section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn headers(lines: &str) -> HeaderMap {
        let fields = lines.lines().filter_map(|line| line.trim().split_once(": "));
        fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn an_offer_names_websocket_and_says_so_to_the_connection() {
        let check = |lines: &str, expect| assert_eq!(is_offered(&headers(lines)), expect, "{lines}");
        check("Upgrade: websocket\nConnection: Upgrade", true);
        check("Upgrade: h2c, WebSocket\nConnection: keep-alive\nConnection: x, UPGRADE", true);
        check("Upgrade: websocket", false);
        check("Upgrade: websocket\nConnection: close", false);
        check("Upgrade: h2c\nConnection: upgrade", false);
        check("Upgrade: websocket/13\nConnection: upgrade", false);
        check("Connection: upgrade", false);
    }

    #[test]
    fn one_key_and_one_version() {
        assert!(check_key(&headers(&format!("Sec-WebSocket-Key: {KEY}"))).is_ok());
        for lines in ["", "Sec-WebSocket-Key: short", &format!("Sec-WebSocket-Key: {KEY}\nSec-WebSocket-Key: {KEY}")] {
            assert!(check_key(&headers(lines)).is_err(), "{lines}");
        }
        assert!(has_version(&headers("Sec-WebSocket-Version: 13")));
        for lines in ["", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 13\nSec-WebSocket-Version: 13"] {
            assert!(!has_version(&headers(lines)), "{lines}");
        }
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted_and_another_is_not() {
        assert_eq!(key(*b"the sample nonce"), KEY);
        let agreed = "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert!(is_accepted(&headers(agreed), KEY.as_bytes()));
        assert!(!is_accepted(&headers(agreed), b"AAAAAAAAAAAAAAAAAAAAAA=="));
        assert!(!is_accepted(&headers(&agreed.replace("Upgrade: websocket", "Upgrade: h2c")), KEY.as_bytes()));
    }
}
