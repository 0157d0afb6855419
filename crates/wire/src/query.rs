//! Query strings: finding and removing one parameter. Names are compared decoded, because the back end decodes them too:
//! a key sent as `api%5fkey` must be found, and must not be forwarded.

use std::borrow::Cow;

use crate::octets;

/// The decoded values of a parameter, in order. `query` is raw, without `?`.
pub fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    pairs(query).filter(move |(found, _)| is_name(found, name)).map(|(_, value)| decode(value))
}

/// The first value of a parameter, decoded.
#[must_use]
pub fn find<'a>(query: &'a str, name: &'a str) -> Option<Cow<'a, str>> {
    values(query, name).next()
}

/// The query without every occurrence of a parameter. Borrows when it isn't there; other parameters stay byte for byte.
#[must_use]
pub fn strip<'a>(query: &'a str, name: &str) -> Cow<'a, str> {
    if !pairs(query).any(|(found, _)| is_name(found, name)) {
        return Cow::Borrowed(query);
    }
    let mut kept = String::with_capacity(query.len());
    let others = query.split('&').filter(|pair| !is_name(pair.split_once('=').map_or(*pair, |(name, _)| name), name));
    for (at, pair) in others.enumerate() {
        if at > 0 {
            kept.push('&');
        }
        kept.push_str(pair);
    }
    Cow::Owned(kept)
}

/// Raw names and values; a parameter without `=` has an empty value.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is_name(raw: &str, name: &str) -> bool {
    raw == name || (raw.contains(['%', '+']) && decode(raw) == name)
}

/// Decodes as forms do: `+` is a space. What is no %XX, or no UTF-8, stays as it is.
#[must_use]
pub fn decode(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['%', '+']) {
        return Cow::Borrowed(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, octets::encoded(after)) {
            (b'+', _) => bytes.push(b' '),
            (b'%', Some((decoded, after))) => {
                bytes.push(decoded);
                rest = after;
            }
            _ => bytes.push(*byte),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(raw),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn found_and_stripped() {
        for (query, value, rest) in [
            ("key=1", Some("1"), ""),
            ("a=1&key=2&b=3", Some("2"), "a=1&b=3"),
            ("key=1&key=2", Some("1"), ""),
            ("a=%20&k%65y=x%2By", Some("x+y"), "a=%20"),
            ("%6B%65%79=1&a", Some("1"), "a"),
            ("key", Some(""), ""),
            ("key=", Some(""), ""),
            ("key==x", Some("=x"), ""),
            ("a=key&keys=1&Key=2", None, "a=key&keys=1&Key=2"),
            ("a&&b", None, "a&&b"),
            ("a&&key=1&b", Some("1"), "a&&b"),
            ("", None, ""),
            ("k%ey=1", None, "k%ey=1"),
            ("key=a%zz%", Some("a%zz%"), ""),
        ] {
            assert_eq!(find(query, "key").as_deref(), value, "{query}");
            assert_eq!(strip(query, "key"), rest, "{query}");
        }
        assert_eq!(values("k=1&k=2+3", "k").collect::<Vec<_>>(), ["1", "2 3"]);
        assert_eq!(strip("a+b=1&c", "a b"), "c");
    }

    proptest! {
        #[test]
        fn what_was_stripped_is_gone(query in "[a-c&=%+6125]{0,40}", name in "[a-c]{1,2}") {
            let stripped = strip(&query, &name);
            prop_assert_eq!(find(&stripped, &name), None);
            prop_assert!(stripped.len() <= query.len());
        }
    }
}
