//! The issuer's cookie is between it and the browser: on loopback, where it shares its host with APIs, no upstream gets it and
//! none can plant one.

use callgate_model::user::{LOOPBACK_SESSION_COOKIE, SESSION_COOKIE};
use http::header::{COOKIE, Entry, HeaderMap, HeaderValue, SET_COOKIE};

use super::state::Call;

/// What both names have in it.
const MARK: &[u8] = b"callgate";

/// Takes the issuer's cookies out of a request that goes on. There is one Cookie field at most by now.
pub(super) fn keep_from_upstream(call: &Call<'_>, headers: &mut HeaderMap) {
    let has_mark =
        |field: &HeaderValue| field.as_bytes().windows(MARK.len()).any(|part| part.eq_ignore_ascii_case(MARK));
    if call.snapshot.config.issuer.is_none() || !headers.get(COOKIE).is_some_and(has_mark) {
        return;
    }
    let Entry::Occupied(mut field) = headers.entry(COOKIE) else { return };
    let kept: Vec<&[u8]> =
        field.get().as_bytes().split(|byte| *byte == b';').filter(|pair| !is_issuers(pair)).collect();
    let joined = kept.join(&b";"[..]);
    match HeaderValue::from_bytes(joined.trim_ascii()) {
        Ok(rest) if !rest.is_empty() => drop(field.insert(rest)),
        _ => drop(field.remove()),
    }
}

/// Takes fields out of an upstream's answer that would set the issuer's cookie.
pub(super) fn keep_from_caller(call: &Call<'_>, headers: &mut HeaderMap) {
    if call.snapshot.config.issuer.is_none()
        || !headers.get_all(SET_COOKIE).iter().any(|field| is_issuers(field.as_bytes()))
    {
        return;
    }
    if let Entry::Occupied(fields) = headers.entry(SET_COOKIE) {
        let fields: Vec<HeaderValue> = fields.remove_entry_mult().1.collect();
        for field in fields.into_iter().filter(|field| !is_issuers(field.as_bytes())) {
            headers.append(SET_COOKIE, field);
        }
    }
}

/// Whether a pair has one of the names. A cookie without a name, whose value begins like a pair, is sent as that pair; and
/// browsers know prefixes in any case.
fn is_issuers(pair: &[u8]) -> bool {
    let pair = pair.trim_ascii_start();
    let pair = pair.strip_prefix(b"=").unwrap_or(pair);
    let name = pair.split(|byte| matches!(byte, b'=' | b';')).next().unwrap_or_default().trim_ascii();
    [SESSION_COOKIE, LOOPBACK_SESSION_COOKIE].iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::is_issuers;

    #[test]
    fn the_issuers_cookies_are_known_in_every_dress() {
        let check = |pair: &str, expect: bool| assert_eq!(is_issuers(pair.as_bytes()), expect, "{pair}");
        check("callgate-session=x; Path=/oauth", true);
        check(" callgate-session=x", true);
        check("callgate-session =x", true);
        check("__Host-callgate=x", true);
        check("__HOST-Callgate=x", true);
        check("=callgate-session=x", true);
        check("callgate-session", true);
        check("callgate-session2=x", false);
        check("a=callgate-session", false);
    }
}
