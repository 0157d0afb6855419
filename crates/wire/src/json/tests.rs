use proptest::prelude::*;

use super::*;

fn check(bytes: impl AsRef<[u8]>, expect: Result<(), Fault>) {
    let bytes = bytes.as_ref();
    assert_eq!(well_formed(bytes, 8), expect, "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn json() {
    for text in [
        "null",
        " true ",
        "false",
        "0",
        "-0",
        "10",
        "1.5",
        "1e9",
        "1E+9",
        "-1.25e-3",
        "\"\"",
        "\"\\u00fC\\n\\/\"",
        "\"ü\u{7f}\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1,2 , 3]",
        "{\"a\":1}",
        "{\"a\" : [ {} , [] ] ,\t\"b\":\r\n{\"c\":null} }",
        "\"\\ud800\"",
        "{\"a\":1,\"a\":2}",
        "1e999",
        "[[[[[[[[]]]]]]]]",
    ] {
        check(text, Ok(()));
    }
}

#[test]
fn not_json() {
    const NEXT: &str = "`,` or the end of an array or object must come here";
    const VALUE: &str = "a value must come here";
    const NAME: &str = "a name in quotes must come here";
    const MORE: &str = "there is more behind the value";
    const DIGIT: &str = "a digit must come here";
    for (text, at, why) in [
        ("", 0, ENDS),
        ("  ", 2, ENDS),
        ("\u{feff}1", 0, VALUE),
        ("1 2", 2, MORE),
        ("1]", 1, MORE),
        ("1,", 1, MORE),
        ("]", 0, VALUE),
        ("[", 1, ENDS),
        ("[1", 2, ENDS),
        ("[1,", 3, ENDS),
        ("[1,]", 3, VALUE),
        ("[,1]", 1, VALUE),
        ("[1 2]", 3, NEXT),
        ("[1}", 2, NEXT),
        ("{\"a\":1]", 6, NEXT),
        ("{]", 1, NAME),
        ("{\"a\":1,}", 7, NAME),
        ("{a:1}", 1, NAME),
        ("{\"a\"1}", 4, "`:` must come here"),
        ("{\"a\"", 4, ENDS),
        ("{\"a\":}", 5, VALUE),
        ("{\"a\":1", 6, ENDS),
        ("{'a':1}", 1, NAME),
        ("tru", 3, ENDS),
        ("True", 0, VALUE),
        ("trux", 3, "only `true`, `false` and `null` are words"),
        ("truex", 4, MORE),
        ("NaN", 0, VALUE),
        ("01", 1, "a number begins with 0"),
        ("-", 1, ENDS),
        ("-a", 1, DIGIT),
        ("+1", 0, VALUE),
        (".5", 0, VALUE),
        ("1.", 2, ENDS),
        ("1.e5", 2, DIGIT),
        ("1e", 2, ENDS),
        ("1e+", 3, ENDS),
        ("0x1", 1, MORE),
        ("\"a", 2, ENDS),
        ("\"\\", 2, ENDS),
        ("\"\\x\"", 2, "there is no such escape"),
        ("\"\\u12", 5, ENDS),
        ("\"\\u12g4\"", 5, "`\\u` is not followed by four hexadecimal digits"),
        ("\"a\nb\"", 2, "a string holds a control character unescaped"),
        ("\"\0\"", 1, "a string holds a control character unescaped"),
        ("1 // x", 2, MORE),
        ("[[[[[[[[[", 8, TOO_DEEP),
        ("{\"a\":[[[[[[[{", 12, TOO_DEEP),
        ("\u{a0}1", 0, VALUE),
    ] {
        check(text, Err((at, why)));
    }
    check(b"\"\xff\"", Err((1, "it is not UTF-8")));
    check(b"[\"a\xc3", Err((3, "it is not UTF-8")));
    check(b"\"\xed\xa0\x80\"", Err((1, "it is not UTF-8")));
    check(b"[1}\xff", Err((2, NEXT)));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(well_formed(b"1", 0), Ok(()));
    assert_eq!(well_formed(b"[]", 0), Err((0, TOO_DEEP)));
    for depth in [1, 63, 64, 65, 128, 1024] {
        assert_eq!(well_formed(nested(depth).as_bytes(), depth), Ok(()));
        assert_eq!(well_formed(nested(depth + 1).as_bytes(), depth), Err((depth, TOO_DEEP)));
    }
    assert_eq!(well_formed(nested(1025).as_bytes(), usize::MAX), Err((1024, TOO_DEEP)));
    let mixed = format!("{}1{}", "[{\"a\":".repeat(500), "}]".repeat(500));
    assert_eq!(well_formed(mixed.as_bytes(), 1000), Ok(()));
}

/// The twin: UTF-8, and a parser that others wrote.
fn twin(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn nearly_json() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("\"a\""),
        Just("\"\\u00e9\""),
        Just("\"\\"),
        Just("\""),
        Just("1"),
        Just("-"),
        Just("0"),
        Just("."),
        Just("e"),
        Just("E+"),
        Just("true"),
        Just("null"),
        Just("fals"),
        Just(" "),
        Just("\n"),
        Just("\"a\":"),
        Just("ü"),
        Just("\t"),
        Just("\u{0}"),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        ".{0,8}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn it_agrees_with_serde_json_on_nearly_json(text in nearly_json()) {
        prop_assert_eq!(well_formed(text.as_bytes(), 100).is_ok(), twin(text.as_bytes()), "{}", text);
    }

    #[test]
    fn it_agrees_with_serde_json_on_damaged_json(value in value(), pretty: bool, at: prop::sample::Index, byte: u8, cut: bool) {
        let mut text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        prop_assert_eq!(well_formed(&text, 100), Ok(()));
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        let found = well_formed(&text, 100);
        prop_assert_eq!(found.is_ok(), twin(&text), "{:?}", String::from_utf8_lossy(&text));
        if let Err((at, _)) = found {
            prop_assert!(at <= text.len());
        }
    }
}
