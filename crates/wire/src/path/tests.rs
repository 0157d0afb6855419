use proptest::prelude::*;

use super::*;

const STRICT: PathRules = PathRules { encoded_separators: false, semicolons: false };
const LOOSE: PathRules = PathRules { encoded_separators: true, semicolons: true };

fn check(rules: &PathRules, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (raw, expect) = line.split_once(" -> ").unwrap();
        let got = match normalize(raw, rules) {
            Ok(normal) => normal.into_owned(),
            Err(fault) => format!("{fault:?}"),
        };
        assert_eq!(got, expect, "{raw}");
    }
}

#[test]
fn one_spelling() {
    check(
        &STRICT,
        "
        / -> /
        /a/b -> /a/b
        /a/ -> /a/
        /a//b///c// -> /a/b/c/
        // -> /
        /./a/./b/. -> /a/b/
        /a/../b -> /b
        /a/b/.. -> /a/
        /a//../b -> /b
        /a/.. -> /
        /%61%2d%7E%5f -> /a-~_
        /a%2eb -> /a.b
        /.well-known/x -> /.well-known/x
        /... -> /...
        /..a/.b -> /..a/.b
        /%c3%bc -> /%C3%BC
        /%2b%20%25 -> /%2B%20%25
        /%252e%252e/x -> /%252e%252e/x
        /a,b:c@d!$&'()*+= -> /a,b:c@d!$&'()*+=
        ",
    );
}

#[test]
fn refused() {
    check(
        &STRICT,
        r"
        admin -> NotAbsolute
        * -> NotAbsolute
        /.. -> AboveRoot
        /a/../.. -> AboveRoot
        /../etc/passwd -> AboveRoot
        //.. -> AboveRoot
        /a%2fb -> EncodedSeparator
        /a%2Fb -> EncodedSeparator
        /a%5cb -> EncodedSeparator
        /shop/..%2fadmin -> EncodedSeparator
        /a%00 -> EncodedControl
        /a%0d%0ab -> EncodedControl
        /a%7f -> EncodedControl
        /a%c2%85 -> EncodedControl
        /%2e -> EncodedDotSegment
        /a/%2e%2e/b -> EncodedDotSegment
        /a/.%2E -> EncodedDotSegment
        /a/%2e. -> EncodedDotSegment
        /a\b -> Backslash
        /a\..\b -> Backslash
        /a% -> BrokenPercent
        /a%2 -> BrokenPercent
        /a%zz -> BrokenPercent
        /a%+1 -> BrokenPercent
        /%ff -> NotUtf8
        /%c0%af -> NotUtf8
        /%c0%ae%c0%ae/x -> NotUtf8
        /%ed%a0%80 -> NotUtf8
        /%c3x -> NotUtf8
        /%c3/%bc -> NotUtf8
        /%e0%80%af -> NotUtf8
        /admin;x -> Semicolon
        /..;/admin -> Semicolon
        /admin%3bx -> Semicolon
        /a?b -> Character
        /a#b -> Character
        /a<b -> Character
        /ü -> Character
        ",
    );
    assert_eq!(normalize("", &STRICT), Err(PathFault::NotAbsolute));
    assert_eq!(normalize("/a b", &STRICT), Err(PathFault::Character));
    assert_eq!(normalize("/a\0", &STRICT), Err(PathFault::Character));
}

#[test]
fn switches_let_through_but_never_dot_segments() {
    check(
        &LOOSE,
        r"
        /a%2fb -> /a%2Fb
        /a%5cb -> /a%5Cb
        /a;v=1/b -> /a;v=1/b
        /a%3bb -> /a%3Bb
        /..;/admin -> EncodedDotSegment
        /.;x/admin -> EncodedDotSegment
        /..%3bx/admin -> EncodedDotSegment
        /a/..%2fadmin -> EncodedDotSegment
        /a%2f..%2fadmin -> EncodedDotSegment
        /a%2f%2e%2e -> EncodedDotSegment
        /a%5c..;x -> EncodedDotSegment
        /a\b -> Backslash
        /a%00 -> EncodedControl
        ",
    );
}

#[test]
fn segments_are_bounded() {
    let deep = "/a".repeat(bounds::PATH_SEGMENTS_MAX);
    assert!(matches!(normalize(&deep, &STRICT), Ok(Cow::Borrowed(_))));
    assert_eq!(normalize(&format!("{deep}/a"), &STRICT), Err(PathFault::TooManySegments));
    assert_eq!(normalize(&format!("{deep}//a"), &STRICT), Err(PathFault::TooManySegments));
    assert_eq!(normalize(&format!("{deep}/"), &STRICT).unwrap(), format!("{deep}/"));
}

#[test]
fn the_common_case_borrows() {
    for path in ["/", "/a", "/shop/orders/7", "/a/", "/.well-known/openid", "/%C3%BC", "/a%2Bb"] {
        assert!(matches!(normalize(path, &STRICT), Ok(Cow::Borrowed(_))), "{path}");
    }
}

#[test]
fn prefixes_are_cut_at_segments() {
    for (path, prefix, expect) in [
        ("/shop/x", "/shop", Some("/x")),
        ("/shop/", "/shop", Some("/")),
        ("/shop", "/shop", Some("/")),
        ("/shopping", "/shop", None),
        ("/sho", "/shop", None),
        ("/x", "/", Some("/x")),
        ("/", "/", Some("/")),
        ("/a/b/c", "/a/b", Some("/c")),
        ("/Shop/x", "/shop", None),
    ] {
        assert_eq!(cut_prefix(path, prefix), expect, "{path} behind {prefix}");
    }
}

#[test]
fn what_back_ends_read_alike_matches_alike() {
    for (normal, expect) in [
        ("/users/@me", "/users/@me"),
        ("/users/%40me", "/users/@me"),
        ("/b%C3%BCcher", "/bücher"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%252Fb", "/a%252Fb"),
        ("/100%", "/100%"),
    ] {
        assert_eq!(matching_form(normal), expect);
    }
    assert!(equals_but_for_case("/Admin", "/admin") && !equals_but_for_case("/admin", "/admin"));
    assert!(!equals_but_for_case("/admin", "/admit"));
}

/// Paths made of what attacks are made of.
fn hostile_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("//"),
        Just("."),
        Just(".."),
        Just("%2e"),
        Just("%2E"),
        Just("%2f"),
        Just("%5C"),
        Just("\\"),
        Just(";"),
        Just("%3b"),
        Just("%00"),
        Just("%c3%bc"),
        Just("%c3"),
        Just("a"),
        Just("%61"),
        Just("%41"),
        Just("%"),
        Just("%25"),
        Just("ü"),
        Just("admin"),
        Just("?"),
        Just("@"),
        Just("%40"),
        Just("{"),
        Just("~"),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn normal_paths_stay_and_never_leave_the_root(raw in hostile_path(), loose: bool) {
        let rules = if loose { LOOSE } else { STRICT };
        if let Ok(normal) = normalize(&raw, &rules) {
            prop_assert!(normal.starts_with('/'), "{raw} -> {normal}");
            prop_assert!(!normal.contains("//") && !normal.contains('\\'), "{raw} -> {normal}");
            // What a back end that decodes once more would see.
            let decoded = normal.replace("%2F", "/").replace("%5C", "/");
            for segment in decoded.split('/') {
                let bare = segment.split(';').next().unwrap().split("%3B").next().unwrap();
                prop_assert!(bare != "." && bare != "..", "{raw} -> {normal}");
            }
            let again = normalize(&normal, &rules);
            prop_assert_eq!(again.as_deref(), Ok(&*normal), "not idempotent: {}", raw);
        }
    }

    #[test]
    fn the_fast_scan_agrees_with_the_slow_way(raw in hostile_path(), loose: bool) {
        let rules = if loose { LOOSE } else { STRICT };
        if is_normal(raw.as_bytes()) {
            prop_assert_eq!(segments::resolve(&raw, &rules), Ok(raw));
        }
    }

    #[test]
    fn any_text_holds_the_invariants(raw in ".{0,200}") {
        crate::fuzz_bodies::path(raw.as_bytes());
    }
}
