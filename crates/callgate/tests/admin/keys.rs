//! `keys`, without a gate.

use crate::house::House;

#[test]
fn a_new_key_is_shown_once_with_a_line_to_paste() {
    let house = House::with_ada();
    let options = ["--scope", "a", "--scope", "b:c", "--api", "shop", "--ip", "10.0.0.0/8", "--expires", "30d"];
    let told = house.done(&[&["keys", "create", "ada", "--label", "the shop"][..], &options].concat());
    for word in
        ["shown once", "a b:c", "10.0.0.0/8", "(in 30 days)", "the shop", "curl -H 'x-shop-key: cg_live_", "/shop/"]
    {
        assert!(told.contains(word), "`{word}` is missing:\n{told}");
    }
    let (id, text) = house.key("ada", &["--test"]);
    assert!(text.starts_with(&format!("cg_test_{id}")), "{text}");
    for listing in [["keys", "list"], ["keys", "show"], ["consumers", "show"], ["audit", "list"]] {
        let subject = match listing[..] {
            ["keys", "show"] => Some(id.as_str()),
            ["consumers", _] => Some("ada"),
            _ => None,
        };
        let told = house.done(&[&listing[..], subject.as_slice()].concat());
        assert!(told.contains(&id) && !told.contains(&text), "{listing:?}: {told}");
    }
}

#[test]
fn json_is_what_the_admin_api_says() {
    let house = House::with_ada();
    let made = house.json(&["keys", "create", "ada", "--scope", "a", "--not-before", "1h", "--expires", "30d"]);
    let (created, expires) = (made["created_ms"].as_i64().unwrap(), made["expires_ms"].as_i64().unwrap());
    assert_eq!((expires - created + 500) / 1000, 30 * 86_400, "{made}");
    assert_eq!((&made["standing"], &made["scopes"][0]), (&"not_yet_valid".into(), &"a".into()), "{made}");
    let id = made["id"].as_str().unwrap();
    assert_eq!(house.json(&["keys", "list", "ada"])["keys"][0]["id"], id);
    assert_eq!(house.json(&["keys", "show", id])["consumer"], "ada");
}

#[test]
fn revoking_twice_is_no_fault_and_keeps_the_first_moment() {
    let house = House::with_ada();
    let (id, _) = house.key("ada", &[]);
    let first = house.json(&["keys", "revoke", &id]);
    assert_eq!(first["standing"], "revoked");
    assert_eq!(house.json(&["keys", "revoke", &id])["revoked_ms"], first["revoked_ms"]);
    let told = house.done(&["keys", "revoke", &id]);
    assert!(told.contains(&id) && told.contains("revoked since"), "{told}");
    house.fails(&["keys", "rotate", &id], &[&id, "revoked"]);
}

#[test]
fn what_cannot_be_is_told_in_one_go() {
    let house = House::with_ada();
    house.fails(&["keys", "create", "bob"], &["no consumer `bob`; make it: callgate consumers create bob\n"]);
    house.fails(&["keys", "create", "ada", "--api", "shpo"], &["`shpo`", "it has `shop`"]);
    let wrong = ["--scope", "a b", "--ip", "10.0.0.999", "--expires", "soon"];
    house.fails(&[&["keys", "create", "ada"], &wrong[..]].concat(), &["a b", "10.0.0.999", "soon", "30d"]);
    house.fails(&["keys", "show", "AAAAAAAA"], &["AAAAAAAA"]);
    house.fails(&["keys", "revoke", "AAAAAAAA"], &["AAAAAAAA"]);
    house.fails(&["keys", "revoke", "short"], &["8 letters or digits"]);
    let same_gate = "no consumer `bob`; make it: callgate consumers create bob -c callgate.yaml";
    house.fails(&["keys", "list", "bob", "-c", "callgate.yaml"], &[same_gate]);
    assert_eq!(house.json(&["keys", "list"])["keys"], serde_json::json!([]));
}

/// The text of a key in an argument is in the shell's history already; it needs not be in a log, too.
#[test]
fn a_whole_key_instead_of_its_id_is_not_repeated() {
    let house = House::with_ada();
    let (id, text) = house.key("ada", &[]);
    let output = house.run(&["keys", "revoke", &text]);
    assert!(output.code == Some(1) && output.stderr.contains(&id), "{output}");
    assert!(!output.stderr.contains(&text), "{output}");
}

#[test]
fn a_rotated_key_overlaps_with_the_new_one() {
    let house = House::with_ada();
    let (old, _) = house.key("ada", &["--scope", "a"]);
    let told = house.done(&["keys", "rotate", &old, "--overlap", "7d"]);
    assert!(told.contains("cg_live_") && told.contains(&format!("the old key {old} is taken until")), "{told}");
    assert!(told.contains("(in 7 days)"), "{told}");
    house.fails(&["keys", "rotate", &old], &[&old]);
    house.fails(&["keys", "rotate", &old, "--overlap", "a while"], &["overlap"]);
    let successor = house.json(&["keys", "show", &old])["successor"].as_str().unwrap().to_owned();
    let told = house.done(&["keys", "rotate", &successor, "--overlap", "0s"]);
    assert!(told.contains(&format!("the old key {successor} is not taken any more")), "{told}");
}

#[test]
fn a_foreign_key_is_read_from_a_file_or_standard_input() {
    let house = House::with_ada();
    let import =
        |options: &[&str], stdin: &[u8]| house.run_with(&[&["keys", "import", "ada"], options].concat(), stdin);
    let taken = import(&["--scope", "a", "--json"], b"legacy-key-0123456789-abcdef\r\n").expect_success().json();
    assert_eq!((&taken["imported"], &taken["key"]), (&true.into(), &serde_json::Value::Null), "{taken}");
    let again = import(&[], b"legacy-key-0123456789-abcdef");
    assert!(again.code == Some(1) && again.stderr.contains("already"), "{again}");
    std::fs::write(house.path().join("foreign"), "legacy-key-ABCDEFGHIJ-987654\n").unwrap();
    let told = import(&["--file", "foreign"], b"").expect_success().stdout;
    assert!(told.contains("only its hash is kept") && !told.contains("ABCDEFGHIJ"), "{told}");
    for (stdin, word) in [
        (&b"\n"[..], "no key"),
        (b"short", "16"),
        (b"legacy-key-0123456789-one\nlegacy-key-0123456789-two", "more than one line"),
        (&[b'a'; 5000], "more than a key"),
        (b"\xff\xfe\x00\x01", "as text"),
    ] {
        let output = import(&[], stdin);
        assert!(output.code == Some(1) && output.stderr.contains(word), "{word}: {output}");
    }
    house.fails(&["keys", "import", "ada", "--file", "nowhere"], &["nowhere"]);
}
