use http::HeaderValue;
use http::header::ACCEPT;
use proptest::prelude::*;

use super::*;

fn headers(name: &http::HeaderName, values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

#[test]
fn types() {
    for (text, expect) in [
        ("application/json", Some(("application", "json"))),
        (" Text/HTML ; charset=utf-8 ", Some(("Text", "HTML"))),
        ("a/b;c=\"d;e,f\\\"\";g=h;", Some(("a", "b"))),
        ("a/b;;c=d", Some(("a", "b"))),
        ("a/b;", Some(("a", "b"))),
        ("", None),
        ("json", None),
        ("a/", None),
        ("/b", None),
        ("a/b/c", None),
        ("a /b", None),
        ("a/b c", None),
        ("a/b, c/d", None),
        ("a/b;c", None),
        ("a/b;c=", None),
        ("a/b;=d", None),
        ("a/b;c =d", None),
        ("a/b;c=\"d", None),
        ("a/b;c=\"d\"e", None),
        ("a/b;c=d e", None),
    ] {
        assert_eq!(MediaType::parse(text).map(|media| (media.main, media.sub)), expect, "{text}");
    }
    let media = MediaType::parse("a/b; X=1;x=2 ;y=\"a b\"").unwrap();
    assert_eq!((media.param("x"), media.param("Y"), media.param("z")), (Some("1"), Some("\"a b\""), None));
}

#[test]
fn patterns() {
    for (pattern, text, expect) in [
        ("application/json", "Application/JSON; charset=utf-8", true),
        ("application/json", "application/json5", false),
        ("application/json", "text/json", false),
        ("application/*+json", "application/problem+JSON", true),
        ("application/*+json", "application/json", false),
        ("application/*+json", "application/+json", false),
        ("application/*+json", "text/a+json", false),
        ("text/*", "TEXT/plain", true),
        ("text/*", "textual/plain", false),
        ("*/*", "a/b", true),
        ("text/plain; charset=UTF-8", "text/plain;charset=\"utf-8\"", true),
        ("text/plain; charset=utf-8", "text/plain", false),
        ("text/plain; charset=utf-8", "text/plain;charset=latin1", false),
        ("a/b;v=\"X y\"", "a/b;V=\"X\\ y\"", true),
        ("a/b;v=x", "a/b;v=X", false),
    ] {
        let media = MediaType::parse(text).unwrap();
        assert_eq!(Pattern::parse(pattern).unwrap().matches(&media), expect, "{pattern} and {text}");
    }
    for mistake in ["json", "*/json", "application/*json", "application/json+*", "app*/json", "a/*+", "", "a/b, c/d"] {
        assert!(Pattern::parse(mistake).is_err(), "{mistake}");
    }
}

#[test]
fn content_types() {
    let read = |values: &[&str]| match content_type(&headers(&CONTENT_TYPE, values)) {
        ContentType::Missing => "missing".to_owned(),
        ContentType::One(media) => format!("{}/{}", media.main, media.sub),
        ContentType::Unreadable => "unreadable".to_owned(),
    };
    assert_eq!(read(&[]), "missing");
    assert_eq!(read(&["text/plain"]), "text/plain");
    assert_eq!(read(&["text/plain", "text/plain"]), "unreadable");
    assert_eq!(read(&["text/plain, application/json"]), "unreadable");
    assert_eq!(read(&[""]), "unreadable");
    assert!(MediaType::parse("application/soap+xml").unwrap().is_xml());
    assert!(MediaType::parse("application/vnd.api+JSON").unwrap().is_json());
    assert!(!MediaType::parse("application/jsonp").unwrap().is_json());
}

fn check_accept(values: &[&str], media: &str, expect: u16) {
    let headers = headers(&ACCEPT, values);
    let got = Accept::of(&headers).quality(&MediaType::parse(media).unwrap());
    assert_eq!(got, expect, "{values:?} and {media}");
}

#[test]
fn the_most_specific_range_decides() {
    check_accept(&[], "a/b", 1000);
    check_accept(&[""], "a/b", 1000);
    check_accept(&["a/b"], "a/b", 1000);
    check_accept(&["a/b"], "a/c", 0);
    check_accept(&["A/B;q=0.5"], "a/b", 500);
    check_accept(&["*/*;q=0.1, a/*;q=0.2, a/b;q=0.3"], "a/b", 300);
    check_accept(&["a/b;q=0.3", "a/*;q=0.2"], "a/c", 200);
    check_accept(&["*/*, application/json;q=0"], "application/json", 0);
    check_accept(&["application/json;q=0, */*"], "text/plain", 1000);
    check_accept(&["text/*;q=0, */*"], "text/plain", 0);
    check_accept(&["a/b;v=1;q=0.4, a/b;q=0.7"], "a/b;v=1", 400);
    check_accept(&["a/b;v=1;q=0.4, a/b;q=0.7"], "a/b;v=2", 700);
    check_accept(&["a/b;charset=utf-8"], "a/b", 1000);
    check_accept(&["a/b;x=\"1,2\";q=0.4, c/d"], "c/d", 1000);
    check_accept(&["text/html, image/gif, *; q=.2, */*; q=.2"], "a/b", 200);
    check_accept(&["a/b;q=0.12345"], "a/b", 123);
    check_accept(&["a/b;q=0.0004"], "a/b", 0);
    check_accept(&["a/b;Q=0"], "a/b", 0);
    check_accept(&["a/b;q=x"], "a/b", 1000);
    check_accept(&["garbage"], "a/b", 1000);
    check_accept(&["garbage, c/d"], "a/b", 0);
}

#[test]
fn patterns_are_acceptable_when_they_overlap() {
    let allows = |accept: &str, pattern: &str| {
        Accept::of(&headers(&ACCEPT, &[accept])).allows(&Pattern::parse(pattern).unwrap())
    };
    assert!(allows("application/vnd.a+json", "application/*+json"));
    assert!(!allows("application/json", "application/*+json"));
    assert!(allows("application/*", "application/*+json"));
    assert!(allows("text/plain", "*/*") && allows("*/*", "text/*") && !allows("image/png", "text/*"));
    assert!(!allows("application/xml", "application/json") && !allows("*/*;q=0", "text/*"));
    let headers = headers(&ACCEPT, &["text/html"]);
    let accept = Accept::of(&headers);
    assert!(accept.allows_any(&[]) && !accept.allows_json());
    assert!(Accept::of(&HeaderMap::new()).allows_json());
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "[ -~]{0,60}") {
        prop_assert!(Pattern::parse(&text).is_err() || MediaType::parse(&text).is_some());
        let headers = headers(&ACCEPT, &[&text]);
        let quality = Accept::of(&headers).quality(&MediaType::parse("application/json").unwrap());
        prop_assert!(quality <= 1000);
    }
}
