//! Everything but `keys`, without a gate.

use std::fs::File;

use crate::house::House;

#[test]
fn acts_without_a_gate_say_so_and_not_in_the_json() {
    let house = House::new();
    let made = house.run(&["consumers", "create", "ada", "--plan", "free", "--json"]).expect_success();
    assert_eq!(made.stderr.trim_end(), format!("no gate is running: done in `{}` directly", data_dir(&house)));
    assert_eq!((&made.json()["name"], &made.json()["plan"]), (&"ada".into(), &"free".into()));
    house.fails(&["consumers", "create", "ada"], &["`ada` exists already"]);
    house.fails(&["consumers", "create", "bob", "--plan", "silver"], &["`silver`", "`free`, `gold`"]);
    house.fails(&["consumers", "create", "b b"], &["`b b`"]);
    house.fails(&["reload"], &["no gate is running", "callgate serve"]);
    house.fails(&["log", "--follow"], &["no gate is running"]);
    house.fails(&["upstreams"], &["no gate is running", "callgate check"]);
}

fn data_dir(house: &House) -> String {
    house.path().canonicalize().unwrap().join("callgate-data").display().to_string()
}

#[test]
fn consumers_are_listed_moved_and_removed_with_their_keys() {
    let house = House::with_ada();
    let told = house.done(&["consumers", "create", "bob", "-c", "callgate.yaml"]);
    assert!(told.contains("next: callgate keys create bob -c callgate.yaml"), "{told}");
    let (one, _) = house.key("ada", &[]);
    let (two, _) = house.key("ada", &[]);
    assert!(house.done(&["consumers", "list"]).contains("free"));
    assert!(house.done(&["consumers", "plan", "ada", "gold"]).contains("`gold`"));
    assert_eq!(house.json(&["consumers", "show", "ada"])["plan"], "gold");
    house.fails(&["consumers", "plan", "ada", "silver"], &["`silver`"]);
    assert_eq!(house.json(&["consumers", "plan", "ada", "--none"])["plan"], serde_json::Value::Null);
    // Neither a plan nor --none would be a guess.
    assert_eq!(house.run(&["consumers", "plan", "ada"]).code, Some(2));
    let told = house.done(&["consumers", "remove", "ada"]);
    assert!(told.contains("its 2 keys") && told.contains(&one) && told.contains(&two), "{told}");
    house.fails(&["consumers", "remove", "ada"], &["no consumer `ada`"]);
    house.fails(&["consumers", "show", ".."], &[".."]);
    assert!(house.done(&["consumers", "remove", "bob"]).contains("it had no keys"));
}

#[test]
fn plans_are_those_of_the_file_before_anything_has_run() {
    let house = House::new();
    assert!(house.done(&["plans"]).contains("100/s burst 200"));
    assert_eq!(house.json(&["plans", "list"])["plans"][0]["quotas"][0], "1000/day");
    assert!(!house.path().join("callgate-data").exists(), "looking at plans makes no data folder");
    house.fails(&["consumers", "list"], &["callgate-data", "has not run yet"]);
    house.done(&["consumers", "create", "ada", "--plan", "free"]);
    let counted = house.done(&["plans"]);
    let of = |plan: &str| counted.lines().find(|line| line.contains(plan)).and_then(|line| line.chars().last());
    assert_eq!((of("free"), of("gold")), (Some('1'), Some('0')), "{counted}");
    assert_eq!(house.json(&["plans"])["plans"][0]["consumers"], 1);
    // A plan that is gone from the file holds nobody to anything: that must not go unseen.
    let file = house.path().join("callgate.yaml");
    let without = std::fs::read_to_string(&file).unwrap().replace("  free:", "  basic:");
    std::fs::write(&file, without).unwrap();
    assert!(house.done(&["plans"]).contains("`ada` is on `free`, which the configuration does not have"));
}

#[test]
fn every_act_is_audited_and_a_changed_log_is_found_out() {
    let house = House::with_ada();
    let (id, _) = house.key("ada", &[]);
    house.done(&["keys", "revoke", &id]);
    let acts = |options: &[&str]| {
        let listed = house.json(&[&["audit", "list"], options].concat());
        let acts = listed["entries"].as_array().unwrap().iter().map(|entry| entry["act"].as_str().unwrap().to_owned());
        acts.collect::<Vec<_>>()
    };
    assert_eq!(acts(&[]), ["consumer.create", "key.create", "key.revoke"]);
    assert_eq!(acts(&["--act", "key", "--limit", "1"]), ["key.revoke"]);
    assert_eq!(acts(&["--subject", "ada", "--since", "1h"]), ["consumer.create"]);
    assert_eq!(acts(&["--actor", "token:nobody"]), [""; 0]);
    house.fails(&["audit", "list", "--since", "yesterday"], &["since", "`yesterday`"]);
    let told = house.done(&["audit", "list"]);
    assert!(told.find("consumer.create") < told.find("key.revoke"), "newest last: {told}");
    assert!(house.done(&["audit", "verify"]).contains("intact: 3 entries"));

    let file = house.path().join("callgate-data/callgate.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let (before, after) = (br#""plan":"free""#, br#""plan":"gold""#);
    let place = bytes.windows(before.len()).position(|window| window == before).unwrap();
    bytes[place..place + after.len()].copy_from_slice(after);
    std::fs::write(&file, bytes).unwrap();
    let verdict = house.run(&["audit", "verify"]);
    assert!(verdict.code == Some(1) && verdict.stdout.contains("BROKEN at entry 1"), "{verdict}");
    let verdict = house.run(&["audit", "verify", "--json"]);
    assert!(verdict.code == Some(1) && verdict.json()["verdict"] == "broken", "{verdict}");
}

#[test]
fn a_folder_that_somebody_holds_is_named() {
    let house = House::with_ada();
    let lock = File::options().write(true).open(house.path().join("callgate-data/lock")).unwrap();
    lock.lock().unwrap();
    house.fails(&["keys", "list"], &["callgate-data", "held by"]);
    house.fails(&["restore", "nowhere", "--data-dir", "callgate-data"], &["nowhere"]);
    lock.unlock().unwrap();
    house.done(&["keys", "list"]);
}

#[test]
fn a_backup_comes_back_where_nothing_was() {
    let house = House::with_ada();
    let (id, _) = house.key("ada", &[]);
    let told = house.done(&["backup", "copy"]);
    assert!(told.contains("callgate.db") && told.contains("callgate restore"), "{told}");
    house.fails(&["backup", "copy"], &["copy", "not empty"]);
    house.done(&["keys", "revoke", &id]);
    house.fails(&["restore", "copy"], &["callgate-data", "not empty"]);
    let restored = house.json(&["restore", "copy", "--data-dir", "elsewhere"]);
    assert_eq!(restored["data_dir"], "elsewhere");
    assert_eq!(house.json(&["keys", "show", &id, "--data-dir", "elsewhere"])["standing"], "active");
    assert_eq!(house.json(&["keys", "show", &id])["standing"], "revoked");
    std::fs::remove_dir_all(house.path().join("callgate-data")).unwrap();
    assert!(house.done(&["restore", "copy"]).contains("is as it was at"));
    assert_eq!(house.json(&["audit", "verify"])["verdict"], "intact");
}

#[test]
fn admin_tokens_are_shown_once() {
    let house = House::new();
    let token = house.json(&["admin-tokens", "create", "ci", "--role", "read"])["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("cga_"), "{token}");
    house.fails(&["admin-tokens", "create", "ci", "--role", "write"], &["`ci` exists already"]);
    let listed = house.done(&["admin-tokens", "list"]);
    assert!(listed.contains("ci") && listed.contains("read") && !listed.contains(&token), "{listed}");
    assert!(house.done(&["admin-tokens", "remove", "ci"]).contains("`ci` is removed"));
    house.fails(&["admin-tokens", "remove", "ci"], &["`ci`"]);
    assert_eq!(house.run(&["admin-tokens", "create", "ci", "--role", "root"]).code, Some(2));
}

#[test]
fn which_gate_is_said_in_one_way() {
    let house = House::with_ada();
    house.done(&["consumers", "list", "-c", "callgate.yaml"]);
    house.done(&["consumers", "list", "--data-dir", "callgate-data"]);
    house.fails(&["consumers", "list", "-c", "nowhere.yaml"], &["nowhere.yaml"]);
    house.fails(&["consumers", "list", "--data-dir", "nowhere"], &["nowhere"]);
    house.fails(&["consumers", "list", "--admin", "https://127.0.0.1:1"], &["CALLGATE_ADMIN_TOKEN"]);
    assert_eq!(house.run(&["consumers", "list", "--data-dir", "a", "--admin", "https://127.0.0.1:1"]).code, Some(2));
}

#[test]
fn calls_that_nobody_made_are_not_found() {
    let house = House::with_ada();
    assert_eq!(house.done(&["log", "find", "--json"]), "");
    assert!(house.run(&["log"]).expect_success().stderr.contains("no such call"));
    assert_eq!(house.json(&["stats"])["total"]["calls"], 0);
    assert!(house.done(&["stats", "--once"]).contains("no calls yet"));
    house.fails(&["log", "find", "--status", "9xx"], &["status", "`9xx`"]);
    house.fails(&["log", "find", "--code", "nope"], &["code", "`nope`"]);
    house.fails(&["log", "find", "--key", "nope"], &["8 letters or digits"]);
    house.fails(&["log", "find", "--limit", "0"], &["limit"]);
    house.fails(&["stats", "--since", "soon"], &["since", "`soon`"]);
}
