//! The query of a URL, as forms write it.

/// The first value with this name, decoded.
pub(crate) fn first(query: &str, name: &str) -> Option<String> {
    query.split('&').filter(|pair| !pair.is_empty()).find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

/// `%XX` and `+`. A broken escape stands for itself, and bytes that are not UTF-8 become U+FFFD: a search that finds
/// nothing is a fair answer to either.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        other => (other | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn values_are_found_and_decoded() {
        for (query, expect) in [
            ("q=ada", Some("ada")),
            ("page=2&q=a+b%20c", Some("a b c")),
            ("%71=x", Some("x")),
            ("q", Some("")),
            ("q=%zz%4", Some("%zz%4")),
            ("q=1&q=2", Some("1")),
            ("", None),
            ("query=1", None),
        ] {
            assert_eq!(first(query, "q").as_deref(), expect, "{query}");
        }
    }
}
